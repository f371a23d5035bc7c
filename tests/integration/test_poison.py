"""A level at which worker after worker dies is found, parked and told of; all others flow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.scenes import change, level_of, open_failures, reasons, say
from worker.deliver import Slip
from worker.model import Delivered, Key
from worker.replay import replay

if TYPE_CHECKING:
    from tests.integration.delivering import Desk
    from worker.sandbox import RunningSandbox

POISON = "POISON"


def deliver_and_die(desk: Desk) -> int:
    """Deliver until a batch holds the poison, whose worker then dies; returns that batch's size."""
    for _ in range(1_000):
        slip = desk.courier().claim()
        if not isinstance(slip, Slip):
            assert slip.wait is not None, "everything was sent"
            desk.clock.forward(slip.wait)
        elif any(line.key.sku == POISON for line in slip.lines):
            desk.clock.forward(desk.courier().lease)
            return len(slip.lines)
        else:
            desk.finish(slip)
    raise AssertionError("the poison never came up")


def test_it_is_found_in_ever_smaller_batches_and_parked_after_dying_alone_twice(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    others = {f"S{number:03}": 5 for number in range(299)}
    say(desk.ledger, others | {POISON: 5})
    sizes = [deliver_and_die(desk) for _ in range(5)]
    assert sizes == [300, 50, 5, 1, 1]
    desk.drain()
    assert level_of(desk.ledger, POISON).park_reason == "crashed"
    assert {key.removeprefix("1:") for key in sandbox.state()} == set(others)
    (failure,) = open_failures(desk.ledger)
    assert (failure.kind, failure.reason, failure.sku, failure.source) == (
        "item",
        "crashed",
        POISON,
        "drop",
    )
    assert "died" in failure.message
    assert "failures replay" in failure.remedy


def test_the_others_go_on_while_it_is_looked_for(desk: Desk) -> None:
    say(desk.ledger, {POISON: 5})
    assert deliver_and_die(desk) == 1
    say(desk.ledger, {"A": 1, "B": 2})
    desk.clock.forward(10)
    sizes = {
        tuple(line.key.sku for line in slip.lines)
        for slip in (desk.courier().claim(), desk.courier().claim())
        if isinstance(slip, Slip)
    }
    assert {tuple(sorted(skus)) for skus in sizes} == {(POISON,), ("A", "B")}


def test_a_worker_that_lives_clears_what_it_had_in_its_hands(desk: Desk) -> None:
    say(desk.ledger, {"A": 5})
    change(desk.ledger, "A", crashes=3)
    assert desk.deliver().delivered == Delivered(sent=1)
    assert level_of(desk.ledger, "A").crashes == 0


def test_a_replay_tries_it_again_and_the_failure_closes(desk: Desk) -> None:
    say(desk.ledger, {POISON: 5})
    for _ in range(2):
        deliver_and_die(desk)
    desk.deliver()
    assert reasons(desk.ledger) == ["crashed"]
    replay(desk.ledger, [Key(1, POISON)], actor="me", subject="it")
    assert desk.drain() == Delivered(sent=1)
    assert reasons(desk.ledger) == []


def test_a_worker_that_only_stood_still_is_not_counted_as_dead(desk: Desk) -> None:
    say(desk.ledger, {"A": 5})
    late = desk.courier().claim()
    assert isinstance(late, Slip)
    desk.clock.forward(desk.courier().lease)
    desk.deliver()
    counted = level_of(desk.ledger, "A").crashes
    assert desk.finish(late) == Delivered(waiting=1)
    assert level_of(desk.ledger, "A").crashes == counted - 1
