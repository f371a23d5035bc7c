"""An override pins what Omnitron shows; when it ends, what the ERP says then goes out by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.delivering import Desk, sent, stocks
from tests.integration.pulling import Drop
from tests.integration.scenes import SOURCE, change, level_of, open_failures, register, say
from worker import overriding
from worker.deliver import Slip
from worker.errors import UsageError
from worker.ledger import retention, sources
from worker.ledger.status import level_counts
from worker.model import Key, Rank
from worker.operating import pause_target
from worker.ownership import retire_source
from worker.replay import replay

if TYPE_CHECKING:
    from pathlib import Path

    from worker.sandbox import RunningSandbox

HOUR = 3_600.0


def pin(desk: Desk, stock: int, *, sku: str = "A", seconds: float = HOUR) -> None:
    overriding.override(
        desk.ledger, sku, stock=stock, seconds=seconds, why="stocktaking", actor="ayse"
    )


def clear(desk: Desk, sku: str = "A") -> int:
    return len(overriding.clear(desk.ledger, sku, actor="ayse"))


def claimed(desk: Desk) -> Slip:
    slip = desk.courier().claim()
    assert isinstance(slip, Slip)
    return slip


@pytest.fixture
def shown(desk: Desk) -> Desk:
    """A desk whose Omnitron shows 5 of A."""
    say(desk.ledger, {"A": 5})
    desk.deliver()
    return desk


def test_the_pinned_stock_goes_out_and_stays_whatever_the_erp_says(
    shown: Desk, sandbox: RunningSandbox
) -> None:
    pin(shown, 2)
    shown.deliver()
    say(shown.ledger, {"A": 9})
    assert shown.deliver().delivered.sent == 0
    assert sent(sandbox, "A") == [5, 2]
    assert level_of(shown.ledger, "A").stock == 9


def test_at_its_end_what_the_erp_says_then_goes_out_although_nothing_is_pulled(
    shown: Desk, sandbox: RunningSandbox
) -> None:
    pin(shown, 2)
    shown.deliver()
    say(shown.ledger, {"A": 9})
    shown.clock.forward(HOUR - 1)
    shown.deliver()
    assert stocks(sandbox) == {"A": 2}
    shown.clock.forward(2)
    shown.deliver()
    assert sent(sandbox, "A") == [5, 2, 9]
    assert not level_of(shown.ledger, "A").pinned


def test_a_cleared_override_lets_the_erp_speak_at_once(
    shown: Desk, sandbox: RunningSandbox
) -> None:
    pin(shown, 2)
    shown.deliver()
    assert clear(shown) == 1
    assert clear(shown) == 0
    shown.deliver()
    assert sent(sandbox, "A") == [5, 2, 5]


def test_the_same_override_twice_is_sent_once_and_gets_the_later_end(
    shown: Desk, sandbox: RunningSandbox
) -> None:
    pin(shown, 2)
    shown.deliver()
    pin(shown, 2, seconds=2 * HOUR)
    assert shown.deliver().delivered.sent == 0
    shown.clock.forward(HOUR + 1)
    shown.deliver()
    assert sent(sandbox, "A") == [5, 2]


def test_pin_change_and_end_each_raise_the_revision(shown: Desk) -> None:
    revisions = [level_of(shown.ledger, "A").revision]
    for step in (lambda: pin(shown, 2), lambda: pin(shown, 3), lambda: clear(shown)):
        step()
        revisions.append(level_of(shown.ledger, "A").revision)
    assert revisions == [1, 2, 3, 4]


def test_a_pin_goes_before_everything_else_and_what_lowers_before_what_raises(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    say(desk.ledger, {"A": 5, "B": 5, "C": 5})
    desk.deliver()
    say(desk.ledger, {"C": 0})
    desk.clock.forward(1)
    pin(desk, 9, sku="B")
    pin(desk, 1, sku="A")
    order = [line.key.sku for line in claimed(desk).lines]
    assert order == ["A", "B", "C"]


def test_what_is_in_flight_is_recorded_as_outdone_and_the_pin_goes_next(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    say(desk.ledger, {"A": 5})
    slip = claimed(desk)
    pin(desk, 2)
    assert not isinstance(desk.courier().claim(), Slip)
    assert desk.finish(slip).superseded == 1
    desk.deliver()
    assert sent(sandbox, "A") == [5, 2]


def test_an_override_that_ends_in_flight_is_outdone_in_its_turn(
    shown: Desk, sandbox: RunningSandbox
) -> None:
    pin(shown, 2)
    slip = claimed(shown)
    shown.clock.forward(1)
    clear(shown)
    shown.finish(slip)
    shown.deliver()
    assert sent(sandbox, "A") == [5, 2, 5]


def test_a_key_in_doubt_rests_before_its_pin_goes(shown: Desk, sandbox: RunningSandbox) -> None:
    sandbox.order("reset", sku="A", count=1)
    say(shown.ledger, {"A": 4})
    shown.deliver()
    pin(shown, 2)
    assert shown.deliver().delivered.sent == 0
    assert shown.drain().sent == 1
    assert stocks(sandbox) == {"A": 2}


def test_a_pin_whose_worker_died_goes_again_with_the_pinned_stock(
    shown: Desk, sandbox: RunningSandbox
) -> None:
    pin(shown, 2, seconds=10 * HOUR)
    claimed(shown)
    shown.clock.forward(shown.courier().lease + 1)
    shown.drain()
    assert sent(sandbox, "A") == [5, 2]
    assert level_of(shown.ledger, "A").rank == Rank.PINNED_LOWER


def test_a_parked_level_is_sent_with_its_pin(desk: Desk, sandbox: RunningSandbox) -> None:
    sandbox.order("status", status=400, body={"stock": ["no"]}, sku="A", count=1)
    say(desk.ledger, {"A": 5})
    desk.deliver()
    pin(desk, 2)
    desk.deliver()
    assert stocks(sandbox) == {"A": 2}
    assert open_failures(desk.ledger) == []


def test_a_refused_pin_is_told_of_although_a_pull_states_another_value_beneath_it(
    desk: Desk, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    drop = Drop(desk.ledger, tmp_path / "drop")
    drop.say("A,5")
    drop.one()
    desk.deliver()
    sandbox.order("status", status=400, body={"stock": ["no"]}, sku="A", count=1)
    pin(desk, 2)
    desk.deliver()
    drop.say("A,7")
    assert drop.one().status == "applied"
    assert level_of(desk.ledger, "A").park_reason is not None
    assert len(open_failures(desk.ledger)) == 1


def test_a_refused_pin_is_parked_and_may_be_replayed_but_its_end_sends_the_erps_value(
    shown: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.order("status", status=400, body={"stock": ["no"]}, sku="A", count=2)
    pin(shown, 2)
    shown.deliver()
    (again,) = replay(shown.ledger, [Key(1, "A")], actor="ayse", subject="test")
    assert (again.answer, again.stock) == ("replayed", 2)
    shown.deliver()
    clear(shown)
    assert open_failures(shown.ledger) == []
    shown.deliver()
    assert sent(sandbox, "A") == [5, 5]


def test_a_raising_pin_waits_while_increases_are_paused_and_a_lowering_one_goes(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    say(desk.ledger, {"A": 5, "B": 5})
    desk.deliver()
    pause_target(desk.ledger, seconds=60.0, actor="ayse", raises_only=True)
    pin(desk, 9)
    pin(desk, 1, sku="B")
    desk.deliver()
    assert stocks(sandbox) == {"A": 5, "B": 1}
    desk.clock.forward(61)
    desk.deliver()
    assert stocks(sandbox) == {"A": 9, "B": 1}


def test_a_pin_waits_for_no_files_that_are_still_read(shown: Desk, sandbox: RunningSandbox) -> None:
    change(shown.ledger, "A", withheld_until=shown.clock.now + HOUR)
    pin(shown, 2)
    shown.deliver()
    assert stocks(sandbox) == {"A": 2}


def test_confirm_expects_the_pinned_stock_and_then_the_erps(shown: Desk) -> None:
    pin(shown, 2)
    shown.deliver()
    assert shown.confirmation("A").stock == 2
    shown.poll()
    assert shown.confirmed() == {"confirmed": 1}
    clear(shown)
    shown.deliver()
    assert shown.confirmation("A").stock == 5


def test_an_overridden_level_is_counted_once_whatever_else_it_is(shown: Desk) -> None:
    pin(shown, 2)
    with shown.ledger.read() as connection:
        counts = level_counts(connection, now=shown.ledger.now(connection))
    assert (counts.overridden, counts.due, counts.total) == (1, 0, 1)


def test_retention_leaves_a_long_override_alone(shown: Desk, sandbox: RunningSandbox) -> None:
    pin(shown, 2, seconds=400 * 86_400.0)
    shown.deliver()
    shown.clock.forward(300 * 86_400.0)
    retention.sweep(shown.ledger)
    (one,) = overriding.listed(shown.ledger)
    assert (one.level.override_stock, one.by) == (2, None)
    assert shown.deliver().delivered.sent == 0


def test_who_pinned_it_and_since_when_is_listed(shown: Desk) -> None:
    pin(shown, 2)
    (one,) = overriding.listed(shown.ledger)
    assert (one.by, one.since, one.level.override_why) == ("ayse", shown.clock.now, "stocktaking")


def test_a_sku_must_be_known_fed_and_in_one_list_or_in_that_which_is_named(shown: Desk) -> None:
    with pytest.raises(UsageError, match="nothing is known"):
        pin(shown, 2, sku="a")
    say(shown.ledger, {"A": 1}, stock_list=2)
    with pytest.raises(UsageError, match="stock lists 1, 2"):
        pin(shown, 2)
    options = {"stock": 2, "seconds": HOUR, "why": "x", "actor": "ayse"}
    with pytest.raises(UsageError, match="not in stock list 3"):
        overriding.override(shown.ledger, "A", stock_list=3, **options)  # type: ignore[arg-type]
    overriding.override(shown.ledger, "A", stock_list=2, **options)  # type: ignore[arg-type]
    assert clear(shown) == 1
    change(shown.ledger, "A", retired=True)
    with pytest.raises(UsageError, match="retired"):
        overriding.override(shown.ledger, "A", stock_list=1, **options)  # type: ignore[arg-type]


def test_a_level_that_is_pinned_while_its_source_is_retired_goes_to_zero_all_the_same(
    shown: Desk, sandbox: RunningSandbox
) -> None:
    register(shown.ledger, "another")
    retire_source(shown.ledger, SOURCE, zero=True, actor="ayse")
    pin(shown, 7)
    shown.deliver()
    shown.ledger.write(sources.end_retiring)
    shown.clock.forward(HOUR + 1)
    shown.deliver()
    assert stocks(sandbox) == {"A": 0}
    shown.ledger.write(sources.end_retiring)
    assert level_of(shown.ledger, "A").retired
