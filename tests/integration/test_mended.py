"""Rejected rows come back mended: as of the pull that rejected them, and never newer."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from tests.integration.pulling import Drop, Warehouses
from tests.integration.scenes import level_of, open_failures, reasons, source_of
from worker.ledger import pulls
from worker.model import FirstPull, Missing, Negative

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from worker.ledger import Ledger


@pytest.fixture(params=list(Kind))
def folder(request: pytest.FixtureRequest, ledger: Ledger, tmp_path: Path) -> Drop:
    return Drop(ledger, tmp_path / "drop", mode=request.param)


@pytest.fixture
def snapshots(ledger: Ledger, tmp_path: Path) -> Drop:
    return Drop(ledger, tmp_path / "drop")


@pytest.fixture
def deltas(ledger: Ledger, tmp_path: Path) -> Drop:
    return Drop(ledger, tmp_path / "drop", mode=Kind.DELTA)


def mend(drop: Drop, corrections: Mapping[str, str], *, file: str = "001", to: str = "") -> Path:
    """Correct the text of a file of rejected rows and drop it again."""
    source = drop.path / ".rejected" / f"{file}.mended.csv"
    text = source.read_text()
    for wrong, right in corrections.items():
        assert wrong in text
        text = text.replace(wrong, right)
    target = drop.path / (to or source.name)
    target.write_text(text)
    return target


def stock(drop: Drop, sku: str) -> int:
    return level_of(drop.ledger, sku).stock


def test_a_mended_row_sets_its_key_and_closes_its_failure(folder: Drop) -> None:
    folder.say("A,1", "B,two")
    folder.one()
    mend(folder, {"two,": "2,"})
    report = folder.one()
    assert (report.status, report.read, report.rejected) == ("applied", 1, 0)
    assert (stock(folder, "A"), stock(folder, "B")) == (1, 2)
    assert open_failures(folder.ledger) == []


def test_a_mended_file_in_a_snapshot_folder_takes_nothing_else_away(snapshots: Drop) -> None:
    snapshots.rule(missing=Missing.ZERO)
    snapshots.say("A,1", "C,3", "B,two")
    snapshots.one()
    mend(snapshots, {"two,": "2,"})
    snapshots.one()
    assert [stock(snapshots, sku) for sku in "ABC"] == [1, 2, 3]


def test_a_mended_file_is_a_delta_under_any_name(snapshots: Drop) -> None:
    snapshots.rule(missing=Missing.ZERO)
    snapshots.say("A,1", "B,two")
    snapshots.one()
    mend(snapshots, {"two,": "2,"}, to="999.csv")
    snapshots.one()
    assert (stock(snapshots, "A"), stock(snapshots, "B")) == (1, 2)
    snapshots.say("A,5")
    assert snapshots.one().status == "applied"


def test_a_mended_file_that_lost_its_reasons_is_known_by_its_name(folder: Drop) -> None:
    folder.say("A,1", "B,two")
    folder.one()
    (folder.path / "001.mended.csv").write_text("sku,stock\nB,2\n")
    folder.one()
    assert stock(folder, "B") == 2


def test_a_mended_file_of_nobody_knows_what_goes_to_failed(folder: Drop) -> None:
    folder.say("A,1")
    folder.one()
    (folder.path / "777.mended.csv").write_text("sku,stock\nA,2\n")
    report = folder.pull()[0]
    assert (report.status, stock(folder, "A")) == ("failed", 1)
    assert "777.mended.csv" in folder.files(".failed")


def test_a_key_that_a_later_snapshot_stated_is_left_alone(snapshots: Drop) -> None:
    snapshots.say("A,1", "B,two")
    snapshots.one()
    snapshots.say("A,1", "B,7")
    snapshots.one()
    mend(snapshots, {"two,": "2,"})
    assert snapshots.one().status == "superseded"
    assert stock(snapshots, "B") == 7


def test_a_key_that_a_later_delta_changed_is_left_alone(deltas: Drop) -> None:
    deltas.say("A,1", "B,two", "C,three")
    deltas.one()
    deltas.say("B,7")
    deltas.one()
    mend(deltas, {"two,": "2,", "three,": "3,"})
    report = deltas.one()
    assert (stock(deltas, "B"), stock(deltas, "C")) == (7, 3)
    assert "1 mended rows were left out" in (report.reason or "")


def test_a_key_that_a_later_delta_stated_unchanged_is_left_alone(deltas: Drop) -> None:
    deltas.say("B,7")
    deltas.one()
    deltas.say("B,two")
    deltas.one()
    deltas.say("B,7")
    assert deltas.one().status == "unchanged"
    mend(deltas, {"two,": "2,"}, file="002")
    deltas.one()
    assert stock(deltas, "B") == 7


def test_a_mended_row_can_be_corrected_once_more(folder: Drop) -> None:
    folder.say("A,1", "B,two")
    folder.one()
    mend(folder, {"two,": "22,"})
    folder.one()
    mend(folder, {"two,": "2,"}, to="again.mended.csv")
    folder.one()
    assert stock(folder, "B") == 2


def test_a_mended_file_applied_twice_changes_nothing(folder: Drop) -> None:
    folder.say("A,1", "B,two")
    folder.one()
    for expected in ("applied", "unchanged"):
        mend(folder, {"two,": "2,"})
        assert folder.one().status == expected


def test_a_row_that_is_still_wrong_is_set_aside_again(folder: Drop) -> None:
    folder.say("A,1", "B,two")
    folder.one()
    mend(folder, {"two,": "zwei,"})
    assert folder.one().rejected == 1
    (folder.path / ".rejected" / "001.mended.csv").unlink()
    (folder.path / ".rejected" / "001.mended.2.csv").rename(
        folder.path / ".rejected" / "001.mended.csv"
    )
    mend(folder, {"zwei,": "2,"})
    folder.one()
    assert stock(folder, "B") == 2


def test_a_mended_file_does_not_move_the_folder(folder: Drop) -> None:
    folder.say("A,1", "B,two")
    folder.one()
    before = source_of(folder.ledger).checkpoint
    mend(folder, {"two,": "2,"}, to="zzz.mended.csv")
    folder.one()
    assert source_of(folder.ledger).checkpoint == before


def test_a_mended_file_is_taken_before_newer_files(folder: Drop) -> None:
    folder.say("A,1", "B,two")
    folder.one()
    mend(folder, {"two,": "2,"})
    folder.say("A,9", "B,8")
    assert [report.label for report in folder.pull()] == ["001.mended.csv", "002.csv"]
    assert (stock(folder, "A"), stock(folder, "B")) == (9, 8)


def test_rows_are_set_aside_when_the_pull_is_held(ledger: Ledger, tmp_path: Path) -> None:
    drop = Drop(ledger, tmp_path / "drop")
    drop.guard(first_pull=FirstPull.HOLD)
    drop.say("A,1", "B,two")
    held = drop.one()
    assert (held.status, drop.files(".rejected")) == ("held", ["001.mended.csv"])


def test_mended_rows_rest_while_a_pull_is_held(ledger: Ledger, tmp_path: Path) -> None:
    drop = Drop(ledger, tmp_path / "drop")
    drop.guard(first_pull=FirstPull.HOLD)
    drop.say("A,1", "B,two")
    held = drop.one()
    mend(drop, {"two,": "2,"})
    assert drop.pull() == []
    drop.approve(held.pull_id)
    drop.one()
    assert (stock(drop, "A"), stock(drop, "B")) == (1, 2)


def test_approved_mended_rows_stay_as_old_as_they_are(deltas: Drop) -> None:
    deltas.say("A,1", "B,two", *(f"S{n},5" for n in range(60)))
    first = deltas.one()
    deltas.guard(max_zero_ratio=0.0)
    zeroes = "".join(f"S{n},0\n" for n in range(60))
    path = mend(deltas, {"two,": "2,"})
    path.write_text(path.read_text() + zeroes)
    held = deltas.one()
    assert held.status == "held"
    deltas.approve(held.pull_id)
    with deltas.ledger.read() as connection:
        decided = pulls.numbered(connection, held.pull_id or 0)
    assert decided is not None
    assert (decided.as_of, stock(deltas, "B")) == (first.pull_id, 2)
    deltas.say("B,9")
    deltas.one()
    assert stock(deltas, "B") == 9


def test_rows_that_the_rules_reject_are_set_aside_too(ledger: Ledger, tmp_path: Path) -> None:
    drop = Warehouses(ledger, tmp_path / "drop")
    drop.rule(negative=Negative.REJECT)
    drop.say("A,MAIN,1,AD", "B,NOWHERE,2,AD", "C,MAIN,-3,AD", "D,MAIN,4,AD", "D,MAIN,5,AD")
    drop.one()
    with (drop.path / ".rejected" / "001.mended.csv").open(newline="") as stream:
        rows = [",".join(cells[:-1]) for cells in csv.reader(stream)]
    assert rows == [
        "sku,wh,stock,unit",
        "B,NOWHERE,2,AD",
        "C,MAIN,-3,AD",
        "D,MAIN,4,AD",
        "D,MAIN,5,AD",
    ]


def test_a_crowd_of_one_reason_is_one_failure_and_all_of_it_comes_back(deltas: Drop) -> None:
    many = 3_000
    deltas.say("A,1", *(f"S{n},{n}x" for n in range(many)), ",5")
    deltas.one()
    assert reasons(deltas.ledger) == ["missing_sku", "not_a_number"]
    mend(deltas, {"x,": ",", "\n,5": "\nLATE,5"})
    assert deltas.one().read == many + 1
    assert open_failures(deltas.ledger) == []
    assert stock(deltas, "S2999") == 2_999


def test_a_folder_that_takes_no_rejected_rows_still_has_its_good_ones(folder: Drop) -> None:
    (folder.path / ".rejected").write_text("in the way")
    folder.say("A,1", "B,two")
    folder.one()
    assert (stock(folder, "A"), reasons(folder.ledger)) == (1, ["not_a_number"])


@pytest.mark.parametrize(("limit", "left"), [(0.1, 5), (0.5, 0)])
def test_a_snapshot_with_too_many_rejected_rows_takes_nothing_away(
    snapshots: Drop, limit: float, left: int
) -> None:
    snapshots.rule(missing=Missing.ZERO, max_reject_ratio=limit)
    snapshots.say("GONE,5", "A,1", "B,2", "C,3")
    snapshots.one()
    snapshots.say("A,x", "B,2", "C,3")
    snapshots.one()
    assert stock(snapshots, "GONE") == left
