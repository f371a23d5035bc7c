"""Each block of ``docs/sources-csv.md`` reads a file that is written as the block says."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from config.loading import load
from connectors.csv_drop import CsvDrop
from connectors.errors import SourceUnreadable
from tests.connectors.conformance import Reading, read
from worker.bootstrap import _connector

PAGE = Path(__file__).parents[2] / "docs" / "sources-csv.md"
FILES = Path(__file__).parent / "files"
HEAD = '[omnitron]\nbase_url = "https://acme.omnitron.example"\ntoken = "t0ken"\n'
BLOCKS = {
    re.search(r'name = "(\w+)"', block)[1]: block  # type: ignore[index]
    for block in re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
}
STATED = {
    "turkish_excel": [
        ("0001234", "IST", "105", "Adet"),
        ("1234", "IST", "3", "Adet"),
        ("ÇANTA-ŞIK-İĞÜÖ", "IST", "9", "Adet"),
        ("ELMA-KG", "IST", "12.85", "KG"),
        ("NEGATIF", "IST", "-1250.5", "Adet"),
        ('a;b,"c"', "BER", "2", "Adet"),
        ("DEV-STOK", "IST", "3000000000", "Adet"),
    ],
    "quoted_utf8": [
        ("0001234", "IST", "105", "Adet"),
        ("ELMA-KG", "IST", "12.85", "KG"),
        ('a;b,"c"', "BER", "2", "Adet"),
        ("ÇANTA-ŞIK", "WH", "-5", "Adet"),
    ],
    "sep_line": [
        ("0001234", "IST", "105", ""),
        ("ÇANTA-ŞIK-İĞÜÖ", "WH", "9.5", ""),
        ("3;5", "BER", "-2", ""),
    ],
    "german": [
        ("GRÖSSE-Ü", "WH", "1250", "St"),
        ("Straße-€", "BER", "0.5", "kg"),
        ("0001234", "WH", "-7", "St"),
    ],
    "sap_list": [
        ("000000000000001234", "IST", "105", "ST"),
        ("NEGATIF", "IST", "-5", "ST"),
        ('SCHRAUBE 3/4"', "IST", "1250", "ST"),
        ('"Ü-Träger"', "BER", "0.5", "ST"),
        ('a;b,"c"', "BER", "2", "ST"),
        ("DEV-STOK", "IST", "3000000000", "ST"),
    ],
    "pivot": [
        ("0001234", "ANK", "7", ""),
        ("0001234", "BER", "0", ""),
        ("0001234", "IST", "105", ""),
        ("1E5", "BER", "0", ""),
        ("1E5", "IST", "5", ""),
        ("BOZUK", "ANK", "3", ""),
        ("BOZUK", "IST", "1", ""),
    ],
    "headerless": [
        ("0001234", "IST", "105", "Adet"),
        ("1E5", "ANK", "-2.5", "Adet"),
        ("0001234", "BER", "0", "Adet"),
    ],
    "unicode_text": [
        ("0001234", "IST", "105", ""),
        ('a"b', "BER", "1250.5", ""),
        ("ÇANTA-ŞIK", "WH", "0", ""),
    ],
    "compressed": [("0001234", "IST", "105", ""), ("B", "WH", "3", "")],
    "more_fields": [("0001234", "", "105", ""), ("B", "", "1", "")],
}
REFUSED = {
    "turkish_excel": [(9, "missing_sku")],
    "sap_list": [(17, "short_row")],
    "pivot": [(4, "not_a_number"), (5, "missing_sku")],
    "more_fields": [(4, "bad_sold_quantity"), (5, "bad_sold_quantity"), (6, "empty_stock")],
}
SKIPPED = {"turkish_excel": 1, "german": 1, "sap_list": 1, "pivot": 1}


def configured(name: str, folder: Path) -> CsvDrop:
    """Build the connector of a block; only its path is another, and files need not rest."""
    config = folder / "stocksync.toml"
    config.write_text(HEAD + BLOCKS[name].replace("/srv/erp/outbox", "outbox"), "utf-8")
    [source] = load(config, {}, folder).settings.sources
    made = _connector(source, "UTC")
    assert isinstance(made, CsvDrop)
    return CsvDrop(replace(made._options, stable_for=0.0))


def file_of(name: str) -> Path:
    [file] = FILES.glob(f"{name}.*")
    return file


def read_dialect(name: str, folder: Path) -> tuple[Reading, int]:
    """Read the file of a dialect; the number says how many rows were skipped."""
    (folder / "outbox").mkdir()
    shutil.copy(file_of(name), folder / "outbox")
    [offer] = configured(name, folder).look(None, full=False).offers
    return read(offer), sum(chunk.skipped for chunk in offer.chunks())


def stated(reading: Reading) -> list[tuple[str, str, str, str]]:
    return [(row.sku, row.warehouse, row.quantity, row.unit) for row in reading.rows]


def test_every_block_of_the_page_has_a_file_and_every_file_a_block() -> None:
    files = {file.stem.removesuffix(".csv") for file in FILES.iterdir() if file.name[0] != "."}
    assert set(BLOCKS) == set(STATED) == files


@pytest.mark.parametrize("name", BLOCKS)
def test_a_dialect_is_read_by_configuration_alone(name: str, tmp_path: Path) -> None:
    reading, skipped = read_dialect(name, tmp_path)
    assert stated(reading) == STATED[name]
    assert [(bad.place, bad.reason) for bad in reading.rejects] == REFUSED.get(name, [])
    assert skipped == SKIPPED.get(name, 0)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_dialect_cut_at_any_byte_never_gives_a_wrong_quantity(name: str, tmp_path: Path) -> None:
    (tmp_path / "outbox").mkdir()
    file, source = file_of(name), configured(name, tmp_path)
    content = file.read_bytes()
    for length in range(len(content)):
        (tmp_path / "outbox" / file.name).write_bytes(content[:length])
        for offer in source.look(None, full=False).offers:
            with suppress(SourceUnreadable):
                assert set(stated(read(offer))) <= set(STATED[name])


def test_unreported_sales_and_extra_fields_go_along(tmp_path: Path) -> None:
    reading, _ = read_dialect("more_fields", tmp_path)
    assert [(row.sold, row.extra) for row in reading.rows] == [
        ("3", '{"best_before":"2027-01-31","lot":"L-7"}'),
        ("0", '{"best_before":"","lot":""}'),
    ]
