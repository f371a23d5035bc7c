"""What `sources sample` proposes for files as ERPs write them, and what it says it cannot know."""

from __future__ import annotations

import gzip
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Kind
from connectors.csv_drop import CsvColumns, CsvFormat, FinalNewline, Ready
from connectors.csv_drop.options import Skip
from connectors.csv_drop.sampling import HEAD, Proposal, propose
from connectors.errors import SourceUnreadable
from tests.connectors.dirt import dirty_files, noise
from tests.connectors.drops import drop
from tests.fuzzing import fuzz

if TYPE_CHECKING:
    from tests.connectors.strict import Dialect

TURKISH = CsvColumns(
    sku="Stok Kodu",
    stock="Kullan\u0131labilir Miktar",
    warehouse="Depo Kodu",
    unit_type="\u00d6l\u00e7\u00fc Birimi",
)
TURKISH_TEXT = (
    "Stok Kodu;Depo Kodu;Kullan\u0131labilir Miktar;\u00d6l\u00e7\u00fc Birimi\r\n"
    "0001234;IST;1.105,00;Adet\r\n"
    "\u015e\u0130\u015eE;ANK;2,50;KG\r\n"
    "TOPLAM;;1.107,50;\r\n"
)
GERMAN_TEXT = (
    "Artikelnummer;Lager;Verf\u00fcgbarer Bestand;Einheit\r\n"
    "GR\u00d6SSE-40;BER;1.250,00;St\r\n"
    "0007;HAM;3,00;St\r\n"
    "Summe;;1.253,00;\r\n"
)
SAP_TEXT = (
    "----------------------------------------\r\n"
    "|Material|Werk|LOrt| Frei verwendbar|BME|\r\n"
    "----------------------------------------\r\n"
    '|a"b     |1000|IST |          5,000-|ST |\r\n'
    "|0001234 |1000|BER |      1.105,000 |ST |\r\n"
    "----------------------------------------\r\n"
)
PIVOT_TEXT = "Stok Kodu;ANK;BER\n0001234;7;0\n1234;0;12\n"
PLAIN_TEXT = "sku,warehouse,available\nA,W1,5\nB,W1,7.5\n"


def sampled(path: Path, content: str | bytes, name: str = "stock.csv") -> Proposal:
    return propose(drop(path / name, content))


def quantities(proposal: Proposal) -> list[tuple[str, str, str]]:
    assert proposal.trouble == ""
    return [(row.sku, row.warehouse, row.quantity) for row in proposal.rows]


def doubt(proposal: Proposal, words: str) -> bool:
    return any(words in sentence for sentence in proposal.doubts)


def test_a_turkish_spreadsheet_is_recognised(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, TURKISH_TEXT.encode("cp1254"))
    assert proposal.options.columns == TURKISH
    assert proposal.options.format == CsvFormat(
        encoding="cp1254", delimiter=";", decimal=",", thousands="."
    )
    assert proposal.options.skip_rows_where == (Skip(column="Stok Kodu", equals="TOPLAM"),)
    assert quantities(proposal) == [
        ("0001234", "IST", "1105"),
        ("\u015e\u0130\u015eE", "ANK", "2.5"),
    ]
    assert doubt(proposal, "iso8859-9 reads what was looked at the same")
    assert doubt(proposal, "have a fraction")


def test_unix_line_ends_speak_for_the_iso_code_page(tmp_path: Path) -> None:
    text = "sep=;\n" + TURKISH_TEXT.replace("\r\n", "\n")
    proposal = sampled(tmp_path, text.encode("iso8859-9"))
    assert proposal.options.format.encoding == "iso8859-9"
    assert proposal.options.format.delimiter == ";"
    assert doubt(proposal, "cp1254 reads what was looked at the same")


def test_a_german_export_is_recognised(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, GERMAN_TEXT.encode("cp1252"))
    assert proposal.options.format == CsvFormat(
        encoding="cp1252", delimiter=";", decimal=",", thousands="."
    )
    assert proposal.options.columns.stock == "Verf\u00fcgbarer Bestand"
    assert [skip.equals for skip in proposal.options.skip_rows_where] == ["Summe"]
    assert quantities(proposal) == [("GR\u00d6SSE-40", "BER", "1250"), ("0007", "HAM", "3")]
    assert doubt(proposal, "If the ERP is Turkish, take cp1254")


@pytest.mark.parametrize(
    ("encoding", "proposed"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-16", "utf-16"), ("utf-16-le", "utf-16-le")],
)
def test_unicode_is_recognised_by_its_mark_or_its_bytes(
    tmp_path: Path, encoding: str, proposed: str
) -> None:
    proposal = sampled(tmp_path, TURKISH_TEXT.replace(";", "\t").encode(encoding))
    assert proposal.options.format.encoding == proposed
    assert proposal.options.format.delimiter == "\t"
    assert len(proposal.rows) == 2


def test_a_printed_list_is_recognised(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, SAP_TEXT)
    assert proposal.options.format == CsvFormat(
        delimiter="|",
        bordered=True,
        quoted=False,
        decimal=",",
        thousands=".",
        trailing_minus=True,
    )
    assert quantities(proposal) == [('a"b', "IST", "-5"), ("0001234", "BER", "1105")]
    assert doubt(proposal, "'LOrt' is taken for the warehouse; 'Werk' could be too.")


def test_a_pivot_table_has_a_warehouse_in_each_column(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, PIVOT_TEXT)
    assert proposal.options.columns == CsvColumns(sku="Stok Kodu", warehouses=("ANK", "BER"))
    assert quantities(proposal)[:2] == [("0001234", "ANK", "7"), ("0001234", "BER", "0")]


def test_columns_without_a_header_are_told_by_their_content(tmp_path: Path) -> None:
    lines = [f"000{n};{where};{n * 7};Adet\n" for n in range(1, 9) for where in ("IST", "ANK")]
    proposal = sampled(tmp_path, "".join(lines))
    assert proposal.options.columns == CsvColumns(sku=1, warehouse=2, stock=3, unit_type=4)
    assert proposal.options.format.header is False
    assert quantities(proposal)[0] == ("0001", "IST", "7")
    assert doubt(proposal, "Told by content alone")


def test_a_number_that_could_be_two_is_left_to_a_person(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, "sku;stock\nA;1.250\nB;17\n")
    assert doubt(proposal, "1.250 could be 1250 or 1.25: choose.")


def test_a_number_that_can_be_only_one_thing_decides(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, "sku;stock\nA;1.250\nB;17,5\nC;0,125\n")
    assert quantities(proposal)[0] == ("A", "", "1250")
    assert not doubt(proposal, "could be")


def test_two_decimal_marks_in_one_column_are_said(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, "sku;stock\nA;1.5\nB;1,5\n")
    assert doubt(proposal, "decimal point and numbers with a decimal comma")
    assert [bad.value for bad in proposal.rejects] == ["1,5"]


def test_a_row_that_would_be_rejected_is_shown_as_such(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, PLAIN_TEXT + ",W1,5\n")
    assert [(bad.place, bad.reason) for bad in proposal.rejects] == [(4, "missing_sku")]


def test_a_broken_file_is_proposed_with_what_is_wrong_with_it(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, PLAIN_TEXT + '"never closed,W1,5\n')
    assert proposal.options.columns.sku == "sku"
    assert "quotes" in proposal.trouble
    assert proposal.rows == ()


def test_a_column_headed_twice_is_named_by_its_position(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, "Stok Kodu;Miktar;Miktar\nA;1;2\n")
    assert proposal.options.columns.stock == 2
    assert doubt(proposal, "could be too")


def test_the_name_tells_mode_and_pattern(tmp_path: Path) -> None:
    full = sampled(tmp_path, PLAIN_TEXT, "STOK_us_20261121_195553_FULL.csv").options
    assert (full.pattern, full.mode) == ("STOK_us_*_FULL.csv", Kind.SNAPSHOT)
    delta = sampled(tmp_path, PLAIN_TEXT, "fark-20261121.csv").options
    assert (delta.pattern, delta.mode) == ("fark-*.csv", Kind.DELTA)


def test_a_name_that_tells_nothing_gets_the_harmless_mode(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, PLAIN_TEXT)
    assert proposal.options.mode is Kind.DELTA
    assert doubt(proposal, "never declares a product gone")


def test_a_missing_last_line_end_and_a_trailer_are_noticed(tmp_path: Path) -> None:
    cut = sampled(tmp_path, PLAIN_TEXT.rstrip("\n"))
    assert cut.options.final_newline is FinalNewline.OPTIONAL
    ended = sampled(tmp_path, PLAIN_TEXT + "EOF,2\n")
    assert ended.options.ready is Ready.TRAILER
    assert len(ended.rows) == 2


def test_a_last_line_that_is_no_row_is_proposed_as_the_trailer(tmp_path: Path) -> None:
    ended = sampled(tmp_path, PLAIN_TEXT + "### SON ###\n")
    assert (ended.options.ready, ended.options.trailer) == (Ready.TRAILER, "### SON ###")
    assert (len(ended.rows), ended.rejects) == (2, ())


def test_a_compressed_file_is_looked_into(tmp_path: Path) -> None:
    proposal = sampled(tmp_path, gzip.compress(PLAIN_TEXT.encode()), "stock.csv.gz")
    assert len(proposal.rows) == 2


def test_only_the_beginning_of_a_large_file_is_read_and_its_end_for_totals(tmp_path: Path) -> None:
    header, row = "Stok Kodu;Miktar\n", "0001234;5\n"
    count = 3 * HEAD // len(row)
    proposal = sampled(tmp_path, header + row * count + "TOPLAM;99\n")
    assert proposal.whole is False
    assert len(proposal.rows) == (HEAD - len(header)) // len(row)
    assert [skip.equals for skip in proposal.options.skip_rows_where] == ["TOPLAM"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_a_file_without_text_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SourceUnreadable):
        sampled(tmp_path, content)


@fuzz(100)
@given(file=st.one_of(dirty_files(), noise()))
def test_any_file_gets_a_proposal_or_a_refusal(file: tuple[Dialect, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(SourceUnreadable):
        proposal = sampled(Path(folder), file[1])
        assert proposal.rows or proposal.rejects or proposal.trouble or proposal.doubts
