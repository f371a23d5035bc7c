"""Writes that take effect late are healed, whatever came between; a heal never becomes a loop."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.integration.delivering import CHANNEL, Desk, sent, stocks
from tests.integration.ledgers import somebody_waits
from tests.integration.scenes import change, level_of, say
from tests.processes import until
from worker.deliver import Slip
from worker.ledger import channels, confirmations, levels
from worker.ledger.confirmations import Accepted
from worker.model import ConfirmState, Delivered, Key
from worker.operating import pause_target
from worker.sandbox.settings import SandboxChannel

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.sandbox import RunningSandbox

WRITES = "/api/i1/product_stock/"
OTHER = replace(CHANNEL, id=6)


def shown(desk: Desk, stock: int) -> None:
    """Let the channel show that stock of A, and confirm it."""
    say(desk.ledger, {"A": stock})
    desk.drain()
    assert desk.poll().confirmed == 1


def claimed(desk: Desk) -> Slip:
    slip = desk.courier().claim()
    assert isinstance(slip, Slip)
    return slip


def doubtful(desk: Desk, sandbox: RunningSandbox, stock: int) -> None:
    """Send that stock of A; nobody knows whether Omnitron will take it yet."""
    sandbox.order("status", status=408, method="POST", path=WRITES, count=1)
    say(desk.ledger, {"A": stock})
    assert desk.deliver().delivered == Delivered(waiting=1)


def lands(desk: Desk, sandbox: RunningSandbox, stock: int) -> None:
    """Now Omnitron takes what it was sent long ago."""
    sandbox.edit("A", stock)
    desk.clock.forward(desk.plan.settle)


def test_a_late_write_that_was_outdone_in_flight_is_healed_after_it_was_confirmed(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    shown(desk, 9)
    sandbox.order("status", status=408, method="POST", path=WRITES, count=1)
    say(desk.ledger, {"A": 5})
    slip = claimed(desk)
    say(desk.ledger, {"A": 2})
    assert desk.finish(slip) == Delivered(superseded=1)
    desk.drain()
    assert desk.poll().confirmed == 1
    lands(desk, sandbox, 5)
    assert desk.poll().healed == 1
    desk.drain()
    assert stocks(sandbox) == {"A": 2}


def test_a_late_write_that_raised_a_stock_is_healed_while_increases_are_paused(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    shown(desk, 9)
    doubtful(desk, sandbox, 5)
    say(desk.ledger, {"A": 2})
    desk.drain()
    desk.poll()
    pause_target(desk.ledger, seconds=3600, actor="ayse", raises_only=True)
    lands(desk, sandbox, 5)
    assert desk.poll().healed == 1
    assert desk.deliver().delivered == Delivered(sent=1)
    assert stocks(sandbox) == {"A": 2}


def test_of_two_late_writes_the_second_is_healed_as_well(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    shown(desk, 9)
    doubtful(desk, sandbox, 5)
    desk.clock.forward(desk.plan.settle)
    doubtful(desk, sandbox, 6)
    say(desk.ledger, {"A": 2})
    desk.drain()
    for late in (5, 6):
        lands(desk, sandbox, late)
        assert desk.poll().healed == 1
        desk.drain()
        assert stocks(sandbox) == {"A": 2}


def test_what_somebody_puts_back_each_time_is_fought_once(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    shown(desk, 9)
    shown(desk, 2)
    for other in range(4):
        say(desk.ledger, {"B": 100 + other})  # lets the feed be read
        desk.drain()
        lands(desk, sandbox, 9)
        desk.poll()
        desk.drain()
    assert [entry["stock"] for entry in sandbox.journal() if entry["by"] == "api"].count(2) == 2


@pytest.fixture
def two_channels(desk: Desk, sandbox: RunningSandbox) -> Desk:
    """A desk whose stock list two channels show."""
    sandbox.add_channel(SandboxChannel(id=OTHER.id, main_list=1))
    desk.ledger.write(lambda tx: channels.register(tx, [CHANNEL.id, OTHER.id]))
    return desk


def deliver_for_both(desk: Desk) -> None:
    desk.together(desk.courier(channels=[CHANNEL, OTHER]))


def poll_both(desk: Desk) -> int:
    healed = 0
    for channel in (CHANNEL, OTHER):
        desk.channel = channel
        healed += desk.poll().healed
        deliver_for_both(desk)
    return healed


def test_two_channels_that_both_lag_heal_a_level_once_between_them(
    two_channels: Desk, sandbox: RunningSandbox
) -> None:
    desk = two_channels
    say(desk.ledger, {"A": 9})
    deliver_for_both(desk)
    poll_both(desk)
    sandbox.adjust(propagation_seconds=3600)
    say(desk.ledger, {"A": 2})
    deliver_for_both(desk)
    healed = 0
    for _ in range(6):
        desk.clock.forward(301)
        healed += poll_both(desk)
    assert healed == 1
    assert sent(sandbox, "A") == [9, 2, 2]


def test_two_channels_that_never_show_a_level_have_it_sent_again_once(
    two_channels: Desk, sandbox: RunningSandbox
) -> None:
    desk = two_channels
    sandbox.order("unpropagated", method="POST", path=WRITES)
    say(desk.ledger, {"A": 9})
    deliver_for_both(desk)
    desk.clock.forward(301)
    assert [poll_both(desk) for _ in range(3)] == [1, 0, 0]


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
def test_what_is_accepted_while_a_page_is_judged_is_waited_for_all_the_same(
    desk: Desk, ledger_url: str
) -> None:
    shown(desk, 9)
    confirm_again(desk)
    poll = threading.Thread(target=desk.poll)

    def accept(connection: Connection) -> None:
        level = levels.by_keys(connection, [Key(1, "A")], lock=True)[Key(1, "A")]
        poll.start()
        until(lambda: somebody_waits(ledger_url))
        item = Accepted(level.key, 2, level.value._replace(stock=2), level.remote_pk, None)
        confirmations.expect(connection, [item], [CHANNEL], unreadable={}, now=desk.clock())

    desk.ledger.write(accept)
    poll.join()
    row = desk.confirmation("A")
    assert (row.revision, row.stock, row.state) == (2, 2, ConfirmState.WAITING)


def confirm_again(desk: Desk) -> None:
    """Have the channel looked at for A once more."""
    waiting = desk.confirmation("A")._replace(state=ConfirmState.WAITING)
    desk.ledger.write(lambda tx: confirmations.save(tx, [waiting]))


def test_a_retired_level_is_healed_and_is_retired_again(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    shown(desk, 9)
    doubtful(desk, sandbox, 5)
    say(desk.ledger, {"A": 0})
    desk.drain()
    desk.poll()
    change(desk.ledger, "A", retired=True)
    lands(desk, sandbox, 5)
    assert desk.poll().healed == 1
    desk.drain()
    assert stocks(sandbox) == {"A": 0}
    assert not level_of(desk.ledger, "A").must_go
