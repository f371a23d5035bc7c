"""Rejected rows as files: the dialect they are written in, and what comes back of them."""

from __future__ import annotations

import gzip
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from connectors.contract import Kind, MendableOffer, Mends, Row, Settlement
from connectors.csv_drop import CsvColumns, CsvDrop, CsvFormat, Ready
from connectors.csv_drop.options import After
from tests.connectors.drops import drop, options

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.contract import Offer

COLUMNS = CsvColumns(sku="Stok Kodu", stock="Miktar")
DAY = 86_400.0
WHY = "not_a_number: '9x' ≠ 1"
DIALECTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "semicolons": (
        {"encoding": "cp1254", "delimiter": ";"},
        "Stok Kodu;Miktar;Şehir\r\nA;1;İzmir\r\nB;9x;Muğla\r\n",
        "cp1254",
    ),
    "all quoted": ({}, '"Stok Kodu","Miktar"\n"A","1"\n"B ""b""","9x"\n', "utf-8-sig"),
    "UTF-16": (
        {"encoding": "utf-16", "delimiter": "\t"},
        "Stok Kodu\tMiktar\nA\t1\nB\t9x\n",
        "utf-16",
    ),
    "sep line": ({"delimiter": ";"}, "sep=;\nStok Kodu;Miktar\nA;1\nB;9x\n", "utf-8"),
    "printed list": (
        {"delimiter": "|", "bordered": True, "quoted": False},
        "|Stok Kodu|Miktar|\n|A        |1     |\n|B        |9x    |\n",
        "utf-8",
    ),
}


def connector(path: Path, **changes: Any) -> CsvDrop:
    return CsvDrop(options(path, **{"columns": COLUMNS, **changes}))


def offered(of: CsvDrop) -> Offer:
    (found,) = of.look(None, full=False).offers
    return found


def mends(of: CsvDrop) -> Mends | None:
    offer = offered(of)
    assert isinstance(offer, MendableOffer)
    return offer.mends


def read(of: CsvDrop) -> list[Row]:
    return [row for chunk in offered(of).chunks() for row in chunk.rows]


def rejected(of: CsvDrop) -> list[tuple[int, str]]:
    return [(r.place, r.reason) for chunk in offered(of).chunks() for r in chunk.rejects]


def set_aside(of: CsvDrop, *rows: tuple[int, str], pull: int = 7) -> None:
    offer = offered(of)
    assert isinstance(offer, MendableOffer)
    offer.set_aside(iter(rows), pull=pull)


def brought_back(path: Path, name: str = "s1", *, codec: str = "utf-8", right: str = "9") -> str:
    """Correct the rejected rows, drop them in place of everything else; returns the text before."""
    text = (path / ".rejected" / f"{name}.mended.csv").read_bytes().decode(codec)
    for file in path.glob("*.*"):
        if file.is_file():
            file.unlink()
    drop(path / f"{name}.mended.csv", text.replace("9x", right, 1).encode(codec))
    return text


@pytest.mark.parametrize("name", DIALECTS)
def test_a_rejected_row_keeps_its_dialect_and_comes_back(tmp_path: Path, name: str) -> None:
    form, text, codec = DIALECTS[name]
    of = connector(tmp_path, format=CsvFormat(**form))
    drop(tmp_path / "s1.csv", text.encode(codec))
    set_aside(of, *((place, WHY) for place, _ in rejected(of)))
    written = brought_back(tmp_path, codec=codec).splitlines()
    lines = text.splitlines()
    assert len(written) == len(lines) - 1
    bare = [line.rstrip("|\r\n") for line in (*lines[:-2], lines[-1])]
    assert all(new.startswith(old) for new, old in zip(written, bare, strict=True))
    assert mends(of) == Mends(pull=7, label="s1.csv")
    assert [row.quantity for row in read(of)] == ["9"]


def test_a_file_without_header_gives_each_row_its_origin(tmp_path: Path) -> None:
    columns = CsvColumns(sku=1, stock=3)
    of = connector(tmp_path, columns=columns, format=CsvFormat(header=False))
    drop(tmp_path / "s1.csv", "A,x,1\nB,x,9x\n")
    set_aside(of, (2, WHY))
    brought_back(tmp_path)
    assert mends(of) == Mends(pull=7, label="s1.csv")
    assert [(row.sku, row.quantity, len(row.cells)) for row in read(of)] == [("B", "9", 3)]


def test_the_cells_stay_exactly_what_they_were(tmp_path: Path) -> None:
    of = connector(tmp_path)
    drop(tmp_path / "s1.csv", 'Stok Kodu,Not,Miktar\n=1+1,"  a,""b""\n c",-9x\n')
    set_aside(of, (2, WHY))
    brought_back(tmp_path)
    (row,) = read(of)
    assert list(row.cells) == ["=1+1", '  a,"b"\n c', "-9"]


@pytest.mark.parametrize("line", ["B", "B,9x,too,many"])
def test_a_row_of_another_width_is_rejected_again_until_it_is_mended(
    tmp_path: Path, line: str
) -> None:
    of = connector(tmp_path)
    drop(tmp_path / "s1.csv", f"Stok Kodu,Miktar\nA,1\n{line}\n")
    set_aside(of, (3, "short_row: of another width"))
    brought_back(tmp_path)
    assert read(of) == []
    (name,) = (file for file in tmp_path.glob("*.mended.csv"))
    text = name.read_text().replace(line.replace("9x", "9"), "B,4", 1)
    drop(name, text.replace("B,4,,", "B,4,", 1) if line == "B" else text)
    assert [(row.sku, row.quantity) for row in read(of)] == [("B", "4")]


def test_the_column_of_reasons_may_be_moved_or_dropped(tmp_path: Path) -> None:
    of = connector(tmp_path)
    title = '"stocksync reason (pull 7 of s1.csv)"'
    drop(tmp_path / "s1.mended.csv", f"{title},Stok Kodu,Miktar\nstocksync: why,B,4\n,C,5\n")
    assert [(row.sku, row.quantity) for row in read(of)] == [("B", "4"), ("C", "5")]
    drop(tmp_path / "s1.mended.csv", "Stok Kodu,Miktar\nB,6\n")
    assert mends(of) == Mends(pull=None, label="s1")
    assert [(row.sku, row.quantity) for row in read(of)] == [("B", "6")]


def test_it_is_a_delta_of_another_name_in_a_folder_of_snapshots(tmp_path: Path) -> None:
    of = connector(tmp_path, mode=Kind.SNAPSHOT)
    drop(tmp_path / "s1.csv", "Stok Kodu,Miktar\nA,1\nB,9x\n")
    set_aside(of, (3, WHY))
    brought_back(tmp_path)
    (tmp_path / "s1.mended.csv").rename(tmp_path / "s2.csv")
    assert (offered(of).kind, mends(of)) == (Kind.DELTA, Mends(pull=7, label="s1.csv"))


def test_a_file_of_another_source_of_the_folder_is_left_alone(tmp_path: Path) -> None:
    drop(tmp_path / "b1.csv", "Stok Kodu,Miktar\nB,9x\n")
    set_aside(connector(tmp_path, pattern="b*.csv"), (2, WHY))
    brought_back(tmp_path, "b1")
    assert connector(tmp_path, pattern="a*.csv").look(None, full=False).offers == []
    assert mends(connector(tmp_path, pattern="b*.csv")) == Mends(pull=7, label="b1.csv")


def test_it_comes_back_where_the_pattern_is_of_another_extension(tmp_path: Path) -> None:
    of = connector(tmp_path, pattern="*.txt")
    drop(tmp_path / "s1.txt", "Stok Kodu,Miktar\nB,9x\n")
    set_aside(of, (2, WHY))
    brought_back(tmp_path)
    assert [row.quantity for row in read(of)] == ["9"]


def test_rows_of_a_compressed_file_are_set_aside_as_plain_text(tmp_path: Path) -> None:
    of = connector(tmp_path, pattern="*.csv.gz")
    drop(tmp_path / "s1.csv.gz", gzip.compress(b"Stok Kodu,Miktar\nB,9x\n"))
    set_aside(of, (2, WHY))
    brought_back(tmp_path)
    assert [row.quantity for row in read(of)] == ["9"]


@pytest.mark.parametrize("ready", [Ready.MARKER, Ready.TRAILER])
def test_a_person_needs_to_write_neither_marker_nor_trailer(tmp_path: Path, ready: Ready) -> None:
    of = connector(tmp_path, ready=ready)
    title = '"stocksync reason (pull 7 of s1.csv)"'
    drop(tmp_path / "s1.mended.csv", f"Stok Kodu,Miktar,{title}\nB,4,stocksync: why\n")
    assert [row.quantity for row in read(of)] == ["4"]


def test_a_mended_file_that_may_be_cut_off_waits(tmp_path: Path) -> None:
    of = connector(tmp_path, ready=Ready.MARKER)
    drop(tmp_path / "s1.mended.csv", "Stok Kodu,Miktar\nB,4")
    assert [rest.label for rest in of.look(None, full=False).waiting] == ["s1.mended.csv"]


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    of = connector(tmp_path)
    drop(tmp_path / "s1.csv", "Stok Kodu,Miktar\nB,9x\n")
    set_aside(of, (2, WHY))
    set_aside(of, (2, WHY), pull=8)
    names = sorted(file.name for file in (tmp_path / ".rejected").iterdir())
    assert names == ["s1.mended.2.csv", "s1.mended.csv"]


def test_a_mended_file_is_moved_away_even_where_files_are_kept(tmp_path: Path) -> None:
    of = connector(tmp_path, after=After.KEEP)
    drop(tmp_path / "s1.mended.csv", "Stok Kodu,Miktar\nB,4\n")
    of.settle(offered(of).position, Settlement.APPLIED)
    assert (tmp_path / ".done" / "s1.mended.csv").exists()


def test_what_was_put_away_long_ago_is_deleted(tmp_path: Path) -> None:
    of = CsvDrop(options(tmp_path, pattern="s*.csv"), now=lambda: time.time() + 15 * DAY)
    ours = [".done/s1.csv", ".done/s1.2.csv", ".failed/s3.csv", ".failed/s3.csv.reason.txt"]
    theirs = [".done/notes.txt", ".done/private.csv", "s9.csv"]
    for name in (*ours, ".rejected/s1.mended.csv", *theirs):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / ".done" / "s7.csv").symlink_to(tmp_path / "s9.csv")
    assert of.expire(16 * DAY) == 0
    assert of.expire(14 * DAY) == 5
    left = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if not file.is_dir()}
    assert left == {*theirs, ".done/s7.csv"}


def test_a_file_counts_from_when_it_was_put_away_not_from_when_it_was_written(
    tmp_path: Path,
) -> None:
    of = connector(tmp_path)
    (tmp_path / ".done").mkdir()
    (tmp_path / ".done" / "s1.csv").touch()
    os.utime(tmp_path / ".done" / "s1.csv", (0, 0))
    assert of.expire(DAY) == 0


@pytest.mark.parametrize(
    "changes",
    [{"ready": Ready.MARKER}, {"ready": Ready.TRAILER}, {"name_time": "%Y%m%d"}],
    ids=["marker", "trailer", "name_time"],
)
def test_a_mended_file_is_known_by_its_title_under_any_name(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    title = "stocksync reason (pull 7 of s20261121.csv)"
    drop(tmp_path / "by hand.csv", f"Stok Kodu,Miktar,{title}\nB,9,stocksync: {WHY}\n")
    of = connector(tmp_path, **changes)
    assert mends(of) == Mends(pull=7, label="s20261121.csv")
    assert [row.quantity for row in read(of)] == ["9"]
