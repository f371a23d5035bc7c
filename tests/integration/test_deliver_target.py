"""What Omnitron answers to everybody decides how the one target stands, for all processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.integration.delivering import Desk, requests, sent, stocks
from tests.integration.ledgers import HandClock
from tests.integration.scenes import level_of, open_failures, reasons, say
from worker.errors import LedgerUnreachable, WrongTarget
from worker.ledger import Ledger, levels, target
from worker.model import Delivered, TargetState
from worker.operating import move_target, replace_target

if TYPE_CHECKING:
    from worker.sandbox import RunningSandbox

STOCKS = "/api/i1/product_stock/"


def post(sandbox: RunningSandbox, kind: str, **fields: object) -> int:
    return sandbox.order(kind, method="POST", path=STOCKS, **fields)


def test_a_revoked_token_costs_one_login(desk: Desk, sandbox: RunningSandbox) -> None:
    say(desk.ledger, {"A": 5})
    desk.deliver()
    sandbox.revoke_tokens()
    say(desk.ledger, {f"S{number:02}": 5 for number in range(40)})
    assert desk.deliver().delivered == Delivered(sent=40)
    assert requests(sandbox, "POST", "login") == 2


def test_a_wrong_password_denies_the_target_and_parks_nothing(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    desk.password = "wrong"
    say(desk.ledger, {f"S{number:02}": 5 for number in range(40)})
    run = desk.deliver()
    assert (run.delivered.sent, run.delivered.parked, run.wait) == (0, 0, 60.0)
    assert desk.target().state == TargetState.DENIED
    assert open_failures(desk.ledger) == []
    assert requests(sandbox, "POST", "login") == 1
    assert "wrong" not in (desk.target().reason or "")


async def in_seven_seconds() -> float:
    return 7.0


def test_a_run_whose_login_waits_its_turn_ends_after_one_batch_and_says_when_to_come_back(
    desk: Desk,
) -> None:
    desk.login_slot = in_seven_seconds
    say(desk.ledger, {"A": 5, "B": 6})
    run = desk.deliver()
    assert (run.wait, run.delivered) == (7.0, Delivered(waiting=2))
    assert "login" in run.reason
    assert desk.target().state == TargetState.UP


def test_a_login_that_finds_the_ledger_gone_blames_no_item(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    gone = [LedgerUnreachable("it is locked", remedy="wait")]

    async def slot() -> float:
        if gone:
            raise gone.pop()
        return 0.0

    desk.login_slot = slot
    say(desk.ledger, {"A": 5, "B": 6})
    assert desk.deliver().delivered == Delivered(waiting=2)
    assert (reasons(desk.ledger), desk.target().state) == ([], TargetState.UP)
    assert desk.drain() == Delivered(sent=2)
    assert stocks(sandbox) == {"A": 5, "B": 6}


def test_nothing_goes_to_an_omnitron_that_the_ledger_belongs_to_no_longer(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    say(desk.ledger, {"A": 5})
    desk.deliver()
    say(desk.ledger, {"A": 6})
    move_target(desk.ledger, "https://elsewhere.example", actor="ayse")
    with pytest.raises(WrongTarget, match=r"elsewhere\.example"):
        desk.deliver()
    assert sent(sandbox, "A") == [5]


def test_a_key_in_doubt_rests_although_everything_goes_again_to_the_same_omnitron(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    post(sandbox, "status", status=408, sku="A", count=1)
    say(desk.ledger, {"A": 5, "B": 6})
    desk.deliver()
    replace_target(desk.ledger, desk.plan.base_url, actor="ayse")
    run = desk.deliver()
    assert (run.delivered.sent, run.wait) == (1, desk.plan.settle)
    assert sent(sandbox, "A") == []


def test_a_target_that_denied_us_is_probed_once_a_minute_with_the_password_of_today(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    desk.password = "wrong"
    say(desk.ledger, {"A": 5, "B": 6})
    desk.deliver()
    assert desk.deliver().delivered == Delivered()
    desk.clock.forward(60)
    desk.deliver()
    assert requests(sandbox, "POST", "login") == 2
    desk.password = "sandbox"
    assert desk.drain() == Delivered(sent=2)
    assert desk.target().state == TargetState.UP


def test_a_429_halves_the_rate_and_waits_as_told_and_recovers(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    desk.set(rate=40.0, max_in_flight=1)
    post(sandbox, "status", status=429, headers={"Retry-After": "7"}, count=1)
    say(desk.ledger, {"A": 5, "B": 6})
    run = desk.deliver()
    assert run.wait == 7.0
    row = desk.target()
    assert (row.state, row.rate) == (TargetState.THROTTLED, 20.0)
    desk.clock.forward(7)
    assert desk.deliver().delivered == Delivered(sent=2)
    assert desk.target().state == TargetState.UP
    desk.clock.forward(100)
    say(desk.ledger, {"A": 6})
    desk.deliver()
    assert desk.target().rate == 40.0


def test_a_burst_of_500_takes_the_target_down_and_then_everything_goes(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    fault = post(sandbox, "status", status=500, body="<html>oops</html>")
    wanted = {f"S{number:03}": 5 for number in range(300)}
    say(desk.ledger, wanted)
    waits = []
    for _ in range(5):
        run = desk.deliver()
        assert run.delivered.parked == 0
        assert run.wait is not None
        waits.append(run.wait)
        desk.clock.forward(run.wait)
    assert desk.target().state == TargetState.DOWN
    assert waits == sorted(waits)
    assert waits[-1] > waits[0]
    assert requests(sandbox, "POST", "product_stock") < 80
    sandbox.lift(fault)
    assert desk.drain().sent == 300
    assert stocks(sandbox) == wanted
    assert open_failures(desk.ledger) == []


def test_a_refused_connection_frees_the_keys_at_once(desk: Desk) -> None:
    desk.set(base_url="http://127.0.0.1:1")
    say(desk.ledger, {"A": 5, "B": 6})
    run = desk.deliver()
    assert run.delivered == Delivered(waiting=2)
    assert desk.target().state == TargetState.DOWN
    with desk.ledger.read() as connection:
        assert target.base_url(connection) is None
    level = level_of(desk.ledger, "A")
    assert (level.claim_token, level.not_before, level.attempts) == (None, 0.0, 0)


def test_after_an_outage_the_first_claim_is_a_probe_of_one_line(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    fault = post(sandbox, "status", status=500)
    say(desk.ledger, {f"S{number:02}": 5 for number in range(40)})
    run = desk.deliver()
    desk.clock.forward(run.wait or 0.0)
    sandbox.lift(fault)
    probe = desk.courier().claim()
    assert not isinstance(probe, tuple)
    assert len(probe.lines) == 1
    other = desk.courier().claim()
    assert isinstance(other, tuple)
    assert desk.finish(probe).sent == 1
    assert desk.target().state == TargetState.UP


def test_two_couriers_on_one_ledger_never_send_one_key_at_once(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    skus = [f"S{number:03}" for number in range(300)]
    say(desk.ledger, dict.fromkeys(skus, 1))
    other = Ledger(desk.ledger.url, clock=desk.clock)
    for turn in range(2, 5):
        desk.together(desk.courier(), desk.courier(ledger=other))
        say(desk.ledger, dict.fromkeys(skus, turn))
    desk.together(desk.courier(), desk.courier())
    assert sandbox.stats()["max_in_flight_per_key"] == 1
    assert stocks(sandbox) == dict.fromkeys(skus, 4)
    assert set(Counter(entry["sku"] for entry in sandbox.journal()).values()) == {4}
    other.close()


def test_values_that_change_while_couriers_work_arrive_in_their_order(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    skus = [f"S{number:02}" for number in range(40)]
    post(sandbox, "delay", before=0.01)

    async def change() -> None:
        for turn in range(1, 8):
            await asyncio.to_thread(say, desk.ledger, dict.fromkeys(skus, turn))

    async def run() -> None:
        await asyncio.gather(
            change(), desk.courier().run(seconds=20), desk.courier().run(seconds=20)
        )

    say(desk.ledger, dict.fromkeys(skus, 0))
    desk._runner.run(run())
    desk.deliver()
    assert stocks(sandbox) == dict.fromkeys(skus, 7)
    assert sandbox.stats()["max_in_flight_per_key"] == 1
    for sku in skus:
        taken = [entry["stock"] for entry in sandbox.journal() if entry["sku"] == sku]
        assert taken == sorted(taken)


def test_two_couriers_share_one_rate(ledger_url: str, desk: Desk) -> None:
    """Slots are reserved in the ledger: so many requests span so much of the ledger's time."""
    desk.set(rate=50.0)
    ledger = desk.ledger
    say(ledger, {f"S{number:03}": 5 for number in range(100)})
    start = desk.clock()
    other = Ledger(ledger_url, clock=desk.clock)
    slips = [desk.courier().claim(), desk.courier(ledger=other).claim()]
    other.close()
    assert [len(slip.lines) for slip in slips if not isinstance(slip, tuple)] == [50, 50]
    assert desk.target().next_free == pytest.approx(start + 2.0)
    first, second = (slip for slip in slips if not isinstance(slip, tuple))
    assert second.first_slot - first.first_slot == pytest.approx(1.0, abs=0.5)
    assert first.interval == pytest.approx(1 / 50)


def test_a_claim_too_far_ahead_is_left_to_a_later_turn(desk: Desk) -> None:
    desk.set(rate=10.0)
    say(desk.ledger, {f"S{number:03}": 5 for number in range(100)})
    slips = [desk.courier().claim() for _ in range(4)]
    assert [isinstance(slip, tuple) for slip in slips] == [False, False, False, True]
    assert isinstance(slips[-1], tuple)
    assert slips[-1][0] == pytest.approx(1.0)


def test_the_rate_is_kept_over_a_whole_run(ledger_url: str, sandbox: RunningSandbox) -> None:
    ledger = Ledger(ledger_url)
    desk = Desk(ledger, sandbox, HandClock())
    desk.set(rate=100.0)
    say(ledger, {f"S{number:03}": 5 for number in range(150)})
    runs = desk.together(desk.courier(), desk.courier())
    assert sum(run.delivered.sent for run in runs) == 150
    times = sorted(entry["received_at"] for entry in sandbox.journal())
    assert times[-1] - times[0] > 1  # the last slot is 1.49 s after the first; a stall adds to it
    desk.close()
    ledger.close()


def test_a_paused_target_is_left_alone_and_nothing_waits_for_it(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    post(sandbox, "status", status=503, headers={"Retry-After": "600"})
    say(desk.ledger, {"A": 5})
    desk.deliver()
    before = requests(sandbox, "POST", "product_stock")
    run = desk.deliver()
    assert run.wait == 600.0
    assert requests(sandbox, "POST", "product_stock") == before
    with desk.ledger.read() as connection:
        assert levels.any_due(connection)
