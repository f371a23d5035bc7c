"""A level of which not everything that is stated can be read: no number that the ERP never said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from tests.integration.pulling import Drop, Warehouses
from tests.integration.scenes import level_of, open_failures, stocks_of
from worker.explaining import unmade
from worker.ledger import explain
from worker.model import Missing, Negative, SkuRule
from worker.operating import dismiss

if TYPE_CHECKING:
    from pathlib import Path

    from worker.ledger import Ledger


@pytest.fixture
def deltas(ledger: Ledger, tmp_path: Path) -> Warehouses:
    return Warehouses(ledger, tmp_path / "deltas", mode=Kind.DELTA)


@pytest.fixture
def drop(ledger: Ledger, tmp_path: Path) -> Warehouses:
    return Warehouses(ledger, tmp_path / "drop")


def sentences(ledger: Ledger, sku: str) -> list[str]:
    with ledger.read() as connection:
        now = ledger.now(connection)
        return unmade(explain.known(connection, sku, stock_list=None, now=now))


def test_a_first_sum_waits_until_each_warehouse_can_be_read(deltas: Warehouses) -> None:
    deltas.say("A,MAIN,x,AD", "A,ANNEX,5,AD", "B,MAIN,1,AD")
    report = deltas.one()
    assert (report.changed, report.rejected, report.incomplete) == (1, 1, 1)
    assert stocks_of(deltas.ledger, "A", "B") == {"B": 1}
    (failure,) = open_failures(deltas.ledger)
    assert "A is neither sent for the first time nor raised" in failure.message
    (sentence,) = sentences(deltas.ledger, "A")
    assert "nothing is sent yet" in sentence
    assert "5 in ANNEX + something unreadable in MAIN" in sentence
    assert failure.message in sentence

    deltas.say("A,ANNEX,6,AD")
    assert deltas.one().incomplete == 1
    assert stocks_of(deltas.ledger, "A") == {}

    deltas.say("A,MAIN,2,AD")
    assert (deltas.one().changed, level_of(deltas.ledger, "A").stock) == (1, 8)
    assert (open_failures(deltas.ledger), sentences(deltas.ledger, "A")) == ([], [])


def test_a_warehouse_that_was_unreadable_first_is_waited_for_too(deltas: Warehouses) -> None:
    deltas.say("A,MAIN,x,AD")
    deltas.pull()
    deltas.say("A,ANNEX,5,AD")
    deltas.pull()
    assert stocks_of(deltas.ledger, "A") == {}


@pytest.mark.parametrize("bad", [["A,MAIN,1,AD", "A,MAIN,2,AD"], ["A,MAIN,-1,AD"], ["A,MAIN,1,?"]])
def test_any_reason_of_rejection_is_waited_for(deltas: Warehouses, bad: list[str]) -> None:
    deltas.rule(negative=Negative.REJECT)
    deltas.say("A,ANNEX,5,AD", *bad)
    deltas.pull()
    assert stocks_of(deltas.ledger, "A") == {}


def test_a_warehouse_without_a_stock_list_is_waited_for(drop: Warehouses) -> None:
    drop.say("A,MAIN,5,AD", "A,MARS,3,AD", "B,MAIN,1,AD")
    report = drop.one()
    assert (report.rejected, report.incomplete) == (1, 1)
    assert stocks_of(drop.ledger, "A", "B") == {"B": 1}
    drop.plan = replace(drop.plan, stock_lists={**drop.plan.stock_lists, "MARS": 1}, fingerprint="")
    drop.say("A,MAIN,5,AD", "A,MARS,3,AD", "B,MAIN,1,AD")
    drop.pull()
    assert level_of(drop.ledger, "A").stock == 8


@pytest.mark.parametrize("warehouse", ["", '"ANN\tEX"'])
def test_a_row_whose_warehouse_cannot_be_read_is_waited_for(
    deltas: Warehouses, warehouse: str
) -> None:
    deltas.say("A,MAIN,5,AD", f"A,{warehouse},3,AD", "B,MAIN,1,AD")
    assert deltas.one().incomplete == 1
    assert stocks_of(deltas.ledger, "A", "B") == {"B": 1}
    deltas.say("A,MAIN,6,AD")
    assert deltas.one().incomplete == 1
    (failure,) = open_failures(deltas.ledger)
    dismiss(deltas.ledger, failure.id, why="that row is void", actor="ayse")
    deltas.say("A,MAIN,7,AD")
    deltas.pull()
    assert stocks_of(deltas.ledger, "A") == {"A": 7}


def test_new_rules_do_not_end_the_wait_but_a_stock_list_does(deltas: Warehouses) -> None:
    deltas.say("A,MAIN,5,AD", "A,MARS,3,AD")
    deltas.pull()
    deltas.reckon(buffer=1)
    assert (deltas.one().incomplete, stocks_of(deltas.ledger, "A")) == (1, {})
    deltas.plan = replace(deltas.plan, stock_lists={**deltas.plan.stock_lists, "MARS": 2})
    deltas.reckon(buffer=2)
    deltas.pull()
    assert stocks_of(deltas.ledger, "A") == {"A": 3}


def test_a_new_warehouse_without_a_stock_list_stops_no_level_that_is_there(
    drop: Warehouses,
) -> None:
    drop.say("A,MAIN,5,AD")
    drop.pull()
    drop.say("A,MAIN,7,AD", "A,MARS,3,AD")
    drop.pull()
    assert level_of(drop.ledger, "A").stock == 7


def test_what_was_read_before_counts_where_a_row_cannot_be_read_now(drop: Warehouses) -> None:
    drop.say("A,MAIN,5,AD", "A,ANNEX,2,AD")
    drop.pull()
    drop.say("A,MAIN,x,AD", "A,ANNEX,3,AD")
    assert drop.one().incomplete == 0
    assert level_of(drop.ledger, "A").stock == 8


def test_a_level_with_a_new_warehouse_that_cannot_be_read_sinks_but_is_not_raised(
    deltas: Warehouses,
) -> None:
    deltas.say("A,ANNEX,5,AD")
    deltas.pull()
    for annex, stock in ((9, 5), (3, 3), (4, 3), (0, 0)):
        deltas.say(f"A,ANNEX,{annex},AD", "A,MAIN,x,AD")
        deltas.pull()
        assert level_of(deltas.ledger, "A").stock == stock
    deltas.say("A,ANNEX,4,AD", "A,MAIN,3,AD")
    deltas.pull()
    assert level_of(deltas.ledger, "A").stock == 7


@pytest.mark.parametrize("missing", Missing)
def test_a_snapshot_that_no_longer_has_the_unreadable_row_ends_the_wait(
    drop: Warehouses, missing: Missing
) -> None:
    drop.rule(missing=missing)
    drop.say("A,MAIN,x,AD", "A,ANNEX,5,AD", "B,MAIN,x,AD")
    drop.pull()
    drop.say("A,ANNEX,5,AD")
    drop.pull()
    assert stocks_of(drop.ledger, "A", "B") == {"A": 5}
    assert open_failures(drop.ledger) == []


def test_a_warehouse_that_moves_unread_is_waited_for_in_its_new_list(deltas: Warehouses) -> None:
    deltas.say("A,MAIN,5,AD", "A,ANNEX,x,AD", "A,OUTLET,1,AD", "C,MAIN,1,AD")
    deltas.pull()
    lists = {"MAIN": 1, "ANNEX": 2, "OUTLET": 2}
    deltas.plan = replace(deltas.plan, stock_lists=lists, fingerprint="moved")
    deltas.say("C,MAIN,2,AD")
    deltas.pull()
    assert stocks_of(deltas.ledger, "A") == {"A": 5}
    assert stocks_of(deltas.ledger, "A", stock_list=2) == {"A": 1}
    deltas.say("A,OUTLET,4,AD")
    deltas.pull()
    assert stocks_of(deltas.ledger, "A", stock_list=2) == {"A": 1}


def test_what_was_never_sent_is_not_sent_a_zero_when_it_is_gone(drop: Warehouses) -> None:
    drop.rule(missing=Missing.ZERO)
    drop.say("A,MAIN,2.5,AD", "B,MAIN,1,AD")
    drop.pull()
    drop.say("B,MAIN,1,AD")
    drop.pull()
    assert stocks_of(drop.ledger, "A", "B") == {"B": 1}


def test_a_held_first_pull_that_is_approved_leaves_out_what_waits(drop: Warehouses) -> None:
    drop.guard(max_change_ratio=0.0, ignore_below=0)
    drop.say("B,MAIN,1,AD")
    drop.pull()
    drop.say("A,MAIN,x,AD", "A,ANNEX,5,AD", "B,MAIN,2,AD")
    held = drop.one()
    assert (held.status, held.incomplete) == ("held", 1)
    drop.approve(held.pull_id)
    assert stocks_of(drop.ledger, "A", "B") == {"B": 2}


def test_a_sku_of_one_list_alone_is_judged_row_by_row(ledger: Ledger, tmp_path: Path) -> None:
    drop = Drop(ledger, tmp_path / "drop", sku_rules=(SkuRule(strip_prefix="TR-"),))
    drop.say("TR-A,x", "B,1")
    assert drop.one().incomplete == 0
    drop.say("TR-A,5", "B,1")
    drop.pull()
    assert stocks_of(ledger, "A", "B") == {"A": 5, "B": 1}
