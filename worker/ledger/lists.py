"""Omnitron's stock lists as last seen, and which of them stand still."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from worker.ledger import schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from worker.model import StockList

_table = schema.stock_list


class KnownList(NamedTuple):
    """A row of the `stock_list` table."""

    id: int
    name: str
    code: str
    seen_at: float | None
    stopped_reason: str | None
    stopped_until: float
    stops: int


def every(connection: Connection) -> list[KnownList]:
    """All lists, by number."""
    query = select(*(_table.c[name] for name in KnownList._fields)).order_by(_table.c.id)
    return [KnownList._make(row) for row in connection.execute(query)]


def by_code(connection: Connection) -> dict[str, int]:
    """Code ("the list id in ERP") -> list, of the lists seen."""
    return {row.code: row.id for row in every(connection) if row.code and row.seen_at is not None}


def seen(connection: Connection, lists: Iterable[StockList], *, now: float) -> None:
    """Remember what Omnitron has; a list that is new there goes on at once."""
    seen_before = {row.id for row in every(connection) if row.seen_at is not None}
    for known in lists:
        values = {"name": known.name, "code": known.code, "seen_at": now}
        _put(connection, known.pk, values)
        if known.pk not in seen_before:
            go_on(connection, [known.pk])


def stop(
    connection: Connection, stock_list: int, *, reason: str, now: float, first_pause: float = 60.0
) -> None:
    """Let a list rest that Omnitron refuses; longer each time, at most an hour.

    Several workers that were refused at one time are one time.
    """
    query = select(_table.c.stops, _table.c.stopped_until).where(_table.c.id == stock_list)
    before = connection.execute(query.with_for_update()).first()
    stops, until = (0, 0.0) if before is None else before
    if until > now:
        return
    pause = min(first_pause * 2.0 ** min(stops, 8), 3600.0)
    values = {"stopped_reason": reason, "stopped_until": now + pause, "stops": stops + 1}
    _put(connection, stock_list, values)


def go_on(connection: Connection, stock_lists: Iterable[int] | None = None) -> None:
    """Let lists go on; None: all."""
    statement = update(_table).values(stopped_until=0.0, stopped_reason=None, stops=0)
    if stock_lists is not None:
        statement = statement.where(_table.c.id.in_(list(stock_lists)))
    connection.execute(statement.where(_table.c.stops > 0))


def forget(connection: Connection) -> None:
    """These lists were another Omnitron's: none counts as seen, none stands still."""
    connection.execute(update(_table).values(seen_at=None))
    go_on(connection)


def _put(connection: Connection, number: int, values: dict[str, object]) -> None:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(_table).values(id=number, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
