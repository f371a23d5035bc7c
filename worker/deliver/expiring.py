"""What has come to its end: leases of workers that died, and overrides that are over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from worker.ledger import batches, levels, pins
from worker.model import BatchStatus, LineOutcome
from worker.planning.levels import expired

if TYPE_CHECKING:
    from sqlalchemy import Connection


log = structlog.get_logger(__name__)


def expire(connection: Connection, *, settle: float, longest: float, now: float) -> int:
    """Put the levels of dead workers in doubt, from their lease's end; returns how many."""
    lost = levels.expired(connection, now=now, longest=longest, limit=5_000)
    levels.save(connection, (expired(level, settle=settle, now=now) for level in lost.values()))
    for batch in batches.overdue(connection, now=now):
        _give_up(connection, batch, now)
    return len(lost)


def end_overrides(connection: Connection, *, now: float) -> None:
    """Let what the ERP says go out again where a person's override is over."""
    if over := pins.end_over(connection, now=now):
        log.warning("overrides_ended", count=len(over), first=f"{over[0].stock_list}/{over[0].sku}")


def _give_up(connection: Connection, batch: batches.Batch, now: float) -> None:
    lines = [
        line._replace(outcome=LineOutcome.WAITING.value, reason="worker_lost", at=now)
        for line in batches.lines_of(connection, batch.id)
        if line.outcome is None
    ]
    batches.record(connection, lines)
    batches.change(
        connection,
        batch.id,
        status=BatchStatus.LOST,
        reason="its worker ended or stood still; the lines rest, then their current value goes",
        waiting=batch.waiting + len(lines),
        ended_at=now,
    )
