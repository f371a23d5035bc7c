"""What a channel shows of a level confirms it, or tells why not; reading changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.integration.delivering import Desk, requests, sent, stocks
from tests.integration.scenes import level_of, open_failures, reasons, say
from worker.ledger import channels, confirmations
from worker.model import ConfirmState, Expect
from worker.sandbox import RunningSandbox, SandboxConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.ledgers import HandClock
    from worker.ledger import Ledger

WRITES = "/api/i1/product_stock/"


def delivered(desk: Desk, **stocks: int) -> None:
    say(desk.ledger, stocks)
    desk.deliver()


def test_what_the_feed_shows_is_confirmed(desk: Desk, sandbox: RunningSandbox) -> None:
    delivered(desk, A=5, B=6)
    found = desk.poll()
    assert (found.confirmed, found.waiting, found.error) == (2, 0, None)
    assert desk.confirmed() == {"confirmed": 2}
    row = desk.confirmation("A")
    assert (row.confirmed_revision, row.seen_stock) == (1, 5)
    assert requests(sandbox, "GET", "{pk}") == 0


def test_what_has_left_the_feed_is_confirmed_by_its_pk(desk: Desk, sandbox: RunningSandbox) -> None:
    delivered(desk, **{f"S{number:03}": number for number in range(120)})
    while sandbox.consume(5):
        pass
    assert desk.poll().confirmed == 120


def test_nothing_is_asked_while_nothing_waits(desk: Desk, sandbox: RunningSandbox) -> None:
    delivered(desk, A=5)
    desk.poll()
    before = requests(sandbox, "GET")
    assert desk.poll().confirmed == 0
    assert requests(sandbox, "GET") == before


def test_a_list_that_the_channel_shows_apart_is_confirmed_too(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    say(desk.ledger, {"A": 5}, stock_list=2)
    say(desk.ledger, {"A": 6}, stock_list=1)
    desk.deliver()
    assert desk.poll().confirmed == 2
    with desk.ledger.read() as connection:
        resources = channels.numbered(connection, 5).resources
    assert resources == {1: "product_stocks", 2: "extra_product_stocks"}
    assert sandbox.state()["2:A"]["channel_stock"] == 5


@pytest.fixture
def slow(ledger: Ledger, clock: HandClock) -> Iterator[Desk]:
    """A desk at a sandbox whose channels see nothing for an hour."""
    with RunningSandbox(SandboxConfig(propagation_seconds=3600)) as sandbox:
        desk = Desk(ledger, sandbox, clock)
        yield desk
        desk.close()


def test_what_the_channel_does_not_show_yet_waits(slow: Desk) -> None:
    delivered(slow, A=5)
    assert (slow.poll().confirmed, slow.poll().waiting) == (0, 1)
    assert slow.confirmation("A").state == ConfirmState.WAITING


def test_a_delay_is_waited_for(desk: Desk, sandbox: RunningSandbox) -> None:
    delivered(desk, A=5)
    desk.poll()
    sandbox.adjust(propagation_seconds=3600)
    delivered(desk, A=6)
    assert desk.poll().waiting == 1
    assert desk.confirmation("A").confirmed_revision == 1


def test_a_value_that_comes_back_is_not_confirmed_by_its_first_time(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    delivered(desk, A=5)
    desk.poll()
    sandbox.adjust(propagation_seconds=3600)
    delivered(desk, A=6)
    delivered(desk, A=5)
    date_the_answer(desk, "A", seconds=60)
    assert desk.poll().confirmed == 0
    assert desk.confirmation("A").state == ConfirmState.WAITING


def date_the_answer(desk: Desk, sku: str, *, seconds: float) -> None:
    """Move the date of Omnitron's answer to our last write, for dates have whole seconds only."""
    row = desk.confirmation(sku)
    moved = row._replace(posted_at=(row.posted_at or 0.0) + seconds)
    desk.ledger.write(lambda tx: confirmations.save(tx, [moved]))


def test_what_never_shows_becomes_one_failure_of_the_channel_and_heals(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.order("unpropagated", method="POST", path=WRITES, count=2)
    delivered(desk, A=5, B=6)
    assert desk.poll().waiting == 2
    desk.clock.forward(600)
    desk.poll()
    assert desk.confirmed() == {"unconfirmed": 2}
    assert desk.confirmation("A").seen == "never"
    (failure,) = open_failures(desk.ledger)
    assert (failure.kind, failure.reason, failure.occurrences) == ("channel", "unconfirmed", 2)
    delivered(desk, A=7, B=8)
    desk.poll()
    assert desk.confirmed() == {"confirmed": 2}
    assert open_failures(desk.ledger) == []


def test_a_first_value_that_omnitron_forgot_is_sent_again_once(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.order("lost", method="POST", path=WRITES, count=1)
    delivered(desk, A=5)
    assert desk.poll().healed == 0
    desk.clock.forward(301)
    assert desk.poll().healed == 1
    assert desk.poll().healed == 0
    desk.deliver()
    assert desk.poll().confirmed == 1
    assert stocks(sandbox) == {"A": 5}


def test_what_a_channel_never_shows_goes_again_a_few_at_a_time_and_only_once(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.order("unpropagated", method="POST", path=WRITES)
    delivered(desk, **{f"S{number:03}": 5 for number in range(60)})
    desk.clock.forward(301)
    assert [desk.poll().healed for _ in range(4)] == [20, 20, 20, 0]
    desk.drain()
    desk.clock.forward(301)
    assert desk.poll().healed == 0


def test_a_value_that_omnitron_forgot_is_sent_again(desk: Desk, sandbox: RunningSandbox) -> None:
    delivered(desk, A=5)
    desk.poll()
    sandbox.order("lost", method="POST", path=WRITES, count=1)
    delivered(desk, A=6)
    assert desk.poll().healed == 0
    desk.clock.forward(301)
    assert desk.poll().healed == 1
    assert level_of(desk.ledger, "A").revision == 3
    desk.deliver()
    assert desk.poll().confirmed == 1
    assert stocks(sandbox) == {"A": 6}


def test_a_level_is_healed_once_per_revision(desk: Desk, sandbox: RunningSandbox) -> None:
    delivered(desk, A=5)
    desk.poll()
    sandbox.order("lost", method="POST", path=WRITES)
    delivered(desk, A=6)
    for _ in range(4):
        desk.clock.forward(301)
        desk.poll()
        desk.deliver()
    assert level_of(desk.ledger, "A").revision == 3
    assert sent(sandbox, "A")[:1] == [5]


def test_what_somebody_else_wrote_is_told_and_never_fought(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    delivered(desk, A=5)
    date_the_answer(desk, "A", seconds=-60)
    sandbox.edit("A", 99)
    desk.poll()
    assert desk.confirmed() == {"overwritten": 1}
    assert reasons(desk.ledger) == ["overwritten"]
    desk.clock.forward(1000)
    desk.poll()
    desk.deliver()
    assert stocks(sandbox) == {"A": 99}
    delivered(desk, A=6)
    desk.poll()
    assert open_failures(desk.ledger) == []


def test_an_unreadable_channel_is_one_failure_and_its_time_does_not_count(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    sandbox.order("unpropagated", method="POST", path=WRITES, count=1)
    delivered(desk, A=5)
    desk.poll()
    fault = sandbox.order("status", method="GET", path="/api/v1/channel/*", status=500)
    for _ in range(3):
        desk.clock.forward(300)
        found = desk.poll()
        assert found.error is not None
    (failure,) = open_failures(desk.ledger)
    assert (failure.kind, failure.reason, failure.attempts) == ("channel", "unreadable", 3)
    sandbox.lift(fault)
    assert desk.poll().waiting == 1
    assert open_failures(desk.ledger) == []
    desk.clock.forward(601)
    desk.poll()
    assert desk.confirmed() == {"unconfirmed": 1}


CHANNEL_READS = "/api/v1/channel/*"


@pytest.mark.parametrize(
    "body",
    ["text", {"detail": "Moved."}, {"results": None}, ["A", 5], [{"pk": 1, "stock": 5}], [{}]],
    ids=str,
)
def test_a_channel_whose_pages_are_malformed_is_one_failure_until_they_are_well_again(
    desk: Desk, sandbox: RunningSandbox, body: object
) -> None:
    delivered(desk, A=5)
    fault = sandbox.order("status", method="GET", path=CHANNEL_READS, status=200, body=body)
    for _ in range(3):
        desk.clock.forward(300)
        assert desk.poll().error is not None
    assert reasons(desk.ledger) == ["unreadable"]
    assert desk.confirmed() == {"waiting": 1}
    sandbox.lift(fault)
    assert desk.poll().confirmed == 1
    assert open_failures(desk.ledger) == []


def test_malformed_records_beside_others_are_told_and_nobody_is_judged_by_them(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    delivered(desk, A=5, B=6)
    pk = level_of(desk.ledger, "A").remote_pk
    modified = "2100-01-01T00:00:00Z"
    record = {"pk": pk, "stock_list": 1, "stock": 5, "modified_date": modified}
    body = [record, {"pk": level_of(desk.ledger, "B").remote_pk, "stock": "6"}]
    fault = sandbox.order("status", method="GET", path=CHANNEL_READS, status=200, body=body)
    assert desk.poll().confirmed == 1
    desk.clock.forward(601)
    desk.poll()
    assert desk.confirmed() == {"confirmed": 1, "waiting": 1}
    (failure,) = open_failures(desk.ledger)
    assert (failure.kind, failure.reason) == ("channel", "malformed")
    sandbox.lift(fault)
    assert desk.poll().confirmed == 1
    assert open_failures(desk.ledger) == []


def test_a_channel_that_lists_only_some_expects_only_those(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    desk.channel = replace(desk.channel, expect=Expect.LISTED)
    sandbox.order("unpropagated", method="POST", path=WRITES, sku="B", count=1)
    delivered(desk, A=5, B=6)
    desk.poll()
    desk.clock.forward(600)
    desk.poll()
    assert desk.confirmed() == {"confirmed": 1}
    assert open_failures(desk.ledger) == []


def test_a_list_that_the_channel_does_not_show_expects_nothing(desk: Desk) -> None:
    desk.channel = replace(desk.channel, stock_lists=(1,))
    say(desk.ledger, {"A": 5}, stock_list=2)
    desk.deliver()
    assert desk.confirmed() == {}


def test_a_channel_is_left_alone_until_it_is_due(desk: Desk) -> None:
    delivered(desk, A=5)
    desk.poll()
    with pytest.raises(AssertionError):
        desk.poll(force=False)
    desk.clock.forward(15)
    desk.poll(force=False)


def test_reading_changes_nothing_in_omnitron(desk: Desk, sandbox: RunningSandbox) -> None:
    delivered(desk, **{f"S{number:03}": number for number in range(150)})
    before = (sandbox.state(), len(sandbox.journal()), requests(sandbox, "POST"))
    desk.poll()
    assert (sandbox.state(), len(sandbox.journal()), requests(sandbox, "POST")) == before
    assert sandbox.consume(5, limit=1000) == 150


def test_a_slow_channel_is_looked_at_for_a_while_and_the_next_look_goes_on(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    delivered(desk, **{f"S{number:03}": number for number in range(120)})
    while sandbox.consume(5):
        pass
    slow = sandbox.order("delay", method="GET", path=CHANNEL_READS, before=0.3)
    first = desk.poll(look_seconds=0.5)
    assert first.confirmed < 120
    assert first.error is None
    sandbox.lift(slow)
    assert first.confirmed + desk.poll().confirmed == 120
