"""A guard holds a pull before its first write; a person approves or discards it, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from tests.integration.pulling import Drop, Erp
from tests.integration.scenes import level_of, open_failures, source_of, stocks_of
from worker.errors import ExitCode, UsageError
from worker.ledger import events, parts, pulls
from worker.ledger.lines import stated
from worker.model import FirstPull, Guard, SourceState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.ledgers import HandClock
    from worker.ledger import Ledger

CAUTIOUS = Guard(max_change_ratio=1.0, max_zero_ratio=1.0)


@pytest.fixture
def drop(ledger: Ledger, tmp_path: Path) -> Drop:
    return Drop(ledger, tmp_path / "drop", guard=CAUTIOUS)


@pytest.fixture
def known(drop: Drop) -> Drop:
    """A drop folder with a hundred levels at 5, held no longer."""
    drop.say(*(f"S{number:03},5" for number in range(100)))
    drop.approve(drop.one().pull_id)
    return drop


def state(drop: Drop) -> SourceState:
    return source_of(drop.ledger, drop.plan.name).state(0.0)


def test_a_first_pull_is_held_before_anything_is_written(drop: Drop) -> None:
    path = drop.say("A,5", "B,0")
    report = drop.one()
    assert (report.status, report.changed, report.exit_code) == ("held", 2, ExitCode.ATTENTION)
    assert report.reason is not None
    assert "first pull" in report.reason
    assert stocks_of(drop.ledger, "A", "B") == {}
    with drop.ledger.read() as connection:
        assert parts.lines_of(connection, 1, [(1, "A")]) == []
        assert pulls.held_count(connection) == 1
    source = source_of(drop.ledger)
    assert (source.checkpoint, source.held_pull_id) == (None, report.pull_id)
    assert state(drop) is SourceState.HELD
    assert path.exists()


def test_approving_applies_exactly_what_was_staged_and_moves_the_checkpoint(drop: Drop) -> None:
    drop.say("A,5", "B,0")
    held = drop.one()
    report = drop.approve(held.pull_id)
    assert (report.status, report.changed) == ("applied", 2)
    assert stocks_of(drop.ledger, "A", "B") == {"A": 5, "B": 0}
    assert drop.files(".done") == ["001.csv"]
    assert state(drop) is SourceState.ACTIVE
    assert drop.pull() == []
    assert drop.statuses() == ["applied"]


def test_approving_is_written_down_with_the_actor(drop: Drop) -> None:
    drop.say("A,5")
    held = drop.one()
    drop.approve(held.pull_id)
    with drop.ledger.read() as connection:
        (event,) = events.about(connection, f"pull {held.pull_id}")
    assert (event.actor, event.action) == ("tester", "approve")
    assert drop.history()[0].actor == "tester"


def test_approving_twice_is_a_mistake_that_changes_nothing(drop: Drop) -> None:
    drop.say("A,5")
    held = drop.one()
    drop.approve(held.pull_id)
    with pytest.raises(UsageError, match="is not held, it is applied") as caught:
        drop.approve(held.pull_id)
    assert "stocksync pulls" in caught.value.remedy
    assert level_of(drop.ledger, "A").revision == 1


def test_a_pull_that_never_was_cannot_be_approved(drop: Drop) -> None:
    with pytest.raises(UsageError, match="there is no pull 99"):
        drop.approve(99)


def test_a_held_pull_is_not_read_again(drop: Drop) -> None:
    drop.say("A,5")
    drop.pull()
    assert drop.pull() == []
    assert drop.statuses() == ["held"]


def test_discarding_moves_the_file_to_the_failed_folder_and_changes_nothing(drop: Drop) -> None:
    drop.say("A,5")
    held = drop.one()
    assert drop.discard(held.pull_id).status == "discarded"
    assert drop.files(".failed") == ["001.csv", "001.csv.reason.txt"]
    assert "discarded by tester" in (drop.path / ".failed" / "001.csv.reason.txt").read_text()
    assert stocks_of(drop.ledger, "A") == {}
    assert source_of(drop.ledger).checkpoint is None
    assert drop.pull() == []
    with pytest.raises(UsageError, match="is not held, it is discarded"):
        drop.approve(held.pull_id)


def test_what_is_dropped_again_after_a_discard_is_weighed_again(drop: Drop) -> None:
    drop.say("A,5")
    drop.discard(drop.one().pull_id)
    drop.say("A,5")
    assert drop.one().status == "held"


def test_a_newer_snapshot_takes_the_place_of_a_held_one(drop: Drop) -> None:
    drop.say("A,5")
    drop.pull()
    drop.say("A,6")
    report = drop.one()
    assert report.status == "held"
    assert drop.statuses() == ["discarded", "held"]
    assert "superseded" in (drop.history()[0].reason or "")
    assert source_of(drop.ledger).held_pull_id == report.pull_id
    drop.approve(report.pull_id)
    assert stocks_of(drop.ledger, "A") == {"A": 6}


def test_a_newer_snapshot_that_passes_is_applied_in_place_of_a_held_one(known: Drop) -> None:
    known.say("S000,5")
    assert known.one().status == "held"
    known.say(*(f"S{number:03},6" for number in range(100)))
    assert known.one().status == "applied"
    assert known.statuses() == ["applied", "discarded", "applied"]
    assert level_of(known.ledger, "S099").stock == 6
    assert source_of(known.ledger).held_pull_id is None
    assert known.files() == []


def test_deltas_rest_while_one_is_held_and_go_on_in_their_order(
    ledger: Ledger, tmp_path: Path
) -> None:
    deltas = Drop(ledger, tmp_path / "drop", mode=Kind.DELTA, guard=CAUTIOUS)
    deltas.say("A,5")
    deltas.say("A,6", "B,1")
    held = deltas.one()
    assert held.status == "held"
    assert deltas.pull() == []
    deltas.approve(held.pull_id)
    assert stocks_of(ledger, "A") == {"A": 5}
    assert deltas.one().status == "applied"
    assert stocks_of(ledger, "A", "B") == {"A": 6, "B": 1}


def test_an_empty_snapshot_is_held(known: Drop) -> None:
    known.guard(first_pull=FirstPull.APPLY, min_row_ratio=0.0)
    known.say()
    report = known.one()
    assert report.status == "held"
    assert report.reason is not None
    assert "empty" in report.reason


def test_a_snapshot_with_far_fewer_rows_is_held(known: Drop) -> None:
    known.say(*(f"S{number:03},5" for number in range(49)))
    report = known.one()
    assert report.status == "held"
    assert "49 rows, the last one had 100" in (report.reason or "")


def test_too_many_changes_are_held_with_levels_parts_and_checkpoint_untouched(
    known: Drop,
) -> None:
    known.guard(max_change_ratio=0.5)
    before = source_of(known.ledger)
    known.say(*(f"S{number:03},{6 if number < 51 else 5}" for number in range(100)))
    assert known.one().status == "held"
    after = source_of(known.ledger)
    assert (after.checkpoint, after.snapshot_pull_id) == (
        before.checkpoint,
        before.snapshot_pull_id,
    )
    assert level_of(known.ledger, "S000").revision == 1
    with known.ledger.read() as connection:
        (line,) = parts.lines_of(connection, after.id, [(1, "S000")])
    assert stated(line).quantity == "5"


def test_too_many_zeroes_are_held_and_shown(known: Drop) -> None:
    known.guard(max_zero_ratio=0.2)
    known.say(*(f"S{number:03},{0 if number < 21 else 5}" for number in range(100)))
    report = known.one()
    assert report.status == "held"
    with known.ledger.read() as connection:
        zeroed = pulls.going_to_zero(connection, report.pull_id or 0, limit=50)
        largest = pulls.largest_changes(connection, report.pull_id or 0, limit=3)
    assert len(zeroed) == 21
    assert [(row.sku, row.before, row.after) for row in largest] == [
        ("S000", 5, 0),
        ("S001", 5, 0),
        ("S002", 5, 0),
    ]


def test_zeroes_of_several_pulls_in_the_window_count_together(
    known: Drop, clock: HandClock
) -> None:
    known.guard(max_zero_ratio=0.2, zero_window=3600.0)
    known.say(*(f"S{number:03},{0 if number < 15 else 5}" for number in range(100)))
    assert known.one().status == "applied"
    clock.forward(60)
    known.say(*(f"S{number:03},{0 if number < 30 else 5}" for number in range(100)))
    assert known.one().status == "held"
    clock.forward(3600)
    known.discard(known.history()[-1].id)
    known.say(*(f"S{number:03},{0 if number < 30 else 5}" for number in range(100)))
    assert known.one().status == "applied"


def test_creations_hold_nothing(known: Drop) -> None:
    known.guard(max_change_ratio=0.1, ignore_below=0)
    known.say(
        *(f"S{number:03},5" for number in range(100)), *(f"N{number:03},5" for number in range(99))
    )
    assert known.one().status == "applied"


def test_a_held_pull_that_is_approved_closes_what_it_heals(known: Drop) -> None:
    known.say(*(f"S{number:03},{'x' if not number else 5}" for number in range(100)))
    known.pull()
    assert len(open_failures(known.ledger)) == 1
    known.guard(max_change_ratio=0.5)
    known.say(*(f"S{number:03},6" for number in range(100)))
    held = known.one()
    assert held.status == "held"
    known.approve(held.pull_id)
    assert open_failures(known.ledger) == []


def test_a_folder_that_cannot_be_tidied_does_not_undo_an_approval(drop: Drop) -> None:
    drop.say("A,5")
    held = drop.one()
    (drop.path / ".done").symlink_to("/proc")
    assert drop.approve(held.pull_id).status == "applied"
    assert stocks_of(drop.ledger, "A") == {"A": 5}
    (drop.path / ".done").unlink()
    assert drop.one().status == "unchanged"
    assert drop.files() == []


@pytest.fixture
def erp(ledger: Ledger, tmp_path: Path) -> Erp:
    return Erp(ledger, f"sqlite:///{tmp_path / 'erp.db'}", guard=CAUTIOUS)


def test_a_discarded_query_is_read_again(erp: Erp) -> None:
    erp.say(A=5)
    erp.discard(erp.one().pull_id)
    assert source_of(erp.ledger).checkpoint is None
    assert erp.one().status == "held"


def test_a_discarded_query_may_be_skipped(erp: Erp) -> None:
    erp.say(A=5)
    erp.discard(erp.one().pull_id, skip=True)
    assert source_of(erp.ledger).checkpoint is not None
    erp.guard(first_pull=FirstPull.APPLY)
    erp.say(B=6)
    erp.pull()
    assert stocks_of(erp.ledger, "B") == {"B": 6}


def test_a_held_query_does_not_move_its_cursor_and_waits(erp: Erp) -> None:
    erp.say(A=5)
    erp.pull()
    erp.say(A=6)
    assert erp.pull() == []
    held = erp.history()[-1]
    erp.approve(held.id)
    assert stocks_of(erp.ledger, "A") == {"A": 5}
    assert erp.one().status == "applied"
    assert stocks_of(erp.ledger, "A") == {"A": 6}


def test_a_row_that_an_approved_pull_states_anew_is_told_of_no_more(
    ledger: Ledger, tmp_path: Path
) -> None:
    drop = Drop(ledger, tmp_path / "drop", mode=Kind.DELTA)
    drop.say("A,1", "B,x")
    drop.one()
    drop.guard(max_change_ratio=0.0, ignore_below=0)
    drop.say("A,9", "B,2")
    held = drop.one()
    assert (held.status, len(open_failures(ledger))) == ("held", 1)
    drop.approve(held.pull_id)
    assert (stocks_of(ledger, "A", "B"), open_failures(ledger)) == ({"A": 9, "B": 2}, [])
