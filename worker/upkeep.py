"""What must be done now and then, however often it is called: each piece knows when it is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from connectors.errors import ConnectorError
from worker import pauses, staleness, zeroing
from worker.ledger import lists, retention, sources, target, waits
from worker.ledger.clock import boottime
from worker.planning import limiter
from worker.sync import prepare

if TYPE_CHECKING:
    from worker.bootstrap import Service

log = structlog.get_logger(__name__)

LISTS_EVERY = 300.0
SWEEP_EVERY = 3_600.0


class Upkeep:
    """The upkeep of one process. Two that do it at once do no harm."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._swept_at: float | None = None

    def run(self) -> None:
        """Do what is due. Raises OmnitronUnreachable, WrongTarget and LedgerUnreachable."""
        ledger = self._service.ledger
        ledger.write(lambda connection: waits.keep_pace(connection, ledger.now))
        pauses.end_over(ledger)
        staleness.watch(ledger, self._service.sources)
        zeroing.zero_unread(ledger, self._service.sources, stopped=self._service.stopped)
        if self._sweep_is_due():
            self.sweep()
        if self._lists_are_due():
            self._service.run(lambda: prepare(self._service))

    def sweep(self) -> None:
        """Delete what is older than it is kept, in small transactions."""
        told = self._service.loaded.settings.retention
        kept = retention.Kept(history=told.history, failures=told.failures)
        gone = retention.sweep(self._service.ledger, kept, stopped=self._service.stopped)
        gone["file"] = sum(self._expire(name, told.files) for name in self._service.sources)
        self._service.ledger.write(sources.end_retiring)
        self._swept_at = boottime()
        if any(gone.values()):
            log.info("swept", **gone)

    def _expire(self, name: str, seconds: float) -> int:
        """Delete a source's old leftovers; one that cannot be reached is swept next time."""
        try:
            return self._service.connector(name).expire(seconds)
        except ConnectorError as error:
            log.warning("expire_failed", source=name, reason=error.message)
            return 0

    def _sweep_is_due(self) -> bool:
        return self._swept_at is None or boottime() - self._swept_at >= SWEEP_EVERY

    def _lists_are_due(self) -> bool:
        """Whether Omnitron's lists were last read a while ago, and it can be asked at all."""
        ledger = self._service.ledger
        with ledger.read() as connection:
            now = ledger.now(connection)
            if limiter.closed_for(target.read(connection), now=now):
                return False
            seen = [row.seen_at for row in lists.every(connection) if row.seen_at is not None]
        return max(seen, default=0.0) <= now - LISTS_EVERY
