"""What Omnitron may do to us (A1 to A20): real HTTP, real ledgers, and the sandbox as the judge.

The table of answers has tests of its own; here is what becomes of the levels. `docs/faults.md` says
which test shows what.
"""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.faults.cutting import Relay, relaying
from tests.integration.delivering import Desk, requests, sent, stocks
from tests.integration.scenes import level_of, lines_of, open_failures, reasons, say
from tests.processes import until
from worker.model import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.sandbox import RunningSandbox

WRITES = "/api/i1/product_stock/"
FEED = "/api/v1/channel/5/product_stocks/inserts_or_updates/"
LIST = "/api/v1/channel/5/product_stocks/"

on_one_database = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
"""Of what has nothing to do with the database."""


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


def test_a13_what_a_late_write_cannot_harm_is_asked_for_no_more(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    late_write(desk, sandbox)
    delivered(desk, A=2)
    desk.poll()
    desk.clock.forward(desk.channel.confirm_within + 1)
    before = requests(sandbox, "GET")
    desk.poll()
    assert requests(sandbox, "GET") == before


# --- A11, A15: answers that never end


@on_one_database
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("trickle", {"pause": 0.1}),
        ("huge", {"size": 1 << 30}),
        ("gzip_bomb", {"size": 1 << 28}),
        ("deep_json", {}),
    ],
)
def test_a11_a15_an_answer_without_end_costs_its_item_one_rest_and_others_nothing(
    desk: Desk, sandbox: RunningSandbox, kind: str, fields: dict[str, Any]
) -> None:
    desk.set(timeout=1.0)
    order(sandbox, kind, sku="A", count=1, **fields)
    say(desk.ledger, {"A": 5, "B": 6})
    assert desk.deliver().delivered == Delivered(sent=1, waiting=1)
    assert level_of(desk.ledger, "A").not_before == desk.clock() + desk.plan.settle
    desk.drain()
    assert stocks(sandbox) == {"A": 5, "B": 6}
    assert reasons(desk.ledger) == []


# --- A14: connections that break


@pytest.fixture
def relay(sandbox: RunningSandbox) -> Iterator[Relay]:
    port = urlsplit(sandbox.url).port or 0
    with relaying(lambda: socket.create_connection(("127.0.0.1", port))) as relay:
        yield relay


def once(relay: Relay, way: str, share: float) -> None:
    """Break the first connection that carries a write, after this share of what goes that way."""
    writing = threading.Event()

    def cut(towards: str, _before: int, block: bytes) -> int | None:
        if towards == "up" and b"POST " + WRITES.encode() in block:
            writing.set()
        if relay.cuts or not writing.is_set() or towards != way:
            return None
        return int(len(block) * share)

    relay.cut = cut


@on_one_database
@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99, 1.0])
def test_a14_a_connection_cut_anywhere_loses_nothing_and_sends_no_older_value(
    desk: Desk, sandbox: RunningSandbox, relay: Relay, way: str, share: float
) -> None:
    desk.set(base_url=f"http://127.0.0.1:{relay.port}", max_in_flight=1)
    once(relay, way, share)
    say(desk.ledger, {"A": 5})
    desk.deliver()
    say(desk.ledger, {"A": 6})
    desk.drain()
    assert relay.cuts == 1
    assert stocks(sandbox) == {"A": 6}
    assert sent(sandbox, "A") in ([6], [5, 6])
    assert sandbox.stats()["max_in_flight_per_key"] == 1
    assert reasons(desk.ledger) == []


# --- A16: an outage, and what has piled up


def test_a16_after_an_outage_each_sku_goes_once_and_the_oldest_of_a_rank_first(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    desk.set(rate=50.0)
    fault = sandbox.order("status", status=429)
    cohorts = [[f"{letter}{number:02}" for number in range(25)] for letter in "CBA"]
    for value in (1, 2, 3):
        for skus in cohorts:
            say(desk.ledger, dict.fromkeys(skus, value))
            desk.deliver()
            desk.clock.forward(600)
    say(desk.ledger, {"Z": 0})
    sandbox.lift(fault)
    desk.drain()
    went = sorted((entry["sku"], entry["stock"]) for entry in sandbox.journal())
    assert went == [*((sku, 3) for skus in reversed(cohorts) for sku in skus), ("Z", 0)]
    batches = [[lines_of(desk.ledger, sku)[-1].batch_id for sku in skus] for skus in cohorts]
    assert max(batches[0]) <= min(batches[1])
    assert max(batches[1]) <= min(batches[2])
    assert lines_of(desk.ledger, "Z")[-1].batch_id <= min(batches[0]) + 1  # behind the probe
    assert reasons(desk.ledger) == []


# --- A17: what a channel shows that it should not


def record(pk: int, stock: int, *, stock_list: int = 1, ago: float = -60.0) -> dict[str, Any]:
    """A record of a channel, written so many seconds ago (by default: after all of ours)."""
    at = datetime.fromtimestamp(time.time() - ago, UTC).isoformat()
    return {
        "pk": pk,
        "product": pk,
        "unit_type": "qty",
        "stock": stock,
        "sold_quantity_unreported": 0,
        "extra_field": {},
        "stock_list": stock_list,
        "modified_collection": None,
        "adjusted_stock": stock,
        "created_date": at,
        "modified_date": at,
    }


def shows(sandbox: RunningSandbox, *records: dict[str, Any]) -> None:
    """Let every way to read the channel's main list show these, and nothing else."""
    body = {"count": len(records), "next": None, "previous": None, "results": list(records)}
    sandbox.order("status", method="GET", path=FEED, status=200, body=list(records))
    sandbox.order("status", method="GET", path=LIST, status=200, body=body)


def pk_of(desk: Desk, sku: str) -> int:
    found = level_of(desk.ledger, sku).remote_pk
    assert found is not None
    return found


@on_one_database
@pytest.mark.parametrize(
    "hostile",
    [
        pytest.param(lambda pk: [record(pk + 1, 5)], id="another record with our value"),
        pytest.param(lambda pk: [record(pk, 5, stock_list=2)], id="ours in another list"),
        pytest.param(lambda pk: [record(pk, 5), record(pk, 4)], id="ours twice, the other last"),
        pytest.param(lambda pk: [{**record(pk, 5), "pk": str(pk)}], id="a number as text"),
        pytest.param(lambda pk: [{"pk": pk, "stock_list": 1}], id="no stock"),
        pytest.param(lambda _: [None, 1, "x", [], {}], id="no records"),
        pytest.param(lambda _: [], id="nothing"),
    ],
)
def test_a17_only_our_record_with_our_value_confirms(
    desk: Desk, sandbox: RunningSandbox, hostile: Callable[[int], list[Any]]
) -> None:
    delivered(desk, A=4)
    delivered(desk, A=5)
    shows(sandbox, *hostile(pk_of(desk, "A")))
    assert desk.poll().confirmed == 0
    sandbox.lift()
    assert desk.poll().confirmed == 1


@on_one_database
@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:1/?page=2",
        "https://127.0.0.1/?page=2",
        "//localhost:1/?page=2",
        "?page=2",
        "../../../?page=2",
        "javascript:alert(1)",
        "http://[",
    ],
)
def test_a17_wherever_the_next_page_is_said_to_be_reading_ends_and_confirms(
    desk: Desk, sandbox: RunningSandbox, address: str
) -> None:
    delivered(desk, **{f"S{number:03}": number + 1 for number in range(120)})
    while sandbox.consume(5):
        pass
    sandbox.order("foreign_next", method="GET", location=address)
    assert desk.poll().confirmed == 120


# --- A18, A19: a channel that goes back, and writes that are dropped


@on_one_database
def test_a18_a_channel_that_goes_back_to_an_older_value_is_seen_and_sent_to_again(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    delivered(desk, A=4)
    delivered(desk, A=5)
    assert desk.poll().confirmed == 1
    delivered(desk, B=1)
    shows(sandbox, record(pk_of(desk, "A"), 4))
    desk.clock.forward(desk.plan.settle)
    desk.poll()
    assert desk.confirmation("A").state == "waiting"
    assert level_of(desk.ledger, "A").revision == 3
    sandbox.lift()
    desk.drain()
    desk.poll()
    assert desk.confirmed() == {"confirmed": 2}


@on_one_database
def test_a19_a_write_that_is_always_dropped_is_sent_once_more_and_then_told(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    delivered(desk, A=5)
    desk.poll()
    order(sandbox, "lost")
    delivered(desk, A=6)
    for _ in range(6):
        desk.clock.forward(desk.channel.confirm_within / 2 + 1)
        desk.poll()
        desk.drain()
    lost = [entry["stock"] for entry in sandbox.journal() if entry["fate"] == "lost"]
    assert lost == [6, 6]
    assert desk.confirmed() == {"unconfirmed": 1}
    (failure,) = open_failures(desk.ledger)
    assert (failure.reason, failure.sku) == ("unconfirmed", "A")
