"""`sources sample FILE`, as people type it: a block to confirm, that loads and reads the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.operating import Workplace

if TYPE_CHECKING:
    from pathlib import Path

LONG_AGO = 1_700_000_000
TOP = '[omnitron]\nbase_url = "https://acme.omnitron.example"\ntoken = "t"\n'
TURKISH = (
    "Stok Kodu;Depo Kodu;Miktar;Birim\r\n"
    "0001234;IST;1.105,00;Adet\r\n"
    '"a;b";ANK;2,50;KG\r\n'
    ";IST;5,00;MT\r\n"
    "TOPLAM;;1.112,50;\r\n"
)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "drop" / "STOK_20261121_FULL.csv"
    path.parent.mkdir()
    path.write_bytes(TURKISH.encode("cp1254"))
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def test_a_file_is_proposed_without_any_configuration(place: Workplace, file: Path) -> None:
    shown = place.run("sources", "sample", str(file))
    for words in ("[[sources]]", 'delimiter = ";"', "1105", "missing_sku", "Uncertain:", '# "IST"'):
        assert words in shown.out
    assert [path.name for path in place.folder.iterdir()] == ["drop"]
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_scripts_get_the_same_as_one_document(place: Workplace, file: Path) -> None:
    document = place.json("sources", "sample", str(file), "--rows", "1")
    assert document["rows"] == [
        {"line": 2, "sku": "0001234", "warehouse": "IST", "quantity": "1105", "unit": "Adet"}
    ]
    assert (document["read"], document["rejected"]) == (3, 1)
    assert (document["warehouses"], document["units"]) == (["ANK", "IST"], ["Adet", "KG"])
    assert document["trouble"] is None
    assert "[[sources]]" in document["toml"]


def test_the_block_loads_and_reads_what_was_shown(place: Workplace, file: Path) -> None:
    block = place.json("sources", "sample", str(file))["toml"]
    lists = '[stock_lists]\n"IST" = 1\n"ANK" = 2\n'
    at_once = block.replace("mode =", "stable_for = 0\nmode =")
    (place.folder / "stocksync.toml").write_text(TOP + lists + at_once)
    place.run("migrate")
    (pull,) = place.json("pull", "drop", "--dry-run", code=None)["pulls"]
    assert (pull["read"], pull["rejected"]) == (3, 2)


@pytest.mark.parametrize("name", ["", "nothing.csv"])
def test_what_is_no_file_is_a_mistake_of_the_person(place: Workplace, name: str) -> None:
    error = place.json("sources", "sample", str(place.folder / name), code=2)["error"]
    assert error["kind"] == "usage"
    assert error["remedy"]


def test_an_empty_file_is_told_as_such(place: Workplace) -> None:
    (place.folder / "empty.csv").write_text("")
    error = place.json("sources", "sample", str(place.folder / "empty.csv"), code=2)["error"]
    assert error["message"] == "There is no text in it."
