"""A drop folder as tests use it: an ERP that writes into it, and a connector on it."""

from __future__ import annotations

import csv
import gzip
import io
import os
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors import fault
from connectors.contract import Kind
from connectors.csv_drop import CsvColumns, CsvDrop, CsvFormat, CsvOptions
from connectors.csv_drop.folder import NOTED
from tests.connectors.conformance import Item, SourceUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from connectors.contract import Connector

LONG_AGO = 1_700_000_000.0
NOBODY = 65_534
HEADER = "Stok Kodu,Depo,Miktar,Birim\n"
COLUMNS = CsvColumns(sku="Stok Kodu", stock="Miktar", warehouse="Depo", unit_type="Birim")


def options(path: Path, **changes: Any) -> CsvOptions:
    """Options of a drop whose files are ready at once, as far as their age goes."""
    usual = CsvOptions(path=path, columns=COLUMNS, mode=Kind.SNAPSHOT, stable_for=0)
    return replace(usual, **changes)


def drop(path: Path, content: str | bytes, *, at: float = LONG_AGO) -> Path:
    """Write a file that was last written to at this time."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    os.utime(path, (at, at))
    return path


def tree(path: Path) -> dict[str, bytes]:
    """Take every file below a folder with its content, but for the notes of what was applied."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file() and file.parent.name != NOTED
    }


def written(rows: Iterable[list[object]], form: CsvFormat) -> str:
    """Write rows as an ERP of this dialect does; numbers stand in the third column."""
    lines = [
        [_number(str(cell), form) if at == 2 else str(cell) for at, cell in enumerate(row)]
        for row in rows
    ]
    if form.bordered:
        rule = "-" * 40 + "\n"
        return rule + "".join(f"|{'|'.join(line)}|\n" for line in lines) + rule
    text = io.StringIO()
    csv.writer(text, delimiter=form.delimiter).writerows(lines)
    return text.getvalue()


def _number(text: str, form: CsvFormat) -> str:
    """Write a number as the dialect does."""
    minus = form.trailing_minus and text.startswith("-")
    return (f"{text[1:]}-" if minus else text).replace(".", form.decimal)


@contextmanager
def without_rights() -> Iterator[None]:
    """Act as a user to whom nothing belongs, where the tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@contextmanager
def passages(file: Path) -> Iterator[list[str]]:
    """Note the crash points that are passed, in a file meanwhile; nobody is killed."""
    passed: list[str] = []
    fault.arm(fault.Order(fault.ANY, 0, file))
    try:
        yield passed
    finally:
        fault.arm(None)
        passed += file.read_text().split()


MARKED_AND_FAILED = [
    *("file.moving", "file.moved"),  # the marker is taken
    *("file.moving", "file.reason", "file.moved"),
    *("file.moving", "file.moved"),  # the marker follows
]
"""The crash points of putting a file away that failed and has a marker."""


class DropFolder(SourceUnderTest):
    """The ERP's side of a drop folder; each statement is a file whose name sorts after the last.

    form: the dialect that it writes, with decimal marks and borders. packed: as gzip.
    """

    def __init__(
        self,
        path: Path,
        kind: Kind,
        *,
        fixed_name: bool = False,
        form: CsvFormat | None = None,
        packed: bool = False,
    ) -> None:
        path.mkdir()
        self._form = form or CsvFormat()
        self._packed = packed
        self.path = path
        self.kind = kind
        self._fixed_name = fixed_name
        self._count = 0

    def connector(self) -> Connector:
        pattern = "*.csv.gz" if self._packed else "*.csv"
        return CsvDrop(options(self.path, mode=self.kind, format=self._form, pattern=pattern))

    def state(self, *items: Item) -> None:
        self._write([item.sku, item.warehouse, f"{item.quantity:f}", item.unit] for item in items)

    def state_broken(self, good: Item, broken_sku: str) -> None:
        self._write(
            [
                [good.sku, good.warehouse, f"{good.quantity:f}", good.unit],
                [broken_sku, good.warehouse, "12x", good.unit],
            ]
        )

    def state_many(self, count: int) -> None:
        self._write([f"SKU-{number}", "WH-MAIN", number, "AD"] for number in range(count))

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        away = self.path.with_name("away")
        self.path.rename(away)
        try:
            yield
        finally:
            away.rename(self.path)

    def contents(self) -> object:
        return tree(self.path)

    def _write(self, rows: Iterable[list[object]]) -> None:
        self._count += 1
        name = "stock.csv" if self._fixed_name else f"stock_{self._count:03}.csv"
        name += ".gz" if self._packed else ""
        text = written([HEADER.strip().split(","), *rows], self._form).encode(self._form.encoding)
        (self.path / name).write_bytes(gzip.compress(text) if self._packed else text)
        at = time.time() - 3600 + self._count
        os.utime(self.path / name, (at, at))
