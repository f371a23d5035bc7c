"""Many rows at once, the fastest way that each database has, behind one face.

SQLite takes tuples in an executemany and keys as one JSON document; PostgreSQL takes one array a
column (`unnest`). Rows go in key order, so that two writers never wait for each other crosswise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import BigInteger, Boolean, Double, Integer, SmallInteger

from worker.model import PAGE_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlalchemy import Column, Connection, Table

_ARRAYS = (
    (Boolean, "boolean[]"),
    (SmallInteger, "bigint[]"),
    (BigInteger, "bigint[]"),
    (Integer, "bigint[]"),
    (Double, "double precision[]"),
)


def insert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Any]
) -> None:
    """Insert tuples in the order of ``columns``; a row that is there already is an error."""
    insert_with(connection, table, columns, rows, conflict="")


def insert_new(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Any]
) -> None:
    """Insert tuples; a row that is there already stays as it is."""
    insert_with(connection, table, columns, rows, conflict=" ON CONFLICT DO NOTHING")


def upsert(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Any]
) -> None:
    """Insert tuples, or update the row that has their primary key."""
    keys = [column.name for column in table.primary_key]
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in keys)
    target = ", ".join(f'"{name}"' for name in keys)
    insert_with(
        connection,
        table,
        columns,
        rows,
        conflict=f" ON CONFLICT ({target}) DO UPDATE SET {changes}",
    )


def insert_with(
    connection: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Any],
    *,
    conflict: str,
) -> None:
    """Insert tuples, with an ON CONFLICT clause of the caller's."""
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        statement = f'INSERT INTO "{table.name}" ({names}) VALUES ({marks}){conflict}'
        connection.exec_driver_sql(statement, list(rows))
        return
    arrays = ", ".join(f"%s::{_array(table.c[name])}" for name in columns)
    statement = f'INSERT INTO "{table.name}" ({names}) SELECT * FROM unnest({arrays}){conflict}'
    for page in paged(rows):
        connection.exec_driver_sql(statement, tuple(map(list, zip(*page, strict=True))))


def by_keys(
    connection: Connection,
    statement: str,
    keys: Iterable[tuple[int, str]],
    *arguments: object,
) -> Iterator[Any]:
    """Run ``statement`` for pages of keys (stock list, SKU) and yield its rows.

    In the statement ``{keys}`` stands for the keys as a table with the columns ``stock_list`` and
    ``sku``, to be named first in FROM, and ``?`` for the further ``arguments`` after it.
    """
    for page in paged(sorted(keys)):
        if connection.dialect.name == "sqlite":
            source = (
                "(SELECT json_extract(value, '$[0]') AS stock_list,"
                " json_extract(value, '$[1]') AS sku FROM json_each(?))"
            )
            bound: tuple[object, ...] = (orjson.dumps(page, default=tuple).decode(), *arguments)
            yield from connection.exec_driver_sql(statement.format(keys=source), bound)
        else:
            source = "unnest(%s::bigint[], %s::text[])"
            lists, skus = map(list, zip(*page, strict=True))
            text = statement.replace("{keys} k", "{keys} AS k (stock_list, sku)")
            text = text.format(keys=source).replace("?", "%s")
            yield from connection.exec_driver_sql(text, (lists, skus, *arguments))


def tuples(
    connection: Connection, statement: str, arguments: tuple[object, ...]
) -> list[tuple[Any, ...]]:
    """All rows of a statement written with ``?``, as the driver's own tuples.

    For pages of plain columns only: a row costs a quarter of what a SQLAlchemy row does.
    """
    result = connection.exec_driver_sql(driver_sql(connection, statement), arguments)
    rows = list(result.cursor.fetchall())
    result.close()
    return rows


def paged(rows: Sequence[Any], size: int = PAGE_ROWS) -> Iterator[Sequence[Any]]:
    """The rows in pages of ``size``."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def driver_sql(connection: Connection, statement: str) -> str:
    """A statement written with ``?`` in the paramstyle of the connection's driver."""
    return statement if connection.dialect.name == "sqlite" else statement.replace("?", "%s")


def _array(column: Column[Any]) -> str:
    return next((name for kind, name in _ARRAYS if isinstance(column.type, kind)), "text[]")
