"""The read side of the sandbox: what channels see, when, and how their app takes it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from worker.sandbox import RunningSandbox, SandboxChannel, SandboxConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

MAIN = "/api/v1/channel/5/product_stocks/"
EXTRA = "/api/v1/channel/5/extra_product_stocks/"
BATCHES = "/api/v1/channel/5/batch_requests/"
ACTIONS = "/api/v1/channel/5/integration_actions/"


def signed_in(sandbox: RunningSandbox) -> httpx.Client:
    credentials = {"username": "erp", "password": "sandbox"}
    login = httpx.post(f"{sandbox.url}/api/v1/auth/login/", json=credentials, trust_env=False)
    headers = {"Authorization": f"Token {login.json()['key']}"}
    return httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    with signed_in(sandbox) as client:
        yield client


def stocks(client: httpx.Client, path: str, **params: Any) -> list[tuple[int, int]]:
    found = client.get(path, params=params).json()
    rows = found if isinstance(found, list) else found["results"]
    return [(row["pk"], row["stock"]) for row in rows]


def commit(client: httpx.Client, rows: list[dict[str, Any]]) -> dict[str, Any]:
    batch: dict[str, Any] = client.post(BATCHES, json={"channel": 5}).json()
    objects = [{"pk": row["pk"], "version_date": row["modified_date"]} for row in rows]
    body = {"channel": 5, "content_type": "productstock", "status": "commit", "objects": objects}
    assert client.patch(f"{BATCHES}{batch['pk']}/", json=body).status_code == 200
    return batch


def finish(client: httpx.Client, batch: dict[str, Any], status: str, *objects: object) -> None:
    body = {"status": status, "objects": list(objects)}
    assert client.patch(f"{BATCHES}{batch['pk']}/", json=body).status_code == 200


def test_a_record_has_every_field_of_the_api_page_and_no_sku(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    written = sandbox.edit("A", 7)
    (record,) = client.get(MAIN).json()["results"]
    assert set(record) == {
        "pk",
        "product",
        "unit_type",
        "stock",
        "sold_quantity_unreported",
        "extra_field",
        "stock_list",
        "modified_collection",
        "adjusted_stock",
        "created_date",
        "modified_date",
    }
    assert record["pk"] == written["id"]


def test_the_main_list_and_the_extra_lists_are_two_resources(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.edit("A", 7, stock_list=1)
    sandbox.edit("A", 8, stock_list=2)
    assert stocks(client, MAIN) == [(1, 7)]
    assert stocks(client, f"{EXTRA}detailed/") == [(2, 8)]


@pytest.mark.parametrize("path", [f"{MAIN}1/", f"{MAIN}1/detailed/"])
def test_one_record_comes_in_an_array(
    sandbox: RunningSandbox, client: httpx.Client, path: str
) -> None:
    sandbox.edit("A", 7)
    assert stocks(client, path) == [(1, 7)]


def test_a_stock_of_another_list_is_not_found(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.edit("A", 7, stock_list=2)
    assert client.get(f"{MAIN}1/").status_code == 404


def test_an_unknown_channel_is_not_found(client: httpx.Client) -> None:
    assert client.get("/api/v1/channel/6/product_stocks/").status_code == 404


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"stock": 8}, [(2, 8)]),
        ({"product": 10_003}, [(3, 9)]),
        ({"pk__in": "1,3,99"}, [(1, 7), (3, 9)]),
        ({"pk__in": "1,3", "stock": 9}, [(3, 9)]),
        ({"unit_type": "kg"}, []),
        ({"sold_quantity_unreported": 0, "limit": 1}, [(1, 7)]),
        ({"stock_list": 2}, []),
        ({"modifier_collection": 4, "limit": 2, "page": 2}, [(3, 9)]),
    ],
)
def test_the_filters_of_the_api_page_work(
    sandbox: RunningSandbox,
    client: httpx.Client,
    params: dict[str, Any],
    expected: list[tuple[int, int]],
) -> None:
    for stock, sku in enumerate("ABC", start=7):
        sandbox.edit(sku, stock)
    assert stocks(client, MAIN, **params) == expected


def test_a_filter_that_is_no_number_is_a_400_that_names_it(client: httpx.Client) -> None:
    answer = client.get(MAIN, params={"pk__in": "1,x"})
    assert (answer.status_code, list(answer.json())) == (400, ["pk__in"])


def test_reading_a_feed_changes_nothing(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.edit("A", 7)
    first = client.get(f"{MAIN}inserts/").json()
    assert client.get(f"{MAIN}inserts/").json() == first


def test_feeds_are_paged_and_end_with_an_empty_array(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    for sku in "ABC":
        sandbox.edit(sku, 1)
    feed = f"{MAIN}inserts_or_updates/"
    assert stocks(client, feed, limit=2) == [(1, 1), (2, 1)]
    assert stocks(client, feed, limit=2, page=2) == [(3, 1)]
    assert stocks(client, feed, limit=2, page=3) == []


def test_committed_objects_leave_the_feed_and_stay_in_the_list(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.edit("A", 7)
    sandbox.edit("B", 8)
    commit(client, client.get(f"{MAIN}inserts/", params={"limit": 1}).json())
    assert stocks(client, f"{MAIN}inserts/") == [(2, 8)]
    assert stocks(client, MAIN) == [(1, 7), (2, 8)]


def test_what_changes_after_it_was_taken_comes_back_as_an_update(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.edit("A", 7)
    batch = commit(client, client.get(f"{MAIN}inserts/").json())
    finish(client, batch, "done")
    assert stocks(client, f"{MAIN}inserts_or_updates/") == []
    sandbox.edit("A", 6)
    assert stocks(client, f"{MAIN}inserts/") == []
    assert stocks(client, f"{MAIN}updates/") == [(1, 6)]


def test_a_commit_of_an_older_version_leaves_the_newer_one_in_the_feed(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.edit("A", 7)
    seen = client.get(f"{MAIN}inserts/").json()
    sandbox.edit("A", 6)
    commit(client, seen)
    assert stocks(client, f"{MAIN}inserts/") == [(1, 6)]


def test_a_failed_batch_gives_its_objects_back(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.edit("A", 7)
    batch = commit(client, client.get(f"{MAIN}inserts/").json())
    finish(client, batch, "fail")
    assert stocks(client, f"{MAIN}inserts/") == [(1, 7)]


def test_integration_actions_tell_what_became_of_each_object(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.edit("A", 7)
    sandbox.edit("B", 8)
    rows = client.get(f"{MAIN}inserts/").json()
    batch = commit(client, rows)
    params = {"content_type_name": "productstock", "object_id__in": "1,2"}
    taken = client.get(ACTIONS, params=params).json()["results"]
    assert [action["status"] for action in taken] == ["processing", "processing"]
    finish(client, batch, "done", {"pk": 2, "failed_reason_type": "remote"})
    (good,) = client.get(ACTIONS, params={**params, "status": "success"}).json()["results"]
    assert good["object_id"] == 1
    assert good["version_date"] == rows[0]["modified_date"]
    assert good["local_batch_id"] == batch["local_batch_id"]


def test_an_unknown_batch_status_is_a_400(client: httpx.Client) -> None:
    batch = client.post(BATCHES, json={}).json()
    answer = client.patch(f"{BATCHES}{batch['pk']}/", json={"status": "finished"})
    assert (answer.status_code, list(answer.json())) == (400, ["status"])


def test_a_write_reaches_the_channel_only_after_the_delay(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.edit("A", 7)
    sandbox.adjust(propagation_seconds=0.2)
    sandbox.edit("A", 6)
    record = sandbox.state()["1:A"]
    assert (record["stock"], record["channel_stock"]) == (6, 7)
    deadline = time.monotonic() + 10
    while stocks(client, MAIN) != [(1, 6)]:
        assert time.monotonic() < deadline, "the write never reached the channel"


def test_a_new_stock_is_not_listed_before_it_has_reached_the_channel(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.adjust(propagation_seconds=3600.0)
    sandbox.edit("A", 7)
    assert stocks(client, MAIN) == []
    assert stocks(client, MAIN, pk__in="1") == []
    assert client.get(f"{MAIN}1/").status_code == 404


def test_two_versions_in_one_millisecond_have_different_dates(sandbox: RunningSandbox) -> None:
    dates = set()
    for stock in range(20):
        sandbox.edit("A", stock)
        dates.add(sandbox.state()["1:A"]["modified_date"])
    assert len(dates) == 20


def test_a_channel_made_later_sees_what_others_see(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.edit("A", 7)
    sandbox.add_channel(SandboxChannel(id=6, main_list=1))
    assert stocks(client, "/api/v1/channel/6/product_stocks/inserts/") == [(1, 7)]


def test_the_sandbox_can_play_the_channels_app(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.edit("A", 7)
    sandbox.edit("B", 8, stock_list=2)
    assert sandbox.consume(5) == 2
    assert stocks(client, f"{MAIN}inserts_or_updates/") == []
    assert stocks(client, f"{EXTRA}inserts_or_updates/") == []


def test_adjusted_stock_may_lie_below_stock() -> None:
    with RunningSandbox(SandboxConfig(reserve=2)) as sandbox, signed_in(sandbox) as client:
        sandbox.edit("A", 7)
        (record,) = client.get(MAIN).json()["results"]
    assert (record["stock"], record["adjusted_stock"]) == (7, 5)
