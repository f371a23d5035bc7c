"""The layout of the files is remembered: what is not as before is held back, and accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connectors.contract import Checkpoint, Kind, Listing
from connectors.csv_drop import CsvColumns, CsvDrop, CsvFormat, Ready, Skip
from connectors.errors import SourceUnreadable
from tests.connectors.conformance import read, through_json
from tests.connectors.drops import HEADER, drop, options

if TYPE_CHECKING:
    from pathlib import Path

GOOD = HEADER + "A,W,1,AD\n"
CHANGED = {
    "missing": ("Stok Kodu,Depo,Birim\nA,W,AD\n", "'Miktar' is gone (it was column 3"),
    "renamed": ("Stok Kodu,Depo,Adet,Birim\nA,W,7,AD\n", "where now 'Adet' is"),
    "doubled": ("Stok Kodu,Depo,Miktar,Birim,MIKTAR\nA,W,7,AD,9\n", "'Miktar' is there 2 times"),
    "moved": ("Stok Kodu,Miktar,Depo,Birim\nA,7,W,AD\n", "'Miktar' was column 3 and is column 2"),
}


def learnt(path: Path, content: str = GOOD, **changes: Any) -> Checkpoint:
    """Apply a first file and take it away."""
    file = drop(path / "s_1.csv", content)
    [offer] = look(path, None, **changes).offers
    checkpoint: Checkpoint = read(offer).checkpoint
    file.unlink()
    return checkpoint


def look(path: Path, checkpoint: Checkpoint | None, **changes: Any) -> Listing:
    return CsvDrop(options(path, **changes)).look(checkpoint, full=False)


def labels(listing: Listing) -> tuple[list[str], list[str]]:
    return (
        [offer.label for offer in listing.offers],
        [rest.label for rest in listing.waiting],
    )


@pytest.mark.parametrize("change", CHANGED)
def test_a_required_column_that_is_not_as_before_holds_the_file(
    tmp_path: Path, change: str
) -> None:
    content, part = CHANGED[change]
    checkpoint = learnt(tmp_path)
    file = drop(tmp_path / "s_2.csv", content)
    listing = look(tmp_path, checkpoint)
    [rest] = listing.waiting
    assert (listing.offers, rest.label, rest.alarm) == ([], "s_2.csv", True)
    assert part in rest.reason
    assert "sources accept" in rest.reason
    assert file.exists()


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        HEADER.upper().replace("\n", ",Not\n") + "A,W,7,AD,x\n",
        HEADER.replace("Miktar", " MİKTAR ") + "A,W,7,AD\n",
    ],
    ids=["the same", "another column behind", "other letters"],
)
def test_a_layout_as_before_is_read(tmp_path: Path, content: str) -> None:
    checkpoint = learnt(tmp_path)
    drop(tmp_path / "s_2.csv", content)
    assert labels(look(tmp_path, checkpoint)) == (["s_2.csv"], [])


def test_a_column_by_position_must_keep_its_header(tmp_path: Path) -> None:
    columns = CsvColumns(sku=1, stock=3)
    checkpoint = learnt(tmp_path, columns=columns)
    drop(tmp_path / "s_2.csv", "Stok Kodu,Depo,Fiyat,Miktar\nA,W,999,1\n")
    [rest] = look(tmp_path, checkpoint, columns=columns).waiting
    assert "column 3 was 'Miktar' and is 'Fiyat'" in rest.reason


def test_without_header_the_rows_must_have_as_many_cells(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "columns": CsvColumns(sku=1, stock=2),
        "format": CsvFormat(header=False),
    }
    checkpoint = learnt(tmp_path, "A,1,AD\n", **changes)
    drop(tmp_path / "s_2.csv", "A,999,1,AD\n")
    [rest] = look(tmp_path, checkpoint, **changes).waiting
    assert "has 4 cells, those of the files before had 3" in rest.reason


def test_a_column_of_a_pivot_table_that_moved_holds_the_file(tmp_path: Path) -> None:
    columns = CsvColumns(sku="sku", warehouses=("ANK", "BER"))
    checkpoint = learnt(tmp_path, "sku,ANK,BER\nA,1,2\n", columns=columns)
    drop(tmp_path / "s_2.csv", "sku,BER,ANK\nA,2,1\n")
    [rest] = look(tmp_path, checkpoint, columns=columns).waiting
    assert "'ANK' was column 2 and is column 3" in rest.reason


def test_a_column_that_only_a_rule_reads_must_stay_too(tmp_path: Path) -> None:
    changes = {"skip_rows_where": (Skip(column="Tip", equals="T"),)}
    checkpoint = learnt(tmp_path, HEADER.strip() + ",Tip\nA,W,1,AD,x\n", **changes)
    drop(tmp_path / "s_2.csv", GOOD)
    [rest] = look(tmp_path, checkpoint, **changes).waiting
    assert "'Tip' is gone" in rest.reason


def test_deltas_behind_a_strange_one_wait_and_a_snapshot_does_not(tmp_path: Path) -> None:
    checkpoint = learnt(tmp_path)
    drop(tmp_path / "s_2.csv", CHANGED["moved"][0])
    drop(tmp_path / "s_3.csv", GOOD.replace("1", "3"))
    assert labels(look(tmp_path, checkpoint, mode=Kind.DELTA)) == ([], ["s_2.csv", "s_3.csv"])
    assert labels(look(tmp_path, checkpoint)) == (["s_3.csv"], ["s_2.csv"])


def test_what_is_older_than_the_last_applied_is_not_looked_into(tmp_path: Path) -> None:
    checkpoint = learnt(tmp_path)
    drop(tmp_path / "s_0.csv", CHANGED["moved"][0])
    [offer] = look(tmp_path, checkpoint).offers
    assert offer.verdict == "superseded"


def test_other_columns_in_the_configuration_are_learnt_anew(tmp_path: Path) -> None:
    checkpoint = learnt(tmp_path)
    drop(tmp_path / "s_2.csv", CHANGED["renamed"][0])
    columns = CsvColumns(sku="Stok Kodu", stock="Adet", warehouse="Depo", unit_type="Birim")
    [offer] = look(tmp_path, checkpoint, columns=columns).offers
    later = read(offer).checkpoint
    (tmp_path / "s_2.csv").unlink()
    drop(tmp_path / "s_3.csv", GOOD)
    [rest] = look(tmp_path, later, columns=columns).waiting
    assert "'Adet' is gone" in rest.reason


def test_an_accepted_layout_is_the_one_to_come(tmp_path: Path) -> None:
    source = CsvDrop(options(tmp_path))
    accepted = through_json(source.accepting(learnt(tmp_path)))
    drop(tmp_path / "s_2.csv", CHANGED["moved"][0])
    [offer] = source.look(accepted, full=False).offers
    reading = read(offer)
    assert [row.quantity for row in reading.rows] == ["7"]
    (tmp_path / "s_2.csv").unlink()
    drop(tmp_path / "s_3.csv", GOOD)
    assert labels(source.look(reading.checkpoint, full=False)) == ([], ["s_3.csv"])


def test_a_rewound_source_still_knows_its_layout(tmp_path: Path) -> None:
    checkpoint = learnt(tmp_path)
    rewound = CsvDrop(options(tmp_path)).checkpoint_at("s_1.csv", checkpoint)
    drop(tmp_path / "s_2.csv", CHANGED["moved"][0])
    assert labels(look(tmp_path, through_json(rewound))) == ([], ["s_2.csv"])


def test_a_file_behind_the_first_one_of_a_source_is_held_to_its_layout(tmp_path: Path) -> None:
    drop(tmp_path / "s_1.csv", GOOD)
    drop(tmp_path / "s_2.csv", CHANGED["moved"][0])
    first, second = look(tmp_path, None, mode=Kind.DELTA).offers
    read(first)
    with pytest.raises(SourceUnreadable, match="was column 3 and is column 2"):
        read(second)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n", b"\x1f\x8b\x08\n", b'"x\n'])
def test_what_has_no_header_to_compare_is_left_to_reading(tmp_path: Path, content: bytes) -> None:
    checkpoint = learnt(tmp_path)
    (tmp_path / "s_2.csv.ok").touch()
    drop(tmp_path / "s_2.csv", content)
    [offer] = look(tmp_path, checkpoint, ready=Ready.MARKER).offers
    with pytest.raises(SourceUnreadable):
        read(offer)
