"""What Omnitron may do to us (A1 to A20): real HTTP, real ledgers, and the sandbox as the judge.

The table of answers has tests of its own; here is what becomes of the levels. `docs/faults.md` says
which test shows what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.delivering import Desk, requests, sent, stocks
from tests.integration.scenes import level_of, open_failures, reasons, say
from tests.processes import until
from worker.model import Delivered

if TYPE_CHECKING:
    from worker.sandbox import RunningSandbox

WRITES = "/api/i1/product_stock/"
FEED = "/api/v1/channel/5/product_stocks/inserts_or_updates/"
LIST = "/api/v1/channel/5/product_stocks/"


def order(sandbox: RunningSandbox, kind: str, **fields: Any) -> int:
    """Let something go wrong with writes."""
    return sandbox.order(kind, method="POST", path=WRITES, **fields)


def delivered(desk: Desk, **stocks: int) -> None:
    say(desk.ledger, stocks)
    desk.drain()


def late_write(desk: Desk, sandbox: RunningSandbox) -> None:
    """Send A = 1; nobody answers, and Omnitron applies it only when the test has gone on."""
    desk.set(timeout=0.3)
    order(sandbox, "delay", sku="A", before=1.5, count=1)
    say(desk.ledger, {"A": 1})
    assert desk.deliver().delivered == Delivered(waiting=1)


def landed(sandbox: RunningSandbox) -> bool:
    """Whether the late write has won."""
    return sent(sandbox, "A") == [2, 1]


# --- A13: an old write that takes effect after a newer one


def test_a13_a_late_write_is_healed_before_it_is_confirmed(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    late_write(desk, sandbox)
    delivered(desk, A=2)
    until(lambda: landed(sandbox))
    desk.clock.forward(desk.plan.settle)
    assert desk.poll().healed == 1
    desk.drain()
    assert desk.poll().confirmed == 1
    assert stocks(sandbox) == {"A": 2}


def test_a13_a_late_write_is_healed_after_it_was_confirmed(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    late_write(desk, sandbox)
    delivered(desk, A=2)
    assert desk.poll().confirmed == 1
    until(lambda: landed(sandbox))
    desk.clock.forward(desk.plan.settle)
    assert desk.poll().healed == 1
    desk.drain()
    assert desk.poll().confirmed == 1
    assert stocks(sandbox) == {"A": 2}
