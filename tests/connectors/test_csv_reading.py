"""What a CSV file says, in the dialects that ERPs write, and what is refused with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connectors.csv_drop import CsvColumns, CsvDrop, CsvFormat, Ready
from connectors.errors import SourceMisconfigured, SourceUnreadable
from tests.connectors.conformance import Reading, read
from tests.connectors.drops import HEADER, LONG_AGO, drop, options

if TYPE_CHECKING:
    from pathlib import Path

TURKISH = CsvFormat(delimiter=";", decimal=",", thousands=".")
TURKISH_TEXT = (
    "Stok Kodu;Depo Kodu;Kullan\u0131labilir Miktar;Ölçü Birimi\r\n"
    "0001234;IST;105,00;Adet\r\n"
    "DEV-STOK;IST;3.000.000.000,00;Adet\r\n"
    '"a;b,""c""";BER;2,00;Adet\r\n'
    "ŞİŞE-\u0131;IST;-1.250,5;Adet\r\n"
)
TURKISH_COLUMNS = CsvColumns(
    sku="stok kodu",
    stock="KULLANILABİLİR MİKTAR",
    warehouse="Depo Kodu",
    unit_type="ölçü birimi",
)
TURKISH_ROWS = [
    ("0001234", "IST", "105", "Adet"),
    ("DEV-STOK", "IST", "3000000000", "Adet"),
    ('a;b,"c"', "BER", "2", "Adet"),
    ("ŞİŞE-\u0131", "IST", "-1250.5", "Adet"),
]


def read_file(path: Path, content: str | bytes, **changes: Any) -> Reading:
    drop(path / "stock.csv", content)
    [offer] = CsvDrop(options(path, **changes)).look(None, full=False).offers
    return read(offer)


def rows(reading: Reading) -> list[tuple[str, str, str, str]]:
    return [(row.sku, row.warehouse, row.quantity, row.unit) for row in reading.rows]


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "cp1254", "iso8859-9", "utf-16", "utf-16-le", "utf-16-be"],
)
def test_a_turkish_export_is_read_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    reading = read_file(
        tmp_path,
        TURKISH_TEXT.encode(encoding),
        columns=TURKISH_COLUMNS,
        format=CsvFormat(encoding=encoding, delimiter=";", decimal=",", thousands="."),
    )
    assert rows(reading) == TURKISH_ROWS
    assert reading.rejects == []


@pytest.mark.parametrize("mark", ["\ufeff".encode("utf-16-le"), "\ufeff".encode("utf-16-be")])
def test_the_byte_order_mark_says_how_utf_16_is_read(tmp_path: Path, mark: bytes) -> None:
    body = TURKISH_TEXT.encode("utf-16-le" if mark == b"\xff\xfe" else "utf-16-be")
    form = CsvFormat(encoding="utf-16", delimiter=";", decimal=",", thousands=".")
    reading = read_file(tmp_path, mark + body, columns=TURKISH_COLUMNS, format=form)
    assert rows(reading) == TURKISH_ROWS


def test_a_byte_order_mark_is_no_part_of_the_first_header(tmp_path: Path) -> None:
    reading = read_file(tmp_path, "\ufeff" + HEADER + "A,W,1,AD\n")
    assert rows(reading) == [("A", "W", "1", "AD")]


def test_a_german_export_in_cp1252_is_read(tmp_path: Path) -> None:
    text = "Artikelnummer;Lager;Verfügbarer Bestand;Einheit\r\nGRÖSSE-€;WH;1.250,00;St\r\n"
    columns = CsvColumns(sku="ARTIKELNUMMER", stock="verfügbarer bestand", warehouse="Lager")
    form = CsvFormat(encoding="cp1252", delimiter=";", decimal=",", thousands=".")
    reading = read_file(tmp_path, text.encode("cp1252"), columns=columns, format=form)
    assert rows(reading) == [("GRÖSSE-€", "WH", "1250", "")]


def test_tabs_divide_cells_where_configured(tmp_path: Path) -> None:
    form = CsvFormat(delimiter="\t")
    reading = read_file(tmp_path, HEADER.replace(",", "\t") + "A\tW\t1\tAD\n", format=form)
    assert rows(reading) == [("A", "W", "1", "AD")]


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;\r"])
def test_a_first_line_for_a_spreadsheet_is_passed_over(tmp_path: Path, line: str) -> None:
    reading = read_file(
        tmp_path, f"{line}\n{TURKISH_TEXT}", columns=TURKISH_COLUMNS, format=TURKISH
    )
    assert rows(reading) == TURKISH_ROWS
    assert reading.rows[0].place == 3


def test_a_first_line_that_names_another_delimiter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"';'"):
        read_file(tmp_path, "sep=;\n" + HEADER)


@pytest.mark.parametrize(
    "word", ["MİKTAR", "miktar", "Miktar", "MIKTAR", " miktar ", "m\u0131ktar"]
)
def test_a_header_is_found_however_its_letters_are_written(tmp_path: Path, word: str) -> None:
    columns = CsvColumns(sku="sku", stock="Miktar")
    reading = read_file(tmp_path, f"SKU,{word}\nA,5\n", columns=columns)
    assert rows(reading) == [("A", "", "5", "")]


def test_columns_may_be_given_by_position_under_a_header(tmp_path: Path) -> None:
    columns = CsvColumns(sku=2, stock=1)
    assert rows(read_file(tmp_path, "n,code\n5,A\n", columns=columns)) == [("A", "", "5", "")]


def test_a_file_without_header_is_read_by_position(tmp_path: Path) -> None:
    columns = CsvColumns(sku=1, stock=3, warehouse=2, unit_type=4)
    form = CsvFormat(delimiter=";", header=False)
    reading = read_file(tmp_path, "0001234;IST;105;Adet\n", columns=columns, format=form)
    assert rows(reading) == [("0001234", "IST", "105", "Adet")]
    assert reading.rows[0].place == 1


def test_a_file_without_header_and_without_rows_states_nothing(tmp_path: Path) -> None:
    columns = CsvColumns(sku=1, stock=2)
    reading = read_file(tmp_path, "", columns=columns, format=CsvFormat(header=False))
    assert (reading.rows, reading.rejects) == ([], [])


def test_a_header_without_rows_states_nothing(tmp_path: Path) -> None:
    assert read_file(tmp_path, HEADER).rows == []


def test_blank_lines_are_passed_over_and_still_counted(tmp_path: Path) -> None:
    reading = read_file(tmp_path, f"\n{HEADER}\r\nA,W,1,AD\n  \n,,,\nB,W,2,AD\n")
    assert [(row.sku, row.place) for row in reading.rows] == [("A", 4), ("B", 7)]
    assert reading.rejects == []


def test_a_row_is_placed_at_its_first_line(tmp_path: Path) -> None:
    reading = read_file(tmp_path, HEADER + 'A,W,1,"A\nD"\nB,W,2,AD\n')
    assert [(row.sku, row.place) for row in reading.rows] == [("A", 2), ("B", 4)]


def test_empty_cells_after_the_last_column_do_no_harm(tmp_path: Path) -> None:
    reading = read_file(tmp_path, HEADER.strip() + ",,\nA,W,1,AD\nB,W,2,AD,\nC,W,3,AD, ,\n")
    assert [row.sku for row in reading.rows] == ["A", "B", "C"]


def test_raw_cells_stay_with_the_row(tmp_path: Path) -> None:
    [row] = read_file(tmp_path, HEADER + " A ,W,1.50,AD\n").rows
    assert (row.sku, row.quantity, list(row.cells)) == ("A", "1.5", [" A ", "W", "1.50", "AD"])


@pytest.mark.parametrize(
    ("line", "reason", "sku"),
    [
        ("A,W", "short_row", None),
        ("A,W,1,AD,x", "long_row", None),
        (",W,1,AD", "missing_sku", None),
        ("  ,W,1,AD", "missing_sku", None),
        (f"{'x' * 256},W,1,AD", "sku_too_long", None),
        ('"A\nB",W,1,AD', "sku_control_character", None),
        ("A\x07B,W,1,AD", "sku_control_character", None),
        ("A,W,,AD", "empty_stock", "A"),
        ('A,W,"1,5",AD', "not_a_number", "A"),
        ("A,W,1.2.3,AD", "not_a_number", "A"),
        ("A,W,5-,AD", "not_a_number", "A"),
        ("A,W,NaN,AD", "not_a_number", "A"),
        ("A,W,1e9999999,AD", "not_a_number", "A"),
    ],
)
def test_a_bad_row_is_rejected_alone(
    tmp_path: Path, line: str, reason: str, sku: str | None
) -> None:
    reading = read_file(tmp_path, f"{HEADER}FIRST,W,1,AD\n{line}\nLAST,W,2,AD\n")
    assert [row.sku for row in reading.rows] == ["FIRST", "LAST"]
    [reject] = reading.rejects
    assert (reject.reason, reject.sku, reject.place) == (reason, sku, 3)
    assert str(reject.place) in reject.message
    assert reject.remedy


def test_a_reject_shows_column_value_and_raw_row(tmp_path: Path) -> None:
    [reject] = read_file(tmp_path, HEADER + 'A,WH-1,"1,250",AD\n').rejects
    assert (reject.column, reject.value, reject.raw) == ("Miktar", "1,250", 'A,WH-1,"1,250",AD')
    assert (reject.sku, reject.warehouse) == ("A", "WH-1")


def test_the_raw_row_of_a_reject_is_bounded(tmp_path: Path) -> None:
    [reject] = read_file(tmp_path, f"{HEADER}A,W,{'ş' * 5000},AD\n").rejects
    assert len(reject.raw.encode()) <= 2048
    assert len(reject.value) <= 500


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "empty"),
        (HEADER.encode() + b"A,W,1,\xff\n", "Line 2 is not utf-8: byte 0xFF at offset 34"),
        (HEADER.encode() + b"A,W\0,1,AD\n", "Line 2 holds a NUL"),
        (HEADER.encode() + b'"A,W,1,AD\nB,W,2,AD\n', "quotes"),
        (HEADER.encode() + b'"A"x,W,1,AD\n', "quotes"),
        (HEADER.encode() + b'"' + b"x" * 200_000 + b'",W,1,AD\n', "longer than"),
        (HEADER.encode() + b"x" * 1_100_000 + b"\n", "Line 2 is longer than"),
        (HEADER.replace("\n", "\r").encode() + b"A,W,1,AD\r", "CR"),
        (HEADER.replace("\n", "\r").encode() + b"A,W,1,AD\r" * 200_000, "CR alone"),
        (b"Depo,Miktar,Birim\nW,1,AD\n", "'Stok Kodu' is not there"),
        (b"Stok Kodu,STOK KODU,Depo,Miktar,Birim\nA,A,W,1,AD\n", "is there 2 times"),
        (HEADER.replace(",", ";").encode(), "Stok Kodu;Depo"),
        (HEADER.encode("utf-16"), "utf-16"),
    ],
)
def test_a_file_that_cannot_be_trusted_says_why(tmp_path: Path, content: bytes, part: str) -> None:
    with pytest.raises(SourceUnreadable) as caught:
        read_file(tmp_path, content)
    assert part in caught.value.message
    assert caught.value.remedy
    assert "stock.csv" in caught.value.place


def test_turkish_bytes_are_not_taken_for_utf_8(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="Line 1 is not utf-8"):
        read_file(tmp_path, TURKISH_TEXT.encode("cp1254"), format=TURKISH)


def test_utf_16_without_a_mark_is_not_guessed(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="no byte order mark"):
        read_file(tmp_path, HEADER.encode("utf-16-le"), format=CsvFormat(encoding="utf-16"))


def test_a_mark_of_another_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="mark of utf-8, configured is cp1254"):
        read_file(tmp_path, HEADER.encode("utf-8-sig"), format=CsvFormat(encoding="cp1254"))


def test_an_undecodable_byte_far_into_a_file_is_located(tmp_path: Path) -> None:
    line = "A,W,1,ş\n".encode()
    content = HEADER.encode() + line * 100_000 + b"A,W,1,\x80\n"
    offset = len(content) - 2
    with pytest.raises(SourceUnreadable, match=f"Line 100002 .* 0x80 at offset {offset}"):
        read_file(tmp_path, content)


def test_a_column_named_by_text_needs_a_header(tmp_path: Path) -> None:
    with pytest.raises(SourceMisconfigured, match="is named by its header"):
        read_file(tmp_path, "A,W,1,AD\n", format=CsvFormat(header=False))


@pytest.mark.parametrize("encoding", ["klingon", "base64", ""])
def test_an_unknown_encoding_is_a_mistake_of_the_configuration(
    tmp_path: Path, encoding: str
) -> None:
    with pytest.raises(SourceMisconfigured, match="encoding"):
        read_file(tmp_path, HEADER, format=CsvFormat(encoding=encoding))


@pytest.mark.parametrize("trailer", ["EOF", "end", "#Trailer", "EOF;2", "END;2;;", "END;"])
def test_a_trailer_is_no_row(tmp_path: Path, trailer: str) -> None:
    text = f"{HEADER}A;W;1;AD\nEND;W;7;AD\n{trailer}\n".replace(",", ";")
    form = CsvFormat(delimiter=";")
    reading = read_file(tmp_path, text, format=form, ready=Ready.TRAILER)
    assert [row.sku for row in reading.rows] == ["A", "END"]
    assert reading.rejects == []


@pytest.mark.parametrize("encoding", ["utf-16", "cp1254"])
def test_a_trailer_is_found_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    text = f"{HEADER}A,W,1,AD\nEOF,1"
    form = CsvFormat(encoding=encoding)
    reading = read_file(tmp_path, text.encode(encoding), format=form, ready=Ready.TRAILER)
    assert [row.sku for row in reading.rows] == ["A"]


def test_a_trailer_counts_rejected_rows_too(tmp_path: Path) -> None:
    reading = read_file(tmp_path, HEADER + "A,W,x,AD\nB,W,1,AD\nEND,2\n", ready=Ready.TRAILER)
    assert (len(reading.rows), len(reading.rejects)) == (1, 1)


@pytest.mark.parametrize("count", ["1", "3", "many"])
def test_a_trailer_that_counts_otherwise_fails_the_file(tmp_path: Path, count: str) -> None:
    with pytest.raises(SourceUnreadable, match="counts"):
        read_file(tmp_path, f"{HEADER}A,W,1,AD\nB,W,1,AD\nEND,{count}\n", ready=Ready.TRAILER)


# --- a trailer that is configured

LITERALS = [
    ("### SON ###", "### SON ###"),
    ("### SON ###", "### SON ###;2;;"),
    ("SON;TAMAM", "SON;TAMAM"),
    ("SON;TAMAM", "SON;TAMAM;2"),
    ("SON {rows} SATIR", "SON 2 SATIR"),
    ("SON;{rows}", "SON;002"),
    ("{rows}", "2"),
]


@pytest.mark.parametrize(("trailer", "line"), LITERALS)
@pytest.mark.parametrize("end", ["\n", "", "\n\n"])
def test_a_configured_last_line_is_no_row(
    tmp_path: Path, trailer: str, line: str, end: str
) -> None:
    text = HEADER.replace(",", ";") + f"A;W;1;AD\nEND;W;7;AD\n{line}{end}"
    form = CsvFormat(delimiter=";")
    reading = read_file(tmp_path, text, format=form, ready=Ready.TRAILER, trailer=trailer)
    assert [row.sku for row in reading.rows] == ["A", "END"]
    assert reading.rejects == []


@pytest.mark.parametrize("line", ["END", "### son ###", "### SON", "x### SON ###", "### SON ###,x"])
def test_without_the_configured_last_line_a_file_waits(tmp_path: Path, line: str) -> None:
    drop(tmp_path / "stock.csv", f"{HEADER}A,W,1,AD\n{line}\n")
    drop_options = options(tmp_path, ready=Ready.TRAILER, trailer="### SON ###")
    listing = CsvDrop(drop_options).look(None, full=False)
    assert listing.offers == []
    assert "'### SON ###'" in listing.waiting[0].reason


@pytest.mark.parametrize(
    ("trailer", "line"), [("SON", "SON,3"), ("SON", "SON,0"), ("SON {rows} SATIR", "SON 1 SATIR")]
)
def test_a_configured_trailer_that_counts_otherwise_fails_the_file(
    tmp_path: Path, trailer: str, line: str
) -> None:
    text = f"{HEADER}A,W,1,AD\nB,W,1,AD\n{line}\n"
    with pytest.raises(SourceUnreadable, match="counts"):
        read_file(tmp_path, text, ready=Ready.TRAILER, trailer=trailer)


def test_rows_behind_a_configured_trailer_fail_the_file(tmp_path: Path) -> None:
    text = f"{HEADER}A,W,1,AD\nSON\nA,W,2,AD\nSON\n"
    with pytest.raises(SourceUnreadable, match="rows follow"):
        read_file(tmp_path, text, ready=Ready.TRAILER, trailer="SON")


@pytest.mark.parametrize("encoding", ["utf-16", "cp1254"])
def test_a_configured_trailer_is_found_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    text = f"{HEADER}A,W,1,AD\n--- DÖKÜM BİTTİ ---\n"
    reading = read_file(
        tmp_path,
        text.encode(encoding),
        format=CsvFormat(encoding=encoding),
        ready=Ready.TRAILER,
        trailer="--- DÖKÜM BİTTİ ---",
    )
    assert [row.sku for row in reading.rows] == ["A"]


@pytest.mark.parametrize("line", ["SON\n", "|SON|\n", "|SON|1|\n-----\n"])
def test_a_configured_trailer_ends_a_list_too(tmp_path: Path, line: str) -> None:
    text = f"-----\n|Stok Kodu|Depo|Miktar|Birim|\n-----\n|A|W|1|AD|\n-----\n{line}"
    form = CsvFormat(delimiter="|", bordered=True, quoted=False)
    reading = read_file(tmp_path, text, format=form, ready=Ready.TRAILER, trailer="SON")
    assert [row.sku for row in reading.rows] == ["A"]
    assert reading.rejects == []


def test_a_trailer_alone_does_not_teach_the_layout_of_a_file_without_header(tmp_path: Path) -> None:
    changes = {
        "format": CsvFormat(header=False),
        "columns": CsvColumns(sku=1, warehouse=2, stock=3, unit_type=4),
        "ready": Ready.TRAILER,
        "trailer": "SON",
    }
    empty = read_file(tmp_path, "SON,0\n", **changes)
    drop(tmp_path / "stock.csv", "A,W,1,AD\nSON,1\n", at=LONG_AGO + 1)
    connector = CsvDrop(options(tmp_path, **changes))
    [offer] = connector.look(empty.checkpoint, full=False).offers
    assert [row.sku for row in read(offer).rows] == ["A"]
