"""What has come to its end: leases of workers that died, overrides and pauses that are over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from worker.deliver.failing import crash_failure
from worker.ledger import batches, failures, holders, levels, pins, sources, target
from worker.model import PAGE_ROWS, BatchStatus, LineOutcome
from worker.planning import limiter
from worker.planning.levels import CRASHED, expired, survived

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from worker.model import Key
    from worker.planning.levels import Level
    from worker.planning.limiter import Target

WORKER_LOST = "worker_lost"


log = structlog.get_logger(__name__)


def shorten(connection: Connection, *, timeout: float, now: float) -> None:
    """Let the leases of workers that have ended end soon: they start no request any more.

    The last one that they started has the time that it would have had.
    """
    end = now + timeout
    for batch in batches.sending(connection, beyond=end):
        if holders.is_gone(batch.token):
            levels.end_claim(connection, batch.token, at=end)
            batches.change(connection, batch.id, lease_until=end)


def expire(connection: Connection, *, settle: float, longest: float, now: float) -> int:
    """Put the levels of dead workers in doubt, from their lease's end; returns how many."""
    lost = levels.expired(connection, now=now, longest=longest, limit=PAGE_ROWS)
    alone = batches.of_one(connection, {level.batch_id for level in lost.values()})
    after = [
        expired(level, settle=settle, now=now, alone=level.batch_id in alone)
        for level in lost.values()
    ]
    levels.save(connection, after)
    _tell(connection, [level for level in after if level.park_reason == CRASHED], lost, now)
    for batch in batches.overdue(connection, now=now):
        _give_up(connection, batch, now)
    return len(lost)


def end_overrides(connection: Connection, *, now: float) -> None:
    """Let what the ERP says go out again where a person's override is over."""
    if over := pins.end_over(connection, now=now):
        log.warning("overrides_ended", count=len(over), first=f"{over[0].stock_list}/{over[0].sku}")


def _tell(
    connection: Connection, crashed: Sequence[Level], lost: Mapping[Key, Level], now: float
) -> None:
    owners = sources.names_by_id(connection) if crashed else {}
    told = [
        crash_failure(level, batch_id=lost[level.key].batch_id, source=owners[level.source_id])
        for level in crashed
    ]
    failures.record(connection, told, now=now)


def woken(connection: Connection, keys: Sequence[Key], *, now: float) -> None:
    """Their worker was taken for dead and has only stood still: its lines had no part in it."""
    there = levels.by_keys(connection, keys, lock=True)
    counted = [one for one in there.values() if one.crashes and one.claim_token is None]
    levels.save(connection, map(survived, counted))
    wronged = [level.key for level in counted if level.park_reason == CRASHED]
    failures.close_items(connection, wronged, why="its worker had only stood still", now=now)


def end_pauses(connection: Connection, *, now: float) -> Target:
    """Let a person's pauses end that are over, each told once; returns the target, locked."""
    row = target.read(connection, lock=True)
    after, over = limiter.without_pauses_over(row, now=now)
    if over:
        target.save(connection, after)
    for what in over:
        log.warning("pause_ended", what=what)
    return after


def _give_up(connection: Connection, batch: batches.Batch, now: float) -> None:
    lines = [
        line._replace(outcome=LineOutcome.WAITING.value, reason=WORKER_LOST, at=now)
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
