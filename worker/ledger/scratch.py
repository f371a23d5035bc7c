"""A private sorter for what a pull reads: as large as the source, while memory stays flat.

Sorted runs go to an unlinked temporary file and are merged from there, so nothing is left behind
however the process ends. (An unnamed SQLite database does the same at three times the cost.)
"""

from __future__ import annotations

import marshal
import tempfile
from heapq import merge
from itertools import chain, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from worker.model import PAGE_ROWS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from types import TracebackType

    Row = tuple[Any, ...]

RUN_ROWS = 20_000
"""As many rows are sorted in memory at a time."""

_BLOCK_ROWS = 250
"""As many rows of each run are in memory while runs are merged."""

_FORMAT = 2
"""Of `marshal`; later ones look for objects that occur twice, which costs more than it saves."""

_by_part = itemgetter(0, 1, 2)


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
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the scratch
        self._runs: list[list[tuple[int, int]]] = []  # per run: offset and size of its blocks
        self._rows: list[Row] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, rows: Iterable[Row]) -> None:
        """Append rows of the shape of `Stated`, in the order in which they were read."""
        self._rows += rows
        if len(self._rows) >= RUN_ROWS:
            self._spill()

    def pages(self, size: int = PAGE_ROWS) -> Iterator[list[Row]]:
        """Sorted pages of about ``size`` tuples of the shape of `Stated`; no key is cut in two."""
        self._rows.sort(key=_by_part)
        rows = merge(*map(self._run, self._runs), self._rows, key=_by_part)
        kept: list[Row] = []
        while fetched := list(islice(rows, size)):
            page = kept + fetched
            cut = _start_of_last_key(page)
            if cut:
                yield page[:cut]
            kept = page[cut:]
        if kept:
            yield kept

    def stated(self, skus: Collection[str]) -> set[str]:
        """Those of ``skus`` that are among the rows."""
        runs = map(self._run, self._runs)
        return {row[1] for row in chain(self._rows, *runs) if row[1] in skus}

    def _spill(self) -> None:
        rows, self._rows = self._rows, []
        rows.sort(key=_by_part)
        blocks = (rows[n : n + _BLOCK_ROWS] for n in range(0, len(rows), _BLOCK_ROWS))
        self._runs.append([self._written(block) for block in blocks])

    def _written(self, block: list[Row]) -> tuple[int, int]:
        return self._file.tell(), self._file.write(marshal.dumps(list(map(tuple, block)), _FORMAT))

    def _run(self, blocks: list[tuple[int, int]]) -> Iterator[Row]:
        return chain.from_iterable(self._read(*block) for block in blocks)

    def _read(self, offset: int, size: int) -> list[Row]:
        self._file.seek(offset)
        rows: list[Row] = marshal.loads(self._file.read(size))  # noqa: S302 - our own, nameless file
        return rows


def _start_of_last_key(rows: list[Row]) -> int:
    last = rows[-1][:2]
    cut = len(rows)
    while cut and rows[cut - 1][:2] == last:
        cut -= 1
    return cut
