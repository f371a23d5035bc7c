"""Levels in the ledger: read and written by keys, claimed, found by state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker import model
from worker.ledger import bulk, schema
from worker.planning.levels import UNKNOWN_PRODUCT, Level

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from worker.model import Key

_COLUMNS = Level._fields
_NAMES = ", ".join(f"level.{name}" for name in _COLUMNS)
_KEYED = "(level.stock_list = k.stock_list AND level.sku = k.sku)"
_IN_STOCK = " AND stock > 0 AND NOT retired"
_ZEROED = "vetted_stock IS NOT NULL AND stock = 0"
"""The condition of `planning.levels.Level.zeroed`, for the index of what was not vetted."""
LOWERING = ", ".join(f"{rank:d}" for rank in sorted(model.LOWERING))
CAN_GO = "revision > sent_revision AND claim_token IS NULL AND park_reason IS NULL"
"""The condition of the partial index of due levels, word for word."""
RAISING = f"rank NOT IN ({LOWERING})"
"""The condition of what waits while increases are paused."""
_PIN_OVER = "override_stock IS NOT NULL AND override_until <= ?"
_UNKNOWN = (
    f"park_reason = '{UNKNOWN_PRODUCT}' AND NOT retired"
    " AND source_id + 0 = ? AND stock_list + 0 = ?"
)
"""Written so that of all indexes only the one of parked levels fits."""
ASK_AGAIN = (
    f"park_reason = '{UNKNOWN_PRODUCT}' AND not_before <= ?"
    " AND claim_token IS NULL AND revision > sent_revision"
)
"""The condition of what Omnitron did not know and is to be asked for again."""


_LOOKED_AT = 10_000
_FEW_IN_ORDER = "stock_list + 0, sku"
"""In key order, found by the condition: not by going through all levels, which have that order."""


def by_keys(
    connection: Connection, keys: Iterable[tuple[int, str]], *, lock: bool = False
) -> dict[Key, Level]:
    """The levels of these keys; ``lock``: nobody else changes them before this transaction ends."""
    statement = f"SELECT {_NAMES} FROM {{keys}} k CROSS JOIN level WHERE {_KEYED}"
    if lock and connection.dialect.name != "sqlite":
        statement += " ORDER BY level.stock_list, level.sku FOR UPDATE OF level"
    levels = map(Level._make, bulk.by_keys(connection, statement, keys))
    return {level.key: level for level in levels}


def by_token(connection: Connection, token: str) -> dict[Key, Level]:
    """The levels that this claim still holds, locked."""
    return _locked(connection, "claim_token = ?", token)


def expired(connection: Connection, *, now: float, longest: float, limit: int) -> dict[Key, Level]:
    """Levels whose lease is over, or further ahead than any lease can be; locked."""
    condition = "claim_token IS NOT NULL AND (claim_until <= ? OR claim_until > ?)"
    return _locked(connection, condition, now, now + longest, limit=limit)


def _locked(
    connection: Connection,
    condition: str,
    *arguments: object,
    limit: int | None = None,
    wait: bool = False,
) -> dict[Key, Level]:
    order = "stock_list, sku" if wait else _FEW_IN_ORDER
    statement = f"SELECT {_NAMES} FROM level WHERE {condition} ORDER BY {order}"
    if limit is not None:
        statement += f" LIMIT {limit}"
    if connection.dialect.name != "sqlite":
        statement += " FOR UPDATE SKIP LOCKED" if limit and not wait else " FOR UPDATE"
    rows = connection.exec_driver_sql(bulk.driver_sql(connection, statement), arguments)
    levels = map(Level._make, rows)
    return {level.key: level for level in levels}


def page_after(connection: Connection, key: Key | None, *, limit: int) -> list[Level]:
    """The next levels in key order, locked; None: from the first."""
    condition = "stock_list IS NOT NULL" if key is None else "(stock_list, sku) > (?, ?)"
    statement = f"SELECT {_NAMES} FROM level WHERE {condition} ORDER BY stock_list, sku LIMIT ?"
    if connection.dialect.name != "sqlite":
        statement += " FOR UPDATE"
    rows = connection.exec_driver_sql(bulk.driver_sql(connection, statement), (*(key or ()), limit))
    return [Level._make(row) for row in rows]


def page_of_source(
    connection: Connection,
    source_id: int,
    key: Key | None,
    *,
    limit: int,
    in_stock: bool = False,
) -> list[Level]:
    """The next levels that a source owns, in key order, locked; None: from the first.

    in_stock: only those above zero.
    """
    condition = f"source_id = ?{_IN_STOCK if in_stock else ''}" + (
        "" if key is None else " AND (stock_list, sku) > (?, ?)"
    )
    arguments = (source_id, *(key or ()))
    return list(_locked(connection, condition, *arguments, limit=limit, wait=True).values())


def save(connection: Connection, levels: Iterable[Level]) -> None:
    """Write whole levels back, in key order; the caller holds them locked."""
    bulk.upsert(connection, schema.level, _COLUMNS, sorted(levels, key=_by_key))


def create(connection: Connection, levels: Iterable[Level]) -> None:
    """Write levels that the caller found missing.

    One that somebody else has written meanwhile is an error after which `Ledger.write` runs the
    caller again, who finds it then; it is never written over.
    """
    bulk.insert(connection, schema.level, _COLUMNS, sorted(levels, key=_by_key))


def _by_key(level: Level) -> tuple[int, str]:
    return level.stock_list, level.sku


def any_due(connection: Connection) -> bool:
    """Whether any level must go, now or later."""
    statement = f"SELECT 1 FROM level WHERE {CAN_GO} AND NOT retired LIMIT 1"
    return connection.exec_driver_sql(statement).first() is not None


def any_unknown(connection: Connection, *, now: float) -> bool:
    """Whether it is time to ask again for any product that Omnitron did not know."""
    statement = f"SELECT 1 FROM level WHERE {ASK_AGAIN} AND NOT retired LIMIT 1"
    sql = bulk.driver_sql(connection, statement)
    return connection.exec_driver_sql(sql, (now,)).first() is not None


def forbidden(
    connection: Connection, stock_lists: Iterable[int], *, before: float, limit: int
) -> list[Level]:
    """Levels of these lists that were parked, before then, as not ours to write; locked."""
    numbers = ", ".join(str(int(number)) for number in stock_lists)
    of_lists = f"stock_list + 0 IN ({numbers})"  # so put that the index of parked levels fits
    condition = f"park_reason = 'forbidden' AND parked_at <= ? AND {of_lists}"
    return list(_locked(connection, condition, before, limit=limit).values())


def unknown_count(connection: Connection, source_id: int, stock_list: int) -> int:
    """How many levels of a source and list are parked since Omnitron does not know them."""
    statement = f"SELECT count(*) FROM level WHERE {_UNKNOWN}"
    sql = bulk.driver_sql(connection, statement)
    return int(connection.exec_driver_sql(sql, (source_id, stock_list)).scalar_one())


def unknown_ones(connection: Connection, source_id: int, stock_list: int) -> list[Level]:
    """Those levels, in key order."""
    statement = f"SELECT {_NAMES} FROM level WHERE {_UNKNOWN} ORDER BY sku"
    sql = bulk.driver_sql(connection, statement)
    rows = connection.exec_driver_sql(sql, (source_id, stock_list))
    return [Level._make(row) for row in rows]


def any_claimed(connection: Connection) -> bool:
    """Whether any level is in somebody's hands, alive or dead."""
    statement = "SELECT 1 FROM level WHERE claim_token IS NOT NULL LIMIT 1"
    return connection.exec_driver_sql(statement).first() is not None


def pinned(connection: Connection) -> list[Level]:
    """All levels of which a person has pinned what Omnitron shows, in key order."""
    statement = (
        f"SELECT {_NAMES} FROM level WHERE override_stock IS NOT NULL ORDER BY stock_list, sku"
    )
    return [Level._make(row) for row in connection.exec_driver_sql(statement)]


def pins_over(connection: Connection, *, now: float, limit: int) -> dict[Key, Level]:
    """Those whose pin has come to its end; locked."""
    return _locked(connection, _PIN_OVER, now, limit=limit)


def any_pin_over(connection: Connection, *, now: float) -> bool:
    """Whether any pin has come to its end and is not taken off yet."""
    statement = f"SELECT 1 FROM level WHERE {_PIN_OVER} LIMIT 1"
    sql = bulk.driver_sql(connection, statement)
    return connection.exec_driver_sql(sql, (now,)).first() is not None


def of_sku(connection: Connection, sku: str) -> list[Level]:
    """The levels of a SKU in all stock lists, locked, in key order."""
    return list(_locked(connection, "sku = ?", sku).values())


def unsent_count(connection: Connection) -> int:
    """How many levels must still go: due, at rest or in flight."""
    statement = (
        "SELECT count(*) FROM level"
        " WHERE revision > sent_revision AND park_reason IS NULL AND NOT retired"
    )
    return int(connection.exec_driver_sql(statement).scalar_one())


def next_moment(connection: Connection) -> float | None:
    """When the first level that rests becomes due by itself, None where none rests.

    Of very many that rest only the oldest are looked at: one of the others may be due sooner.
    """
    latest = "max" if connection.dialect.name == "sqlite" else "greatest"
    due = (
        f"SELECT * FROM level WHERE {CAN_GO} AND NOT retired ORDER BY due_since LIMIT {_LOOKED_AT}"
    )
    statement = (
        f"SELECT min({latest}(not_before, withheld_until, coalesce(l.stopped_until, 0)))"
        f" FROM ({due}) due LEFT JOIN stock_list l ON l.id = due.stock_list"
    )
    value = connection.exec_driver_sql(statement).scalar()
    return None if value is None else float(value)


def known_by_list(connection: Connection, source_id: int) -> dict[int, int]:
    """How many levels a source owns, per stock list."""
    statement = "SELECT stock_list, count(*) FROM level WHERE source_id = ? GROUP BY stock_list"
    rows = connection.exec_driver_sql(bulk.driver_sql(connection, statement), (source_id,))
    return {row[0]: row[1] for row in rows}


def in_stock_count(connection: Connection, source_id: int) -> int:
    """How many levels that a source owns are above zero."""
    statement = f"SELECT count(*) FROM level WHERE source_id = ?{_IN_STOCK}"
    sql = bulk.driver_sql(connection, statement)
    return int(connection.exec_driver_sql(sql, (source_id,)).scalar_one())


def zeroed_count(connection: Connection, source_id: int) -> int:
    """How many levels of a source are at zero because it was not read for too long."""
    statement = f"SELECT count(*) FROM level WHERE source_id = ? AND {_ZEROED}"
    sql = bulk.driver_sql(connection, statement)
    return int(connection.exec_driver_sql(sql, (source_id,)).scalar_one())


def zeroed_at(connection: Connection, source_id: int) -> float | None:
    """When the last of them went to zero; None: there are none."""
    statement = f"SELECT max(changed_at) FROM level WHERE source_id = ? AND {_ZEROED}"
    sql = bulk.driver_sql(connection, statement)
    found = connection.exec_driver_sql(sql, (source_id,)).scalar()
    return None if found is None else float(found)


def unvetted_by_list(
    connection: Connection, source_id: int, *, zeroed: bool = True
) -> dict[int, int]:
    """How many levels of a source are not as the guard let them pass last, per stock list.

    Those that were let through while their pull was held and, with ``zeroed``, those that went to
    zero because the source was not read for too long.
    """
    statement = (
        "SELECT stock_list, count(*) FROM level WHERE source_id = ? AND vetted_stock IS NOT NULL"
        f"{'' if zeroed else ' AND stock > 0'} GROUP BY stock_list"
    )
    rows = connection.exec_driver_sql(bulk.driver_sql(connection, statement), (source_id,))
    return {row[0]: row[1] for row in rows}


def vet(connection: Connection, source_id: int) -> None:
    """The guard, or a person, has let pass what the levels of a source are now.

    But for those that are at zero because it was not read: each is vetted when it is stated again.
    """
    statement = (
        "UPDATE level SET vetted_stock = NULL"
        " WHERE source_id = ? AND vetted_stock IS NOT NULL AND stock > 0"
    )
    connection.exec_driver_sql(bulk.driver_sql(connection, statement), (source_id,))


def end_claim(connection: Connection, token: str, *, at: float) -> None:
    """Let a lease end at another time: its holder has ended."""
    statement = "UPDATE level SET claim_until = ? WHERE claim_token = ?"
    connection.exec_driver_sql(bulk.driver_sql(connection, statement), (at, token))


def let_go(connection: Connection, source_id: int) -> None:
    """Release what was withheld while the source was read."""
    statement = "UPDATE level SET withheld_until = 0 WHERE source_id = ? AND withheld_until > 0"
    connection.exec_driver_sql(bulk.driver_sql(connection, statement), (source_id,))
