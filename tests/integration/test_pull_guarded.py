"""The life of a held pull: what may pass meanwhile, what it keeps from passing, how it expires."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from tests.integration.pulling import Drop, Warehouses
from tests.integration.scenes import level_of, open_failures, reasons, source_of, stocks_of
from worker.ledger import events, levels, pulls
from worker.model import Guard, Missing, WhileHeld
from worker.pull import applying, easing
from worker.pull.preview import preview
from worker.pull.report import Turn

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.ledgers import HandClock
    from worker.ledger import Ledger

DAY = 86_400.0
EASY = Guard(
    max_change_ratio=0.5, max_zero_ratio=1.0, ignore_below=0, while_held=WhileHeld.DECREASES
)
HELD = ["A,3", "B,9", "C,0", "D,5"]
"""Of four levels at 5: one that sinks, one that rises, one that goes to zero, one that stays."""


@pytest.fixture
def drop(ledger: Ledger, tmp_path: Path) -> Drop:
    """Four levels at 5, and a guard that lets decreases through."""
    drop = Drop(ledger, tmp_path / "drop")
    drop.say("A,5", "B,5", "C,5", "D,5")
    drop.pull()
    drop.guard(**{name: getattr(EASY, name) for name in EASY.__slots__})
    return drop


def unvetted(drop: Drop) -> int:
    with drop.ledger.read() as connection:
        return sum(levels.unvetted_by_list(connection, source_of(drop.ledger).id).values())


def test_only_what_sinks_without_reaching_zero_passes_while_a_pull_is_held(drop: Drop) -> None:
    drop.say(*HELD)
    report = drop.one()
    assert (report.status, report.changed, report.eased) == ("held", 3, 1)
    assert stocks_of(drop.ledger, *"ABCD") == {"A": 3, "B": 5, "C": 5, "D": 5}
    assert level_of(drop.ledger, "A").must_go
    assert source_of(drop.ledger).held_pull_id == report.pull_id


def test_nothing_passes_unless_told(drop: Drop) -> None:
    drop.guard(while_held=WhileHeld.NOTHING)
    drop.say(*HELD)
    assert drop.one().eased == 0
    assert stocks_of(drop.ledger, "A") == {"A": 5}


def test_an_approval_applies_the_rest_once(drop: Drop) -> None:
    drop.say(*HELD)
    drop.approve(drop.one().pull_id)
    assert stocks_of(drop.ledger, *"ABCD") == {"A": 3, "B": 9, "C": 0, "D": 5}
    assert [level_of(drop.ledger, sku).revision for sku in "ABCD"] == [2, 2, 2, 1]
    assert unvetted(drop) == 0


def test_what_passed_does_not_let_the_next_pull_pass(drop: Drop) -> None:
    drop.say("A,3", "B,3", "C,3", "D,5")
    drop.pull()
    assert stocks_of(drop.ledger, *"ABCD") == {"A": 3, "B": 3, "C": 3, "D": 5}
    drop.say("A,3", "B,3", "C,3", "D,6")
    report = drop.one()
    assert report.status == "held"
    assert "4 of 4 levels" in (report.reason or "")


def test_a_corrected_snapshot_that_takes_back_what_passed_is_applied(drop: Drop) -> None:
    drop.say("A,3", "B,3", "C,3", "D,5")
    drop.pull()
    drop.say("A,5", "B,5", "C,5", "D,6")
    assert drop.one().status == "applied"
    assert stocks_of(drop.ledger, *"ABCD") == {"A": 5, "B": 5, "C": 5, "D": 6}
    assert unvetted(drop) == 0


def test_what_passed_still_counts_after_a_discard(drop: Drop) -> None:
    drop.say("A,3", "B,3", "C,3", "D,5")
    drop.discard(drop.one().pull_id)
    drop.say("A,3", "B,3", "C,3", "D,6")
    assert drop.one().status == "held"


def test_a_level_that_sinks_twice_is_weighed_against_the_stock_of_before(drop: Drop) -> None:
    for stock in (4, 3):
        drop.say(f"A,{stock}", f"B,{stock}", f"C,{stock}", "D,5")
        assert drop.one().status == "held"
    assert level_of(drop.ledger, "A").stock == 3
    assert level_of(drop.ledger, "A").vetted_stock == 5


def test_a_first_absence_and_a_park_do_not_pass(ledger: Ledger, tmp_path: Path) -> None:
    drop = Warehouses(ledger, tmp_path / "wh")
    drop.rule(missing=Missing.PARK)
    drop.say("A,MAIN,5,AD", "A,ANNEX,5,AD", "B,MAIN,5,AD")
    drop.pull()
    drop.guard(max_change_ratio=0.0, ignore_below=0, while_held=WhileHeld.DECREASES)
    drop.say("A,MAIN,4,AD", "B,MAIN,6,AD")
    report = drop.one()
    assert (report.status, report.eased) == ("held", 0)
    assert level_of(ledger, "A").stock == 10


def test_a_warehouse_that_is_gone_may_lower_a_level(ledger: Ledger, tmp_path: Path) -> None:
    drop = Warehouses(ledger, tmp_path / "wh")
    drop.rule(missing=Missing.ZERO)
    drop.say("A,MAIN,5,AD", "A,ANNEX,5,AD")
    drop.pull()
    drop.guard(max_change_ratio=0.0, ignore_below=0, while_held=WhileHeld.DECREASES)
    drop.say("A,MAIN,4,AD")
    held = drop.one()
    assert level_of(ledger, "A").stock == 4
    drop.approve(held.pull_id)
    assert (level_of(ledger, "A").stock, level_of(ledger, "A").revision) == (4, 2)


def test_decreases_that_were_interrupted_pass_with_the_next_turn(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop.say(*HELD)
    with monkeypatch.context() as patch:
        patch.setattr(applying.pulls, "page", None)
        with pytest.raises(TypeError):
            drop.pull()
    assert level_of(drop.ledger, "A").stock == 5
    assert drop.pull() == []
    assert level_of(drop.ledger, "A").stock == 3


def test_what_passed_is_not_looked_at_again_each_turn(
    drop: Drop, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop.say(*HELD)
    drop.pull()
    monkeypatch.setattr(easing, "Applier", None)
    assert drop.pull() == []


def test_a_held_pull_expires_is_read_again_and_tells_so(drop: Drop, clock: HandClock) -> None:
    drop.guard(while_held=WhileHeld.NOTHING)
    path = drop.say(*HELD)
    drop.pull()
    clock.forward(DAY)
    assert drop.pull() == []
    clock.forward(1)
    assert drop.one().status == "held"
    assert drop.statuses() == ["applied", "discarded", "held"]
    assert "nobody decided within 1 d" in (drop.history()[1].reason or "")
    assert path.exists()
    (failure,) = open_failures(drop.ledger)
    assert (failure.kind, failure.reason) == ("source", "hold_expired")
    drop.approve(drop.history()[-1].id)
    assert reasons(drop.ledger) == []


def test_a_person_who_discards_what_is_held_again_has_decided(drop: Drop, clock: HandClock) -> None:
    drop.guard(while_held=WhileHeld.NOTHING)
    drop.say(*HELD)
    drop.pull()
    clock.forward(DAY + 1)
    drop.discard(drop.one().pull_id)
    assert reasons(drop.ledger) == []


def test_an_expired_delta_is_not_lost_and_those_behind_it_keep_their_order(
    ledger: Ledger, tmp_path: Path, clock: HandClock
) -> None:
    deltas = Drop(ledger, tmp_path / "drop", mode=Kind.DELTA, guard=Guard(expires=60.0))
    deltas.say("A,5")
    deltas.say("A,6")
    deltas.pull()
    clock.forward(61)
    held = deltas.one()
    assert (held.status, held.label) == ("held", "001.csv")
    deltas.approve(held.pull_id)
    assert stocks_of(ledger, "A") == {"A": 5}
    deltas.pull()
    assert stocks_of(ledger, "A") == {"A": 6}


def test_what_passed_still_counts_after_an_expiry(drop: Drop, clock: HandClock) -> None:
    drop.say("A,3", "B,3", "C,3", "D,5")
    drop.pull()
    clock.forward(DAY + 1)
    report = drop.one()
    assert report.status == "held"
    assert "3 of 4 levels" in (report.reason or "")


def test_a_preview_tells_what_may_pass_and_that_an_expired_pull_is_read_again(
    drop: Drop, clock: HandClock
) -> None:
    drop.say(*HELD)
    (before,) = preview(Turn(ledger=drop.ledger, connector=drop.connector(), plan=drop.plan))[0]
    assert (before.report.status, before.report.changed, before.to_send) == ("held", 3, 1)
    drop.pull()
    turn = Turn(ledger=drop.ledger, connector=drop.connector(), plan=drop.plan)
    assert preview(turn)[0] == []
    clock.forward(DAY + 1)
    (after,) = preview(turn)[0]
    assert (after.report.status, after.report.changed) == ("held", 2)
    assert stocks_of(drop.ledger, "A") == {"A": 3}


def test_who_discarded_and_when_is_written_down(drop: Drop, clock: HandClock) -> None:
    drop.say(*HELD)
    held = drop.one()
    drop.discard(held.pull_id)
    with drop.ledger.read() as connection:
        (event,) = events.about(connection, f"pull {held.pull_id}")
        pull = pulls.numbered(connection, held.pull_id or 0)
    assert (event.actor, event.action, event.at) == ("tester", "discard", clock())
    assert pull is not None
    assert (pull.actor, pull.ended_at) == ("tester", clock())
