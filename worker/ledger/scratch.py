"""A private sorter for what a pull reads: as large as the source, while memory stays flat.

SQLite's unnamed database lives in a bounded cache and spills into an unlinked temporary file, so
nothing is left behind however the process ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from worker.ledger.database import sqlite_module
from worker.model import PAGE_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

_CACHE_KIB = 32_000


class Stated(NamedTuple):
    """One row as staged; quantity None: the row was rejected, its key counts as present."""

    stock_list: int
    sku: str
    warehouse: str
    quantity: str | None
    unit: str
    sold: str | None
    extra: str | None
    place: int


class Scratch:
    """Rows in, in any order; pages out, sorted by (stock list, SKU, warehouse), then as read."""

    def __init__(self) -> None:
        self._connection = sqlite_module.connect("", isolation_level=None)
        self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute(
            "CREATE TABLE said (stock_list, sku, warehouse, quantity, unit, sold, extra, place)"
        )
        self._connection.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def add(self, rows: Iterable[tuple[object, ...]]) -> None:
        """Append rows of the shape of `Stated`."""
        self._connection.executemany("INSERT INTO said VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def pages(self, size: int = PAGE_ROWS) -> Iterator[list[tuple[object, ...]]]:
        """Sorted pages of about ``size`` tuples of the shape of `Stated`; no key is cut in two."""
        cursor = self._connection.execute(
            "SELECT * FROM said ORDER BY stock_list, sku, warehouse, rowid"
        )
        kept: list[tuple[object, ...]] = []
        while fetched := cursor.fetchmany(size):
            rows = kept + fetched
            cut = _start_of_last_key(rows)
            if cut:
                yield rows[:cut]
            kept = rows[cut:]
        if kept:
            yield kept


def _start_of_last_key(rows: list[tuple[object, ...]]) -> int:
    last = rows[-1][:2]
    cut = len(rows)
    while cut and rows[cut - 1][:2] == last:
        cut -= 1
    return cut
