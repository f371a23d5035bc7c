"""What workers left behind that died or stood still: their levels are in doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.ledger import batches, levels
from worker.model import BatchStatus, LineOutcome
from worker.planning.levels import expired

if TYPE_CHECKING:
    from sqlalchemy import Connection


def expire(connection: Connection, *, settle: float, longest: float, now: float) -> int:
    """Put the levels of dead workers in doubt, from their lease's end; returns how many."""
    lost = levels.expired(connection, now=now, longest=longest, limit=5_000)
    levels.save(connection, (expired(level, settle=settle, now=now) for level in lost.values()))
    for batch in batches.overdue(connection, now=now):
        _give_up(connection, batch, now)
    return len(lost)


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
