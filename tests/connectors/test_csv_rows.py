"""Rows of lists, pivot tables and totals: what is taken, passed over, or rejected with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connectors.csv_drop import CsvColumns, CsvDrop, CsvFormat, Empty, Ready, Skip, layout, table
from connectors.errors import SourceUnreadable
from tests.connectors.conformance import LARGEST_CHUNK, Reading, read
from tests.connectors.drops import HEADER, drop, options

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.contract import Chunk

BORDERED = CsvFormat(delimiter="|", bordered=True, quoted=False, trailing_minus=True)
LIST = CsvColumns(sku="sku", stock="n")
PIVOT = CsvColumns(sku="sku", warehouses=("ANK", "BER"))


def read_file(path: Path, content: str, **changes: Any) -> Reading:
    drop(path / "stock.csv", content)
    [offer] = CsvDrop(options(path, **changes)).look(None, full=False).offers
    return read(offer)


def chunks_of(path: Path, content: str, **changes: Any) -> list[Chunk]:
    drop(path / "stock.csv", content)
    [offer] = CsvDrop(options(path, **changes)).look(None, full=False).offers
    return list(offer.chunks())


def stocks(reading: Reading) -> list[tuple[str, str, str]]:
    return [(row.sku, row.warehouse, row.quantity) for row in reading.rows]


@pytest.mark.parametrize("line", ["A|5", "|A|5", "A|5|", "A", "|A|5|6|"])
def test_a_line_of_a_list_without_its_borders_is_rejected(tmp_path: Path, line: str) -> None:
    text = f"title\n---\n|sku|n|\n|---+--|\n{line}\n|B|7-|\n---\n"
    reading = read_file(tmp_path, text, columns=LIST, format=BORDERED)
    assert stocks(reading) == [("B", "", "-7")]
    [reject] = reading.rejects
    assert reject.place == 5
    assert reject.reason in {"short_row", "long_row"}
    assert "begin and end it with '|'" in reject.remedy


def test_a_list_without_header_has_no_titles_to_pass_over(tmp_path: Path) -> None:
    form = CsvFormat(delimiter="|", bordered=True, header=False)
    reading = read_file(
        tmp_path, "---\nA|5\n|B|7|\n", columns=CsvColumns(sku=1, stock=2), format=form
    )
    assert stocks(reading) == [("B", "", "7")]
    assert [reject.place for reject in reading.rejects] == [2]


def test_quotes_are_signs_where_configured(tmp_path: Path) -> None:
    form = CsvFormat(quoted=False)
    reading = read_file(tmp_path, 'sku,n\n"3/4"" screw,5\n', columns=LIST, format=form)
    assert stocks(reading) == [('"3/4"" screw', "", "5")]


def test_a_bad_cell_of_a_pivot_table_takes_no_other_with_it(tmp_path: Path) -> None:
    reading = read_file(tmp_path, "sku,ANK,BER\nA,x,2\nB,3,\n", columns=PIVOT)
    assert stocks(reading) == [("A", "BER", "2"), ("B", "ANK", "3")]
    assert [(bad.sku, bad.warehouse, bad.column, bad.reason) for bad in reading.rejects] == [
        ("A", "ANK", "ANK", "not_a_number"),
        ("B", "BER", "BER", "empty_stock"),
    ]


@pytest.mark.parametrize("line", ["A,1", "A,1,2,3", ",1,2"])
def test_a_misshapen_row_of_a_pivot_table_states_nothing(tmp_path: Path, line: str) -> None:
    reading = read_file(tmp_path, f"sku,ANK,BER\n{line}\n", columns=PIVOT)
    assert (reading.rows, len(reading.rejects)) == ([], 1)


@pytest.mark.parametrize(
    ("empty", "expected"),
    [
        (Empty.REJECT, [("A", "ANK", "1")]),
        (Empty.ZERO, [("A", "ANK", "1"), ("A", "BER", "0")]),
        (Empty.ABSENT, [("A", "ANK", "1")]),
    ],
)
def test_an_empty_cell_means_what_is_configured(
    tmp_path: Path, empty: Empty, expected: list[tuple[str, str, str]]
) -> None:
    form = CsvFormat(empty=empty)
    reading = read_file(tmp_path, "sku,ANK,BER\nA,1, \n", columns=PIVOT, format=form)
    assert stocks(reading) == expected
    assert len(reading.rejects) == (empty is Empty.REJECT)


def test_rows_that_say_nothing_do_not_end_the_file(tmp_path: Path) -> None:
    text = "sku,n\n" + "A,\n" * 2 * LARGEST_CHUNK + "B,7\n"
    form = CsvFormat(empty=Empty.ABSENT)
    found = chunks_of(tmp_path, text, columns=LIST, format=form)
    assert sum(chunk.skipped for chunk in found) == 2 * LARGEST_CHUNK
    assert [row.sku for chunk in found for row in chunk.rows] == ["B"]


def test_the_chunks_of_a_wide_pivot_table_stay_small(tmp_path: Path) -> None:
    names = tuple(f"W{number}" for number in range(70))
    text = f"sku,{','.join(names)}\n" + "".join(f"S{n}{',1' * 70}\n" for n in range(200))
    found = chunks_of(tmp_path, text, columns=CsvColumns(sku="sku", warehouses=names))
    assert max(len(chunk.rows) for chunk in found) <= LARGEST_CHUNK
    assert sum(len(chunk.rows) for chunk in found) == 70 * 200


@pytest.mark.parametrize(
    "skip",
    [
        Skip(column="Stok Kodu", equals="TOPLAM"),
        Skip(column=1, matches="TOP.*"),
        Skip(column="Depo", equals=""),
    ],
)
def test_a_totals_line_is_counted_and_not_rejected(tmp_path: Path, skip: Skip) -> None:
    found = chunks_of(
        tmp_path, HEADER + "A,W,1,AD\n TOPLAM ,,x,\n", skip_rows_where=(skip,), ready=Ready.STABLE
    )
    assert [(len(chunk.rows), len(chunk.rejects), chunk.skipped) for chunk in found] == [(1, 0, 1)]


def test_a_rule_for_skipping_fits_the_whole_cell_and_its_case(tmp_path: Path) -> None:
    skips = (Skip(column=1, matches="TOP"), Skip(column=1, equals="toplam"))
    reading = read_file(tmp_path, HEADER + "TOPLAM,W,1,AD\n", skip_rows_where=skips)
    assert [row.sku for row in reading.rows] == ["TOPLAM"]


def test_a_short_totals_line_is_skipped_too(tmp_path: Path) -> None:
    [chunk] = chunks_of(
        tmp_path, HEADER + "TOPLAM,9\n", skip_rows_where=(Skip(column=1, equals="TOPLAM"),)
    )
    assert (chunk.rejects, chunk.skipped) == ([], 1)


def test_a_trailer_counts_skipped_rows_too(tmp_path: Path) -> None:
    text = HEADER + "A,W,1,AD\nTOPLAM,,1,\nEND,2\n"
    skips = (Skip(column=1, equals="TOPLAM"),)
    reading = read_file(tmp_path, text, ready=Ready.TRAILER, skip_rows_where=skips)
    assert [row.sku for row in reading.rows] == ["A"]


@pytest.mark.parametrize("sold", ["-1", "1.5", "x", "2147483648", ""])
def test_unreported_sales_that_are_no_count_reject_the_row(tmp_path: Path, sold: str) -> None:
    columns = CsvColumns(sku="sku", stock="n", sold_quantity_unreported="sold")
    reading = read_file(tmp_path, f"sku,n,sold\nA,1,{sold}\nB,2,3.00\n", columns=columns)
    assert [(row.sku, row.sold) for row in reading.rows] == [("B", "3")]
    assert [(bad.sku, bad.column, bad.reason) for bad in reading.rejects] == [
        ("A", "sold", "bad_sold_quantity")
    ]


def test_absent_unreported_sales_are_none(tmp_path: Path) -> None:
    columns = CsvColumns(sku="sku", stock="n", sold_quantity_unreported="sold")
    form = CsvFormat(empty=Empty.ABSENT)
    [row] = read_file(tmp_path, "sku,n,sold\nA,1,\n", columns=columns, format=form).rows
    assert row.sold is None


def test_extra_fields_that_are_too_long_reject_the_row(tmp_path: Path) -> None:
    columns = CsvColumns(sku="sku", stock="n", extra_field={"note": "note"})
    reading = read_file(tmp_path, f"sku,n,note\nA,1,{'x' * 9_000}\nB,2,y\n", columns=columns)
    assert [(row.sku, row.extra) for row in reading.rows] == [("B", '{"note":"y"}')]
    assert [bad.reason for bad in reading.rejects] == ["extra_field_too_long"]


def test_a_header_of_too_many_columns_is_refused(tmp_path: Path) -> None:
    wide = "sku,n" + ",x" * layout.MOST_COLUMNS
    with pytest.raises(SourceUnreadable, match="16386 columns"):
        read_file(tmp_path, f"{wide}\nA,1\n", columns=LIST)


def test_a_file_of_too_many_rows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "MOST_ROWS", 2)
    with pytest.raises(SourceUnreadable, match="more than 2 rows"):
        read_file(tmp_path, "sku,n\nA,1\nB,x\nC,1\n", columns=LIST)


@pytest.mark.parametrize("others", ["", "B,5,\n", "B,5,\nC,6,\n"])
def test_a_number_that_a_delimiter_tears_apart_is_rejected_beside_an_empty_last_cell(
    tmp_path: Path, others: str
) -> None:
    reading = read_file(tmp_path, f"sku,n,note\nA,1,250,\n{others}", columns=LIST)
    assert [reject.reason for reject in reading.rejects] == ["long_row"]
    assert "A" not in {row.sku for row in reading.rows}


def test_rows_that_all_end_in_a_delimiter_are_taken_though_the_header_does_not(
    tmp_path: Path,
) -> None:
    reading = read_file(tmp_path, "sku,n\nA,1,\nC\nB,2,\n", columns=LIST)
    assert stocks(reading) == [("A", "", "1"), ("B", "", "2")]


def test_rows_may_be_as_wide_as_the_blank_end_of_the_header(tmp_path: Path) -> None:
    reading = read_file(tmp_path, "sku,n,,\nA,1,,\nB,2\n", columns=LIST)
    assert stocks(reading) == [("A", "", "1"), ("B", "", "2")]
