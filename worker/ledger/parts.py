"""What sources say, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, tuple_

from worker.ledger import bulk, schema
from worker.ledger.lines import IN_SQL
from worker.model import Key, Said

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

_CONTENT = (
    "part.stock_list, part.sku, part.warehouse, part.quantity, part.unit, part.sold, part.extra"
)
_WRITTEN = (
    "source_id", "stock_list", "sku", "warehouse", "quantity", "unit", "sold", "extra",
    "pull_id", "place", "gone", "absent_pull_id",
)  # fmt: skip


class Part(NamedTuple):
    """What a source says for one (stock list, SKU, warehouse); the first seven are its content."""

    stock_list: int
    sku: str
    warehouse: str
    quantity: str
    unit: str
    sold: str | None
    extra: str | None
    pull_id: int
    place: int | None
    gone: bool
    absent_pull_id: int | None

    @property
    def key(self) -> Key:
        """The level that it is a part of."""
        return Key(self.stock_list, self.sku)

    @property
    def said(self) -> Said:
        """The statement."""
        return Said(self.quantity, self.unit, self.sold, self.extra)


_PART = ", ".join(f"part.{name}" for name in Part._fields)


def lines_between(
    connection: Connection,
    source_id: int,
    *,
    after: tuple[int, str] | None,
    upto: tuple[int, str] | None,
    limit: int,
) -> list[str]:
    """Lines (`worker.ledger.lines`) of the parts that are not gone.

    Keys above ``after`` and not above ``upto`` (None: no bound), in key order, at most ``limit``.
    """
    condition = "source_id = ? AND NOT gone"
    arguments: list[object] = [source_id]
    if after is not None:
        condition += " AND (stock_list, sku) > (?, ?)"
        arguments += after
    if upto is not None:
        condition += " AND (stock_list, sku) <= (?, ?)"
        arguments += upto
    statement = f"SELECT {IN_SQL} FROM part WHERE {condition} ORDER BY stock_list, sku, warehouse"
    statement += f" LIMIT {limit}"
    return [line for (line,) in bulk.tuples(connection, statement, tuple(arguments))]


def contents_after(
    connection: Connection, source_id: int, part: tuple[int, str, str] | None, *, limit: int
) -> list[tuple[Any, ...]]:
    """(stock list, SKU, warehouse, quantity, unit, sold, extra) of parts that are not gone.

    In their order, the next ``limit`` after ``part``; None: from the first.
    """
    condition = "source_id = ? AND NOT gone"
    condition += "" if part is None else " AND (stock_list, sku, warehouse) > (?, ?, ?)"
    statement = f"SELECT {_CONTENT} FROM part WHERE {condition} ORDER BY stock_list, sku, warehouse"
    return bulk.tuples(connection, f"{statement} LIMIT {limit}", (source_id, *(part or ())))


def lines_of(connection: Connection, source_id: int, keys: Iterable[tuple[int, str]]) -> list[str]:
    """As `lines_between`, of these keys."""
    statement = (
        f"SELECT {IN_SQL} FROM {{keys}} k CROSS JOIN part WHERE part.stock_list = k.stock_list"
        " AND part.sku = k.sku AND part.source_id = ? AND NOT part.gone"
    )
    return sorted(line for (line,) in bulk.by_keys(connection, statement, keys, source_id))


def by_keys(
    connection: Connection, source_id: int, keys: Iterable[tuple[int, str]]
) -> dict[Key, list[Part]]:
    """All parts of these keys that ``source_id`` stated, gone ones too."""
    statement = (
        f"SELECT {_PART} FROM {{keys}} k CROSS JOIN part WHERE part.stock_list = k.stock_list"
        " AND part.sku = k.sku AND part.source_id = ?"
    )
    found: dict[Key, list[Part]] = {}
    for row in bulk.by_keys(connection, statement, keys, source_id):
        part = Part._make(row)
        found.setdefault(part.key, []).append(part)
    return found


def stated_of(connection: Connection, source_id: int, keys: Iterable[tuple[int, str]]) -> set[Key]:
    """Those of these keys of which a source states something."""
    statement = (
        "SELECT DISTINCT part.stock_list, part.sku FROM {keys} k CROSS JOIN part"
        " WHERE part.stock_list = k.stock_list AND part.sku = k.sku AND part.source_id = ?"
        " AND NOT part.gone"
    )
    return {Key(row[0], row[1]) for row in bulk.by_keys(connection, statement, keys, source_id)}


def odd_skus(connection: Connection, source_id: int, *, small: bool, limit: int) -> list[str]:
    """SKUs that a source states and that are not all capitals (``small``: all small letters).

    And those with a blank, or a sign beyond ASCII: whoever asks looks at these himself.
    """
    plain = "lower(sku)" if small else "upper(sku)"
    odd = "sku GLOB '*[^!-~]*'" if connection.dialect.name == "sqlite" else "sku ~ '[^!-~]'"
    statement = (
        f"SELECT DISTINCT sku FROM part WHERE source_id = ? AND NOT gone"
        f" AND (sku <> {plain} OR {odd}) LIMIT {limit}"
    )
    return [sku for (sku,) in bulk.tuples(connection, statement, (source_id,))]


def forget(connection: Connection, source_id: int, keys: Iterable[Key]) -> None:
    """Delete what a source said of these keys: another one states them now."""
    table = schema.part
    for page in bulk.paged(sorted(keys), 1_000):
        named = tuple_(table.c.stock_list, table.c.sku).in_(page)
        connection.execute(delete(table).where((table.c.source_id == source_id) & named))


def save(connection: Connection, source_id: int, parts: Sequence[Part]) -> None:
    """Write parts, in key order."""
    rows = [(source_id, *part) for part in sorted(parts, key=lambda part: part[:3])]
    bulk.upsert(connection, schema.part, _WRITTEN, rows)
