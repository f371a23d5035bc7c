"""What a snapshot no longer states is gone, if and when the rules say so."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.integration.pulling import Drop, Erp, Warehouses
from tests.integration.scenes import change, level_of, open_failures, reasons, stocks_of
from worker.deliver import Slip
from worker.model import Missing
from worker.pull import comparing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.delivering import Desk
    from worker.ledger import Ledger


@pytest.fixture
def drop(ledger: Ledger, tmp_path: Path) -> Drop:
    drop = Drop(ledger, tmp_path / "drop")
    drop.say("A,5", "B,6")
    return drop


def test_a_missing_key_is_kept_unless_told_otherwise(drop: Drop) -> None:
    drop.pull()
    drop.say("A,5")
    report = drop.one()
    assert (report.missing, report.changed) == (1, 0)
    assert stocks_of(drop.ledger, "B") == {"B": 6}


def test_a_missing_key_goes_to_zero(drop: Drop) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.pull()
    drop.say("A,5")
    report = drop.one()
    assert (report.missing, report.changed) == (1, 1)
    assert stocks_of(drop.ledger, "A", "B") == {"A": 5, "B": 0}
    drop.say("A,6")
    assert drop.one().changed == 1
    assert level_of(drop.ledger, "B").revision == 2


def test_a_key_that_reappears_has_its_stock_again(drop: Drop) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.pull()
    drop.say("A,5")
    drop.pull()
    drop.say("A,5", "B,6")
    drop.pull()
    assert stocks_of(drop.ledger, "B") == {"B": 6}
    assert level_of(drop.ledger, "B").revision == 3


def test_a_missing_key_is_parked_with_its_stock_and_a_failure(drop: Drop) -> None:
    drop.rule(missing=Missing.PARK)
    drop.pull()
    change(drop.ledger, "B", sent_revision=1, sent_stock=6)
    drop.say("A,5")
    drop.pull()
    level = level_of(drop.ledger, "B")
    assert (level.park_reason, level.stock, level.revision) == ("missing_in_source", 6, 1)
    (failure,) = open_failures(drop.ledger)
    assert (failure.kind, failure.reason, failure.sku) == ("item", "missing_in_source", "B")
    drop.say("A,6")
    drop.pull()
    assert [failure.attempts for failure in open_failures(drop.ledger)] == [1]


@pytest.mark.parametrize("stock", [6, 7])
def test_a_parked_key_that_reappears_goes_again_and_its_failure_closes(
    drop: Drop, stock: int
) -> None:
    drop.rule(missing=Missing.PARK)
    drop.pull()
    drop.say("A,5")
    drop.pull()
    drop.say("A,5", f"B,{stock}")
    drop.pull()
    level = level_of(drop.ledger, "B")
    assert (level.park_reason, level.stock) == (None, stock)
    assert open_failures(drop.ledger) == []


def test_gone_means_absent_from_two_successive_different_snapshots(drop: Drop) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.plan = replace(drop.plan, absences=2)
    drop.pull()
    drop.say("A,5")
    assert drop.one().changed == 0
    assert stocks_of(drop.ledger, "B") == {"B": 6}
    drop.say("A,5")
    assert drop.one().status == "unchanged"
    assert stocks_of(drop.ledger, "B") == {"B": 6}
    drop.say("A,7")
    assert drop.one().changed == 2
    assert stocks_of(drop.ledger, "B") == {"B": 0}


def test_the_same_content_read_again_is_no_second_snapshot(drop: Drop) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.plan = replace(drop.plan, absences=2)
    drop.pull()
    for _ in range(3):
        drop.say("A,5")
        assert drop.one(full=True).missing == 1
    assert stocks_of(drop.ledger, "B") == {"B": 6}
    drop.say("A,7")
    drop.pull()
    assert stocks_of(drop.ledger, "A", "B") == {"A": 7, "B": 0}


def test_an_absence_in_between_does_not_count_once_the_key_was_there_again(drop: Drop) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.plan = replace(drop.plan, absences=2)
    drop.pull()
    for lines in (["A,1"], ["A,2", "B,6"], ["A,3"]):
        drop.say(*lines)
        drop.pull()
    assert stocks_of(drop.ledger, "B") == {"B": 6}
    drop.say("A,4")
    drop.pull()
    assert stocks_of(drop.ledger, "B") == {"B": 0}


def test_a_rejected_row_counts_as_present(drop: Drop) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.pull()
    drop.say("A,5", "B,x")
    report = drop.one()
    assert (report.missing, report.rejected) == (0, 1)
    assert stocks_of(drop.ledger, "B") == {"B": 6}


def test_a_row_whose_key_cannot_be_read_forbids_to_declare_anything_missing(drop: Drop) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.pull()
    drop.say("A,7", ",6")
    report = drop.one()
    assert (report.missing, report.changed, report.rejected) == (0, 1, 1)
    assert stocks_of(drop.ledger, "A", "B") == {"A": 7, "B": 6}


def test_a_file_that_was_cut_declares_nothing_missing(drop: Drop) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.pull()
    path = drop.say("A,7", "C,1")
    age = path.stat().st_mtime
    path.write_text(path.read_text()[:-2])  # within its last line
    os.utime(path, (age, age))
    assert drop.pull() == []
    assert stocks_of(drop.ledger, "A", "B") == {"A": 5, "B": 6}


def test_duplicates_that_are_rejected_count_as_present(drop: Drop) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.pull()
    drop.say("A,5", "B,1", "B,2")
    drop.pull()
    assert stocks_of(drop.ledger, "B") == {"B": 6}


@pytest.mark.parametrize("bad", [["C,1", "C,2"], ["C,0.5", "D,0.5"]])
def test_rows_of_keys_that_cannot_be_applied_count_as_rejected(drop: Drop, bad: list[str]) -> None:
    drop.rule(missing=Missing.ZERO, max_reject_ratio=0.5)
    drop.pull()
    drop.say("A,7", *bad)
    report = drop.one()
    assert (report.missing, report.changed) == (0, 1)
    assert stocks_of(drop.ledger, "A", "B") == {"A": 7, "B": 6}
    assert len((drop.path / ".rejected" / "002.mended.csv").read_text().splitlines()) == 3
    drop.say("A,8", "C,1", "D,1", *bad[1:])
    drop.pull()
    assert stocks_of(drop.ledger, "A", "B") == {"A": 8, "B": 0}


def test_more_missing_keys_than_are_read_at_a_time_are_found(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparing, "_KNOWN_ROWS", 50)
    drop.rule(missing=Missing.ZERO)
    drop.say(*(f"S{number:03},1" for number in range(500)))
    drop.pull()
    drop.say("S000,1", "S250,1", "S499,1", "T,1")
    report = drop.one()
    assert (report.missing, report.changed) == (497, 498)
    assert drop.history()[-1].zeroed == 497


def test_one_warehouse_that_is_missing_takes_its_share(ledger: Ledger, tmp_path: Path) -> None:
    drop = Warehouses(ledger, tmp_path / "drop")
    drop.rule(missing=Missing.ZERO)
    drop.say("A,MAIN,5,AD", "A,ANNEX,2,AD")
    drop.pull()
    drop.say("A,MAIN,5,AD")
    drop.pull()
    assert level_of(ledger, "A").value == (5, "qty", None, None)


def test_what_is_shown_of_a_pull_is_what_becomes_of_a_level_with_a_parked_warehouse(
    ledger: Ledger, tmp_path: Path
) -> None:
    drop = Warehouses(ledger, tmp_path / "drop")
    drop.rule(missing=Missing.PARK)
    drop.say("A,MAIN,5,AD", "A,ANNEX,2,AD")
    drop.pull()
    drop.say("A,MAIN,5,AD")
    drop.pull()
    assert (level_of(ledger, "A").stock, level_of(ledger, "A").park_reason) == (
        7,
        "missing_in_source",
    )
    drop.say("A,MAIN,6,AD")
    drop.pull()
    assert (level_of(ledger, "A").stock, level_of(ledger, "A").park_reason) == (6, None)


def test_a_key_whose_warehouses_leave_one_after_the_other_keeps_its_stock(
    ledger: Ledger, tmp_path: Path
) -> None:
    shop = Warehouses(ledger, tmp_path / "drop")
    shop.rule(missing=Missing.PARK)
    shop.say("A,MAIN,3,AD", "A,ANNEX,2,AD", "B,MAIN,1,AD")
    shop.pull()
    for rows in (("A,MAIN,3,AD", "B,MAIN,1,AD"), ("B,MAIN,1,AD",)):
        shop.say(*rows)
        shop.pull()
        level = level_of(ledger, "A")
        assert (level.stock, level.revision, level.park_reason) == (5, 1, "missing_in_source")


def test_a_delta_says_nothing_of_what_it_does_not_state(ledger: Ledger, tmp_path: Path) -> None:
    erp = Erp(ledger, f"sqlite:///{tmp_path / 'erp.db'}")
    erp.rule(missing=Missing.ZERO)
    erp.say(A=5, B=6)
    erp.pull()
    erp.do("DELETE FROM stock WHERE sku = 'B'")
    erp.say(A=7)
    erp.pull()
    assert stocks_of(ledger, "A", "B") == {"A": 7, "B": 6}


def test_a_full_query_sees_what_no_cursor_can(ledger: Ledger, tmp_path: Path) -> None:
    erp = Erp(ledger, f"sqlite:///{tmp_path / 'erp.db'}", full=True)
    erp.rule(missing=Missing.ZERO)
    erp.say(A=5, B=6)
    erp.pull()
    erp.do("DELETE FROM stock WHERE sku = 'B'")
    erp.do("UPDATE stock SET stock = '4' WHERE sku = 'A'")
    erp.pull(full=True)
    assert stocks_of(ledger, "A", "B") == {"A": 4, "B": 0}
    assert reasons(ledger) == []


def test_what_is_parked_as_missing_keeps_its_stock_although_an_unreadable_row_came_and_went(
    ledger: Ledger, tmp_path: Path
) -> None:
    drop = Warehouses(ledger, tmp_path / "drop")
    drop.rule(missing=Missing.PARK, max_reject_ratio=1.0)
    for rows in (["A,MAIN,5,AD", "B,MAIN,1,AD"], ["B,MAIN,1,AD"], ["A,MAIN,x,AD", "B,MAIN,1,AD"]):
        drop.say(*rows)
        drop.one()
    before = level_of(ledger, "A")
    drop.say("B,MAIN,1,AD")
    drop.one()
    assert level_of(ledger, "A") == before
    assert (before.stock, before.park_reason) == (5, "missing_in_source")


def test_what_is_parked_as_missing_while_it_is_in_flight_stays_told(drop: Drop, desk: Desk) -> None:
    drop.rule(missing=Missing.PARK)
    drop.pull()
    slip = desk.courier().claim()
    assert isinstance(slip, Slip)
    drop.say("A,5")
    drop.pull()
    assert desk.finish(slip).sent == 2
    assert level_of(drop.ledger, "B").park_reason == "missing_in_source"
    assert reasons(drop.ledger) == ["missing_in_source"]
