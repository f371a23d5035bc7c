"""The sandbox's own calls, its records of what happened, and its life as a process."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from worker.sandbox import (
    Fault,
    FaultKind,
    RunningSandbox,
    SandboxConfig,
    SandboxError,
    SandboxList,
    serve,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).parents[2]
LOGIN = "/api/i1/auth/login/"
STOCKS = "/api/i1/product_stock/"
A = {"product_sku": "A", "stock_list": 1, "stock": 7}

SERVE = """
from worker.sandbox import SandboxConfig, serve
serve(SandboxConfig(), on_ready=lambda url: print(url, flush=True))
"""


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox() as running:
        yield running


@pytest.fixture
def client(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, trust_env=False) as client:
        yield client


def sign_in(client: httpx.Client, username: str = "erp", password: str = "sandbox") -> None:
    key = client.post(LOGIN, json={"username": username, "password": password}).json()["key"]
    client.headers["Authorization"] = f"Token {key}"


def test_the_index_names_every_call(client: httpx.Client) -> None:
    assert "POST /_sandbox/faults" in client.get("/_sandbox/").json()["calls"]


def test_an_unknown_call_is_not_found(client: httpx.Client) -> None:
    assert client.get("/_sandbox/nonsense").status_code == 404


def test_a_fault_can_be_ordered_listed_and_lifted_over_http(client: httpx.Client) -> None:
    ordered = client.post("/_sandbox/faults", json={"kind": "status", "status": 503, "count": 1})
    assert ordered.json() == {"ids": [1]}
    assert client.post(LOGIN, json={}).status_code == 503
    (fault,) = client.get("/_sandbox/faults").json()
    assert (fault["id"], fault["struck"], fault["spent"]) == (1, 1, True)
    assert client.delete("/_sandbox/faults", params={"id": 1}).json() == {"lifted": 1}
    assert client.get("/_sandbox/faults").json() == []


def test_several_faults_can_be_ordered_at_once(client: httpx.Client) -> None:
    faults = [{"kind": "html"}, {"kind": "reset", "sku": "A"}]
    assert client.post("/_sandbox/faults", json=faults).json() == {"ids": [1, 2]}


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"kind": "explosion"}, "kind"),
        ({"kind": "html", "cuont": 1}, "cuont"),
        ({"kind": "html", "count": "many"}, "count"),
        ({"kind": "reset_unread", "sku": "A"}, "body"),
    ],
)
def test_a_fault_that_makes_no_sense_is_a_400_that_names_the_field(
    client: httpx.Client, fault: dict[str, Any], field: str
) -> None:
    answer = client.post("/_sandbox/faults", json=fault)
    assert (answer.status_code, list(answer.json())) == (400, [field])


def test_a_fault_that_makes_no_sense_cannot_be_made_in_python() -> None:
    with pytest.raises(ValueError, match="cannot match a SKU"):
        Fault(kind=FaultKind.RESET_UNREAD, sku="A")


def test_settings_change_while_it_runs(client: httpx.Client) -> None:
    assert client.post("/_sandbox/settings", json={"logins_per_minute": 0}).status_code == 200
    assert client.post(LOGIN, json={}).status_code == 429


def test_a_setting_that_cannot_change_is_refused_with_those_that_can(client: httpx.Client) -> None:
    answer = client.post("/_sandbox/settings", json={"journal_cap": 1})
    assert answer.status_code == 400
    assert "propagation_seconds" in answer.json()["detail"]


def test_the_scenery_can_be_built_over_http(client: httpx.Client) -> None:
    client.post("/_sandbox/users", json={"username": "ann", "password": "pass"})
    client.post("/_sandbox/stock_lists", json={"pk": 3, "name": "Returns", "code": "RET"})
    client.post("/_sandbox/channels", json={"id": 9, "main_list": 3})
    client.post("/_sandbox/products", json=["A"])
    sign_in(client, "ann", "pass")
    assert client.post(STOCKS, json={**A, "stock_list": 3}).status_code == 201
    assert client.post(STOCKS, json={**A, "product_sku": "B"}).status_code == 400
    feed = client.get("/api/v1/channel/9/product_stocks/inserts/").json()
    assert [row["stock"] for row in feed] == [7]
    assert client.post("/_sandbox/consume", json={"channel": 9}).json() == {"taken": 1}


def test_tokens_can_be_revoked_over_http(client: httpx.Client) -> None:
    sign_in(client)
    assert client.post("/_sandbox/tokens/revoke").json() == {"revoked": 1}
    assert client.get(STOCKS).status_code == 401


def test_an_edit_in_the_back_office_is_in_the_journal_as_such(client: httpx.Client) -> None:
    assert client.post("/_sandbox/edit", json=A).json()["stock"] == 7
    (entry,) = client.get("/_sandbox/journal").json()["entries"]
    assert entry["by"] == "back_office"


def test_an_edit_follows_the_rules_of_the_api(client: httpx.Client) -> None:
    answer = client.post("/_sandbox/edit", json={**A, "stock": -1})
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("stock: ")


def test_the_journal_has_every_accepted_write_in_order(client: httpx.Client) -> None:
    sign_in(client)
    for stock in (5, 6):
        client.post(STOCKS, json={**A, "stock": stock})
    client.post(STOCKS, json={**A, "stock": -1})
    first, second = client.get("/_sandbox/journal").json()["entries"]
    assert (first["n"], first["stock"], first["created"]) == (1, 5, True)
    assert (second["n"], second["stock"], second["created"]) == (2, 6, False)
    assert first["received_at"] <= first["applied_at"] <= second["received_at"]


def test_the_journal_can_be_read_on(client: httpx.Client, sandbox: RunningSandbox) -> None:
    for stock in range(5):
        sandbox.edit("A", stock)
    part = client.get("/_sandbox/journal", params={"since": 2, "limit": 2}).json()
    assert [entry["n"] for entry in part["entries"]] == [3, 4]
    assert part["last"] == 5
    assert [entry["n"] for entry in sandbox.journal(since=4)] == [5]
    assert sandbox.journal(since=5) == []


def test_no_call_tells_a_token_or_a_password(client: httpx.Client) -> None:
    sign_in(client)
    client.post(STOCKS, json=A)
    key = client.headers["Authorization"].removeprefix("Token ")
    for call in ("journal", "stats", "state", "faults"):
        text = client.get(f"/_sandbox/{call}").text
        assert key not in text
        assert '"sandbox"' not in text


def test_the_journal_keeps_only_so_many_entries() -> None:
    with RunningSandbox(SandboxConfig(journal_cap=10)) as sandbox:
        for stock in range(300):
            sandbox.edit("A", stock)
        kept = [entry["n"] for entry in sandbox.journal()]
    assert kept == list(range(291, 301))


def test_the_state_is_keyed_by_list_and_sku(client: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.edit("A:1", 7, stock_list=2)
    state = client.get("/_sandbox/state").json()
    assert state["2:A:1"]["stock"] == 7
    assert state == sandbox.state()


def test_stats_count_requests_by_method_route_and_outcome(
    client: httpx.Client, sandbox: RunningSandbox
) -> None:
    sandbox.order("reset_unread", method="GET", path=STOCKS)
    client.post(LOGIN, json={})
    client.get("/wherever")
    client.get("/api/v1/channel/5/product_stocks/1/")
    with pytest.raises(httpx.TransportError):
        client.get(STOCKS)
    counts = {
        (row["method"], row["path"], row["status"]): row["count"]
        for row in client.get("/_sandbox/stats").json()["requests"]
    }
    assert counts == {
        ("POST", LOGIN, "400"): 1,
        ("GET", "(other)", "404"): 1,
        ("GET", "/api/v1/channel/{channel}/product_stocks/{pk}/", "401"): 1,
        ("GET", STOCKS, "reset"): 1,
    }


def test_a_reset_goes_back_to_the_start(client: httpx.Client, sandbox: RunningSandbox) -> None:
    sandbox.edit("A", 7)
    sandbox.order("html")
    sandbox.add_list(SandboxList(pk=3, name="Returns"))
    client.post("/_sandbox/reset")
    assert sandbox.state() == {}
    assert sandbox.journal() == []
    assert sandbox.faults() == []
    with pytest.raises(httpx.HTTPStatusError):
        client.post("/_sandbox/edit", json={**A, "stock_list": 3}).raise_for_status()


def test_its_records_can_be_read_after_its_end() -> None:
    with RunningSandbox() as sandbox:
        sandbox.edit("A", 7)
    assert sandbox.state()["1:A"]["stock"] == 7


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", ""])
def test_it_refuses_an_address_that_others_can_reach(host: str) -> None:
    with pytest.raises(SandboxError) as caught:
        serve(SandboxConfig(), host=host)
    assert "127.0.0.1" in caught.value.remedy


def test_a_port_that_is_taken_is_an_error_with_a_remedy(sandbox: RunningSandbox) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    with pytest.raises(SandboxError) as caught, RunningSandbox(port=port):
        pass
    assert str(port) in caught.value.message
    assert "another port" in caught.value.remedy


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_end(number: signal.Signals) -> None:
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert httpx.get(f"{url}/_sandbox/state", trust_env=False).json() == {}
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
