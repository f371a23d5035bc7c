"""Celery beat with a schedule in memory: it only rings, the ledger decides what is due.

So a second beat, one that was down for an hour, or a clock that steps do no harm.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import structlog
from celery.beat import Scheduler
from celery.beat import Service as BeatService

from worker.doorbell import ring

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger(__name__)

LONGEST_NAP = 1
"""So soon beat hears that it is to end."""


class Rings:
    """When to ring for what, on a clock that never steps. schedule: name -> seconds between."""

    def __init__(self, schedule: dict[str, float], *, now: float) -> None:
        self._every = schedule
        self._next = dict.fromkeys(schedule, now)

    def due(self, now: float) -> list[str]:
        """What is to be rung for now; each is due again after its time, never to catch up."""
        names = [name for name, moment in self._next.items() if moment <= now]
        for name in names:
            self._next[name] = now + self._every[name]
        return names

    def wait(self, now: float) -> float:
        """Seconds until something is due."""
        return max(min(self._next.values(), default=now + LONGEST_NAP) - now, 0.0)


class BellScheduler(Scheduler):
    """Rings for the entries of `beat_schedule`; keeps no file, survives its broker."""

    def setup_schedule(self) -> None:
        """Take the entries as they are configured."""
        entries: dict[str, dict[str, Any]] = self.app.conf.beat_schedule
        self._entries = entries
        every = {name: float(entry["schedule"]) for name, entry in entries.items()}
        self._rings = Rings(every, now=time.monotonic())

    def tick(self, *_arguments: object, **_fields: object) -> float:
        """Ring for what is due; returns the seconds to sleep."""
        for name in self._rings.due(time.monotonic()):
            entry = self._entries[name]
            if not ring(self.app, entry["task"], *entry["args"]):
                break  # the broker is away or full: no need to try for each
        return min(self._rings.wait(time.monotonic()), LONGEST_NAP)

    def sync(self) -> None:
        """Nothing is kept."""

    @property
    def info(self) -> str:
        """What Celery shows of it."""
        return f"    . entries -> {len(self._entries)}"


def serve(app: Celery) -> int:
    """Ring until a signal comes; returns the signal."""
    service = BeatService(app, scheduler_cls=BellScheduler, max_interval=LONGEST_NAP)
    heard: list[int] = []

    def stop(number: int, _frame: object) -> None:
        heard.append(number)
        service.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    log.info("beat_ready", entries=len(app.conf.beat_schedule))
    service.start()
    log.info("beat_ended")
    return heard[0] if heard else 0
