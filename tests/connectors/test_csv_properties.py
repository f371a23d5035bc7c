"""What holds for every CSV file, whatever stands in it and wherever it is cut."""

from __future__ import annotations

import csv
import io
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.contract import Verdict
from connectors.csv_drop import CsvDrop, CsvFormat, Ready
from connectors.csv_drop.layout import fold
from connectors.errors import SourceUnreadable
from tests.connectors.conformance import Reading, read
from tests.connectors.drops import drop, options

DIALECTS = [
    CsvFormat(),
    CsvFormat(delimiter=";", decimal=",", thousands="."),
    CsvFormat(encoding="utf-16", delimiter="\t"),
    CsvFormat(encoding="cp1254", delimiter="|", decimal=","),
]
HEADER_CELLS = ["Stok Kodu", "Depo", "Miktar", "Birim"]
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read_once(path: Path, content: bytes, form: CsvFormat, **changes: Ready) -> Reading | None:
    """Read a file as far as it is offered; None: it is not ready."""
    drop(path / "stock.csv", content)
    offers = CsvDrop(options(path, format=form, **changes)).look(None, full=False).offers
    return read(offers[0]) if offers else None


def written(rows: list[list[str]], form: CsvFormat) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=form.delimiter, lineterminator="\r\n")
    writer.writerows([HEADER_CELLS, *rows])
    return text.getvalue().encode(form.encoding)


@st.composite
def tables(draw: st.DrawFn) -> tuple[CsvFormat, list[list[str]]]:
    """Draw a dialect and rows of any text that it can write, mixed with numbers."""
    form = draw(st.sampled_from(DIALECTS))
    codec = "utf-8" if form.encoding == "utf-16" else form.encoding
    text = st.text(st.characters(codec=codec, exclude_characters="\0"), max_size=8)
    cell = st.one_of(text, st.from_regex(r"-?[0-9]{1,3}([.,][0-9]{1,3})?", fullmatch=True))
    return form, draw(st.lists(st.lists(cell, min_size=1, max_size=6), max_size=12))


@QUICK
@given(table=tables())
def test_each_row_comes_out_once_as_a_row_or_a_reject(
    table: tuple[CsvFormat, list[list[str]]],
) -> None:
    form, rows = table
    with tempfile.TemporaryDirectory() as folder:
        reading = read_once(Path(folder), written(rows, form), form)
    assert reading is not None
    stated = [row for row in rows if any(row) and (len(row) > 1 or row[0].strip())]
    assert len(reading.rows) + len(reading.rejects) == len(stated)
    places = [*(row.place for row in reading.rows), *(bad.place for bad in reading.rejects)]
    assert len(set(places)) == len(stated)
    raw = [list(row.cells) for row in reading.rows]
    assert all(row in stated for row in raw)
    assert all(
        row.sku == row.cells[0].strip() and row.warehouse == row.cells[1].strip()
        for row in reading.rows
    )


@QUICK
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_nothing_else(content: bytes) -> None:
    for form in DIALECTS:
        with tempfile.TemporaryDirectory() as folder, suppress(SourceUnreadable):
            read_once(Path(folder), content + b"\n", form, ready=Ready.MARKER)
            read_once(Path(folder), content + b"\n", form)


@pytest.mark.parametrize("form", DIALECTS, ids=lambda form: form.encoding + form.delimiter)
def test_a_file_cut_at_any_byte_never_gives_a_wrong_quantity(
    tmp_path: Path, form: CsvFormat
) -> None:
    rows = [["0001234", "IST", "1200", "Adet"], ['a"b', "BER", "345", "St"], ["C", "W", "67", ""]]
    whole = {row[0]: row[2] for row in rows}
    content = written(rows, form)
    for length in range(len(content) + 1):
        try:
            reading = read_once(tmp_path, content[:length], form)
        except SourceUnreadable:
            continue
        if reading is not None:
            assert {row.sku: row.quantity for row in reading.rows}.items() <= whole.items()


def test_a_file_cut_at_any_byte_is_not_ready_without_its_trailer(tmp_path: Path) -> None:
    form = CsvFormat(delimiter=";")
    content = written([["A", "W", "1200", "AD"]], form) + b"END;1"
    for length in range(len(content) - len(b";1")):
        drop(tmp_path / "stock.csv", content[:length])
        listing = CsvDrop(options(tmp_path, format=form, ready=Ready.TRAILER)).look(
            None, full=False
        )
        assert [offer for offer in listing.offers if offer.verdict is Verdict.READ] == []


@given(text=st.text(max_size=12))
def test_folding_a_header_is_final_and_blind_to_case_in_turkish(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert fold(f" {text}\t") == fold(text)
    turkish_upper = "".join({"i": "İ", "\u0131": "I"}.get(sign, sign) for sign in text)
    assert fold(turkish_upper) == fold(text)
