"""Every fault that can be ordered does what it says, to the requests it is meant for."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.processes import until
from worker.sandbox import Fault, FaultKind, RunningSandbox
from worker.sandbox.mischief import TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

STOCKS = "/api/i1/product_stock/"
A = {"product_sku": "A", "stock_list": 1, "stock": 7}


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, trust_env=False, timeout=10) as client:
        credentials = {"username": "erp", "password": "sandbox"}
        key = client.post("/api/i1/auth/login/", json=credentials).json()["key"]
        client.headers["Authorization"] = f"Token {key}"
        yield client


def post(client: httpx.Client, **changes: Any) -> httpx.Response:
    return client.post(STOCKS, json={**A, **changes})


def written(sandbox: RunningSandbox) -> list[tuple[str, int]]:
    return [(entry["sku"], entry["stock"]) for entry in sandbox.journal()]


def test_every_kind_is_in_the_table() -> None:
    assert set(TABLE) == set(FaultKind)


def test_a_status_comes_with_its_body_and_headers_and_nothing_is_written(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("status", status=503, body={"a": 1}, headers={"Retry-After": "9"}, count=1)
    answer = post(client)
    assert (answer.status_code, answer.json()) == (503, {"a": 1})
    assert answer.headers["Retry-After"] == "9"
    assert written(sandbox) == []


def test_a_status_can_come_after_the_write_took_effect(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("status", status=504, applied=True, count=1)
    assert post(client).status_code == 504
    assert written(sandbox) == [("A", 7)]


def test_a_body_of_text_is_sent_as_it_is(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.order("status", status=502, body="<html>no</html>", count=1)
    answer = post(client)
    assert (answer.text, answer.headers["Content-Type"]) == ("<html>no</html>", "text/html")


def test_count_and_skip_say_which_matches_are_struck(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("status", skip=1, count=2)
    assert [post(client).status_code for _ in range(5)] == [201, 500, 500, 201, 201]


def test_a_probability_is_repeatable_by_its_seed(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    def run() -> list[int]:
        number = sandbox.order("status", probability=0.5, seed=42)
        statuses = [post(client).status_code for _ in range(20)]
        sandbox.lift(number)
        return statuses

    first = run()
    assert set(first) == {201, 500}
    assert run() == first


@pytest.mark.parametrize(
    ("fields", "struck"),
    [
        ({"sku": "A"}, True),
        ({"sku": "B"}, False),
        ({"stock_list": 1}, True),
        ({"stock_list": 2}, False),
        ({"method": "post"}, True),
        ({"method": "GET"}, False),
        ({"path": "/api/i1/*"}, True),
        ({"path": "/api/v1/*"}, False),
    ],
)
def test_a_fault_strikes_only_what_it_matches(
    sandbox: RunningSandbox, client: httpx.Client, fields: dict[str, Any], *, struck: bool
) -> None:
    sandbox.order("status", **fields)
    assert (post(client).status_code == 500) is struck


def test_the_first_order_of_several_strikes(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.order("status", status=500, count=1)
    sandbox.order("status", status=503, count=1)
    assert [post(client).status_code for _ in range(3)] == [500, 503, 201]


def test_lifted_faults_strike_no_more(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.order("status")
    assert sandbox.lift() == 1
    assert post(client).status_code == 201


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kind=FaultKind.RESET_UNREAD), []),
        (Fault(kind=FaultKind.RESET), [("A", 7)]),
        (Fault(kind=FaultKind.RESET, applied=False), []),
        (Fault(kind=FaultKind.RESET_ANSWER), [("A", 7)]),
    ],
)
def test_a_reset_leaves_no_answer(
    sandbox: RunningSandbox, client: httpx.Client, fault: Fault, expected: list[tuple[str, int]]
) -> None:
    sandbox.order(fault)
    with pytest.raises(httpx.TransportError):
        post(client)
    assert written(sandbox) == expected


@pytest.mark.parametrize(("when", "expected"), [("before", []), ("after", [("A", 7)])])
def test_a_delay_lies_before_or_after_the_write(
    sandbox: RunningSandbox, client: httpx.Client, when: str, expected: list[tuple[str, int]]
) -> None:
    sandbox.order("delay", **{when: 3600.0})
    with pytest.raises(httpx.ReadTimeout):
        client.post(STOCKS, json=A, timeout=0.2)
    assert written(sandbox) == expected


def test_a_write_whose_caller_gave_up_still_takes_effect_later(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("delay", before=1.0, count=1)
    with pytest.raises(httpx.ReadTimeout):
        client.post(STOCKS, json={**A, "stock": 1}, timeout=0.1)
    assert post(client, stock=2).status_code == 201
    until(lambda: written(sandbox) == [("A", 2), ("A", 1)])


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({}, {"stock": 8}),
        ({"changes": {"product_sku": "a"}}, {"product_sku": "a"}),
        ({"changes": {"stock_list": 2}}, {"stock_list": 2}),
    ],
)
def test_a_wrong_echo_names_something_else(
    sandbox: RunningSandbox, client: httpx.Client, fields: dict[str, Any], changed: dict[str, Any]
) -> None:
    sandbox.order("wrong_echo", **fields)
    answer = post(client)
    assert answer.status_code == 201
    assert changed.items() <= answer.json().items()
    assert written(sandbox) == [("A", 7)]


def test_an_echo_can_lack_its_id(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.order("wrong_echo", drop=("id",))
    record = post(client).json()
    assert "id" not in record
    assert record["stock"] == 7


@pytest.mark.parametrize("kind", ["html", "invalid_json", "empty", "truncated_json"])
def test_a_good_status_can_carry_no_json(
    sandbox: RunningSandbox, client: httpx.Client, kind: str
) -> None:
    sandbox.order(kind)
    answer = post(client)
    assert answer.status_code in (200, 201)
    with pytest.raises(ValueError, match=r"."):
        answer.json()


def test_json_can_be_too_deep(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.order("deep_json", size=1000)
    assert post(client).text == "[" * 1000 + "]" * 1000


def test_a_lost_write_is_answered_noted_and_forgotten(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("lost", count=1)
    assert post(client).json()["stock"] == 7
    (entry,) = sandbox.journal()
    assert (entry["fate"], entry["applied_at"]) == ("lost", None)
    assert sandbox.state() == {}


def test_an_unpropagated_write_is_never_seen_by_a_channel(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("unpropagated", count=1)
    post(client)
    assert sandbox.state()["1:A"]["channel_stock"] is None
    post(client, stock=8)
    assert sandbox.state()["1:A"]["channel_stock"] == 8


def test_a_trickling_body_outlasts_a_deadline_but_not_a_read_timeout(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("trickle", pause=0.001)
    with client.stream("POST", STOCKS, json=A, timeout=5) as answer:
        pieces = list(answer.iter_raw())
    assert len(pieces) > 10
    assert written(sandbox) == [("A", 7)]


def test_a_huge_body_has_its_size(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.order("huge", size=3_000_000)
    assert len(post(client).content) > 3_000_000


def test_a_gzip_bomb_is_small_on_the_wire(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.order("gzip_bomb", size=5_000_000)
    with client.stream("POST", STOCKS, json=A) as answer:
        packed = b"".join(answer.iter_raw())
    assert len(packed) < 50_000
    assert len(zlib.decompress(packed, zlib.MAX_WBITS | 16)) > 5_000_000


def test_a_caller_may_hang_up_on_a_huge_body(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.order("huge", size=1 << 30, count=1)
    with client.stream("POST", STOCKS, json=A) as answer:
        next(answer.iter_raw())
    assert post(client).status_code == 201


def test_a_redirect_points_elsewhere(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.order("redirect", location="http://localhost:1/trap/")
    answer = post(client)
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://localhost:1/trap/")


def test_an_error_can_repeat_the_requests_headers(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("echo_headers", status=400)
    answer = post(client)
    assert answer.status_code == 400
    assert client.headers["Authorization"] in answer.text


def test_the_next_page_can_point_to_another_origin(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("foreign_next", method="GET", location="http://localhost:1/?page=2")
    assert client.get(STOCKS).json()["next"] == "http://localhost:1/?page=2"


def test_the_next_page_can_be_the_same_for_ever(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("same_page", method="GET")
    first = client.get(STOCKS).json()
    assert client.get(first["next"]).json() == first


def test_requests_of_one_key_under_way_at_once_are_reported(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("delay", after=0.5)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda sku: post(client, product_sku=sku), ["A", "A", "B"]))
    stats = sandbox.stats()
    assert (stats["max_in_flight"], stats["max_in_flight_per_key"]) == (3, 2)
    assert [overlap["sku"] for overlap in stats["overlaps"]] == ["A"]


def test_what_the_caller_gave_up_is_no_overlap(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.order("delay", before=3600.0, count=1)
    with pytest.raises(httpx.ReadTimeout):
        client.post(STOCKS, json=A, timeout=0.1)
    assert post(client).status_code == 201
    assert sandbox.stats()["max_in_flight_per_key"] == 1
