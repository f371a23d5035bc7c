"""Claiming levels: which go next, each to one sender only, by one statement a kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from worker.ledger import bulk
from worker.ledger.levels import ASK_AGAIN, CAN_GO, LOWERING
from worker.model import Claimed, Key, Value
from worker.planning.levels import together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

_MAY_GO = (
    "withheld_until <= ? AND NOT retired"
    " AND stock_list NOT IN (SELECT id FROM stock_list WHERE stopped_until > ?)"
)
_RESTED = f"{CAN_GO} AND not_before <= ?"
_SUSPECT = (
    "crashes > 0 AND revision - sent_revision > 0 AND claim_token IS NULL AND park_reason IS NULL"
    " AND not_before <= ?"
)
"""Written so that no index of all due levels fits: only the one of the few whose workers died."""
_RESULT = (
    "level.stock_list, level.sku, coalesce(level.override_stock, level.stock), level.unit_type,"
    " level.sold, level.extra, level.revision, level.rank, level.attempts, level.park_reason"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """Under which token and batch, and until when (ledger time), levels are claimed.

    raises: whether levels that would rise may go (`target pause --raises`).
    """

    token: str
    batch_id: int
    until: float
    raises: bool = True


class Lane(NamedTuple):
    """Which levels may be picked, and in which order. The condition has one ``?``: now."""

    condition: str
    order: str


BY_RANK = Lane(f"{_RESTED} AND crashes = 0", "rank, due_since")
OLDEST = Lane(f"{_RESTED} AND crashes = 0", "due_since")
UNKNOWN = Lane(ASK_AGAIN, "not_before")


def claim(connection: Connection, ticket: Ticket, *, limit: int, now: float) -> list[Claimed]:
    """Claim up to ``limit`` levels. What comes back is what is sent.

    Levels whose workers died are tried by themselves, every second time, so that they cost the
    others nothing.
    """
    if ticket.batch_id % 2:
        return _suspects(connection, ticket, limit, now) or _usual(connection, ticket, limit, now)
    return _usual(connection, ticket, limit, now) or _suspects(connection, ticket, limit, now)


def _usual(connection: Connection, ticket: Ticket, limit: int, now: float) -> list[Claimed]:
    """At most a tenth of unknown products, a tenth simply the oldest, the rest by rank.

    The tenths are kept over many small batches too. Where fewer than wanted go by rank, none are
    left that might go by age: very many that may not go are looked through once, not twice.
    """
    unknown = _claim(connection, ticket, UNKNOWN, _tenth(ticket.batch_id + 5, limit), now)
    oldest = min(_tenth(ticket.batch_id, limit), limit - len(unknown))
    wanted = limit - len(unknown) - oldest
    by_rank = _claim(connection, ticket, BY_RANK, wanted, now)
    by_age = _claim(connection, ticket, OLDEST, oldest if len(by_rank) == wanted else 0, now)
    return [*unknown, *by_rank, *by_age]


def _tenth(number: int, limit: int) -> int:
    """The share of a tenth in the batch of this number; one in ten batches where they are small."""
    return number * limit // 10 - (number - 1) * limit // 10


def _suspects(connection: Connection, ticket: Ticket, limit: int, now: float) -> list[Claimed]:
    """Levels that saw as many workers die, the most first, and no more than may go together."""
    condition = f"{_SUSPECT} AND {_allowed(raises=ticket.raises)}"
    statement = f"SELECT max(crashes) FROM level WHERE {condition}"
    sql = bulk.driver_sql(connection, statement)
    crashes = connection.exec_driver_sql(sql, (now, now, now)).scalar()
    if crashes is None:
        return []
    lane = Lane(f"{_SUSPECT} AND crashes = {int(crashes)}", "due_since")
    return _claim(connection, ticket, lane, min(limit, together(crashes) or limit), now)


def pick(lane: Lane, *, raises: bool) -> str:
    """The statement that finds a lane's levels; its ``?`` are three times now, and how many."""
    condition = f"{lane.condition} AND {_allowed(raises=raises)}"
    return f"SELECT stock_list, sku FROM level WHERE {condition} ORDER BY {lane.order} LIMIT ?"


def _allowed(*, raises: bool) -> str:
    return _MAY_GO if raises else f"{_MAY_GO} AND rank IN ({LOWERING})"


def _claim(
    connection: Connection, ticket: Ticket, lane: Lane, limit: int, now: float
) -> list[Claimed]:
    if limit <= 0:
        return []
    picking = pick(lane, raises=ticket.raises)
    claims: tuple[object, ...] = (ticket.token, ticket.until, ticket.batch_id)
    picks: tuple[object, ...] = (now, now, now, limit)
    if connection.dialect.name == "sqlite":
        statement, arguments = _sqlite(picking), claims + picks
    else:
        statement, arguments = _postgres(picking), picks + claims
    rows = connection.exec_driver_sql(bulk.driver_sql(connection, statement), arguments)
    return [_claimed(row) for row in rows]


_CHANGE = "claim_token = ?, claim_until = ?, batch_id = ?"


def _sqlite(picking: str) -> str:
    result = _RESULT.replace("level.", "")
    return f"UPDATE level SET {_CHANGE} WHERE (stock_list, sku) IN ({picking}) RETURNING {result}"


def _postgres(picking: str) -> str:
    return (
        f"WITH picked AS MATERIALIZED ({picking} FOR UPDATE SKIP LOCKED)"
        f" UPDATE level SET {_CHANGE} FROM picked"
        " WHERE level.stock_list = picked.stock_list AND level.sku = picked.sku"
        f" RETURNING {_RESULT}"
    )


def _claimed(row: Sequence[Any]) -> Claimed:
    return Claimed(
        Key(row[0], row[1]), Value(*row[2:6]), row[6], row[7], row[8], unknown=row[9] is not None
    )
