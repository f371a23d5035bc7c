"""What one ring sets off: look into the ledger whether anything is due, and do it.

Knows no broker: whoever calls says how to ring for the next piece of work.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from worker.errors import UsageError
from worker.ledger import levels, migrating, sources, target
from worker.model import PullStatus
from worker.planning.schedule import is_due
from worker.pull import pull_source
from worker.pull.lease import LeaseLost, SourceBusy, SourcePaused
from worker.sync import require_target
from worker.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from worker.bootstrap import Service
    from worker.ledger.sources import Source
    from worker.model import ChannelPlan

log = structlog.get_logger(__name__)

DELIVER_SECONDS = 5.0
"""How long one delivery may go on before it lets others have their turn."""

HEARTBEAT_SECONDS = 10.0


class _Stopped(Exception):  # noqa: N818 - named by what happened
    """The process ends; what was read so far is read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chores:
    """The work of the service's processes. ring: wakes whoever does a task, by its name.

    Each piece raises LedgerNotReady where the ledger was migrated since this process started.
    """

    service: Service
    ring: Callable[..., object]
    _upkeep: list[Upkeep] = field(default_factory=list)

    def pull(self, name: object) -> None:
        """Pull a source if it is due, and have what it changed delivered.

        Raises UsageError for what is no configured source.
        """
        self._require_ledger()
        plan = self.service.source(str(name))
        if not self._pull_is_due(plan.name):
            return
        turn = replace(self.service.turn(plan.name), on_progress=self._go_on)
        try:
            reports = pull_source(turn)
        except (SourceBusy, SourcePaused, LeaseLost) as error:
            log.debug("pull_left_to_others", source=plan.name, reason=str(error))
        except _Stopped:
            log.info("pull_interrupted", source=plan.name)
        else:
            if any(report.status == PullStatus.APPLIED or report.eased for report in reports):
                self.ring("deliver")

    def _pull_is_due(self, name: str) -> bool:
        with self.service.ledger.read() as connection:
            source = sources.named(connection, name)
            return source is not None and self._due(connection, source)

    def _due(self, connection: Connection, source: Source) -> bool:
        now = self.service.ledger.now(connection)
        if source.paused(now):
            return False
        plan = self.service.source(source.name)
        full = plan.full_cron is not None and source.next_full_at <= now
        return full or is_due(
            source.next_at, cron=plan.cron, every=plan.every, timezone=plan.timezone, now=now
        )

    def _go_on(self, _label: str, _rows: int) -> None:
        if self.service.stopped():
            raise _Stopped

    def deliver(self) -> None:
        """Deliver for some seconds if anything is due, and ring again if work is left.

        Raises WrongTarget before the first write to another Omnitron than the ledger's.
        """
        self._require_ledger()
        self._beat()
        if not self._anything_to_deliver():
            return
        require_target(self.service)
        courier = self.service.courier()
        run = self.service.run(lambda: courier.run(seconds=DELIVER_SECONDS))
        if run.wait == 0 and not self.service.stopped():
            self.ring("deliver")

    def _anything_to_deliver(self) -> bool:
        ledger = self.service.ledger
        with ledger.read() as connection:
            now = ledger.now(connection)
            return (
                levels.any_due(connection)
                or levels.any_claimed(connection)
                or levels.any_unknown(connection, now=now)
                or levels.any_pin_over(connection, now=now)
            )

    def _beat(self) -> None:
        ledger = self.service.ledger
        with ledger.read() as connection:
            last = target.heartbeat(connection) or 0.0
            fresh = abs(ledger.now(connection) - last) < HEARTBEAT_SECONDS
        if not fresh:
            ledger.write(
                lambda connection: target.beat(
                    connection, now=ledger.now(connection), every=HEARTBEAT_SECONDS / 2
                )
            )

    def confirm(self, channel_id: object) -> None:
        """Look at a channel if it is due. Raises UsageError for what is no configured channel."""
        self._require_ledger()
        channel = self._channel(channel_id)
        self.service.run(lambda: self.service.watcher().poll(channel))

    def _channel(self, channel_id: object) -> ChannelPlan:
        for channel in self.service.channels:
            if channel.id == channel_id:
                return channel
        known = ", ".join(str(channel.id) for channel in self.service.channels) or "none"
        raise UsageError(
            f"there is no channel {str(channel_id)[:40]!r}", remedy=f"the configured ones: {known}"
        )

    def upkeep(self) -> None:
        """Do what must be done now and then; it knows itself what is due."""
        self._require_ledger()
        if not self._upkeep:
            self._upkeep.append(Upkeep(self.service))
        self._upkeep[0].run()

    def _require_ledger(self) -> None:
        """A newer program may count on rules that this one does not know."""
        migrating.require(self.service.ledger)
