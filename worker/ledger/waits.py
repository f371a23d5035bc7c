"""What lies ahead, when the ledger's clock is put back: it comes back by as much.

PostgreSQL's clock steps where its host's does, and another server may take over; SQLite's goes on
from the machine's clock after each boot. What was to last ten seconds would else last for the whole
step, and a lease that is held would count as one that cannot be. `target.seen_at` is the latest
time that was noted, so that nothing becomes shorter than it was meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import structlog
from sqlalchemy import case, or_, select, true, update

from worker.ledger import schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Connection, Table

log = structlog.get_logger(__name__)

_TOLERANCE = 5.0
"""Seconds that a clock may be put back without a word: waits are that much longer then."""


class _Moments(NamedTuple):
    """Columns of a table that say until when, or since when, something waits."""

    table: Table
    columns: tuple[str, ...]
    where: ColumnElement[bool] = true()


_AHEAD = (
    _Moments(
        schema.target,
        (
            "seen_at",
            "paused_until",
            "raises_paused_until",
            "next_free",
            "rate_changed_at",
            "login_at",
        ),
    ),
    _Moments(schema.source, ("next_at", "next_full_at", "read_at", "paused_until", "lease_until")),
    _Moments(schema.channel, ("next_at", "lease_until")),
    _Moments(schema.stock_list, ("seen_at", "stopped_until")),
    _Moments(schema.batch, ("lease_until",), schema.batch.c.status == "sending"),
    _Moments(schema.level, ("not_before", "withheld_until", "claim_until", "override_until")),
    _Moments(schema.confirmation, ("since",), schema.confirmation.c.state == "waiting"),
)


def keep_pace(connection: Connection, clock: Callable[[Connection], float]) -> None:
    """Note how far the ledger's clock has come, after what `follow` does."""
    follow(connection, clock)
    connection.execute(update(schema.target).values(seen_at=clock(connection)))


def follow(connection: Connection, clock: Callable[[Connection], float]) -> float:
    """Bring back what lies ahead if the clock was put back; returns by how many seconds.

    Costs one small query where it was not.
    """
    if _step(connection, clock) <= _TOLERANCE:
        return 0.0
    connection.execute(select(schema.target.c.id).with_for_update())  # one of many does it
    step = _step(connection, clock)
    if step <= _TOLERANCE:
        return 0.0
    now = clock(connection)
    for moments in _AHEAD:
        _bring_back(connection, moments, step=step, now=now)
    log.warning("clock_put_back", seconds=round(step))
    return step


def _step(connection: Connection, clock: Callable[[Connection], float]) -> float:
    seen = connection.execute(select(schema.target.c.seen_at)).scalar_one()
    return float(seen) - clock(connection)


def _bring_back(connection: Connection, moments: _Moments, *, step: float, now: float) -> None:
    columns = [moments.table.c[name] for name in moments.columns]
    earlier = {column: case((column > now, column - step), else_=column) for column in columns}
    ahead = or_(*(column > now for column in columns))
    connection.execute(update(moments.table).where(ahead, moments.where).values(earlier))
