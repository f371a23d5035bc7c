"""Any bytes: each row is applied with the number a strict reading gives, or reported by its line.

The strict reading is that of `tests.connectors.strict`, which shares no code with the connector.
"""

from __future__ import annotations

import re
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given

from connectors.contract import Kind
from connectors.csv_drop import CsvColumns, CsvDrop, CsvFormat, CsvOptions, Ready
from connectors.errors import SourceUnreadable
from tests.connectors.conformance import Reading, read
from tests.connectors.dirt import DIALECTS, NUMBERS, SKUS, dirty_files, noise, written
from tests.connectors.drops import drop
from tests.connectors.strict import COLUMNS, Dialect, Refused, Stated, read_strictly
from tests.fuzzing import fuzz

PLACED = re.compile(r"stock\.csv( line [0-9]+)?")


def an_hour_from_now() -> float:
    """When a file that was put a moment ago lies still for long."""
    return time.time() + 3_600


def options_of(folder: Path, dialect: Dialect, **changes: Ready) -> CsvOptions:
    sku, warehouse, stock, unit = COLUMNS if dialect.header else (1, 2, 3, 4)
    return CsvOptions(
        path=folder,
        mode=Kind.SNAPSHOT,
        columns=CsvColumns(sku=sku, stock=stock, warehouse=warehouse, unit_type=unit),
        format=CsvFormat(
            encoding=dialect.encoding,
            delimiter=dialect.delimiter,
            decimal=dialect.decimal,
            thousands=dialect.thousands,
            header=dialect.header,
        ),
        **changes,
    )


def taken(content: bytes, dialect: Dialect) -> Reading | None:
    """What the connector reads of a file; None: the file waits, and says why."""
    with tempfile.TemporaryDirectory() as folder:
        drop(Path(folder) / "stock.csv", content)
        source = CsvDrop(options_of(Path(folder), dialect), now=an_hour_from_now)
        listing = source.look(None, full=False)
        if listing.offers:
            return read(listing.offers[0])
        assert [(bool(one.label), bool(one.reason)) for one in listing.waiting] == [(True, True)]
        return None


def outcomes(reading: Reading) -> dict[int, Stated]:
    """What became of each line, in the words of the strict reading."""
    rows = {
        row.place: Stated(row.sku, row.warehouse, Fraction(row.quantity)) for row in reading.rows
    }
    rejected = {bad.place: Stated(bad.sku, bad.warehouse, None) for bad in reading.rejects}
    assert len(rows) + len(rejected) == len(reading.rows) + len(reading.rejects)
    assert not rows.keys() & rejected.keys()
    assert all(bad.reason and bad.message and bad.remedy for bad in reading.rejects)
    return rows | rejected


def refuses_or_waits(content: bytes, dialect: Dialect) -> None:
    with pytest.raises(SourceUnreadable) as caught:  # noqa: PT012 - or the file is not looked into
        if taken(content, dialect) is None:
            raise SourceUnreadable("it waits", remedy="", place="stock.csv")
    assert PLACED.fullmatch(caught.value.place)


def hold_to_the_strict_reading(content: bytes, dialect: Dialect) -> None:
    try:
        expected = read_strictly(content, dialect)
    except Refused:
        refuses_or_waits(content, dialect)
        return
    reading = taken(content, dialect)
    if reading is None:
        assert not content.endswith(b"\n")
        return
    assert outcomes(reading) == expected


@fuzz(200)
@given(file=dirty_files())
def test_each_row_of_a_damaged_file_is_read_strictly_or_reported(
    file: tuple[Dialect, bytes],
) -> None:
    dialect, content = file
    hold_to_the_strict_reading(content, dialect)


@fuzz(150)
@given(file=noise())
def test_each_row_of_any_bytes_is_read_strictly_or_reported(file: tuple[Dialect, bytes]) -> None:
    dialect, content = file
    hold_to_the_strict_reading(content + "\n".encode(dialect.encoding), dialect)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: f"{one.encoding}{one.delimiter}")
def test_every_odd_number_and_code_is_read_strictly_or_reported(dialect: Dialect) -> None:
    odd = [
        *([f"S{n}", "MAIN", number, "AD"] for n, number in enumerate(NUMBERS)),
        *([sku, "MAIN", "5", "AD"] for sku in SKUS),
    ]
    hold_to_the_strict_reading(written(odd, dialect), dialect)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: f"{one.encoding}{one.delimiter}")
def test_every_cut_of_a_file_is_read_strictly_or_refused(dialect: Dialect) -> None:
    rows = [
        ["0001234", "MAIN", "1200", "AD"],
        ['a"b', "ANNEX", "-345", ""],
        ["two\nlines", "MAIN", "67", "KG"],
    ]
    content = written(rows, dialect)
    whole = read_strictly(content, dialect)
    for length in range(len(content) + 1):
        cut = content[:length]
        hold_to_the_strict_reading(cut, dialect)
        try:
            reading = taken(cut, dialect)
        except SourceUnreadable:
            continue
        assert reading is None or outcomes(reading).items() <= whole.items()
