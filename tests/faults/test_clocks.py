"""What a ledger's clock that was put back does (P16): a server's that was set, a machine's at boot.

Within one boot, and while PostgreSQL's server keeps its time, no step reaches the ledger's clock
(`test_process.py` steps the clocks of the processes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

from tests.integration.delivering import sent
from tests.integration.scenes import change, level_of, say
from worker.deliver import Slip
from worker.deliver.claiming import Rest
from worker.ledger import lists, target, waits
from worker.model import StockList

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.integration.delivering import Desk
    from tests.integration.ledgers import HandClock
    from worker.ledger import Ledger
    from worker.sandbox import RunningSandbox


def beat(ledger: Ledger) -> float | None:
    """Let a task tell that it was here; returns the heartbeat that is kept."""
    ledger.write(lambda tx: target.beat(tx, now=ledger.now(tx), every=5.0))
    with ledger.read() as connection:
        return target.heartbeat(connection)


def test_p16_a_heartbeat_from_before_the_clock_was_put_back_gives_way(
    ledger: Ledger, clock: HandClock
) -> None:
    assert beat(ledger) == clock.now
    clock.forward(-3_600)
    assert beat(ledger) == clock.now


def test_p16_a_heartbeat_is_written_now_and_then_only(ledger: Ledger, clock: HandClock) -> None:
    first = beat(ledger)
    clock.forward(4)
    assert beat(ledger) == first
    clock.forward(2)
    assert beat(ledger) == clock.now


def keep_pace(ledger: Ledger) -> None:
    ledger.write(lambda tx: waits.keep_pace(tx, ledger.now))


def test_p16_a_pause_is_as_long_as_it_was_meant_though_the_clock_was_put_back(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    keep_pace(desk.ledger)
    say(desk.ledger, {"A": 5})
    sandbox.order("status", status=429, headers={"Retry-After": "60"}, count=1)
    desk.deliver()
    desk.clock.forward(-86_400)
    keep_pace(desk.ledger)
    desk.clock.forward(59)
    desk.deliver()
    assert sent(sandbox, "A") == []
    desk.clock.forward(2)
    desk.deliver()
    assert sent(sandbox, "A") == [5]


def test_p16_a_key_in_doubt_rests_as_long_as_it_was_meant(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    keep_pace(desk.ledger)
    say(desk.ledger, {"A": 5})
    sandbox.order("reset", method="POST", path="*/product_stock/", count=1)
    desk.deliver()
    before = sent(sandbox, "A")
    desk.clock.forward(-3_600)
    desk.deliver()
    desk.clock.forward(9)
    desk.deliver()
    assert sent(sandbox, "A") == before
    desk.clock.forward(2)
    desk.deliver()
    assert len(sent(sandbox, "A")) == len(before) + 1


def test_p16_a_lease_that_is_held_is_not_stolen(desk: Desk, sandbox: RunningSandbox) -> None:
    keep_pace(desk.ledger)
    say(desk.ledger, {"A": 5})
    slip = desk.courier().claim()
    assert isinstance(slip, Slip)
    desk.clock.forward(-86_400)
    assert isinstance(desk.courier().claim(), Rest)
    assert desk.finish(slip).sent == 1
    assert sent(sandbox, "A") == [5]


AHEAD = (
    ("target", "raises_paused_until"),
    ("source", "next_at"),
    ("source", "next_full_at"),
    ("source", "paused_until"),
    ("source", "lease_until"),
    ("channel", "next_at"),
    ("stock_list", "seen_at"),
    ("stock_list", "stopped_until"),
    ("level", "withheld_until"),
    ("level", "override_until"),
)


def moments(ledger: Ledger) -> set[float]:
    """What stands in all of these columns."""
    with ledger.read() as connection:
        queries = [text(f"SELECT {column} FROM {table}") for table, column in AHEAD]
        return {connection.execute(query).scalar_one() for query in queries}


def test_p16_whatever_lies_ahead_comes_back_once_by_as_much(desk: Desk, clock: HandClock) -> None:
    ledger = desk.ledger
    say(ledger, {"A": 5})
    begun = clock.now

    def ahead(connection: Connection) -> None:
        lists.seen(connection, [StockList(pk=1, name="main", code="main")], now=begun)
        for table, column in AHEAD:
            query = text(f"UPDATE {table} SET {column} = :at")
            connection.execute(query, {"at": begun + 100})

    ledger.write(ahead)
    keep_pace(ledger)
    for _ in range(2):
        assert moments(ledger) == {begun + 100}
        keep_pace(ledger)
    clock.forward(-3_600)
    for _ in range(2):
        keep_pace(ledger)
        assert moments(ledger) == {clock.now + 100}


def test_p16_what_is_over_stays_over(desk: Desk, clock: HandClock) -> None:
    say(desk.ledger, {"A": 5})
    change(desk.ledger, "A", not_before=clock.now - 5_000)
    keep_pace(desk.ledger)
    clock.forward(-3_600)
    keep_pace(desk.ledger)
    assert level_of(desk.ledger, "A").not_before == clock.now - 1_400
