"""Products that Omnitron does not know: one failure a source and list, asked for ever later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.delivering import sent, stocks
from tests.integration.scenes import level_of, open_failures, reasons, say
from worker.ledger import failures, levels
from worker.model import Delivered
from worker.replay import Choice, choose, keys_of_failures, replay

if TYPE_CHECKING:
    from tests.integration.delivering import Desk
    from worker.sandbox import RunningSandbox

HOUR = 3_600.0


def ask(desk: Desk, *, again_after: float) -> int:
    """How often Omnitron is asked at that time for what it did not know."""
    desk.clock.forward(again_after)
    return desk.deliver().delivered.parked


def test_they_are_one_failure_a_list_with_a_count(desk: Desk, sandbox: RunningSandbox) -> None:
    sandbox.set_products(["A"])
    say(desk.ledger, {"A": 5} | {f"N{number}": 1 for number in range(30)})
    say(desk.ledger, {"N1": 1, "N2": 2}, stock_list=2)
    assert desk.deliver().delivered == Delivered(sent=1, parked=32)
    found = {failure.stock_list: failure for failure in open_failures(desk.ledger)}
    assert {number: failure.occurrences for number, failure in found.items()} == {1: 30, 2: 2}
    assert {(f.reason, f.source, f.sku) for f in found.values()} == {
        ("unknown_product", "drop", None)
    }
    with desk.ledger.read() as connection:
        chosen = choose(connection, Choice(ids=[found[2].id]))
    assert [key.sku for key in chosen.keys] == ["N1", "N2"]
    assert chosen.lists == []


def test_they_are_asked_for_after_an_hour_and_then_ever_later(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.set_products(["A"])
    say(desk.ledger, {"B": 5})
    desk.deliver()
    assert ask(desk, again_after=HOUR - 1) == 0
    assert ask(desk, again_after=1) == 1
    assert ask(desk, again_after=HOUR) == 0
    assert ask(desk, again_after=HOUR) == 1
    rests = []
    for _ in range(5):
        rests.append(level_of(desk.ledger, "B").not_before - desk.clock())
        assert ask(desk, again_after=rests[-1]) == 1
    assert rests == [4 * HOUR, 8 * HOUR, 16 * HOUR, 24 * HOUR, 24 * HOUR]
    (failure,) = open_failures(desk.ledger)
    assert (failure.occurrences, failure.attempts) == (1, 8)


def test_what_else_is_sent_meanwhile_is_no_repeat_and_keeps_what_omnitron_said(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.set_products(["A"])
    say(desk.ledger, {"B": 5})
    desk.deliver()
    before = open_failures(desk.ledger)
    assert [(f.attempts, f.status) for f in before] == [(1, 400)]
    assert "B" in (before[0].excerpt or "")
    desk.clock.forward(1)
    say(desk.ledger, {"A": 1})
    assert desk.deliver().delivered == Delivered(sent=1)
    assert open_failures(desk.ledger) == before


def test_another_value_of_the_erp_asks_no_sooner(desk: Desk, sandbox: RunningSandbox) -> None:
    sandbox.set_products(["A"])
    say(desk.ledger, {"B": 5})
    desk.deliver()
    say(desk.ledger, {"B": 0})
    assert desk.deliver().delivered == Delivered()
    sandbox.set_products(["A", "B"])
    desk.clock.forward(HOUR)
    assert desk.deliver().delivered == Delivered(sent=1)
    assert sent(sandbox, "B") == [0]


def test_once_all_are_known_the_failure_closes(desk: Desk, sandbox: RunningSandbox) -> None:
    sandbox.set_products(["A"])
    say(desk.ledger, {"B": 5, "C": 6})
    desk.deliver()
    sandbox.set_products(["A", "B"])
    desk.clock.forward(HOUR)
    desk.deliver()
    (failure,) = open_failures(desk.ledger)
    assert failure.occurrences == 1
    sandbox.set_products(["A", "B", "C"])
    desk.clock.forward(2 * HOUR)
    desk.deliver()
    assert open_failures(desk.ledger) == []
    assert stocks(sandbox) == {"B": 5, "C": 6}
    level = level_of(desk.ledger, "C")
    assert (level.park_reason, level.attempts, level.not_before) == (None, 0, 0.0)


def test_a_replay_asks_at_once(desk: Desk, sandbox: RunningSandbox) -> None:
    sandbox.set_products(["A"])
    say(desk.ledger, {"B": 5, "C": 6})
    desk.deliver()
    sandbox.set_products(["A", "B", "C"])
    with desk.ledger.read() as connection:
        keys = keys_of_failures(connection, Choice(reason="unknown_product"))
    replay(desk.ledger, keys, actor="me", subject="all")
    assert desk.deliver().delivered == Delivered(sent=2)
    assert reasons(desk.ledger) == []


def test_they_get_a_tenth_of_the_rate_and_never_hold_up_the_rest(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.set_products([f"S{number:03}" for number in range(100)])
    say(desk.ledger, {f"N{number:03}": 1 for number in range(100)})
    desk.deliver()
    desk.clock.forward(HOUR)
    desk.set(rate=20.0)
    say(desk.ledger, {f"S{number:03}": 1 for number in range(40)})
    shares = []
    for _ in range(2):
        slip = desk.courier().claim()
        assert not isinstance(slip, tuple)
        shares.append((len(slip.lines), sum(line.unknown for line in slip.lines)))
        desk.finish(slip)
        desk.clock.forward(1)
    assert shares == [(20, 2), (20, 2)]


def test_a_turn_without_other_work_asks_for_one_batch_and_ends(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.set_products(["A"])
    say(desk.ledger, {f"N{number:03}": 1 for number in range(100)})
    desk.deliver()
    desk.clock.forward(HOUR)
    desk.set(rate=20.0)
    run = desk.deliver()
    assert (run.delivered, run.wait) == (Delivered(parked=2), None)
    with desk.ledger.read() as connection:
        assert levels.any_unknown(connection, now=desk.clock())


def test_an_answer_in_doubt_says_no_more_that_it_is_unknown(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.set_products(["A"])
    say(desk.ledger, {"B": 5})
    desk.deliver()
    sandbox.set_products(["A", "B"])
    sandbox.order("reset", method="POST", path="/api/i1/product_stock/", count=1)
    desk.clock.forward(HOUR)
    desk.deliver()
    level = level_of(desk.ledger, "B")
    assert (level.park_reason, level.attempts) == (None, 0)
    desk.drain()
    assert stocks(sandbox) == {"B": 5}
    assert open_failures(desk.ledger) == []


def test_what_a_person_dismissed_is_told_again_when_another_is_unknown(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.set_products(["A"])
    say(desk.ledger, {"B": 5})
    desk.deliver()
    (failure,) = open_failures(desk.ledger)
    desk.ledger.write(lambda tx: failures.close(tx, [failure.id], why="dismissed", now=1.0))
    assert ask(desk, again_after=HOUR) == 1
    assert open_failures(desk.ledger) == []
    say(desk.ledger, {"C": 5})
    desk.deliver()
    assert [failure.occurrences for failure in open_failures(desk.ledger)] == [2]


def test_where_they_are_ignored_a_run_leaves_nothing_for_people(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.set_products(["A"])
    desk.set(reports_unknown=False)
    say(desk.ledger, {"B": 5})
    delivered = desk.deliver().delivered
    assert (delivered.parked, delivered.for_people) == (1, 0)
