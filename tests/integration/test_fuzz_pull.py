"""Any rows, through a whole pull: each is the level that the rules give, or an open failure."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import example, given

from connectors.csv_drop import CsvColumns
from tests.connectors.dirt import ROWS, Row, written
from tests.connectors.strict import COLUMNS, Dialect, Stated, read_strictly
from tests.fuzzing import fuzz
from tests.integration.ledgers import HandClock, copied_sqlite
from tests.integration.pulling import LONG_AGO, Drop
from tests.integration.scenes import open_failures, stocks_of
from worker.ledger import Ledger
from worker.model import MAX_STOCK, Missing, Rounding, Rules

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = Dialect()
LISTS = {"MAIN": 1, "ANNEX": 1}
PLANNED: dict[str, Any] = {
    "stock_list": None,
    "stock_lists": LISTS,
    "units": {"AD": "qty", "KG": "qty"},
    "rules": Rules(rounding=Rounding.FLOOR),
}


class Exports(Drop):
    """A drop folder that takes files as bytes."""

    def __init__(self, ledger: Ledger, path: Path, **plan: Any) -> None:
        sku, warehouse, stock, unit = COLUMNS
        columns = CsvColumns(sku=sku, stock=stock, warehouse=warehouse, unit_type=unit)
        super().__init__(ledger, path, columns=columns, **{**PLANNED, **plan})

    def export(self, content: bytes) -> Path:
        path = self.say()
        path.write_bytes(content)
        os.utime(path, (LONG_AGO + self._count, LONG_AGO + self._count))
        return path

    def stocks(self, content: bytes) -> dict[str, int]:
        """Stock of list 1 by SKU, of the SKUs that a file names."""
        skus = {one.sku for one in read_strictly(content, PLAIN).values() if one.sku}
        return stocks_of(self.ledger, *skus)


@contextmanager
def exports(template: Path, **plan: Any) -> Iterator[Exports]:
    """A new ledger beside a new drop folder whose columns the fuzz files have."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    ledger = Ledger(copied_sqlite(template, folder), clock=HandClock())
    try:
        yield Exports(ledger, folder / "drop", **plan)
    finally:
        ledger.close()
        shutil.rmtree(folder)


def sums(stated: dict[int, Stated]) -> dict[str, int]:
    """The stock of each SKU by those of its warehouses whose rows are sound and agree."""
    said: dict[tuple[str, str], set[Fraction | None]] = defaultdict(set)
    for one in stated.values():
        if one.sku is not None and one.warehouse in LISTS:
            said[one.sku, one.warehouse].add(one.quantity)
    totals: dict[str, Fraction] = defaultdict(Fraction)
    for (sku, _), quantities in said.items():
        if len(quantities) == 1 and None not in quantities:
            totals[sku] += next(iter(quantities)) or 0
    stocks = {sku: max(math.floor(total), 0) for sku, total in totals.items()}
    return {sku: stock for sku, stock in stocks.items() if stock <= MAX_STOCK}


@fuzz(25)
@given(rows=ROWS)
@example(rows=[["A", "MAIN", "5", "AD"], ["A", "MAIN", "5", "KG"]])
@example(rows=[["A", "MAIN", "3000000000", ""], ["", "MAIN", "7", ""], ["A", "MOON", "1", ""]])
def test_each_row_becomes_a_level_or_an_open_failure(
    sqlite_template: Path, rows: list[Row]
) -> None:
    content = written(rows, PLAIN)
    stated = read_strictly(content, PLAIN)
    with exports(sqlite_template) as drop:
        drop.export(content)
        report = drop.one()
        levels, failures = drop.stocks(content), open_failures(drop.ledger)
    sound, named = sums(stated), {failure.sku for failure in failures if failure.sku}
    unsound = [one for one in stated.values() if one.quantity is None]
    assert report.read == len(stated)
    assert (report.rejected or 0) >= len(unsound)
    assert levels.items() <= sound.items()
    assert levels.keys() | named == {one.sku for one in stated.values() if one.sku}
    assert {one.sku for one in unsound if one.sku} <= named
    assert {failure.line for failure in failures} <= stated.keys()
    keyless = {line for line, one in stated.items() if one.sku is None}
    assert bool(keyless) == bool(keyless & {failure.line for failure in failures})


BEFORE = written(
    [["A", "MAIN", "5200", "AD"], ["B", "ANNEX", "1200", ""], ["C", "MAIN", "31", ""]], PLAIN
)
AFTER = written(
    [["A", "MAIN", "4100", "AD"], ["B", "ANNEX", "999", ""], ["C", "MAIN", "32", ""]], PLAIN
)


def test_a_snapshot_cut_at_any_byte_leaves_each_stock_old_or_makes_it_new(
    sqlite_template: Path,
) -> None:
    old, new = sums(read_strictly(BEFORE, PLAIN)), sums(read_strictly(AFTER, PLAIN))
    zero = Rules(missing=Missing.ZERO)
    with exports(sqlite_template, rules=zero, absences=2) as drop:
        stocks: dict[str, int] = {}
        for length in range(len(AFTER) + 1):
            if stocks != old:
                drop.export(BEFORE)
                drop.pull()
            cut = drop.export(AFTER[:length])
            drop.pull()
            stocks = drop.stocks(BEFORE)
            assert stocks.keys() == old.keys()
            assert all(stock in {old[sku], new[sku]} for sku, stock in stocks.items())
            cut.unlink(missing_ok=True)
    assert stocks == new
