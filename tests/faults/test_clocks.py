"""What a ledger's clock that was put back does (P16): a server's that was set, a machine's at boot.

Within one boot, and while PostgreSQL's server keeps its time, no step reaches the ledger's clock
(`test_process.py` steps the clocks of the processes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.delivering import sent
from tests.integration.scenes import say
from worker.ledger import target

if TYPE_CHECKING:
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


def test_p16_a_wait_from_before_the_clock_was_put_back_stops_nobody(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    say(desk.ledger, {"A": 5})
    sandbox.order("status", status=429, headers={"Retry-After": "60"}, count=1)
    desk.deliver()
    assert sent(sandbox, "A") == []
    desk.clock.forward(-86_400)
    desk.deliver()
    assert sent(sandbox, "A") == [5]
