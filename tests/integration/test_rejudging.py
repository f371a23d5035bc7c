"""Rejected rows that were kept are judged again by today's rules, unless something newer came."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from connectors.csv_drop import CsvColumns
from connectors.csv_drop.options import CsvFormat
from tests.integration.pulling import Drop, Erp, Pulled, Warehouses
from tests.integration.scenes import level_of, open_failures, source_of, stocks_of
from worker.ledger import events, failures, parts
from worker.model import Duplicates, FirstPull, Negative, Rounding, SkuRule
from worker.operating import accept_source, pause_source
from worker.pull import Turn, finish, rejudge

if TYPE_CHECKING:
    from pathlib import Path

    from worker.ledger import Ledger


def again(source: Pulled, *ids: int, dry_run: bool = False) -> list[str | None]:
    """Judge failures of a source again, all that are open unless some are numbered."""
    turn = Turn(ledger=source.ledger, connector=source.connector(), plan=source.plan, actor="ayse")
    with source.ledger.read() as connection:
        found = failures.numbered(connection, ids) if ids else failures.open_ones(connection)
    answers = rejudge(turn, found, subject="test", dry_run=dry_run)
    return [None if one.answer is None else one.answer.value for one in answers]


def numbers(source: Pulled) -> list[int]:
    return [failure.id for failure in open_failures(source.ledger)]


@pytest.fixture
def drop(ledger: Ledger, tmp_path: Path) -> Drop:
    return Drop(ledger, tmp_path / "drop", mode=Kind.DELTA)


@pytest.fixture
def houses(ledger: Ledger, tmp_path: Path) -> Warehouses:
    """A folder whose first file has a good row, and one of a warehouse that has no list."""
    made = Warehouses(ledger, tmp_path / "drop", mode=Kind.DELTA)
    made.say("A,MAIN,1,AD", "B,NEW,2,AD")
    made.one()
    return made


def give_list(houses: Warehouses) -> None:
    lists = {**houses.plan.stock_lists, "NEW": 2}
    houses.plan = replace(houses.plan, stock_lists=lists, fingerprint="with the new warehouse")


def test_a_row_of_a_warehouse_that_has_a_list_now_is_applied(houses: Warehouses) -> None:
    assert again(houses) == ["rejected"]
    give_list(houses)
    assert again(houses) == ["replayed"]
    assert level_of(houses.ledger, "B", stock_list=2).stock == 2
    assert open_failures(houses.ledger) == []


def test_what_is_over_is_not_judged_twice(houses: Warehouses) -> None:
    give_list(houses)
    ids = numbers(houses)
    assert again(houses, *ids) == ["replayed"]
    before = level_of(houses.ledger, "B", stock_list=2), len(houses.history())
    assert again(houses, *ids) == ["waiting"]
    assert (level_of(houses.ledger, "B", stock_list=2), len(houses.history())) == before


def test_rows_that_were_decided_and_not_applied_are_finished_without_reading_anything(
    houses: Warehouses, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_list(houses)
    with monkeypatch.context() as patch:
        patch.setattr(parts, "save", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            again(houses)
    assert open_failures(houses.ledger) == []
    houses.say("A,MAIN,9,AD")
    turn = Turn(ledger=houses.ledger, connector=houses.connector(), plan=houses.plan, actor="ayse")
    assert [report.status for report in finish(turn)] == ["applied"]
    assert finish(turn) == []
    level = level_of(houses.ledger, "B", stock_list=2)
    assert (level.stock, level.withheld_until) == (2, 0.0)
    assert level_of(houses.ledger, "A").stock == 1


def test_a_row_that_a_later_pull_has_stated_has_moved_on(houses: Warehouses) -> None:
    give_list(houses)
    ids = numbers(houses)
    houses.say("B,NEW,9,AD")
    houses.one()
    houses.ledger.write(
        lambda tx: tx.exec_driver_sql("UPDATE failure SET closed_at = NULL, closed_why = NULL")
    )
    assert again(houses, *ids) == ["moved_on"]
    assert level_of(houses.ledger, "B", stock_list=2).stock == 9
    assert open_failures(houses.ledger) == []


def test_a_row_that_comes_back_makes_no_later_one_good(drop: Drop) -> None:
    drop.rule(negative=Negative.REJECT)
    drop.say("A,-1", "B,5")
    drop.one()
    drop.say("A,x")
    drop.one()
    (later, earlier) = numbers(drop)
    drop.rule(negative=Negative.ZERO)
    assert again(drop, earlier) == ["replayed"]
    assert (stocks_of(drop.ledger, "A"), numbers(drop)) == ({"A": 0}, [later])


def test_a_dry_run_tells_and_changes_nothing(houses: Warehouses) -> None:
    assert again(houses, dry_run=True) == ["rejected"]
    give_list(houses)
    assert again(houses, dry_run=True) == ["replayed"]
    assert len(houses.history()) == 1
    assert numbers(houses)


def test_rejudged_rows_stay_as_old_as_they_are(houses: Warehouses) -> None:
    again(houses)
    again(houses)
    give_list(houses)
    again(houses)
    assert houses.history()[-1].as_of == houses.history()[0].id
    assert [failure.file for failure in open_failures(houses.ledger)] == []


def test_a_line_is_read_again_with_todays_format(drop: Drop) -> None:
    drop.say("A,1", '"B","1.250,5"')
    drop.one()
    (kept,) = open_failures(drop.ledger)
    assert again(drop) == ["rejected"]
    assert numbers(drop) == [kept.id]
    drop._options = replace(drop._options, format=CsvFormat(decimal=",", thousands="."))
    drop.rule(rounding=Rounding.FLOOR)
    assert again(drop) == ["replayed"]
    assert stocks_of(drop.ledger, "A", "B") == {"A": 1, "B": 1250}


def test_a_line_is_read_again_where_its_own_file_had_its_columns(drop: Drop) -> None:
    drop.say("A,x5,100", header="sku,stock,price")
    drop.one()
    accept_source(drop.ledger, drop.connector(), drop.plan.name, actor="ayse")
    drop.say("B,200,6", header="sku,price,stock")
    assert drop.one().status == "applied"
    assert again(drop) == ["rejected"]
    assert again(drop) == ["rejected"]
    assert stocks_of(drop.ledger, "A", "B") == {"B": 6}


def test_a_mended_line_whose_columns_may_stand_elsewhere_is_not_read_again(drop: Drop) -> None:
    drop.say("A,x,9", header="sku,stock,price")
    drop.one()
    (mended,) = (drop.path / ".rejected").iterdir()
    title = mended.read_text().splitlines()[0].rsplit(",", 1)[-1]
    (drop.path / mended.name).write_text(f"sku,price,stock,{title}\nA,9,y,\n")
    assert drop.one().rejected == 1
    assert None in again(drop)
    assert stocks_of(drop.ledger, "A") == {}


def test_rows_of_a_discarded_file_are_not_brought_back(houses: Warehouses) -> None:
    houses.guard(max_change_ratio=0.0, ignore_below=0)
    houses.say("A,MAIN,99,AD", "B,NEW,2,AD", "C,NEW,1000,AD")
    held = houses.one()
    assert held.status == "held"
    houses.discard(held.pull_id)
    (before,) = open_failures(houses.ledger)
    assert before.sku == "B"
    give_list(houses)
    assert again(houses) == [None]
    assert stocks_of(houses.ledger, "A", "B", "C") == {"A": 1}


def test_a_file_that_is_dropped_once_more_for_new_columns_is_still_read(drop: Drop) -> None:
    same = drop.say("A,1", "B,x").read_text()
    drop.one()
    drop.plan = replace(drop.plan, fingerprint=f"other columns{drop.plan.fingerprint}")
    again(drop)
    drop.say(*same.splitlines()[1:])
    assert drop.one().read == 2


def test_a_negative_row_is_taken_when_the_rule_takes_it(drop: Drop) -> None:
    drop.rule(negative=Negative.REJECT)
    drop.say("A,-1")
    drop.one()
    drop.rule(negative=Negative.ZERO)
    assert again(drop) == ["replayed"]
    assert stocks_of(drop.ledger, "A") == {"A": 0}


def test_a_level_that_the_rules_can_make_now_is_made_of_its_parts(houses: Warehouses) -> None:
    houses.say("C,MAIN,1,AD", "C,ANNEX,0.5,AD")
    houses.one()
    houses.rule(rounding=Rounding.FLOOR)
    assert sorted(again(houses)) == ["rejected", "replayed"]
    assert level_of(houses.ledger, "C").stock == 1


def test_a_sku_goes_through_todays_rules_once(houses: Warehouses) -> None:
    give_list(houses)
    rules = (SkuRule(strip_prefix="TR-"),)
    houses.plan = replace(houses.plan, sku_rules=rules, stock_lists={"MAIN": 1}, fingerprint="x")
    houses.say("TR-TR-D,ANNEX,3,AD")
    houses.one()
    give_list(houses)
    houses.plan = replace(houses.plan, stock_lists={**houses.plan.stock_lists, "ANNEX": 1})
    assert sorted(map(str, again(houses))) == ["replayed", "replayed"]
    assert level_of(houses.ledger, "TR-D").stock == 3


def test_one_cell_of_a_pivot_table_is_judged_alone(ledger: Ledger, tmp_path: Path) -> None:
    columns = CsvColumns(sku="sku", stock=None, warehouses=("MAIN", "OUTLET"))
    made = Drop(ledger, tmp_path / "drop", mode=Kind.DELTA, columns=columns, stock_list=None)
    made.plan = replace(made.plan, stock_lists={"MAIN": 1, "OUTLET": 2})
    made.say("A,1,x", "B,y,2", header="sku,MAIN,OUTLET")
    made.one()
    by_sku = {failure.sku: failure.id for failure in open_failures(ledger)}
    made._options = replace(made._options, format=CsvFormat(decimal=","))
    assert again(made, by_sku["A"]) == ["rejected"]
    assert sorted(numbers(made)) == sorted(by_sku.values())
    assert stocks_of(ledger, "A") == {"A": 1}


def test_a_row_of_a_query_is_read_again(ledger: Ledger, tmp_path: Path) -> None:
    erp = Erp(ledger, f"sqlite:///{tmp_path}/erp.db")
    erp.rule(negative=Negative.REJECT)
    erp.say(A=-1, B="x")
    erp.one()
    erp.rule(negative=Negative.ZERO)
    assert sorted(map(str, again(erp))) == ["rejected", "replayed"]
    assert stocks_of(ledger, "A") == {"A": 0}


def test_what_was_not_kept_whole_says_so(drop: Drop) -> None:
    drop.rule(duplicates=Duplicates.REJECT)
    drop.say("A,1", "A,2", "short", f"{'x' * 2_100},1")
    drop.one()
    assert again(drop) == [None, None, None]
    assert len(numbers(drop)) == 3


def test_a_crowd_of_one_reason_is_not_judged(drop: Drop) -> None:
    drop.say(*(f"S{n},x{n}" for n in range(1_001)))
    drop.one()
    assert again(drop) == [None]


def test_rows_wait_while_a_pull_is_held_or_the_source_is_paused(houses: Warehouses) -> None:
    give_list(houses)
    pause_source(houses.ledger, houses.plan.name, seconds=60.0, actor="ayse")
    assert again(houses) == ["waiting"]


def test_the_guard_weighs_what_is_judged_again(ledger: Ledger, tmp_path: Path) -> None:
    made = Warehouses(ledger, tmp_path / "drop", mode=Kind.DELTA)
    made.say("A,MAIN,1,AD", "B,NEW,2,AD")
    made.one()
    made.guard(max_change_ratio=0.0, ignore_below=0, first_pull=FirstPull.HOLD)
    made.say("A,MAIN,5,AD")
    assert made.one().status == "held"
    give_list(made)
    assert again(made) == ["waiting"]
    assert again(made, dry_run=True) == ["waiting"]


def test_who_had_it_judged_is_recorded_and_its_pull_names_him(houses: Warehouses) -> None:
    give_list(houses)
    again(houses)
    with houses.ledger.read() as connection:
        (done,) = events.about(connection, "test")
    assert (done.actor, done.action, done.detail["replayed"]) == ("ayse", "replay rows", 1)
    assert houses.history()[-1].actor == "ayse"


def test_nothing_else_of_the_source_moves(houses: Warehouses) -> None:
    before = source_of(houses.ledger)
    give_list(houses)
    again(houses)
    after = source_of(houses.ledger)
    assert (after.checkpoint, after.next_at, after.read_at) == (
        before.checkpoint,
        before.next_at,
        before.read_at,
    )
    assert houses.files() == []
