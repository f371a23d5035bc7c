"""A drop folder as tests use it: an ERP that writes into it, and a connector on it."""

from __future__ import annotations

import csv
import os
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors.contract import Kind
from connectors.csv_drop import CsvColumns, CsvDrop, CsvOptions
from tests.connectors.conformance import Item, SourceUnderTest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from connectors.contract import Connector

LONG_AGO = 1_700_000_000.0
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
    """Take every file below a folder with its content."""
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


class DropFolder(SourceUnderTest):
    """The ERP's side of a drop folder; each statement is a file whose name sorts after the last."""

    def __init__(self, path: Path, kind: Kind, *, fixed_name: bool = False) -> None:
        path.mkdir()
        self.path = path
        self.kind = kind
        self._fixed_name = fixed_name
        self._count = 0

    def connector(self) -> Connector:
        return CsvDrop(options(self.path, mode=self.kind))

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
        with (self.path / name).open("w", newline="", encoding="utf-8") as stream:
            stream.write(HEADER)
            csv.writer(stream).writerows(rows)
        at = time.time() - 3600 + self._count
        os.utime(self.path / name, (at, at))
