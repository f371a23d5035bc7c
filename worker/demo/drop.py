"""The drop folder: files as Turkish back offices export them, valid but for one row.

cp1254, CRLF, `;` between cells, a decimal comma and points between thousands, quoted cells, leading
zeros, letters that other code pages lack, a fraction of a kilogram, a negative stock.
"""

from __future__ import annotations

import csv
import io
import random
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from worker.demo.catalogue import WAREHOUSES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

HEADER = ("Stok Kodu", "Depo Kodu", "Kullanılabilir Miktar", "Ölçü Birimi")  # noqa: RUF001 - Turkish
ENCODING = "cp1254"
UNITS = {"Adet": "qty", "KG": "kg"}
BROKEN_CELLS = ("0004711", "IST", "12,5O", "Adet")
"""The broken row: somebody typed the letter O for a zero."""

BROKEN_KEY = (WAREHOUSES["IST"], "0004711")
BROKEN_LINE = 9
"""Where it stands in every file, counted from 1 with the header."""

_CHANGED = 25


class Stock(NamedTuple):
    """What one row states."""

    sku: str
    warehouse: str
    quantity: Decimal
    unit: str

    @property
    def key(self) -> tuple[int, str]:
        """(stock list, SKU)."""
        return WAREHOUSES[self.warehouse], self.sku


_AWKWARD = (
    Stock("0001234", "IST", Decimal("105.00"), "Adet"),
    Stock('KABLO;3x1,5 "NYM"', "BER", Decimal("1250.00"), "Adet"),
    Stock("İNCİR-ŞEKERLİ", "IST", Decimal("12.85"), "KG"),
    Stock("ÇAĞLA", "BER", Decimal("0.40"), "KG"),
    Stock("İADE-0007", "IST", Decimal("-3.00"), "Adet"),
    Stock("VİDA M4", "IST", Decimal("3000000.00"), "Adet"),
    Stock("00-SIFIR", "BER", Decimal("0.00"), "Adet"),
)


def rows(count: int, *, seed: int) -> list[Stock]:
    """What the first file states; its SKUs are none of the ERP's."""
    dice = random.Random(seed)  # noqa: S311 - sample data
    codes = list(WAREHOUSES)
    ordinary = [
        Stock(f"00{number:07d}", dice.choice(codes), Decimal(dice.randint(0, 2_000)), "Adet")
        for number in range(1_000_000, 1_000_000 + count)
    ]
    return [*_AWKWARD, *ordinary]


def changed(stocks: Sequence[Stock], *, seed: int) -> list[Stock]:
    """The same rows some time later: a few have one more."""
    dice = random.Random(seed)  # noqa: S311 - sample data
    picked = set(dice.sample(range(len(_AWKWARD), len(stocks)), k=min(_CHANGED, len(stocks) // 4)))
    return [
        stock._replace(quantity=stock.quantity + 1) if number in picked else stock
        for number, stock in enumerate(stocks)
    ]


def drop(folder: Path, name: str, stocks: Iterable[Stock]) -> None:
    """Write a file the way a careful exporter does: under another name first."""
    part = folder / f"{name}.tmp"
    part.write_bytes(text(stocks).encode(ENCODING))
    part.rename(folder / name)


def text(stocks: Iterable[Stock]) -> str:
    """The whole file, with the broken row on its line."""
    cells = [list(HEADER), *([s.sku, s.warehouse, _number(s.quantity), s.unit] for s in stocks)]
    cells.insert(BROKEN_LINE - 1, list(BROKEN_CELLS))
    written = io.StringIO()
    csv.writer(written, delimiter=";", lineterminator="\r\n").writerows(cells)
    return written.getvalue()


def expected(stocks: Iterable[Stock]) -> dict[tuple[int, str], tuple[int, str]]:
    """(stock list, SKU) -> the whole stock and the unit that Omnitron should show."""
    return {stock.key: (max(int(stock.quantity), 0), UNITS[stock.unit]) for stock in stocks}


def _number(quantity: Decimal) -> str:
    """1250 -> 1.250,00."""
    return f"{quantity:,.2f}".translate(str.maketrans(",.", ".,"))
