"""Levels of a source that was not read for too long: to zero, and back with its next word."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from tests.integration.pulling import Drop, Erp, Pulled, Warehouses
from tests.integration.scenes import (
    change,
    level_of,
    open_failures,
    reasons,
    source_of,
    stocks_of,
)
from worker import ownership, zeroing
from worker.explaining import sentence
from worker.ledger import explain, failures, levels, parts, sources, status
from worker.ledger.failures import NewFailure, identity_of
from worker.model import FailureKind, Guard, Key, Missing, Rank, SourceState, TargetPlan, WhileHeld
from worker.pull.preview import preview
from worker.pull.report import Turn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.ledgers import HandClock
    from worker.ledger import Ledger

DAY = 86_400.0
STRICT = Guard(max_change_ratio=0.5, max_zero_ratio=0.2, ignore_below=0)
TEN = [f"S{number},{number + 1}" for number in range(10)]
SKUS = [line.partition(",")[0] for line in TEN]
FULL = {sku: number + 1 for number, sku in enumerate(SKUS)}
NONE = dict.fromkeys(SKUS, 0)


def scene(ledger: Ledger, path: Path, mode: Kind = Kind.SNAPSHOT) -> Drop:
    """Ten levels that are in stock, then a guard as it is by default."""
    drop = Drop(ledger, path / "drop", mode=mode, zero_after=DAY)
    drop.say(*TEN)
    drop.one()
    drop.guard(**{name: getattr(STRICT, name) for name in STRICT.__slots__})
    return drop


@pytest.fixture
def drop(ledger: Ledger, tmp_path: Path) -> Drop:
    return scene(ledger, tmp_path)


@pytest.fixture
def deltas(ledger: Ledger, tmp_path: Path) -> Drop:
    return scene(ledger, tmp_path, Kind.DELTA)


def zero(drop: Pulled, **options: object) -> dict[str, int]:
    return zeroing.zero_unread(drop.ledger, {drop.plan.name: drop.plan}, **options)  # type: ignore[arg-type]


def stocks(drop: Drop) -> dict[str, int]:
    return stocks_of(drop.ledger, *SKUS)


def at_zero(drop: Drop) -> int:
    with drop.ledger.read() as connection:
        return levels.zeroed_count(connection, source_of(drop.ledger).id)


def test_nothing_goes_to_zero_before_its_time_or_unless_told(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY)
    assert zero(drop) == {}
    clock.forward(1)
    drop.plan = replace(drop.plan, zero_after=None)
    assert zero(drop) == {}
    assert stocks(drop) == FULL


def test_all_that_an_unread_source_owns_goes_to_zero_at_once(drop: Drop, clock: HandClock) -> None:
    drop.pull()
    clock.forward(DAY + 1)
    assert zero(drop) == {drop.plan.name: 10}
    assert stocks(drop) == NONE
    level = level_of(drop.ledger, "S4")
    assert (level.must_go, level.rank, level.vetted_stock) == (True, Rank.URGENT, 5)
    with drop.ledger.read() as connection:
        found = parts.by_keys(connection, source_of(drop.ledger).id, [Key(1, "S4")])
    assert [part.quantity for part in found[Key(1, "S4")]] == ["5"]


def test_one_failure_says_since_when_how_many_and_what_to_do(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    (failure,) = open_failures(drop.ledger)
    assert (failure.kind, failure.reason, failure.source) == ("source", "zeroed", "drop")
    assert "'drop' since 20" in failure.message
    assert "10 levels" in failure.message
    assert "stocksync pull drop" in failure.remedy


def test_it_goes_on_page_by_page_where_it_was_stopped(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    answers = iter([False, False, False, True])
    assert zero(drop, page_rows=3, stopped=lambda: next(answers)) == {"drop": 6}
    assert at_zero(drop) == 6
    assert zero(drop, page_rows=3) == {"drop": 4}
    assert zero(drop) == {}
    (failure,) = open_failures(drop.ledger)
    assert "10 levels" in failure.message
    assert level_of(drop.ledger, "S0").revision == 2


def test_a_paused_source_keeps_its_levels(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    drop.ledger.write(
        lambda connection: sources.change(
            connection, source_of(drop.ledger).id, paused_until=clock.now + DAY
        )
    )
    assert zero(drop) == {}


def test_a_source_that_is_being_pulled_keeps_its_levels(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    drop.ledger.write(
        lambda connection: sources.lease(
            connection, "drop", token="another", now=clock.now, seconds=60
        )
    )
    assert zero(drop) == {}
    assert stocks(drop) == FULL


def test_a_parked_level_is_tried_again_with_its_zero(drop: Drop, clock: HandClock) -> None:
    item = NewFailure(
        kind=FailureKind.ITEM, identity=identity_of(1, "S0"), reason="rejected", message="m",
        remedy="r", source="drop", stock_list=1, sku="S0",
    )  # fmt: skip
    drop.ledger.write(lambda connection: failures.record(connection, [item], now=clock.now))
    change(drop.ledger, "S0", park_reason="rejected", parked_at=clock.now)
    change(drop.ledger, "S1", park_reason="unknown_product", parked_at=clock.now)
    clock.forward(DAY + 1)
    zero(drop)
    assert level_of(drop.ledger, "S0").park_reason is None
    assert level_of(drop.ledger, "S1").park_reason == "unknown_product"
    assert reasons(drop.ledger) == ["zeroed"]


def test_an_unreadable_file_is_not_the_word_of_the_source(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    (drop.path / "002.csv").write_bytes(b"\x00\xff\x00")
    drop.pull()
    assert zero(drop) == {"drop": 10}


def test_an_ordinary_return_is_applied_and_closes_the_failure(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    drop.say(*TEN[:-1], "S9,11")
    report = drop.one()
    assert (report.status, report.changed) == ("applied", 10)
    assert stocks(drop) == {**FULL, "S9": 11}
    assert (at_zero(drop), reasons(drop.ledger)) == (0, [])


def test_the_very_same_words_bring_everything_back(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    drop.say(*TEN)
    assert drop.one().status == "applied"
    assert stocks(drop) == FULL
    assert level_of(drop.ledger, "S4").revision == 3


def test_a_preview_of_the_return_tells_what_the_pull_does(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    drop.say(*TEN)
    turn = Turn(ledger=drop.ledger, connector=drop.connector(), plan=drop.plan)
    (seen,) = preview(turn)[0]
    assert (seen.report.status, seen.report.changed) == ("applied", 10)
    assert at_zero(drop) == 10


def test_one_row_of_a_delta_brings_all_levels_back(deltas: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    zero(deltas)
    deltas.say("S0,7")
    assert deltas.one().status == "applied"
    assert stocks(deltas) == {**FULL, "S0": 7}
    assert (at_zero(deltas), reasons(deltas.ledger)) == (0, [])


def test_a_query_that_finds_nothing_new_brings_all_levels_back(
    ledger: Ledger, tmp_path: Path, clock: HandClock
) -> None:
    erp = Erp(ledger, f"sqlite:///{tmp_path / 'erp.db'}", zero_after=DAY)
    erp.say(A=5, B=6)
    erp.one()
    clock.forward(DAY + 1)
    assert zero(erp) == {"drop": 2}
    erp.one()
    assert stocks_of(ledger, "A", "B") == {"A": 5, "B": 6}
    assert reasons(ledger) == []


def test_a_held_return_is_not_read_again_each_turn(
    ledger: Ledger, tmp_path: Path, clock: HandClock
) -> None:
    erp = Erp(ledger, f"sqlite:///{tmp_path / 'erp.db'}", full=True, zero_after=DAY)
    erp.say(A=5, B=6)
    erp.one()
    erp.guard(max_change_ratio=0.0, ignore_below=0)
    clock.forward(DAY + 1)
    zero(erp)
    erp.say(A=7)
    held = erp.one()
    assert (held.status, erp.pull()) == ("held", [])
    erp.approve(held.pull_id)
    assert stocks_of(ledger, "A", "B") == {"A": 7, "B": 6}


def test_levels_that_new_rules_keep_at_zero_are_waited_for_no_more(
    drop: Drop, clock: HandClock
) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    drop.guard(max_change_ratio=1.0, max_zero_ratio=1.0)
    drop.rule(buffer=2)
    drop.say(*TEN)
    drop.one()
    assert (stocks(drop)["S1"], at_zero(drop), reasons(drop.ledger)) == (0, 0, [])


def test_a_return_that_changes_most_of_what_was_there_before_is_held(
    drop: Drop, clock: HandClock
) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    drop.say(*(f"{sku},{stock + 50}" for sku, stock in FULL.items()))
    report = drop.one()
    assert (report.status, stocks(drop)) == ("held", NONE)
    assert "10 of 10 levels" in (report.reason or "")
    assert reasons(drop.ledger) == ["zeroed"]
    assert zero(drop) == {}


def test_a_return_that_leaves_too_many_at_zero_is_held(drop: Drop, clock: HandClock) -> None:
    drop.guard(max_change_ratio=1.0)
    clock.forward(DAY + 1)
    zero(drop)
    drop.say(*TEN[:5], *(f"{sku},0" for sku in SKUS[5:]))
    report = drop.one()
    assert report.status == "held"
    assert "5 of 10 levels in all would go to zero" in (report.reason or "")


def test_a_few_that_are_at_zero_by_their_own_source_stay_so(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    drop.say("S0,0", *TEN[1:])
    assert drop.one().status == "applied"
    assert (stocks(drop), at_zero(drop)) == ({**FULL, "S0": 0}, 0)
    drop.say(*TEN)
    assert drop.one().changed == 1


def test_the_approval_of_a_held_return_brings_all_back(deltas: Drop, clock: HandClock) -> None:
    deltas.guard(max_change_ratio=0.0)
    clock.forward(DAY + 1)
    zero(deltas)
    deltas.say("S0,7")
    deltas.approve(deltas.one().pull_id)
    assert stocks(deltas) == {**FULL, "S0": 7}
    assert (at_zero(deltas), reasons(deltas.ledger)) == (0, [])


def test_a_pull_held_before_is_weighed_anew_and_its_approval_brings_all_back(
    deltas: Drop, clock: HandClock
) -> None:
    deltas.guard(max_change_ratio=0.0, expires=10 * DAY)
    deltas.say("S0,7")
    held = deltas.one()
    clock.forward(DAY + 1)
    assert zero(deltas) == {"drop": 10}
    again = deltas.one()
    assert (again.status, again.label) == ("held", held.label)
    deltas.approve(again.pull_id)
    assert stocks(deltas) == {**FULL, "S0": 7}


def test_what_passes_while_held_raises_nothing_from_zero(drop: Drop, clock: HandClock) -> None:
    drop.guard(while_held=WhileHeld.DECREASES, max_change_ratio=0.0)
    clock.forward(DAY + 1)
    zero(drop)
    drop.say(*TEN[:-1], "S9,2")
    assert drop.one().eased == 0
    assert stocks(drop) == NONE


def test_the_same_words_again_after_a_discard_bring_all_back(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    drop.say(*(f"{sku},{stock + 50}" for sku, stock in FULL.items()))
    drop.discard(drop.one().pull_id)
    drop.say(*TEN)
    assert drop.one().status == "applied"
    assert stocks(drop) == FULL


def test_an_approved_zero_is_not_taken_for_one_of_an_unread_source(drop: Drop) -> None:
    drop.guard(while_held=WhileHeld.DECREASES, max_change_ratio=0.0)
    drop.say("S0,0", *TEN[1:-1], "S9,2")
    drop.pull()
    drop.say("S0,0", *TEN[1:-1], "S9,0")
    drop.approve(drop.one().pull_id)
    assert (level_of(drop.ledger, "S9").vetted_stock, at_zero(drop)) == (None, 0)


def test_mended_rows_are_kept_but_raise_nothing(deltas: Drop, clock: HandClock) -> None:
    deltas.say("S0,seven")
    deltas.one()
    clock.forward(DAY + 1)
    zero(deltas)
    text = (deltas.path / ".rejected" / "002.mended.csv").read_text()
    (deltas.path / "002.mended.csv").write_text(text.replace("seven,", "7,"))
    assert deltas.one().status == "applied"
    assert (stocks(deltas), at_zero(deltas)) == (NONE, 10)
    assert "zeroed" in reasons(deltas.ledger)
    deltas.say("S1,3")
    deltas.one()
    assert stocks(deltas) == {**FULL, "S0": 7, "S1": 3}


def test_a_row_that_cannot_be_read_comes_back_as_it_was(drop: Drop, clock: HandClock) -> None:
    drop.plan = replace(drop.plan, rules=replace(drop.plan.rules, max_reject_ratio=1.0))
    clock.forward(DAY + 1)
    zero(drop)
    drop.say("S0,one", *TEN[1:])
    drop.one()
    assert (stocks(drop), at_zero(drop)) == (FULL, 0)


def test_a_level_that_cannot_be_made_stays_at_zero_until_it_can(
    drop: Drop, clock: HandClock
) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    drop.say("S0,1.5", *TEN[1:])
    drop.one()
    assert (stocks(drop), at_zero(drop)) == ({**FULL, "S0": 0}, 1)
    assert drop.pull() == []
    drop.say(*TEN)
    drop.one()
    assert (stocks(drop), at_zero(drop)) == (FULL, 0)


def test_what_was_no_longer_stated_does_not_come_back(
    ledger: Ledger, tmp_path: Path, clock: HandClock
) -> None:
    drop = Warehouses(ledger, tmp_path / "wh", zero_after=DAY)
    drop.rule(missing=Missing.PARK)
    drop.say("A,MAIN,5,AD", "B,MAIN,6,AD")
    drop.pull()
    drop.say("B,MAIN,6,AD")
    drop.pull()
    clock.forward(DAY + 1)
    assert zero(drop) == {"drop": 2}
    drop.say("B,MAIN,6,AD")
    drop.one()
    assert stocks_of(ledger, "A", "B") == {"A": 0, "B": 6}
    drop.say("A,MAIN,5,AD", "B,MAIN,6,AD")
    drop.one()
    assert stocks_of(ledger, "A", "B") == {"A": 5, "B": 6}


def test_a_source_that_is_retired_from_zero_leaves_nothing_to_come_back(
    drop: Drop, clock: HandClock
) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    drop.ledger.write(lambda connection: sources.register(connection, []))
    ownership.retire_source(drop.ledger, "drop", zero=True, actor="tester")
    assert (at_zero(drop), reasons(drop.ledger)) == (0, [])


def test_status_says_why_levels_are_at_zero(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    target = TargetPlan(
        base_url="http://omnitron", writes=True, timeout=1, settle=1, max_in_flight=1, rate=1
    )
    with drop.ledger.read() as connection:
        found = status.standing(connection, {"drop": drop.plan}, plan=target, now=clock.now)
    (source,) = found.sources
    assert source.state is SourceState.STALE
    assert source.reason == "10 levels are at zero until it is read again (zero_after)"


def test_explain_says_why_a_level_is_at_zero(drop: Drop, clock: HandClock) -> None:
    clock.forward(DAY + 1)
    zero(drop)
    with drop.ledger.read() as connection:
        known = explain.known(connection, "S4", stock_list=None, now=clock.now)
    told = sentence(known, known.levels[0], when=str)
    assert "Omnitron should show 0 (source drop was not read for longer than zero_after" in told
    assert "before: 5" in told
