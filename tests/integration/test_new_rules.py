"""Rules that change while a source has nothing new: put to all levels from what is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from tests.integration.pulling import Drop, Warehouses
from tests.integration.scenes import (
    change,
    level_of,
    open_failures,
    source_of,
    stocks_of,
)
from worker.errors import UsageError
from worker.model import Missing, Rounding, SourceState
from worker.pull import rejudge
from worker.pull.preview import preview
from worker.pull.report import Turn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.ledgers import HandClock
    from tests.integration.pulling import Pulled
    from worker.ledger import Ledger
    from worker.pull.preview import Preview


@pytest.fixture(params=list(Kind))
def drop(ledger: Ledger, tmp_path: Path, request: pytest.FixtureRequest) -> Drop:
    drop = Drop(ledger, tmp_path / "drop", mode=request.param)
    drop.say("A,5", "B,0", "C,2.5")
    drop.pull()
    return drop


@pytest.fixture
def deltas(ledger: Ledger, tmp_path: Path) -> Warehouses:
    return Warehouses(ledger, tmp_path / "deltas", mode=Kind.DELTA)


def previewed(source: Pulled) -> list[Preview]:
    turn = Turn(ledger=source.ledger, connector=source.connector(), plan=source.plan)
    return list(preview(turn)[0])


def state(source: Pulled) -> SourceState:
    return source_of(source.ledger).state(0, fingerprint=source.plan.fingerprint)


def test_new_rules_are_put_to_every_level_without_a_new_file(drop: Drop) -> None:
    drop.reckon(buffer=1, rounding=Rounding.FLOOR)
    (shown,) = previewed(drop)
    report = drop.one()
    assert (report.label, report.status, report.read, report.changed) == (
        "changed rules", "applied", 0, 2,
    )  # fmt: skip
    assert (shown.report.changed, shown.report.status) == (2, "applied")
    assert stocks_of(drop.ledger, "A", "B", "C") == {"A": 4, "B": 0, "C": 1}
    assert state(drop) is SourceState.ACTIVE
    assert (drop.pull(), previewed(drop)) == ([], [])


def test_a_file_that_comes_after_counts_as_before(drop: Drop) -> None:
    drop.reckon(buffer=1)
    drop.pull()
    drop.say("A,7", "B,0", "C,3")
    drop.pull()
    assert stocks_of(drop.ledger, "A", "B", "C") == {"A": 6, "B": 0, "C": 2}


def test_a_new_file_brings_the_new_rules_along(drop: Drop) -> None:
    drop.reckon(buffer=1)
    drop.say("A,7", "B,0", "C,3")
    assert len(previewed(drop)) == 1
    assert [report.label for report in drop.pull()] == ["002.csv"]
    assert stocks_of(drop.ledger, "A") == {"A": 6}


def test_the_guard_weighs_new_rules_and_they_are_approved_or_weighed_again(drop: Drop) -> None:
    drop.guard(max_change_ratio=0.0, ignore_below=0)
    drop.reckon(buffer=1)
    held = drop.one()
    assert (held.status, drop.pull()) == ("held", [])
    drop.discard(held.pull_id)
    again = drop.one()
    assert (again.status, level_of(drop.ledger, "A").stock) == ("held", 5)
    assert drop.approve(again.pull_id).status == "applied"
    assert level_of(drop.ledger, "A").stock == 4
    assert drop.pull() == []


def test_other_rules_than_those_that_were_shown_are_not_approved(drop: Drop) -> None:
    drop.guard(max_change_ratio=0.0, ignore_below=0)
    drop.reckon(buffer=1)
    held = drop.one()
    drop.reckon(buffer=2)
    with pytest.raises(UsageError, match="have changed"):
        drop.approve(held.pull_id)


def test_a_newer_snapshot_takes_the_place_of_new_rules_that_are_held(
    ledger: Ledger, tmp_path: Path
) -> None:
    drop = Drop(ledger, tmp_path / "drop")
    drop.say("A,5", "B,6")
    drop.pull()
    drop.guard(max_change_ratio=0.6, ignore_below=0)
    drop.reckon(buffer=1)
    assert drop.one().status == "held"
    drop.say("A,6", "B,6")
    assert drop.one().status == "applied"
    assert stocks_of(ledger, "A", "B") == {"A": 5, "B": 5}
    assert drop.statuses() == ["applied", "discarded", "applied"]


def test_what_must_be_read_anew_is_not_taken_for_done(drop: Drop) -> None:
    drop.reckon(buffer=1)
    drop.plan = replace(drop.plan, fingerprint=f"other columns{drop.plan.fingerprint}")
    drop.pull()
    assert level_of(drop.ledger, "A").stock == 4
    assert state(drop) is SourceState.RULES_CHANGED
    drop.say("A,5", "B,0", "C,2.5")  # what was applied last, once more
    assert drop.one().status == "unchanged"
    assert drop.history()[-1].read == 3
    assert state(drop) is SourceState.ACTIVE


def test_how_rows_are_read_alone_changes_no_level(drop: Drop) -> None:
    drop.plan = replace(drop.plan, fingerprint=f"other columns{drop.plan.fingerprint}")
    assert (previewed(drop), drop.pull()) == ([], [])
    assert state(drop) is SourceState.RULES_CHANGED


def test_a_warehouse_that_changes_lists_moves_without_a_new_file(
    ledger: Ledger, tmp_path: Path
) -> None:
    deltas = Warehouses(ledger, tmp_path / "drop", mode=Kind.DELTA)
    deltas.say("A,MAIN,5,AD", "A,ANNEX,2,AD")
    deltas.pull()
    deltas.plan = replace(deltas.plan, stock_lists={"MAIN": 1, "ANNEX": 2})
    deltas.reckon()
    deltas.pull()
    assert stocks_of(ledger, "A") == {"A": 5}
    assert stocks_of(ledger, "A", stock_list=2) == {"A": 2}


def move(houses: Warehouses) -> None:
    """ANNEX counts for stock list 2 from now on."""
    houses.plan = replace(houses.plan, stock_lists={"MAIN": 1, "ANNEX": 2})
    houses.reckon()


def lists_of(houses: Warehouses, sku: str) -> list[int | None]:
    """The stock of a SKU in the stock lists 1 and 2."""
    return [stocks_of(houses.ledger, sku, stock_list=number).get(sku) for number in (1, 2)]


def test_rows_that_are_judged_again_let_no_stock_count_in_two_lists(deltas: Warehouses) -> None:
    deltas.say("A,MAIN,5,AD", "B,MAIN,x,AD")
    deltas.one()
    deltas.say("A,ANNEX,2,AD", "B,MAIN,y,AD")
    deltas.one()
    move(deltas)
    turn = Turn(ledger=deltas.ledger, connector=deltas.connector(), plan=deltas.plan)
    rejudge(turn, open_failures(deltas.ledger), subject="test")
    assert lists_of(deltas, "A") == [5, 2]
    deltas.pull()
    assert lists_of(deltas, "A") == [5, 2]


def test_mended_rows_let_no_stock_count_in_two_lists(deltas: Warehouses) -> None:
    deltas.say("A,MAIN,5,AD", "B,MAIN,x,AD")
    deltas.one()
    deltas.say("A,ANNEX,2,AD")
    deltas.one()
    move(deltas)
    (mended,) = (deltas.path / ".rejected").iterdir()
    (deltas.path / mended.name).write_text(mended.read_text().replace("B,MAIN,x", "B,MAIN,3"))
    assert [preview.report.label for preview in previewed(deltas)] == [
        mended.name,
        "changed rules",
    ]
    assert [report.label for report in deltas.pull()] == ["changed rules", mended.name]
    assert (lists_of(deltas, "A"), lists_of(deltas, "B")) == ([5, 2], [3, None])


def test_mended_rows_wait_for_new_rules_that_are_held(deltas: Warehouses) -> None:
    deltas.say("A,MAIN,5,AD", "A,ANNEX,2,AD", "B,MAIN,x,AD")
    deltas.one()
    move(deltas)
    deltas.guard(max_change_ratio=0.0, ignore_below=0)
    (mended,) = (deltas.path / ".rejected").iterdir()
    (deltas.path / mended.name).write_text(mended.read_text().replace("B,MAIN,x", "B,MAIN,3"))
    held = deltas.one()
    assert (held.label, held.status) == ("changed rules", "held")
    deltas.approve(held.pull_id)
    assert deltas.one().status == "applied"
    assert (lists_of(deltas, "A"), lists_of(deltas, "B")) == ([5, 2], [3, None])


def test_a_row_that_cannot_be_read_lets_its_warehouse_move_as_it_was(deltas: Warehouses) -> None:
    deltas.say("A,MAIN,5,AD", "A,ANNEX,2,AD")
    deltas.one()
    deltas.say("A,ANNEX,x,AD")
    deltas.one()
    move(deltas)
    deltas.say("A,ANNEX,y,AD", "B,ANNEX,1,AD")
    deltas.pull()
    assert lists_of(deltas, "A") == [5, 2]
    assert {failure.value for failure in open_failures(deltas.ledger)} == {"x", "y"}


def test_what_a_snapshot_no_longer_has_does_not_move(ledger: Ledger, tmp_path: Path) -> None:
    houses = Warehouses(ledger, tmp_path / "drop", absences=1)
    houses.rule(missing=Missing.ZERO)
    houses.say("A,MAIN,5,AD", "A,ANNEX,2,AD", "B,ANNEX,3,AD")
    houses.pull()
    move(houses)
    houses.say("A,MAIN,5,AD", "C,ANNEX,1,AD")
    houses.pull()
    assert (lists_of(houses, "A"), lists_of(houses, "B")) == ([5, None], [0, None])


def test_new_rules_for_what_was_never_read_change_nothing(ledger: Ledger, tmp_path: Path) -> None:
    empty = Drop(ledger, tmp_path / "empty")
    empty.pull()
    empty.reckon(buffer=1)
    assert (previewed(empty), empty.pull()) == ([], [])
    assert state(empty) is SourceState.ACTIVE
    empty.say("Z,5")
    empty.pull()
    assert level_of(ledger, "Z").stock == 4


def test_a_level_that_new_rules_cannot_make_is_told_without_a_line(
    ledger: Ledger, tmp_path: Path
) -> None:
    deltas = Warehouses(ledger, tmp_path / "drop", mode=Kind.DELTA)
    deltas.say("A,MAIN,5,AD")
    deltas.pull()
    deltas.plan = replace(deltas.plan, units={})
    deltas.reckon()
    assert deltas.one().rejected == 1
    (failure,) = open_failures(ledger)
    assert (failure.reason, failure.line) == ("unknown_unit", None)
    assert failure.message.startswith("changed rules: ")
    assert level_of(ledger, "A").stock == 5


def test_new_rules_bring_nothing_back_that_waits_to_be_read(drop: Drop, clock: HandClock) -> None:
    change(drop.ledger, "A", stock=0, vetted_stock=5)
    before = source_of(drop.ledger).read_at
    drop.reckon(buffer=1)
    clock.forward(10)
    drop.pull()
    assert level_of(drop.ledger, "A").stock == 0
    assert source_of(drop.ledger).read_at == before
