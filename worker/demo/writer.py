"""The people in the ERP: sales, receipts, reservations and stock counts, one after another."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from worker.demo.catalogue import MISSING_PRODUCT, WAREHOUSES
from worker.demo.erp import connected, sellable, timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MOST_PER_SECOND = 12.0
"""Transactions, where the catalogue is large."""

PRODUCTS_PER_TRANSACTION = 100
"""A small catalogue is traded in slowly: nobody changes half of all levels within seconds."""

_MOST_LINES = 4


class Commit(NamedTuple):
    """What one transaction made of one key. at: epoch seconds, taken just before its COMMIT."""

    at: float
    key: tuple[int, str]
    before: int
    after: int


class Change(NamedTuple):
    """One line of a transaction: by how much a quant and its reserved part change."""

    quantity: int
    reserved: int


class Quant(NamedTuple):
    """A place where one article lies."""

    id: int
    product_id: int
    sku: str
    warehouse: str


class Writer(threading.Thread):
    """Changes stock until told to stop; keeps a record of every commit."""

    def __init__(self, path: Path, *, seed: int) -> None:
        super().__init__(name="erp", daemon=True)
        self.commits: list[Commit] = []
        self.transactions = 0
        self.error: sqlite3.Error | None = None
        self._path = path
        self._dice = random.Random(seed)  # noqa: S311 - sample data
        self._stopped = threading.Event()

    def run(self) -> None:
        """Work until `end`; a database error ends it and is kept."""
        try:
            with connected(self._path) as connection:
                quants = _quants(connection)
                pause = max(1 / MOST_PER_SECOND, PRODUCTS_PER_TRANSACTION / len(quants))
                while not self._stopped.wait(self._dice.uniform(0, 2 * pause)):
                    self.commits += self._transaction(connection, quants)
                    self.transactions += 1
        except sqlite3.Error as error:
            self.error = error

    def end(self) -> None:
        """Finish the transaction under way, and stop."""
        self._stopped.set()
        if self.ident is not None:
            self.join()

    def _transaction(self, connection: sqlite3.Connection, quants: Sequence[Quant]) -> list[Commit]:
        lines = self._dice.sample(quants, k=self._dice.randint(1, _MOST_LINES))
        keys = {(quant.product_id, quant.warehouse): quant for quant in lines}
        connection.execute("BEGIN IMMEDIATE")
        before = {key: _available(connection, quant) for key, quant in keys.items()}
        self._write(connection, lines)
        after = {key: _available(connection, quant) for key, quant in keys.items()}
        at = time.time()
        connection.execute("COMMIT")
        return [
            Commit(at, (WAREHOUSES[quant.warehouse], quant.sku), before[key], after[key])
            for key, quant in keys.items()
        ]

    def _write(self, connection: sqlite3.Connection, lines: Sequence[Quant]) -> None:
        """One document: the same kind of change on every line, all with one time."""
        kind = self._dice.choices(
            ("sale", "reservation", "release", "receipt", "count"), (50, 20, 8, 14, 8)
        )[0]
        reference, now = f"{kind}/{self.transactions + 1:05d}", timestamp()
        for quant in lines:
            change = self._change(kind, connection, quant)
            connection.execute(
                "UPDATE stock_quant SET quantity = quantity + ?,"
                " reserved_quantity = reserved_quantity + ?, write_date = ? WHERE id = ?",
                (change.quantity, change.reserved, now, quant.id),
            )
            connection.execute(
                "INSERT INTO stock_move (reference, quant_id, quantity, reserved, date)"
                " VALUES (?, ?, ?, ?, ?)",
                (reference, quant.id, change.quantity, change.reserved, now),
            )

    def _change(self, kind: str, connection: sqlite3.Connection, quant: Quant) -> Change:
        quantity, reserved = connection.execute(
            "SELECT quantity, reserved_quantity FROM stock_quant WHERE id = ?", (quant.id,)
        ).fetchone()
        few = self._dice.randint(1, 3)
        if kind == "sale":
            return Change(-few, 0)  # a quant may go below nothing, as it does in life
        if kind == "reservation":
            return Change(0, few)
        if kind == "release":
            return Change(0, -min(few, int(reserved)))
        if kind == "receipt":
            return Change(12 * few, 0)
        return Change(self._dice.randint(0, 60) - int(quantity), 0)  # counted anew


def _quants(connection: sqlite3.Connection) -> list[Quant]:
    """All places of all articles but the one that Omnitron does not know yet."""
    rows = connection.execute(
        "SELECT q.id, p.id, p.default_code, w.code FROM stock_quant q"
        " JOIN product_product p ON p.id = q.product_id"
        " JOIN stock_location l ON l.id = q.location_id"
        " JOIN stock_warehouse w ON w.id = l.warehouse_id"
        " WHERE p.default_code <> ? ORDER BY q.id",
        (MISSING_PRODUCT,),
    )
    return [Quant._make(row) for row in rows]


def _available(connection: sqlite3.Connection, quant: Quant) -> int:
    """What may be sold of an article in the warehouse of this place."""
    row = connection.execute(
        "SELECT SUM(q.quantity - q.reserved_quantity) FROM stock_quant q"
        " JOIN stock_location l ON l.id = q.location_id"
        " JOIN stock_warehouse w ON w.id = l.warehouse_id"
        " WHERE q.product_id = ? AND w.code = ? AND l.usage = 'internal'",
        (quant.product_id, quant.warehouse),
    ).fetchone()
    return sellable(row[0])
