"""The layout of the files is remembered: what is not as before is held back, and accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from connectors.contract import Checkpoint, Kind, Listing, Settlement
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


def test_files_of_two_layouts_at_the_very_first_look_are_held_to_that_of_the_first(
    tmp_path: Path,
) -> None:
    drop(tmp_path / "s_1.csv", GOOD)
    second = drop(tmp_path / "s_2.csv", CHANGED["moved"][0])
    drop(tmp_path / "s_3.csv", GOOD)
    source = CsvDrop(options(tmp_path, mode=Kind.DELTA))
    listing = source.look(None, full=False)
    assert labels(listing) == (["s_1.csv"], ["s_2.csv", "s_3.csv"])
    assert "'Miktar' was column 3 and is column 2" in listing.waiting[0].reason
    reading = read(listing.offers[0])
    source.settle(reading.position, Settlement.APPLIED)
    assert labels(source.look(reading.checkpoint, full=False)) == ([], ["s_2.csv", "s_3.csv"])
    [offer] = source.look(source.accepting(reading.checkpoint), full=False).offers
    assert [row.quantity for row in read(offer).rows] == ["7"]
    assert second.exists()


def test_the_newest_snapshot_of_the_very_first_look_sets_the_layout(tmp_path: Path) -> None:
    drop(tmp_path / "s_1.csv", GOOD)
    drop(tmp_path / "s_2.csv", CHANGED["moved"][0])
    assert labels(look(tmp_path, None)) == (["s_1.csv", "s_2.csv"], [])


def test_a_first_file_without_the_columns_sets_no_layout(tmp_path: Path) -> None:
    drop(tmp_path / "s_1.csv", CHANGED["missing"][0])
    drop(tmp_path / "s_2.csv", GOOD)
    assert labels(look(tmp_path, None, mode=Kind.DELTA)) == (["s_1.csv", "s_2.csv"], [])


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n", b"\x1f\x8b\x08\n", b'"x\n'])
def test_what_has_no_header_to_compare_is_left_to_reading(tmp_path: Path, content: bytes) -> None:
    checkpoint = learnt(tmp_path)
    (tmp_path / "s_2.csv.ok").touch()
    drop(tmp_path / "s_2.csv", content)
    [offer] = look(tmp_path, checkpoint, ready=Ready.MARKER).offers
    with pytest.raises(SourceUnreadable):
        read(offer)


# --- pivot tables: a column that comes later may be a warehouse

PIVOT = CsvColumns(sku="sku", warehouses=("ANK", "BER"))


def test_a_new_column_of_a_pivot_table_is_rejected_and_the_others_are_read(tmp_path: Path) -> None:
    checkpoint = learnt(tmp_path, "sku,Ad,ANK,BER\nA,x,1,2\n", columns=PIVOT)
    drop(tmp_path / "s_2.csv", "sku,Ad,ANK,BER,WH,\nA,x,3,4,5,\n")
    [offer] = look(tmp_path, checkpoint, columns=PIVOT).offers
    reading = read(offer)
    assert [(row.warehouse, row.quantity) for row in reading.rows] == [("ANK", "3"), ("BER", "4")]
    [reject] = reading.rejects
    assert (reject.reason, reject.column) == ("unknown_warehouse_column", "WH")
    assert (reject.place, reject.sku) == (1, None)
    assert "columns.warehouses" in reject.remedy
    drop(tmp_path / "s_3.csv", "sku,Ad,ANK,BER,WH\nA,x,6,7,8\n")
    assert len(read(look(tmp_path, reading.checkpoint, columns=PIVOT).offers[-1]).rejects) == 1


def test_a_new_column_that_is_configured_or_accepted_is_no_news(tmp_path: Path) -> None:
    checkpoint = learnt(tmp_path, "sku,ANK,BER\nA,1,2\n", columns=PIVOT)
    drop(tmp_path / "s_2.csv", "sku,ANK,BER,WH\nA,3,4,5\n")
    more = CsvColumns(sku="sku", warehouses=("ANK", "BER", "WH"))
    [offer] = look(tmp_path, checkpoint, columns=more).offers
    assert read(offer).rejects == []
    source = CsvDrop(options(tmp_path, columns=PIVOT))
    [offer] = source.look(source.accepting(checkpoint), full=False).offers
    assert read(offer).rejects == []


def test_what_comes_beside_a_column_that_is_configured_then_is_news_too(tmp_path: Path) -> None:
    checkpoint = learnt(tmp_path, "sku,ANK,BER\nA,1,2\n", columns=PIVOT)
    drop(tmp_path / "s_2.csv", "sku,ANK,BER,WH,IZM\nA,3,4,5,6\n")
    more = CsvColumns(sku="sku", warehouses=("ANK", "BER", "WH"))
    [offer] = look(tmp_path, checkpoint, columns=more).offers
    assert [reject.column for reject in read(offer).rejects] == ["IZM"]


def test_check_names_the_columns_of_a_pivot_table_that_nothing_reads(tmp_path: Path) -> None:
    drop(tmp_path / "s_1.csv", "sku,Ad,ANK,BER,WH\nA,x,1,2,3\n")
    [warning] = [
        each
        for each in CsvDrop(options(tmp_path, columns=PIVOT)).check()
        if each.level == "warning"
    ]
    assert "'Ad', 'WH'" in warning.message
    assert "columns.warehouses" in warning.remedy


def test_a_rejected_column_leaves_no_rows_to_mend(tmp_path: Path) -> None:
    checkpoint = learnt(tmp_path, "sku,ANK,BER\nA,1,2\n", columns=PIVOT)
    drop(tmp_path / "s_2.csv", "sku,ANK,BER,WH\nA,3,4,5\n")
    [offer] = look(tmp_path, checkpoint, columns=PIVOT).offers
    offer.set_aside([(1, "unknown_warehouse_column: WH")], pull=2)
    assert not (tmp_path / ".rejected").exists()
    offer.set_aside([(1, "unknown_warehouse_column: WH"), (2, "not_a_number: x")], pull=2)
    assert len((tmp_path / ".rejected" / "s_2.mended.csv").read_text().splitlines()) == 2
