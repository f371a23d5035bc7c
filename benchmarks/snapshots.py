"""The pull step over a large snapshot: first load, 1 % changed, nothing changed.

Beside it the least that a script could do in memory: read the file and compare it with a dict.
"""

from __future__ import annotations

import csv
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measuring import Child, Sample, measured
from benchmarks.services import SOURCE, STOCK_LIST, service
from worker.ledger import pulls, sources
from worker.pull import pull_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

CHANGED_EVERY = 100
_STRIDES = (7_919, 104_729)
"""Coprime with the sizes used: files in no order, and another order for the same content."""

_SENT = (
    "UPDATE level SET sent_revision = revision, sent_stock = stock, due_since = 0"
    " WHERE revision > sent_revision"
)


def write_snapshot(path: Path, *, rows: int, generation: int, order: int) -> None:
    """A CSV of SKU and stock; from one generation to the next one row in a hundred differs."""
    stride = _STRIDES[order]
    with path.open("w") as file:
        file.write("sku,stock\n")
        for n in range(rows):
            number = n * stride % rows
            stock = number % 97 + (generation if number % CHANGED_EVERY == 0 else 0)
            file.write(f"SKU-{number:09},{stock}\n")


class Puller:
    """Pulls one snapshot after the other into one ledger."""

    def __init__(self, *, folder: str, rows: int) -> None:
        self._folder = Path(folder)
        self._rows = rows

    def pull(self, *, changed: int) -> Sample:
        """Measure the whole step for the file that lies in the drop folder.

        Raises RuntimeError if anything but ``changed`` levels came of it.
        """
        made = service(self._folder)
        with measured(self._rows) as found:
            (report,) = pull_source(made.turn(SOURCE))
        if (report.read, report.changed, report.rejected) != (self._rows, changed, 0):
            raise RuntimeError(f"unexpected: {report}")
        made.ledger.write(lambda connection: connection.exec_driver_sql(_SENT))
        made.close()
        return found[0]


@contextmanager
def one_pull(*, folder: str, rows: int, changed: int) -> Iterator[Callable[[], Sample]]:
    """Make a contender that pulls what lies in the drop folder."""
    yield lambda: Puller(folder=folder, rows=rows).pull(changed=changed)


@contextmanager
def preload(*, folder: str, rows: int) -> Iterator[Callable[[], Sample]]:
    """Make one that fills a new ledger with the first generation, as if long pulled and sent."""

    def load() -> Sample:
        made = service(Path(folder))
        plan = made.source(SOURCE)
        with measured(rows) as found:
            made.ledger.write(lambda connection: _preload(connection, rows, plan.fingerprint))
        made.close()
        return found[0]

    yield load


def _preload(connection: Connection, rows: int, fingerprint: str) -> None:
    source = sources.named(connection, SOURCE)
    assert source is not None
    number = pulls.begin(
        connection, source.id, now=1.0, label="first", kind="snapshot", status="applied"
    )
    known = {"fingerprint": fingerprint, "snapshot_pull_id": number, "snapshot_rows": rows}
    sources.change(connection, source.id, last_pull_id=number, **known)
    connection.exec_driver_sql(_PARTS, (rows, source.id, STOCK_LIST, number))
    connection.exec_driver_sql(_LEVELS, (rows, STOCK_LIST, source.id, number))


_NUMBERS = "WITH RECURSIVE r (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM r WHERE n + 1 < ?)"
_SKU = "'SKU-' || substr('000000000' || n, -9)"
_PARTS = (
    "INSERT INTO part (source_id, stock_list, sku, warehouse, quantity, unit, pull_id, place, gone)"
    f" {_NUMBERS} SELECT ?, ?, {_SKU}, '', CAST(n % 97 AS TEXT), '', ?, 2, 0 FROM r"
)
_LEVELS = (
    "INSERT INTO level (stock_list, sku, source_id, stock, pull_id, changed_at, revision,"
    " sent_revision, sent_stock, sent_at, rank, due_since, not_before, withheld_until, attempts,"
    f" crashes, retired) {_NUMBERS} SELECT ?, {_SKU}, ?, n % 97, ?, 1, 1, 1, n % 97, 1, 1, 0, 0, 0,"
    " 0, 0, 0 FROM r"
)


@contextmanager
def csv_and_dict(*, before: str, after: str, rows: int) -> Iterator[Callable[[], Sample]]:
    """Make a contender that holds the known stock in a dict and reads the file past it."""
    with Path(before).open(newline="") as file:
        known = {sku: int(stock) for sku, stock in _rows(file)}

    def compare() -> Sample:
        with measured(rows) as found, Path(after).open(newline="") as file:
            changes = [(sku, stock) for sku, stock in _rows(file) if known.get(sku) != int(stock)]
        if len(changes) != rows // CHANGED_EVERY:
            raise RuntimeError(f"{len(changes)} changes")
        return found[0]

    yield compare


def _rows(file: object) -> csv.reader:
    reader = csv.reader(file)
    next(reader)
    return reader


class Course:
    """A ledger full of the first generation, and a drop folder to put the next ones into."""

    def __init__(self, folder: Path, rows: int) -> None:
        self._folder = folder
        self._rows = rows
        self._files = 0
        self._generation = 0
        (folder / "drop").mkdir()
        self._base = folder / "base.csv"
        write_snapshot(self._base, rows=rows, generation=0, order=0)

    def first_load(self) -> Sample:
        """A source's first pull, of all rows."""
        return self._pulled(self._rows, order=0)

    def preload(self) -> Sample:
        """The same state without pulling."""
        with Child(preload, folder=str(self._folder), rows=self._rows) as child:
            return child.sample()

    def changed(self) -> Sample:
        """One row in a hundred differs."""
        self._generation += 1
        return self._pulled(self._rows // CHANGED_EVERY, order=0)

    def unchanged(self) -> Sample:
        """The same rows in another order."""
        return self._pulled(0, order=1)

    def csv_and_dict(self) -> Sample:
        """The least that a script could do."""
        after = self._folder / "after.csv"
        write_snapshot(after, rows=self._rows, generation=1, order=0)
        with Child(
            csv_and_dict, before=str(self._base), after=str(after), rows=self._rows
        ) as child:
            return child.sample()

    def _pulled(self, changed: int, *, order: int) -> Sample:
        self._files += 1
        path = self._folder / "drop" / f"{self._files:04}.csv"
        write_snapshot(path, rows=self._rows, generation=self._generation, order=order)
        with Child(one_pull, folder=str(self._folder), rows=self._rows, changed=changed) as child:
            return child.sample()


def measure(*, rows: int, rounds: int) -> dict[str, list[Sample]]:
    """All figures by name, one sample a round; each pull in a process of its own."""
    found: dict[str, list[Sample]] = {}

    def keep(name: str, sample: Sample) -> None:
        found.setdefault(name, []).append(sample)

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        keep("first load", Course(Path(folder), rows // 20).first_load())
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        course = Course(Path(folder), rows)
        course.preload()
        for _ in range(rounds):
            keep("csv + dict", course.csv_and_dict())
            keep("1 % changed", course.changed())
            keep("unchanged", course.unchanged())
    return found
