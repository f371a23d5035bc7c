"""The same stock says the same in every dialect, and a file cut anywhere says nothing else."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Kind
from connectors.csv_drop import CsvColumns, CsvDrop, CsvFormat, CsvOptions, Skip
from connectors.errors import SourceUnreadable
from tests.connectors.conformance import read
from tests.connectors.drops import drop
from tests.fuzzing import fuzz

if TYPE_CHECKING:
    from collections.abc import Callable

Stock = dict[tuple[str, str], str]
"""Quantity, as plain decimal text, by SKU and warehouse."""

WAREHOUSES = ("IST", "ANK")
BY_NAME = CsvColumns(sku="Stok Kodu", stock="Miktar", warehouse="Depo")
BY_POSITION = CsvColumns(sku=1, stock=3, warehouse=2)
SKIP_TOTALS = (Skip(column=1, equals="TOPLAM"),)

skus = st.text("ABab01 .,;'\u0131\u0130\u015e-/", min_size=1, max_size=6).filter(
    lambda text: text == text.strip()
)
quantities = st.from_regex(r"\A(-?[1-9][0-9]{0,6}|0)(\.[0-9]{0,2}[1-9])?\Z").filter(
    lambda text: text != "-0"
)
stocks = st.dictionaries(skus, st.tuples(quantities, quantities), min_size=1, max_size=6).map(
    lambda told: {(sku, at): told[sku][n] for sku in told for n, at in enumerate(WAREHOUSES)}
)


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way of writing stock, and how it is configured."""

    name: str
    write: Callable[[Stock], bytes]
    form: CsvFormat
    columns: CsvColumns = BY_NAME
    skips: tuple[Skip, ...] = ()


def table(stock: Stock, number: Callable[[str], str] = str) -> list[list[str]]:
    return [[sku, at, number(text)] for (sku, at), text in stock.items()]


def lines(rows: list[list[str]], delimiter: str, **how: int) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n", **how).writerows(rows)
    return text.getvalue()


def plain(stock: Stock) -> bytes:
    return lines([["Stok Kodu", "Depo", "Miktar"], *table(stock)], ",").encode()


def grouped(text: str) -> str:
    """1234.5 as 1.234,5, as Turkish and German spreadsheets write it."""
    whole, _, fraction = text.lstrip("-").partition(".")
    parted = f"{int(whole):,}".replace(",", ".") + (f",{fraction}" if fraction else "")
    return f"-{parted}" if text.startswith("-") else parted


def turkish(stock: Stock) -> bytes:
    rows = [["Stok Kodu", "Depo", "Miktar"], *table(stock, grouped), ["TOPLAM", "", "1.234,50"]]
    return lines(rows, ";").encode("cp1254")


def hinted(stock: Stock) -> bytes:
    rows = [["STOK KODU", "DEPO", "M\u0130KTAR"], *table(stock)]
    return ("sep=;\n" + lines(rows, ";").replace("\r\n", "\n")).encode("iso8859-9")


def spreadsheet(stock: Stock) -> bytes:
    return lines([["Stok Kodu", "Depo", "Miktar"], *table(stock)], "\t").encode("utf-16")


def quoted(stock: Stock) -> bytes:
    rows = [["Stok Kodu", "Depo", "Miktar"], *table(stock)]
    return lines(rows, ";", quoting=csv.QUOTE_ALL).encode("utf-8-sig")


def headless(stock: Stock) -> bytes:
    return lines(table(stock), ";").encode()


def printed(stock: Stock) -> bytes:
    def behind(text: str) -> str:
        number = grouped(text)
        return f"{number[1:]}-" if number.startswith("-") else f"{number} "

    rule = "-" * 60
    rows = [["Stok Kodu", "Depo", "Miktar"], *table(stock, behind)]
    body = [f"|{sku:<12}|{at:<5}|{number:>20}|" for sku, at, number in rows]
    return "".join(f"{line}\r\n" for line in [rule, body[0], rule, *body[1:], rule]).encode()


def pivot(stock: Stock) -> bytes:
    rows = [[sku, *(stock[sku, at] for at in WAREHOUSES)] for sku in {sku: 0 for sku, _ in stock}]
    return lines([["Stok Kodu", *WAREHOUSES], *rows], ";").encode("utf-8-sig")


def zipped(stock: Stock) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("stock.csv", plain(stock))
    return packed.getvalue()


WAYS = (
    Way(
        name="turkish",
        write=turkish,
        form=CsvFormat(encoding="cp1254", delimiter=";", decimal=",", thousands="."),
        skips=SKIP_TOTALS,
    ),
    Way(name="hinted", write=hinted, form=CsvFormat(encoding="iso8859-9", delimiter=";")),
    Way(name="spreadsheet", write=spreadsheet, form=CsvFormat(encoding="utf-16", delimiter="\t")),
    Way(name="quoted", write=quoted, form=CsvFormat(delimiter=";")),
    Way(
        name="headless",
        write=headless,
        form=CsvFormat(delimiter=";", header=False),
        columns=BY_POSITION,
    ),
    Way(
        name="printed",
        write=printed,
        form=CsvFormat(
            delimiter="|",
            bordered=True,
            quoted=False,
            decimal=",",
            thousands=".",
            trailing_minus=True,
        ),
    ),
    Way(
        name="pivot",
        write=pivot,
        form=CsvFormat(delimiter=";"),
        columns=CsvColumns(sku="Stok Kodu", warehouses=WAREHOUSES),
    ),
    Way(name="gzip", write=lambda stock: gzip.compress(plain(stock)), form=CsvFormat()),
    Way(name="zip", write=zipped, form=CsvFormat()),
)
every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)


def said(content: bytes, way: Way) -> tuple[Stock, int] | None:
    """What is read of a file, and how many rows are rejected; None: it waits."""
    with tempfile.TemporaryDirectory() as folder:
        drop(Path(folder) / "stock.csv", content)
        source = CsvDrop(
            CsvOptions(
                path=Path(folder),
                mode=Kind.SNAPSHOT,
                columns=way.columns,
                format=way.form,
                skip_rows_where=way.skips,
            ),
            now=lambda: time.time() + 3_600,
        )
        offers = source.look(None, full=False).offers
        if not offers:
            return None
        reading = read(offers[0])
    stock = {(row.sku, row.warehouse): row.quantity for row in reading.rows}
    assert len(stock) == len(reading.rows)
    return stock, len(reading.rejects)


@every_way
@fuzz(25)
@given(stock=stocks)
def test_the_same_stock_is_read_from_every_dialect(way: Way, stock: Stock) -> None:
    assert said(way.write(stock), way) == (stock, 0)


@every_way
def test_a_file_cut_at_any_byte_gives_no_wrong_quantity_in_any_dialect(way: Way) -> None:
    stock = {
        ("0001234", "IST"): "12345.5",
        ("0001234", "ANK"): "-1200",
        ("A.1", "IST"): "1000",
        ("A.1", "ANK"): "0",
    }
    content = way.write(stock)
    for length in range(len(content)):
        try:
            outcome = said(content[:length], way)
        except SourceUnreadable:
            continue
        assert outcome is None or outcome[0].items() <= stock.items()
