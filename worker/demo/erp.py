"""A sample ERP: a SQLite database with products, locations, quants, moves and a view to read.

The tables are those of a stock module as Odoo has it, cut to what matters here: a quant is what
lies at one location, some of it reserved, and every row that a transaction touches carries the
time at which that transaction began.
"""

from __future__ import annotations

import contextlib
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from worker.demo.catalogue import WAREHOUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from worker.demo.catalogue import Product

BUSY_SECONDS = 10

_SCHEMA = """
CREATE TABLE stock_warehouse (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, name TEXT NOT NULL
);
CREATE TABLE stock_location (
    id INTEGER PRIMARY KEY,
    warehouse_id INTEGER REFERENCES stock_warehouse (id),
    complete_name TEXT NOT NULL UNIQUE,
    usage TEXT NOT NULL  -- internal | customer | supplier
);
CREATE TABLE product_product (
    id INTEGER PRIMARY KEY,
    default_code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    active INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE stock_quant (
    id INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL REFERENCES product_product (id),
    location_id INTEGER NOT NULL REFERENCES stock_location (id),
    quantity REAL NOT NULL,
    reserved_quantity REAL NOT NULL DEFAULT 0,
    write_date TEXT NOT NULL,  -- UTC, without saying so
    UNIQUE (product_id, location_id)
);
CREATE TABLE stock_move (
    id INTEGER PRIMARY KEY,
    reference TEXT NOT NULL,
    quant_id INTEGER NOT NULL REFERENCES stock_quant (id),
    quantity REAL NOT NULL,
    reserved REAL NOT NULL,
    date TEXT NOT NULL
);
CREATE VIEW stock_available AS
SELECT p.default_code AS sku,
       w.code AS warehouse,
       SUM(q.quantity - q.reserved_quantity) AS available,
       MAX(q.write_date) AS changed_at
FROM stock_quant q
JOIN product_product p ON p.id = q.product_id
JOIN stock_location l ON l.id = q.location_id
JOIN stock_warehouse w ON w.id = l.warehouse_id
WHERE l.usage = 'internal' AND p.active
GROUP BY p.id, w.id;
"""

_TRUTH = """
SELECT p.default_code, w.code, SUM(q.quantity) - SUM(q.reserved_quantity)
FROM product_product p, stock_quant q, stock_location l, stock_warehouse w
WHERE q.product_id = p.id AND q.location_id = l.id AND l.warehouse_id = w.id
  AND l.usage = 'internal' AND p.active = 1
GROUP BY p.default_code, w.code
"""


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of the ERP's own; the caller begins and ends its transactions."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def create(path: Path, products: Sequence[Product]) -> None:
    """Create the database with its opening stock, in two halls per warehouse."""
    with connected(path) as connection:
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")
        _warehouses(connection)
        _products(connection, products)
        connection.execute("COMMIT")


def available(path: Path) -> dict[tuple[int, str], int]:
    """What may be sold of each (stock list, SKU), by a statement of the demo's own."""
    with connected(path) as connection:
        rows = connection.execute(_TRUTH).fetchall()
    return {(WAREHOUSES[code], sku): sellable(quantity) for sku, code, quantity in rows}


def sellable(quantity: float) -> int:
    """The stock that Omnitron should show: what is oversold is nothing."""
    return max(int(quantity), 0)


def timestamp() -> str:
    """Now, as the ERP writes it: UTC, to the microsecond, without an offset."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _warehouses(connection: sqlite3.Connection) -> None:
    for number, code in enumerate(WAREHOUSES, start=1):
        connection.execute("INSERT INTO stock_warehouse VALUES (?, ?, ?)", (number, code, code))
        for hall in ("Raf", "Depo"):
            _location(connection, number, f"{code}/{hall}", "internal")
    _location(connection, None, "Müşteriler", "customer")


def _location(connection: sqlite3.Connection, warehouse: int | None, name: str, usage: str) -> None:
    connection.execute(
        "INSERT INTO stock_location (warehouse_id, complete_name, usage) VALUES (?, ?, ?)",
        (warehouse, name, usage),
    )


def _products(connection: sqlite3.Connection, products: Sequence[Product]) -> None:
    connection.executemany(
        "INSERT INTO product_product (id, default_code, name) VALUES (?, ?, ?)",
        [(number, item.sku, item.name) for number, item in enumerate(products, start=1)],
    )
    connection.executemany(
        "INSERT INTO stock_quant (product_id, location_id, quantity, write_date)"
        " SELECT ?, id, ?, ? FROM stock_location WHERE complete_name = ?",
        _opening(products),
    )


def _opening(products: Sequence[Product]) -> Iterable[tuple[int, float, str, str]]:
    """A shelf and a hall behind it: the same article lies in two places of one warehouse."""
    now = timestamp()
    for number, item in enumerate(products, start=1):
        for code, pieces in item.opening.items():
            on_shelf = min(pieces, 10)
            yield number, float(on_shelf), now, f"{code}/Raf"
            if pieces > on_shelf:
                yield number, float(pieces - on_shelf), now, f"{code}/Depo"
