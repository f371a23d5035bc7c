"""Replay makes parked levels due again, with the value of today; an old one never goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.delivering import Desk, sent, stocks
from tests.integration.scenes import change, level_of, open_failures, say
from worker.ledger import Ledger, events
from worker.model import PAGE_ROWS, Key, Rank
from worker.replay import Choice, ReplayAnswer, keys_of_batch, keys_of_failures, replay

if TYPE_CHECKING:
    from worker.sandbox import RunningSandbox

A = Key(1, "A")


def again(ledger: Ledger, *keys: Key, **options: object) -> dict[str, str]:
    found = replay(ledger, keys, actor="tester", subject="test", **options)  # type: ignore[arg-type]
    return {one.key.sku: one.answer.value for one in found}


@pytest.fixture
def parked(desk: Desk, sandbox: RunningSandbox) -> Desk:
    """A desk with A parked at 5 and B sent."""
    sandbox.set_products(["B"])
    say(desk.ledger, {"A": 5, "B": 6})
    desk.deliver()
    sandbox.set_products(None)
    return desk


def test_a_parked_level_goes_again_and_its_failure_closes(
    parked: Desk, sandbox: RunningSandbox
) -> None:
    assert again(parked.ledger, A) == {"A": "replayed"}
    parked.deliver()
    assert stocks(sandbox) == {"A": 5, "B": 6}
    assert open_failures(parked.ledger) == []
    assert level_of(parked.ledger, "A").revision == 1


def test_what_goes_is_the_value_of_today(parked: Desk, sandbox: RunningSandbox) -> None:
    say(parked.ledger, {"A": 9})
    again(parked.ledger, A)
    parked.deliver()
    assert sent(sandbox, "A") == [9]


def test_a_second_replay_changes_nothing(parked: Desk, sandbox: RunningSandbox) -> None:
    again(parked.ledger, A)
    before = level_of(parked.ledger, "A")
    assert again(parked.ledger, A) == {"A": "waiting"}
    assert level_of(parked.ledger, "A") == before
    parked.deliver()
    assert again(parked.ledger, A) == {"A": "already_sent"}
    assert parked.deliver().delivered.sent == 0
    assert sent(sandbox, "A") == [5]


def test_a_batch_is_replayed_by_what_it_could_not_send(
    parked: Desk, sandbox: RunningSandbox
) -> None:
    with parked.ledger.read() as connection:
        keys = keys_of_batch(connection, 1)
    assert keys == [A]
    assert again(parked.ledger, *keys) == {"A": "replayed"}
    parked.deliver()
    assert sent(sandbox, "A") == [5]


def test_a_key_of_an_old_batch_that_the_erp_changed_since_has_moved_on(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.order("status", status=400, body={"stock": ["no"]}, sku="A", count=1)
    say(desk.ledger, {"A": 5})
    desk.deliver()
    say(desk.ledger, {"A": 6})
    desk.deliver()
    assert again(desk.ledger, A, revisions={A: 1}) == {"A": "moved_on"}
    desk.deliver()
    assert sent(sandbox, "A") == [6]


def test_a_key_that_the_ledger_does_not_have_has_moved_on(parked: Desk) -> None:
    assert again(parked.ledger, Key(1, "never")) == {"never": "moved_on"}


def test_a_level_in_flight_is_left_to_its_sender(desk: Desk) -> None:
    say(desk.ledger, {"A": 5})
    slip = desk.courier().claim()
    assert not isinstance(slip, tuple)
    before = level_of(desk.ledger, "A")
    assert again(desk.ledger, A) == {"A": "waiting"}
    assert level_of(desk.ledger, "A") == before


def test_a_dry_run_says_what_would_be_and_does_nothing(parked: Desk) -> None:
    before = level_of(parked.ledger, "A")
    assert again(parked.ledger, A, dry_run=True) == {"A": "replayed"}
    assert level_of(parked.ledger, "A") == before


def test_failures_are_chosen_by_number_reason_and_source(parked: Desk) -> None:
    (failure,) = open_failures(parked.ledger)
    choices = {
        Choice(): [A],
        Choice(ids=(failure.id,)): [A],
        Choice(reason="unknown_product"): [A],
        Choice(reason="other"): [],
        Choice(source="drop"): [A],
        Choice(source="other"): [],
    }
    with parked.ledger.read() as connection:
        for choice, keys in choices.items():
            assert keys_of_failures(connection, choice) == keys


def test_what_is_parked_again_counts_on_its_failure(parked: Desk, sandbox: RunningSandbox) -> None:
    sandbox.set_products(["B"])
    again(parked.ledger, A)
    parked.deliver()
    (failure,) = open_failures(parked.ledger)
    assert failure.attempts == 2


def test_a_replay_of_very_many_lets_other_changes_go_first(ledger: Ledger) -> None:
    skus = [f"S{number:04}" for number in range(PAGE_ROWS + 1)]
    say(ledger, dict.fromkeys(skus, 5))
    ledger.write(lambda tx: tx.exec_driver_sql("UPDATE level SET park_reason = 'r', parked_at = 1"))
    answers = again(ledger, *(Key(1, sku) for sku in skus))
    assert set(answers.values()) == {ReplayAnswer.REPLAYED.value}
    assert level_of(ledger, "S0000").rank == Rank.BACKFILL


def test_who_replayed_what_is_written_down(parked: Desk) -> None:
    again(parked.ledger, A)
    with parked.ledger.read() as connection:
        (event,) = events.about(connection, "test")
    assert (event.actor, event.action, event.detail["replayed"]) == ("tester", "replay", 1)


def test_what_is_missing_in_its_source_is_no_matter_of_replay(parked: Desk) -> None:
    change(parked.ledger, "A", park_reason="missing_in_source")
    assert again(parked.ledger, A) == {"A": "moved_on"}
    assert level_of(parked.ledger, "A").park_reason == "missing_in_source"
