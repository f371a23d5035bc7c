"""From a source's words to Omnitron's: SKUs, warehouses and rules, also when they change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from connectors.contract import Kind
from connectors.csv_drop import CsvColumns
from tests.integration.pulling import Drop, Warehouses
from tests.integration.scenes import level_of, open_failures, reasons, source_of, stocks_of
from worker.ledger import lists
from worker.model import Duplicates, Lookalikes, Missing, SkuRule, SourceState, StockList
from worker.pull import carrying, resembling

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.ledgers import HandClock
    from tests.integration.pulling import Pulled
    from worker.ledger import Ledger

STRIP = (SkuRule(strip_prefix="TR-"),)


@pytest.fixture
def drop(ledger: Ledger, tmp_path: Path) -> Drop:
    return Drop(ledger, tmp_path / "drop")


@pytest.fixture
def deltas(ledger: Ledger, tmp_path: Path) -> Warehouses:
    return Warehouses(ledger, tmp_path / "deltas", mode=Kind.DELTA)


def plan(source: Pulled, **changes: Any) -> None:
    """Change the plan, and with it the fingerprint."""
    source.plan = replace(source.plan, fingerprint=repr(changes), **changes)


# --- SKUs -----------------------------------------------------------------------------------


def test_a_sku_is_mapped_before_anything_else(drop: Drop) -> None:
    plan(drop, sku_rules=STRIP)
    drop.say("TR-A,5", "B,6")
    drop.pull()
    assert stocks_of(drop.ledger, "A", "B", "TR-A") == {"A": 5, "B": 6}


def test_two_skus_that_become_one_are_duplicates(drop: Drop) -> None:
    plan(drop, sku_rules=STRIP)
    drop.say("TR-A,5", "A,6", "TR-B,1", "B,1")
    drop.pull()
    assert stocks_of(drop.ledger, "A", "B") == {"B": 1}
    assert reasons(drop.ledger) == ["duplicate"]
    drop.rule(duplicates=Duplicates.SUM)
    drop.say("TR-A,5", "A,6", "TR-B,1", "B,1")
    drop.pull()
    assert stocks_of(drop.ledger, "A", "B") == {"A": 11, "B": 2}


def test_a_rejected_row_counts_as_present_by_its_mapped_sku(drop: Drop) -> None:
    plan(drop, sku_rules=STRIP)
    drop.rule(missing=Missing.ZERO)
    drop.say("TR-A,5", "B,6")
    drop.pull()
    drop.say("TR-A,x", "B,6")
    assert drop.one().missing == 0
    (failure,) = open_failures(drop.ledger)
    assert (failure.sku, failure.raw) == ("A", "TR-A,x")
    assert stocks_of(drop.ledger, "A") == {"A": 5}


def test_a_sku_of_which_the_rules_leave_nothing_is_rejected_and_nothing_is_missing(
    drop: Drop,
) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.say("A,5", "TR-B,6")
    drop.pull()
    plan(drop, sku_rules=STRIP)
    drop.say("A,5", "TR-,6")
    report = drop.one()
    assert (report.rejected, report.missing) == (1, 0)
    assert reasons(drop.ledger) == ["missing_sku"]
    assert stocks_of(drop.ledger, "TR-B") == {"TR-B": 6}


def test_after_new_sku_rules_the_old_keys_are_missing_from_the_snapshot(drop: Drop) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.say("TR-A,5", "B,6")
    drop.pull()
    plan(drop, sku_rules=STRIP)
    drop.say("TR-A,5", "B,6")
    assert drop.one().missing == 1
    assert stocks_of(drop.ledger, "A", "B", "TR-A") == {"A": 5, "B": 6, "TR-A": 0}


# --- lookalikes -----------------------------------------------------------------------------


def test_neither_of_two_skus_that_look_alike_is_raised(drop: Drop) -> None:
    drop.say("ABC,5", "X,1")
    drop.pull()
    drop.say("ABC,7", "abc,9", "X,2")
    report = drop.one()
    assert (report.changed, report.rejected) == (1, 2)
    assert stocks_of(drop.ledger, "ABC", "abc", "X") == {"ABC": 5, "X": 2}
    failures = open_failures(drop.ledger)
    assert {failure.reason for failure in failures} == {"lookalike"}
    assert {(failure.sku, failure.line) for failure in failures} == {("ABC", 2), ("abc", 3)}
    assert "'abc' looks like 'ABC'" in max(failures, key=lambda f: f.sku or "").message


def test_a_decrease_passes_though_its_sku_has_a_lookalike(drop: Drop) -> None:
    drop.say("ABC,5", "X,1")
    drop.pull()
    drop.say("ABC,3", "ab c,9", "X,1")
    drop.pull()
    assert stocks_of(drop.ledger, "ABC", "ab c") == {"ABC": 3}


def test_lookalikes_that_are_told_apart_again_are_raised_and_their_failures_close(
    drop: Drop,
) -> None:
    drop.say("ABC,5", "abc,9")
    drop.pull()
    assert stocks_of(drop.ledger, "ABC", "abc") == {}
    drop.say("ABC,5")
    drop.pull()
    assert stocks_of(drop.ledger, "ABC") == {"ABC": 5}
    assert open_failures(drop.ledger) == []


def test_lookalikes_far_apart_in_a_large_file_are_found(drop: Drop) -> None:
    filler = [f"S{number:05},1" for number in range(6_000)]
    drop.say("ABC,5", *filler, "abc,9")
    assert drop.one().rejected == 2
    assert reasons(drop.ledger) == ["lookalike", "lookalike"]


def test_two_products_may_be_told_apart_by_case_where_the_rules_say_so(drop: Drop) -> None:
    drop.rule(lookalikes=Lookalikes.ALLOW)
    drop.say("5mm,5", "5MM,9")
    drop.pull()
    assert stocks_of(drop.ledger, "5mm", "5MM") == {"5mm": 5, "5MM": 9}


@pytest.mark.parametrize(
    ("known", "new"),
    [("ABC", "abc"), ("abc", "ABC"), ("Abc", "aBC"), ("A BC", "ABC"), ("ŞB", "şb")],
)
@pytest.mark.parametrize("mode", Kind)
def test_a_new_sku_that_looks_like_a_known_one_is_not_sent(
    ledger: Ledger, tmp_path: Path, known: str, new: str, mode: Kind
) -> None:
    drop = Drop(ledger, tmp_path / "drop", mode=mode)
    drop.say(f"{known},5", "X,1")
    drop.pull()
    for stock in (0, 9):
        drop.say(f"{new},{stock}", "Y,1")
        assert drop.one().rejected == 1
    assert stocks_of(ledger, known, new, "Y") == {known: 5, "Y": 1}
    (failure,) = open_failures(ledger)
    assert f"looks like {known!r}, which this source has stated before" in failure.message
    drop.say(f"{known},7", "Y,1")
    drop.pull()
    assert stocks_of(ledger, known, new) == {known: 7}


def test_a_sku_that_is_written_anew_takes_the_place_of_one_that_is_gone(drop: Drop) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.say("abc,5", "X,1")
    drop.pull()
    drop.say("ABC,4", "X,1")
    drop.pull()
    assert stocks_of(drop.ledger, "abc", "ABC") == {"abc": 0, "ABC": 4}


def test_in_a_catalogue_of_many_spellings_none_is_sought(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resembling, "MOST", 1)
    drop.say("Ab,1", "aB c,1", "Xy,1")
    drop.pull()
    drop.say("AB,2")
    drop.pull()
    assert stocks_of(drop.ledger, "AB") == {"AB": 2}


# --- warehouses and rules that change -------------------------------------------------------


def both(source: Pulled, sku: str) -> tuple[int | None, int | None]:
    """Stock in list 1 and in list 2."""
    one, two = (stocks_of(source.ledger, sku, stock_list=number).get(sku) for number in (1, 2))
    return one, two


@pytest.mark.parametrize("page", [1, 20_000])
def test_a_warehouse_that_goes_to_another_list_takes_its_stock_along(
    deltas: Warehouses, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(carrying, "PAGE_ROWS", page)
    deltas.say("A,MAIN,5,AD", "A,ANNEX,2,AD", "B,ANNEX,1,AD", "C,OUTLET,4,AD")
    deltas.pull()
    plan(deltas, stock_lists={"MAIN": 1, "ANNEX": 2, "OUTLET": 2})
    assert (
        source_of(deltas.ledger).state(0, fingerprint=deltas.plan.fingerprint)
        is SourceState.RULES_CHANGED
    )
    deltas.say("C,OUTLET,5,AD")
    deltas.pull()
    assert (both(deltas, "A"), both(deltas, "B"), both(deltas, "C")) == ((5, 2), (0, 1), (None, 5))
    deltas.say("A,ANNEX,3,AD")
    deltas.pull()
    assert both(deltas, "A") == (5, 3)


def test_what_a_pull_states_counts_more_than_what_is_carried_along(deltas: Warehouses) -> None:
    deltas.say("A,ANNEX,2,AD")
    deltas.pull()
    plan(deltas, stock_lists={"MAIN": 1, "ANNEX": 2})
    deltas.say("A,ANNEX,9,AD")
    deltas.pull()
    assert both(deltas, "A") == (0, 9)


@pytest.mark.parametrize("missing", [Missing.KEEP, Missing.ZERO])
def test_a_snapshot_never_leaves_a_moved_warehouse_in_both_lists(
    ledger: Ledger, tmp_path: Path, missing: Missing
) -> None:
    drop = Warehouses(ledger, tmp_path / "drop")
    drop.rule(missing=missing)
    drop.say("A,MAIN,5,AD", "A,ANNEX,2,AD")
    drop.pull()
    plan(drop, stock_lists={"MAIN": 1, "ANNEX": 2})
    drop.say("A,MAIN,5,AD", "A,ANNEX,2,AD")
    drop.pull()
    assert both(drop, "A") == (5, 2)


def test_a_code_that_omnitron_gives_to_another_list_moves_its_warehouse(
    ledger: Ledger, tmp_path: Path, clock: HandClock
) -> None:
    def seen(*found: tuple[int, str]) -> None:
        known = [StockList(pk=pk, name="", code=code) for pk, code in found]
        ledger.write(lambda tx: lists.seen(tx, known, now=clock()))

    drop = Warehouses(ledger, tmp_path / "drop", stock_lists={})
    seen((1, "DEPOT"), (2, "OTHER"))
    drop.say("A,DEPOT,5,AD")
    drop.pull()
    seen((1, "OTHER"), (2, "DEPOT"))
    drop.say("A,DEPOT,6,AD")
    drop.pull()
    assert both(drop, "A") == (0, 6)


def test_a_source_that_goes_to_another_list_takes_all_its_stock_along(drop: Drop) -> None:
    drop.say("A,5", "B,6")
    drop.pull()
    plan(drop, stock_list=2)
    drop.say("A,5", "B,6")
    drop.pull()
    assert (both(drop, "A"), both(drop, "B")) == ((0, 5), (0, 6))


def test_another_unit_is_put_to_every_level(deltas: Warehouses) -> None:
    deltas.say("A,MAIN,5,AD", "B,MAIN,6,KG")
    deltas.pull()
    plan(deltas, units={"AD": "kg", "KG": "kg"})
    deltas.say("B,MAIN,6,KG")
    deltas.pull()
    assert level_of(deltas.ledger, "A").unit_type == "kg"


def test_a_move_of_stock_is_weighed_by_the_guard(deltas: Warehouses) -> None:
    deltas.say(*(f"S{number},ANNEX,5,AD" for number in range(10)))
    deltas.pull()
    deltas.guard(max_zero_ratio=0.2)
    plan(deltas, stock_lists={"MAIN": 1, "ANNEX": 2})
    deltas.say("S1,ANNEX,5,AD")
    report = deltas.one()
    assert report.status == "held"
    assert "10 of 10 levels" in (report.reason or "")
    deltas.approve(report.pull_id)
    assert both(deltas, "S0") == (0, 5)


# --- bounds ---------------------------------------------------------------------------------


def test_a_level_stays_within_its_bounds(drop: Drop) -> None:
    drop.rule(minimum=2, maximum=10)
    drop.say("A,0", "B,5", "C,3000000000")
    drop.pull()
    assert stocks_of(drop.ledger, "A", "B", "C") == {"A": 2, "B": 5, "C": 10}


def test_no_minimum_holds_up_what_is_gone(drop: Drop) -> None:
    drop.rule(minimum=2, missing=Missing.ZERO)
    drop.say("A,5", "B,5")
    drop.pull()
    drop.say("A,5")
    drop.pull()
    assert stocks_of(drop.ledger, "B") == {"B": 0}
    drop.rule(minimum=3)
    drop.say("A,5")
    drop.pull()
    assert stocks_of(drop.ledger, "B") == {"B": 0}


# --- pivot tables ---------------------------------------------------------------------------


@pytest.fixture
def pivot(ledger: Ledger, tmp_path: Path) -> Drop:
    columns = CsvColumns(sku="sku", warehouses=("ANK", "BER", "IST"))
    lists = {"ANK": 1, "BER": 2, "IST": 1, "WH": 2}
    return Drop(ledger, tmp_path / "pivot", columns=columns, stock_list=None, stock_lists=lists)


def test_each_cell_of_a_pivot_table_is_a_part_of_the_level_of_its_list(pivot: Drop) -> None:
    pivot.say("A,7,0,105", "B,x,2,3", header="sku,ANK,BER,IST")
    pivot.pull()
    assert level_of(pivot.ledger, "A", stock_list=1).value.stock == 112
    assert level_of(pivot.ledger, "A", stock_list=2).value.stock == 0
    assert level_of(pivot.ledger, "B", stock_list=2).value.stock == 2
    [failure] = open_failures(pivot.ledger)
    assert (failure.reason, failure.sku, failure.warehouse) == ("not_a_number", "B", "ANK")


def test_a_column_that_a_pivot_table_gets_later_is_a_failure_until_it_is_gone(pivot: Drop) -> None:
    pivot.say("A,7,0,105", header="sku,ANK,BER,IST")
    pivot.pull()
    pivot.say("A,8,1,106,50", header="sku,ANK,BER,IST,WH")
    pivot.pull()
    assert level_of(pivot.ledger, "A", stock_list=1).value.stock == 114
    assert level_of(pivot.ledger, "A", stock_list=2).value.stock == 1
    [failure] = open_failures(pivot.ledger)
    assert (failure.reason, failure.column) == ("unknown_warehouse_column", "WH")
    assert "columns.warehouses" in failure.remedy
    assert pivot.files(".rejected") == []
    pivot.say("A,9,1,106", header="sku,ANK,BER,IST")
    pivot.pull()
    assert open_failures(pivot.ledger) == []
