"""The write side of the sandbox answers as Omnitron's API page says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from worker.sandbox import RunningSandbox, SandboxConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

STOCKS = "/api/i1/product_stock/"
LOGIN = "/api/i1/auth/login/"
CREDENTIALS = {"username": "erp", "password": "sandbox"}
A = {"product_sku": "A", "stock_list": 1}


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox() as running:
        yield running


@pytest.fixture
def anonymous(sandbox: RunningSandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, trust_env=False) as client:
        yield client


@pytest.fixture
def client(anonymous: httpx.Client) -> httpx.Client:
    key = anonymous.post(LOGIN, json=CREDENTIALS).json()["key"]
    anonymous.headers["Authorization"] = f"Token {key}"
    return anonymous


@pytest.mark.parametrize("path", [LOGIN, "/api/v1/auth/login/"])
def test_a_login_gives_a_key_on_both_paths(anonymous: httpx.Client, path: str) -> None:
    answer = anonymous.post(path, json=CREDENTIALS)
    assert answer.status_code == 200
    assert list(answer.json()) == ["key"]


def test_wrong_credentials_are_a_400_without_a_field(anonymous: httpx.Client) -> None:
    answer = anonymous.post(LOGIN, json={"username": "erp", "password": "wrong"})
    assert answer.status_code == 400
    assert answer.json() == {"non_field_errors": ["Unable to log in with provided credentials."]}


def test_a_login_without_a_password_names_the_field(anonymous: httpx.Client) -> None:
    answer = anonymous.post(LOGIN, json={"username": "erp"})
    assert answer.json() == {"password": ["This field is required."]}


def test_too_many_logins_are_throttled(sandbox: RunningSandbox, anonymous: httpx.Client) -> None:
    sandbox.adjust(logins_per_minute=1)
    assert anonymous.post(LOGIN, json=CREDENTIALS).status_code == 200
    answer = anonymous.post(LOGIN, json=CREDENTIALS)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("header", [None, "Token nonsense", "Bearer nonsense", "Token"])
def test_without_a_valid_token_the_answer_is_401(
    anonymous: httpx.Client, header: str | None
) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert anonymous.get(STOCKS, headers=headers).status_code == 401


def test_a_revoked_token_is_refused_and_a_new_login_helps(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    assert sandbox.revoke_tokens() == 1
    assert client.get(STOCKS).status_code == 401
    key = client.post(LOGIN, json=CREDENTIALS).json()["key"]
    assert client.get(STOCKS, headers={"Authorization": f"Token {key}"}).status_code == 200


def test_a_token_expires(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.adjust(token_seconds=0.0)
    assert client.get(STOCKS).status_code == 401


def test_a_creation_answers_201_and_the_whole_record(client: httpx.Client) -> None:
    answer = client.post(STOCKS, json={**A, "stock": 7})
    assert answer.status_code == 201
    assert answer.json() == {
        "id": 1,
        "product_sku": "A",
        "stock": 7,
        "stock_list": 1,
        "unit_type": "qty",
        "sold_quantity_unreported": 0,
        "extra_field": {},
    }


def test_an_update_answers_201_with_the_same_id(client: httpx.Client) -> None:
    first = client.post(STOCKS, json={**A, "stock": 7})
    second = client.post(STOCKS, json={**A, "stock": 8})
    assert (second.status_code, second.json()["stock"]) == (201, 8)
    assert second.json()["id"] == first.json()["id"]


def test_a_creation_without_stock_is_zero(client: httpx.Client) -> None:
    assert client.post(STOCKS, json=A).json()["stock"] == 0


def test_an_update_leaves_what_it_does_not_name(client: httpx.Client) -> None:
    full: dict[str, Any] = {
        "stock": 7,
        "unit_type": "kg",
        "sold_quantity_unreported": 2,
        "extra_field": {"bin": "7a"},
    }
    client.post(STOCKS, json={**A, **full})
    assert client.post(STOCKS, json=A).json() == {"id": 1, **A, **full}


def test_the_same_sku_in_two_lists_is_two_stocks(client: httpx.Client) -> None:
    client.post(STOCKS, json={**A, "stock": 1})
    client.post(STOCKS, json={**A, "stock_list": 2, "stock": 2})
    assert client.get(STOCKS).json()["count"] == 2


@pytest.mark.parametrize("stock", [0, 2_147_483_647])
def test_the_bounds_of_stock_are_accepted(client: httpx.Client, stock: int) -> None:
    assert client.post(STOCKS, json={**A, "stock": stock}).json()["stock"] == stock


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("product_sku", None),
        ("product_sku", ""),
        ("product_sku", "  "),
        ("product_sku", 7),
        ("product_sku", "x" * 256),
        ("product_sku", "a\0b"),
        ("stock_list", None),
        ("stock_list", "1"),
        ("stock_list", True),
        ("stock_list", 1.0),
        ("stock_list", 99),
        ("stock", None),
        ("stock", True),
        ("stock", 1.0),
        ("stock", "7"),
        ("stock", -1),
        ("stock", 2_147_483_648),
        ("stock", 10**30),
        ("unit_type", None),
        ("unit_type", "piece"),
        ("unit_type", []),
        ("sold_quantity_unreported", -1),
        ("sold_quantity_unreported", False),
        ("extra_field", None),
        ("extra_field", []),
        ("extra_field", "{}"),
    ],
)
def test_a_bad_value_is_a_400_that_names_its_field(
    sandbox: RunningSandbox, client: httpx.Client, field: str, value: object
) -> None:
    answer = client.post(STOCKS, json={**A, "stock": 7, field: value})
    assert answer.status_code == 400
    assert list(answer.json()) == [field]
    assert sandbox.journal() == []


def test_all_problems_are_named_at_once(client: httpx.Client) -> None:
    assert set(client.post(STOCKS, json={}).json()) == {"product_sku", "stock_list"}


def test_an_unknown_product_is_a_400_where_there_is_a_catalogue(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    sandbox.set_products(["A"])
    answer = client.post(STOCKS, json={**A, "product_sku": "B"})
    assert answer.status_code == 400
    assert list(answer.json()) == ["product_sku"]
    assert client.post(STOCKS, json=A).status_code == 201


def test_a_list_instead_of_an_object_is_a_400(client: httpx.Client) -> None:
    assert client.post(STOCKS, json=[A]).json() == {
        "non_field_errors": ["Invalid data. Expected a dictionary, but got list."]
    }


@pytest.mark.parametrize("body", [b"{", b"", b'{"stock": NaN}', b"\xff"])
def test_malformed_json_is_a_400_with_a_detail(client: httpx.Client, body: bytes) -> None:
    answer = client.post(STOCKS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert list(answer.json()) == ["detail"]


def test_another_media_type_is_a_415(client: httpx.Client) -> None:
    assert client.post(STOCKS, data={"product_sku": "A"}).status_code == 415


def test_a_body_beyond_a_megabyte_is_a_413(client: httpx.Client) -> None:
    answer = client.post(STOCKS, json={**A, "extra_field": {"pad": "x" * (1 << 20)}})
    assert answer.status_code == 413


def test_another_method_is_a_405_that_names_the_right_ones(client: httpx.Client) -> None:
    answer = client.delete(STOCKS)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


def test_an_unknown_path_is_a_404(client: httpx.Client) -> None:
    assert client.get("/api/i1/prices/").status_code == 404


def test_pages_link_to_each_other_with_absolute_addresses(
    sandbox: RunningSandbox, client: httpx.Client
) -> None:
    for number in range(5):
        client.post(STOCKS, json={"product_sku": str(number), "stock_list": 1})
    middle = client.get(STOCKS, params={"limit": 2, "page": 2}).json()
    assert (middle["count"], [row["product_sku"] for row in middle["results"]]) == (5, ["2", "3"])
    assert middle["next"] == f"{sandbox.url}{STOCKS}?limit=2&page=3"
    assert middle["previous"] == f"{sandbox.url}{STOCKS}?limit=2&page=1"
    assert client.get(middle["next"]).json()["next"] is None


@pytest.mark.parametrize("page", ["3", "0", "x"])
def test_a_page_that_does_not_exist_is_a_404(client: httpx.Client, page: str) -> None:
    assert client.get(STOCKS, params={"page": page}).status_code == 404


def test_stocks_can_be_filtered_by_sku_and_list(client: httpx.Client) -> None:
    for sku, stock_list in (("A", 1), ("B", 1), ("A", 2)):
        client.post(STOCKS, json={"product_sku": sku, "stock_list": stock_list})
    found = client.get(STOCKS, params={"product_sku": "A", "stock_list": 2}).json()["results"]
    assert [(row["product_sku"], row["stock_list"]) for row in found] == [("A", 2)]


def test_stock_lists_carry_the_code_of_the_erp(client: httpx.Client) -> None:
    found = client.get("/api/i1/stock_list/").json()["results"]
    assert [(row["pk"], row["id"], row["code"]) for row in found] == [(1, 1, "IST"), (2, 2, "BER")]
    assert found[0] == {"pk": 1, "id": 1, "name": "Main", "code": "IST", "is_auto_sync": True}


def test_over_the_rate_the_answer_is_429(sandbox: RunningSandbox, client: httpx.Client) -> None:
    sandbox.adjust(requests_per_second=1.0, retry_after="7")
    answers = [client.get(STOCKS) for _ in range(3)]
    throttled = [answer for answer in answers if answer.status_code == 429]
    assert throttled
    assert throttled[0].headers["Retry-After"] == "7"


def test_the_configuration_decides_who_may_log_in() -> None:
    config = SandboxConfig(users=())
    with RunningSandbox(config) as sandbox:
        answer = httpx.post(f"{sandbox.url}{LOGIN}", json=CREDENTIALS, trust_env=False)
    assert answer.status_code == 400
