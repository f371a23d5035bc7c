"""The vendor's published client, unchanged, works against the sandbox.

`omnisdk` puts ``api/v1/`` behind the base URL that it is given (which must end with a slash) and
takes plain HTTP. It has endpoints for the channel side only; for ``/api/i1/`` its own generic
classes are given the other route, as a user of it would do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from omnisdk.api_endpoint import ApiEndpoint
from omnisdk.exceptions import ValidationError
from omnisdk.omnitron.client import OmnitronApiClient
from omnisdk.omnitron.endpoints import (
    ActiveUserEndpoint,
    ChannelBatchRequestEndpoint,
    ChannelEndpoint,
    ChannelExtraProductStockEndpoint,
    ChannelIntegrationActionEndpoint,
    ChannelProductStockEndpoint,
    ChannelStockListEndpoint,
    ContentTypeEndpoint,
)
from omnisdk.omnitron.models import BatchRequest, ProductStock, StockList

from worker.sandbox import RunningSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANNEL = 5


class IntegrationClient(OmnitronApiClient):  # type: ignore[misc]
    """The vendor's client on the route of ERP integrations."""

    client_route = "api/i1/"


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSandbox]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with RunningSandbox() as running:
        yield running


@pytest.fixture
def api(sandbox: RunningSandbox) -> Iterator[OmnitronApiClient]:
    client = OmnitronApiClient(f"{sandbox.url}/", "erp", "sandbox")
    yield client
    client.session.close()


@pytest.fixture
def integration(sandbox: RunningSandbox) -> Iterator[IntegrationClient]:
    client = IntegrationClient(f"{sandbox.url}/", "erp", "sandbox")
    yield client
    client.session.close()


@pytest.fixture
def product_stock(integration: IntegrationClient) -> ApiEndpoint:
    name = type(integration).__name__
    return ApiEndpoint(api_class_name=name, endpoint="product_stock", model=ProductStock)


def committed(api: OmnitronApiClient, stocks: list[ProductStock]) -> BatchRequest:
    """Take stocks the way the vendor's channel-app does."""
    assert api.token
    endpoint = ChannelBatchRequestEndpoint()
    batch = endpoint(channel_id=CHANNEL).create(item=BatchRequest(channel=CHANNEL))
    change = BatchRequest(channel=CHANNEL, status="commit", content_type="productstock")
    change.objects = [
        {
            "pk": stock.pk,
            "failed_reason_type": None,
            "remote_id": None,
            "version_date": stock.modified_date,
            "content_type": "productstock",
        }
        for stock in stocks
    ]
    endpoint(channel_id=CHANNEL).update(id=batch.pk, item=change)
    return batch


def finished(batch: BatchRequest, status: str) -> BatchRequest:
    change = BatchRequest(channel=CHANNEL, status=status, objects=None)
    return ChannelBatchRequestEndpoint(channel_id=CHANNEL).update(id=batch.pk, item=change)


def inserts() -> list[ProductStock]:
    endpoint = ChannelProductStockEndpoint(path="inserts", channel_id=CHANNEL)
    found: list[ProductStock] = endpoint.list(params={"limit": 100})
    return found


def actions(**params: Any) -> list[Any]:
    endpoint = ChannelIntegrationActionEndpoint(channel_id=CHANNEL)
    found: list[Any] = endpoint.list(params={"content_type_name": "productstock", **params})
    return found


def test_it_logs_in(api: OmnitronApiClient) -> None:
    assert api.token.startswith("Token ")
    assert ActiveUserEndpoint().list().username == "erp"


def test_it_takes_a_token_that_it_had_before(
    sandbox: RunningSandbox, api: OmnitronApiClient
) -> None:
    again = OmnitronApiClient(f"{sandbox.url}/", "erp", "wrong", token=api.token)
    assert again.token == api.token
    again.session.close()


def test_it_understands_wrong_credentials(sandbox: RunningSandbox) -> None:
    with pytest.raises(ValidationError) as caught:
        OmnitronApiClient(f"{sandbox.url}/", "erp", "wrong")
    assert list(caught.value.json) == ["non_field_errors"]


def test_it_understands_too_many_logins(sandbox: RunningSandbox) -> None:
    sandbox.adjust(logins_per_minute=0)
    with pytest.raises(ValueError, match="Too many requests"):
        OmnitronApiClient(f"{sandbox.url}/", "erp", "sandbox")


def test_it_logs_in_anew_when_its_token_was_revoked(
    sandbox: RunningSandbox, product_stock: ApiEndpoint
) -> None:
    sandbox.revoke_tokens()
    assert product_stock.create(ProductStock(product_sku="A", stock_list=1)).id == 1


def test_it_creates_updates_and_lists_product_stocks(product_stock: ApiEndpoint) -> None:
    first = product_stock.create(ProductStock(product_sku="A", stock_list=1, stock=7))
    second = product_stock.create(ProductStock(product_sku="A", stock_list=1, stock=8))
    assert (first.id, first.stock) == (second.id, 7)
    assert [(row.product_sku, row.stock) for row in product_stock.list()] == [("A", 8)]


def test_it_reads_the_problems_of_a_bad_stock(product_stock: ApiEndpoint) -> None:
    with pytest.raises(requests.HTTPError) as caught:
        product_stock.create(ProductStock(product_sku="A", stock_list=99))
    assert list(caught.value.args[1]) == ["stock_list"]


def test_it_pages_through_product_stocks(
    sandbox: RunningSandbox, product_stock: ApiEndpoint
) -> None:
    for sku in "ABCDE":
        sandbox.edit(sku, 1)
    rows = product_stock.list(params={"limit": 2})
    for page in product_stock.iterator:
        rows.extend(page)
    assert [row.product_sku for row in rows] == list("ABCDE")


def test_it_lists_the_stock_lists(integration: IntegrationClient) -> None:
    name = type(integration).__name__
    endpoint = ApiEndpoint(api_class_name=name, endpoint="stock_list", model=StockList)
    assert [row.code for row in endpoint.list()] == ["IST", "BER"]


@pytest.mark.usefixtures("api")
def test_it_reads_the_channel_and_its_stock_lists() -> None:
    assert ChannelEndpoint().retrieve(id=CHANNEL).pk == CHANNEL
    assert [row.pk for row in ChannelStockListEndpoint(channel_id=CHANNEL).list()] == [1, 2]


@pytest.mark.usefixtures("api")
def test_it_finds_a_content_type_by_its_model() -> None:
    (kind,) = ContentTypeEndpoint().list(params={"model": "productstock"})
    assert isinstance(kind.id, int)


@pytest.mark.usefixtures("api")
def test_it_reads_feeds_and_lists_of_a_channel(sandbox: RunningSandbox) -> None:
    sandbox.edit("A", 7)
    sandbox.edit("B", 8, stock_list=2)
    assert [row.stock for row in inserts()] == [7]
    extra = ChannelExtraProductStockEndpoint(path="inserts_or_updates", channel_id=CHANNEL)
    assert [row.stock for row in extra.list(params={"stock_list": 2, "limit": 100})] == [8]
    listed = ChannelProductStockEndpoint(channel_id=CHANNEL)
    assert [row.pk for row in listed.list(params={"pk__in": "1,2", "limit": 2})] == [1]


@pytest.mark.usefixtures("api")
def test_it_retrieves_one_stock_of_a_channel(sandbox: RunningSandbox) -> None:
    sandbox.edit("A", 7)
    (stock,) = ChannelProductStockEndpoint(channel_id=CHANNEL).retrieve(id=1)
    assert stock.stock == 7


def test_its_batch_request_empties_the_feed(
    sandbox: RunningSandbox, api: OmnitronApiClient
) -> None:
    sandbox.edit("A", 7)
    batch = committed(api, inserts())
    assert inserts() == []
    (taken,) = actions(local_batch_id=batch.local_batch_id, status="processing", sort="id")
    assert taken.content_type["model"] == "productstock"
    assert finished(batch, "done").status == "done"
    (done,) = actions(object_id__in="1", status="success")
    assert done.object_id == 1


def test_its_failed_batch_request_fills_the_feed_again(
    sandbox: RunningSandbox, api: OmnitronApiClient
) -> None:
    sandbox.edit("A", 7)
    finished(committed(api, inserts()), "fail")
    assert [row.stock for row in inserts()] == [7]
    assert [action.status for action in actions()] == ["error"]


def test_it_lists_batch_requests_by_status(sandbox: RunningSandbox, api: OmnitronApiClient) -> None:
    sandbox.edit("A", 7)
    batch = committed(api, inserts())
    found = ChannelBatchRequestEndpoint(channel_id=CHANNEL).list(
        params={"status": "commit", "channel": CHANNEL}
    )
    assert [row.pk for row in found] == [batch.pk]
