"""The Celery tasks: one call each. They take a configured name or number, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from celery import Task

from worker.celery_app import create
from worker.chores import Chores
from worker.doorbell import ring
from worker.errors import StocksyncError
from worker.stopping import StopFlag

if TYPE_CHECKING:
    from celery import Celery

    from worker.bootstrap import Service

log = structlog.get_logger(__name__)

BELL_SECONDS = 5.0
"""How often a source or a channel is rung for at the least; the ledger decides what is due."""

PULL_LIMIT = 12 * 3600.0
CONFIRM_LIMIT = 600.0


class Chore(Task[Any, None]):
    """What every task has in common: its log context, SIGTERM, and how an error is told."""

    abstract = True
    stop: StopFlag

    def __call__(self, *args: Any) -> None:
        """Run it. An expected error is one line of log; all else is Celery's to report."""
        with structlog.contextvars.bound_contextvars(task=self.name), self.stop.hearing_sigterm():
            try:
                self.run(*args)
            except StocksyncError as error:
                log.warning(
                    error.kind, reason=error.message, remedy=error.remedy, place=error.place
                )


def application(service: Service, *, broker_url: str, stop: StopFlag | None = None) -> Celery:
    """Make the Celery application with its tasks and its beat schedule; connects to nothing.

    stop: what ends the work of its workers early.
    """
    app = create(instance=service.instance, broker_url=broker_url)
    chores = Chores(service=service, ring=lambda task, *args: ring(app, task, *args))
    install(app, chores, stop=stop or StopFlag())
    app.conf.beat_schedule = schedule(service)
    return app


def install(app: Celery, chores: Chores, *, stop: StopFlag) -> None:
    """Give the application its tasks."""
    base = type("Chore", (Chore,), {"abstract": True, "stop": stop})
    deliver_limit = 60.0 + 10 * chores.service.target.timeout

    def options(name: str, limit: float) -> dict[str, Any]:
        return {
            "name": name,
            "base": base,
            "shared": False,  # of this application alone
            "time_limit": limit,
            "ignore_result": True,
            "acks_late": False,
            "serializer": "json",
        }

    def pull(name: str) -> None:
        chores.pull(name)

    def deliver() -> None:
        chores.deliver()

    def confirm(channel_id: int) -> None:
        chores.confirm(channel_id)

    def upkeep() -> None:
        chores.upkeep()

    app.task(**options("pull", PULL_LIMIT))(pull)
    app.task(**options("deliver", deliver_limit))(deliver)
    app.task(**options("confirm", CONFIRM_LIMIT))(confirm)
    app.task(**options("upkeep", CONFIRM_LIMIT))(upkeep)


def _bell(every: float | None) -> float:
    """Ring twice in each period, for a ring that comes just before the time does nothing."""
    return BELL_SECONDS if every is None else max(0.5, min(every / 2, BELL_SECONDS))


def schedule(service: Service) -> dict[str, dict[str, Any]]:
    """What beat rings, and how often in seconds."""
    entries: dict[str, dict[str, Any]] = {
        "deliver": {"task": "deliver", "schedule": 1.0, "args": ()},
        "upkeep": {"task": "upkeep", "schedule": 30.0, "args": ()},
    }
    for source in service.sources.values():
        every = _bell(source.every)
        entries[f"pull {source.name}"] = {"task": "pull", "schedule": every, "args": (source.name,)}
    for channel in service.channels:
        every = _bell(channel.poll)
        entries[f"confirm {channel.id}"] = {
            "task": "confirm",
            "schedule": every,
            "args": (channel.id,),
        }
    return entries
