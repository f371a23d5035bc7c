"""What must be done now and then, however often it is called: each piece knows when it is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from worker.ledger import lists, retention, target
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
        if self._sweep_is_due():
            self.sweep()
        if self._lists_are_due():
            self._service.run(lambda: prepare(self._service))

    def sweep(self) -> None:
        """Delete what is older than it is kept, in small transactions."""
        gone = retention.sweep(self._service.ledger, stopped=self._service.stopped)
        self._swept_at = boottime()
        if any(gone.values()):
            log.info("swept", **gone)

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
