"""What Omnitron answers to one item decides what becomes of that item, and of no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.delivering import Desk, requests, sent, stocks
from tests.integration.scenes import (
    change,
    level_of,
    lines_of,
    open_failures,
    reasons,
    register,
    say,
)
from worker.ledger import Ledger, batches, target
from worker.model import Delivered, TargetState
from worker.replay import replay

if TYPE_CHECKING:
    from worker.sandbox import RunningSandbox

STOCKS = "/api/i1/product_stock/"


def post(sandbox: RunningSandbox, kind: str, **fields: object) -> int:
    return sandbox.order(kind, method="POST", path=STOCKS, **fields)


def refuse(sandbox: RunningSandbox, sku: str | None = None, **fields: object) -> int:
    body = fields.pop("body", {"stock": ["no"]})
    return post(sandbox, "status", sku=sku, status=400, body=body, **fields)


def test_everything_is_sent_once(desk: Desk, sandbox: RunningSandbox) -> None:
    wanted = {f"S{number:03}": number for number in range(700)}
    say(desk.ledger, wanted)
    assert desk.deliver().delivered == Delivered(sent=700)
    assert stocks(sandbox) == wanted
    assert len(sandbox.journal()) == 700
    assert desk.deliver().wait is None
    level = level_of(desk.ledger, "S007")
    assert (level.sent_revision, level.sent_stock, level.claim_token) == (1, 7, None)
    assert level.remote_pk == sandbox.state()["1:S007"]["id"]


def test_only_what_changed_is_sent_the_second_time(desk: Desk, sandbox: RunningSandbox) -> None:
    say(desk.ledger, {"A": 5, "B": 6})
    desk.deliver()
    say(desk.ledger, {"A": 5, "B": 7})
    assert desk.deliver().delivered == Delivered(sent=1)
    assert sent(sandbox, "A") == [5]
    assert sent(sandbox, "B") == [6, 7]


def test_a_claim_of_nothing_leaves_no_batch(desk: Desk) -> None:
    register(desk.ledger)
    desk.deliver()
    with desk.ledger.read() as connection:
        assert batches.latest(connection) == []


def test_a_refused_item_is_parked_alone_with_its_messages(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    refuse(sandbox, "B", body={"stock": ["far too many"]})
    say(desk.ledger, {"A": 5, "B": 6, "C": 7})
    run = desk.deliver()
    assert (run.delivered, run.wait) == (Delivered(sent=2, parked=1), None)
    assert stocks(sandbox) == {"A": 5, "C": 7}
    (failure,) = open_failures(desk.ledger)
    assert (failure.kind, failure.sku, failure.status) == ("item", "B", 400)
    assert "far too many" in failure.message
    assert failure.source == "drop"
    assert [line.outcome for line in lines_of(desk.ledger, "B")] == ["parked"]


def test_a_parked_item_goes_when_the_erp_says_something_else(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    refuse(sandbox, "A", count=1)
    say(desk.ledger, {"A": 5})
    desk.deliver()
    say(desk.ledger, {"A": 6})
    assert desk.deliver().delivered == Delivered(sent=1)
    assert open_failures(desk.ledger) == []


def test_an_unknown_product_is_parked_with_that_reason(desk: Desk, sandbox: RunningSandbox) -> None:
    sandbox.set_products(["A"])
    say(desk.ledger, {"A": 5, "B": 6})
    assert desk.deliver().delivered == Delivered(sent=1, parked=1)
    assert reasons(desk.ledger) == ["unknown_product"]
    say(desk.ledger, {"B": 7})
    assert desk.deliver().delivered == Delivered()
    assert level_of(desk.ledger, "B").park_reason == "unknown_product"


def test_an_error_on_the_list_stops_that_list_and_parks_nothing(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    refuse(sandbox, stock_list=2, body={"stock_list": ["Invalid pk"]}, count=1)
    desk.set(max_in_flight=1)
    say(desk.ledger, {"A": 5, "B": 6})
    say(desk.ledger, {"A": 7, "B": 8}, stock_list=2)
    run = desk.deliver()
    assert run.wait is not None
    assert stocks(sandbox) == {"A": 5, "B": 6}
    assert reasons(desk.ledger) == ["stock_list"]
    desk.drain()
    assert sandbox.state()["2:B"]["stock"] == 8
    assert open_failures(desk.ledger) == []


@pytest.mark.parametrize("kind", ["html", "invalid_json", "empty", "truncated_json", "wrong_echo"])
def test_a_success_without_proof_is_in_doubt_and_its_key_rests(
    desk: Desk, sandbox: RunningSandbox, kind: str
) -> None:
    post(sandbox, kind, sku="A", count=1)
    say(desk.ledger, {"A": 5, "B": 6})
    run = desk.deliver()
    assert run.delivered == Delivered(sent=1, waiting=1)
    level = level_of(desk.ledger, "A")
    assert (level.not_before, level.sent_stock, level.sent_revision) == (desk.clock() + 10, None, 0)
    desk.drain()
    assert stocks(sandbox) == {"A": 5, "B": 6}


def test_after_a_timeout_the_current_value_goes_and_never_the_old_one(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    desk.set(timeout=0.3)
    post(sandbox, "delay", sku="A", after=30.0, count=1)
    say(desk.ledger, {"A": 5})
    assert desk.deliver().delivered == Delivered(waiting=1)
    say(desk.ledger, {"A": 6})
    assert desk.deliver().delivered == Delivered()
    desk.drain()
    assert sent(sandbox, "A") == [5, 6]
    assert sandbox.stats()["max_in_flight_per_key"] == 1


def test_a_key_in_doubt_rests_longer_each_time_and_is_parked_in_the_end(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    post(sandbox, "wrong_echo", sku="A")
    say(desk.ledger, {"A": 5})
    rests = []
    for number in range(5):
        say(desk.ledger, {f"good{number}": 1})
        desk.deliver()
        rests.append(level_of(desk.ledger, "A").not_before - desk.clock())
        desk.clock.forward(max(rests[-1], 0.0))
    assert rests[:4] == [10, 20, 40, 80]
    assert level_of(desk.ledger, "A").park_reason == "no_proof"
    assert reasons(desk.ledger) == ["no_proof"]


def test_an_outage_without_any_success_blames_no_item(desk: Desk, sandbox: RunningSandbox) -> None:
    fault = post(sandbox, "reset")
    say(desk.ledger, {"A": 5, "B": 6})
    for _ in range(8):
        run = desk.deliver()
        desk.clock.forward(run.wait or 0.0)
    assert level_of(desk.ledger, "A").attempts == 0
    sandbox.lift(fault)
    desk.drain()
    assert stocks(sandbox) == {"A": 5, "B": 6}


def test_an_epidemic_parks_nothing_and_pauses_the_target(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    fault = refuse(sandbox)
    say(desk.ledger, {f"S{number:03}": 5 for number in range(200)})
    run = desk.deliver()
    assert run.delivered.parked == 0
    assert desk.target().state == TargetState.DOWN
    assert "answers in a row failed alike" in (desk.target().reason or "")
    assert open_failures(desk.ledger) == []
    sandbox.lift(fault)
    assert desk.drain().sent == 200


def test_an_epidemic_that_lasts_parks_nothing_and_asks_less_and_less(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    refuse(sandbox)
    say(desk.ledger, {f"S{number:03}": 5 for number in range(100)})
    waits = []
    for _ in range(6):
        run = desk.deliver()
        assert run.wait is not None
        waits.append(run.wait)
        desk.clock.forward(run.wait)
    assert open_failures(desk.ledger) == []
    assert waits[-1] > waits[0]
    assert requests(sandbox, "POST", "product_stock") < 100


def test_what_changes_while_it_is_in_flight_is_superseded_and_the_newest_goes(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    say(desk.ledger, {"A": 5})
    slip = desk.courier().claim()
    assert not isinstance(slip, tuple)
    say(desk.ledger, {"A": 6})
    delivered = desk.finish(slip)
    assert delivered == Delivered(superseded=1)
    assert desk.deliver().delivered == Delivered(sent=1)
    assert sent(sandbox, "A") == [5, 6]
    assert [line.outcome for line in lines_of(desk.ledger, "A")] == ["superseded", "sent"]


def test_a_refusal_of_a_value_that_is_no_longer_current_parks_nothing(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    refuse(sandbox, "A", count=1)
    say(desk.ledger, {"A": 5})
    slip = desk.courier().claim()
    assert not isinstance(slip, tuple)
    say(desk.ledger, {"A": 6})
    assert desk.finish(slip) == Delivered(superseded=1)
    assert desk.deliver().delivered == Delivered(sent=1)


def test_a_sender_that_lost_its_lease_records_nothing(desk: Desk, sandbox: RunningSandbox) -> None:
    say(desk.ledger, {"A": 5})
    late = desk.courier().claim()
    assert not isinstance(late, tuple)
    desk.clock.forward(desk.courier().lease)
    say(desk.ledger, {"A": 6})
    run = desk.deliver()
    assert run.wait == 10.0
    desk.clock.forward(10)
    again = desk.courier().claim()
    assert not isinstance(again, tuple)
    before = level_of(desk.ledger, "A")
    assert desk.finish(late) == Delivered(waiting=1)
    assert level_of(desk.ledger, "A") == before
    assert lines_of(desk.ledger, "A")[0].reason == "lease_lost"
    assert desk.finish(again) == Delivered(sent=1)


def test_writes_that_are_off_send_nothing(desk: Desk, sandbox: RunningSandbox) -> None:
    desk.set(writes=False)
    say(desk.ledger, {"A": 5})
    run = desk.deliver()
    assert (run.delivered, run.wait, run.reason) == (Delivered(), None, 'writes = "off"')
    assert stocks(sandbox) == {}
    assert level_of(desk.ledger, "A").claim_token is None


def test_a_stop_in_the_middle_of_a_batch_releases_the_rest(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    desk.set(max_in_flight=1)
    say(desk.ledger, {f"S{number:02}": 5 for number in range(50)})
    desk.stopped = lambda: len(sandbox.journal()) >= 10
    run = desk.deliver()
    assert (run.delivered.sent, run.delivered.waiting) == (10, 40)
    claimed = [
        sku for sku in (f"S{n:02}" for n in range(50)) if level_of(desk.ledger, sku).claim_token
    ]
    assert claimed == []
    desk.stopped = lambda: False
    assert desk.deliver().delivered == Delivered(sent=40)


def test_the_ledger_remembers_the_omnitron_that_it_has_sent_to(desk: Desk) -> None:
    say(desk.ledger, {"A": 5})
    desk.deliver()
    with desk.ledger.read() as connection:
        assert target.base_url(connection) == desk.plan.base_url


def test_zeroes_of_a_later_moment_are_sent_before_raises(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    say(desk.ledger, {"up": 1, "down": 9})
    desk.deliver()
    desk.set(max_in_flight=1)
    say(desk.ledger, {"up": 9})
    say(desk.ledger, {"down": 0})
    desk.deliver()
    assert [entry["sku"] for entry in sandbox.journal()][-2:] == ["down", "up"]


def test_a_defect_parks_its_item_only(desk: Desk, ledger: Ledger) -> None:
    say(ledger, {"A": 5, "B": 6})
    change(ledger, "A", extra="{not json")
    assert desk.deliver().delivered == Delivered(sent=1, parked=1)
    assert reasons(ledger) == ["internal"]


def test_a_list_that_a_person_lets_go_on_closes_its_failure_once_it_takes_something(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    refuse(sandbox, stock_list=2, body={"stock_list": ["Invalid pk"]}, count=1)
    say(desk.ledger, {"A": 7}, stock_list=2)
    desk.deliver()
    assert reasons(desk.ledger) == ["stock_list"]
    replay(desk.ledger, [], stock_lists=[2], actor="me", subject="list 2")
    assert desk.deliver().delivered == Delivered(sent=1)
    assert open_failures(desk.ledger) == []


def test_what_was_forbidden_goes_again_once_its_list_takes_anything(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    fault = post(sandbox, "status", stock_list=2, status=403, body={"stock_list": ["Not allowed."]})
    say(desk.ledger, {"A": 7, "B": 8}, stock_list=2)
    say(desk.ledger, {"C": 1})
    desk.deliver()
    assert reasons(desk.ledger) == ["forbidden", "forbidden"]
    sandbox.lift(fault)
    desk.clock.forward(600)
    say(desk.ledger, {"A": 9}, stock_list=2)
    assert desk.deliver().delivered.sent == 2
    assert sandbox.state()["2:B"]["stock"] == 8
    assert open_failures(desk.ledger) == []


def test_a_list_that_we_may_not_write_to_holds_up_no_other_though_nothing_names_it(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    body = {"detail": "You do not have permission to perform this action."}
    post(sandbox, "status", stock_list=2, status=403, body=body)
    say(desk.ledger, {"A": 7, "B": 8}, stock_list=2)
    say(desk.ledger, {"C": 1, "D": 2})
    desk.deliver()
    assert stocks(sandbox) == {"C": 1, "D": 2}
    assert reasons(desk.ledger) == ["forbidden", "forbidden"]
    assert desk.target().state == TargetState.UP


def test_a_list_that_we_may_not_write_to_stops_alone(desk: Desk, sandbox: RunningSandbox) -> None:
    post(sandbox, "status", stock_list=2, status=403, body={"stock_list": ["Not allowed."]})
    say(desk.ledger, {f"S{number:03}": 5 for number in range(200)}, stock_list=2)
    desk.deliver()
    say(desk.ledger, {"C": 1})
    assert desk.deliver().delivered.sent == 1
    assert desk.target().state == TargetState.UP
    told = reasons(desk.ledger)
    assert told.count("stock_list") == 1
    assert len(told) < 100


def test_an_epidemic_is_seen_over_batches_of_one_line_and_several_workers(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    refuse(sandbox)
    desk.set(rate=1.0)
    say(desk.ledger, {f"S{number:03}": 5 for number in range(30)})
    parked = 0
    while desk.target().state == TargetState.UP:
        parked += desk.batch().parked
        desk.clock.forward(1)
    assert parked == 19
    assert "answers in a row failed alike" in (desk.target().reason or "")
