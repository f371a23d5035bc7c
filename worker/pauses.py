"""Pauses that people ordered and that have come to their end: told once, and taken off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from worker.deliver.expiring import end_pauses
from worker.ledger import sources

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.ledger import Ledger

log = structlog.get_logger(__name__)


def end_over(ledger: Ledger) -> None:
    """Take off what is over, of sources and of the target. Raises LedgerUnreachable."""
    ledger.write(lambda connection: _end_over(connection, ledger.now(connection)))


def _end_over(connection: Connection, now: float) -> None:
    end_pauses(connection, now=now)
    for source in sources.every(connection):
        if source.paused_until is not None and not source.paused(now):
            sources.change(connection, source.id, paused_until=None)
            log.warning("pause_ended", what="source", source=source.name)
