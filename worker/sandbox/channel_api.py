"""The read side: channels, their feeds, batch requests and integration actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from worker.sandbox.feeds import (
    CONTENT_TYPES,
    STOCK_TYPE,
    Action,
    Batch,
    BatchState,
    Change,
    ChannelFeed,
)
from worker.sandbox.paging import BadFilter, chained, envelope, filtered, page_of, whole_numbers
from worker.sandbox.reply import NOT_FOUND, Reply, errors
from worker.sandbox.routing import Call, Handler, Route
from worker.sandbox.settings import SandboxChannel
from worker.sandbox.stocks import Stock, channel_record
from worker.sandbox.write_api import list_record

if TYPE_CHECKING:
    from worker.sandbox.world import World

CHANNEL = "/api/v1/channel/{channel}"

ListsOf = Callable[[SandboxChannel], Sequence[int]]
FeedHandler = Callable[[Call, ChannelFeed], Reply]


class ChannelApi:
    """``/api/v1/``: what a sales channel's app reads, and how it takes what it read."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> Sequence[Route]:
        """Return the resources."""
        batches = {"GET": self._on(self.batches), "POST": self._on(self.open_batch)}
        batch = {"GET": self._on(self.batch), "PATCH": self._on(self.move_batch)}
        return (
            *self._stock_routes("product_stocks", lambda channel: (channel.main_list,)),
            *self._stock_routes("extra_product_stocks", lambda channel: channel.extra_lists),
            Route(f"{CHANNEL}/stock_lists/", {"GET": self._on(self.stock_lists)}),
            Route(f"{CHANNEL}/batch_requests/", batches),
            Route(f"{CHANNEL}/batch_requests/{{pk}}/", batch),
            Route(f"{CHANNEL}/integration_actions/", {"GET": self._on(self.actions)}),
            Route(f"{CHANNEL}/integration_actions/{{pk}}/", {"GET": self._on(self.action)}),
            Route("/api/v1/channels/", {"GET": self.channels}),
            Route("/api/v1/channels/{channel}/", {"GET": self._on(self.channel)}),
            Route("/api/v1/content_types/", {"GET": self.content_types}),
            Route("/api/v1/active_user/", {"GET": self.active_user}),
        )

    def _stock_routes(self, name: str, lists_of: ListsOf) -> Iterable[Route]:
        base = f"{CHANNEL}/{name}/"
        listing = {"GET": self._on(partial(self.listing, lists_of))}
        one = {"GET": self._on(partial(self.one, lists_of))}
        yield Route(base, listing)
        yield Route(f"{base}detailed/", listing)
        yield Route(f"{base}{{pk}}/", one)
        yield Route(f"{base}{{pk}}/detailed/", one)
        for change in Change:
            handler = self._on(partial(self.feed, lists_of, change))
            yield Route(f"{base}{change.value}/", {"GET": handler})

    def _on(self, handler: FeedHandler) -> Handler:
        def with_feed(call: Call) -> Reply:
            feed = self._world.feeds.get(int(call.params["channel"]))
            if feed is None:
                return NOT_FOUND
            self._world.show()
            try:
                return handler(call, feed)
            except BadFilter as bad:
                return errors(bad.problems)

        return with_feed

    def listing(self, lists_of: ListsOf, call: Call, feed: ChannelFeed) -> Reply:
        """List what the channel sees of its lists."""
        lists = lists_of(feed.channel)
        pks = whole_numbers(call.url.query, "pk__in")
        if pks is None:
            rows = chained(self._world.stocks.shown.get(pk, ()) for pk in lists)
        else:
            known = (feed.stock(pk) for pk in sorted(pks))
            rows = [stock for stock in known if stock is not None and stock.stock_list in lists]
        return envelope(
            call.url, filtered(rows, call.url.query, of=attrgetter("seen")), self._record
        )

    def feed(self, lists_of: ListsOf, change: Change, call: Call, feed: ChannelFeed) -> Reply:
        """Answer a bare array of what the channel has not taken yet; empty after the last page."""
        asked = whole_numbers(call.url.query, "stock_list")
        lists = [pk for pk in lists_of(feed.channel) if asked is None or pk in asked]
        page = page_of(call.url.query)
        stop = page.start + page.limit
        waiting = islice(feed.waiting(change, lists), max(page.start, 0), max(stop, 0))
        return Reply(200, [self._record(stock) for stock in waiting])

    def one(self, lists_of: ListsOf, call: Call, feed: ChannelFeed) -> Reply:
        """Answer one record, in an array."""
        stock = feed.stock(int(call.params["pk"]))
        if stock is None or stock.stock_list not in lists_of(feed.channel):
            return NOT_FOUND
        return Reply(200, [self._record(stock)])

    def _record(self, stock: Stock) -> dict[str, Any]:
        version = stock.seen or stock.current
        return channel_record(stock, version, reserve=self._world.config.reserve)

    def stock_lists(self, call: Call, feed: ChannelFeed) -> Reply:
        """List the channel's stock lists."""
        pks = (feed.channel.main_list, *feed.channel.extra_lists)
        rows = [self._world.lists[pk] for pk in pks if pk in self._world.lists]
        return envelope(call.url, rows, list_record)

    def batches(self, call: Call, feed: ChannelFeed) -> Reply:
        """List the batch requests, by status where one is asked for."""
        status = call.url.query.get("status")
        rows = [batch for batch in feed.batches.values() if status in (None, batch.status.value)]
        return envelope(call.url, rows, Batch.record)

    def batch(self, call: Call, feed: ChannelFeed) -> Reply:
        """Answer one batch request."""
        batch = feed.batches.get(int(call.params["pk"]))
        return NOT_FOUND if batch is None else Reply(200, batch.record())

    def open_batch(self, _call: Call, feed: ChannelFeed) -> Reply:
        """Create a batch request."""
        return Reply(201, feed.open_batch().record())

    def move_batch(self, call: Call, feed: ChannelFeed) -> Reply:
        """Commit, finish or otherwise move a batch request."""
        batch = feed.batches.get(int(call.params["pk"]))
        if batch is None:
            return NOT_FOUND
        problems = _batch_problems(call.body)
        if problems:
            return errors(problems)
        batch.content_type = call.body.get("content_type", batch.content_type)
        batch.remote_batch_id = call.body.get("remote_batch_id", batch.remote_batch_id)
        status = BatchState(call.body.get("status", batch.status))
        feed.move(batch, status, call.body.get("objects") or ())
        return Reply(200, {**batch.record(), "objects": call.body.get("objects") or []})

    def actions(self, call: Call, feed: ChannelFeed) -> Reply:
        """List what the channel's app did."""
        query = call.url.query
        if query.get("content_type_name", STOCK_TYPE["model"]) != STOCK_TYPE["model"]:
            return envelope(call.url, [], Action.record)
        objects = whole_numbers(query, "object_id__in")
        rows = [
            action
            for action in feed.actions.values()
            if (objects is None or action.object_id in objects)
            and query.get("status", action.status) == action.status
            and query.get("local_batch_id", action.local_batch_id) == action.local_batch_id
        ]
        return envelope(call.url, sorted(rows, key=attrgetter("pk")), Action.record)

    def action(self, call: Call, feed: ChannelFeed) -> Reply:
        """Answer one integration action."""
        pk = int(call.params["pk"])
        found = next((action for action in feed.actions.values() if action.pk == pk), None)
        return NOT_FOUND if found is None else Reply(200, found.record())

    def channels(self, call: Call) -> Reply:
        """List the channels."""
        return envelope(call.url, list(self._world.feeds.values()), _channel_record)

    def channel(self, _call: Call, feed: ChannelFeed) -> Reply:
        """Answer one channel."""
        return Reply(200, _channel_record(feed))

    def content_types(self, call: Call) -> Reply:
        """List the content types, or the one of a model."""
        model = call.url.query.get("model")
        rows = [kind for kind in CONTENT_TYPES if model in (None, kind["model"])]
        return envelope(call.url, rows, dict)

    def active_user(self, call: Call) -> Reply:
        """Say whose token it is."""
        return Reply(200, {"pk": 1, "username": call.user, "is_active": True})


def _channel_record(feed: ChannelFeed) -> dict[str, Any]:
    channel = feed.channel
    return {"pk": channel.id, "name": channel.name, "is_active": True, "conf": {}, "schema": {}}


def _batch_problems(body: object) -> dict[str, list[str]]:
    if not isinstance(body, dict):
        return {"non_field_errors": ["Invalid data. Expected a dictionary."]}
    problems = {}
    status = body.get("status", BatchState.INITIALIZED)
    if status not in list(BatchState):
        problems["status"] = [f'"{status}" is not a valid choice.']
    objects = body.get("objects") or []
    if not isinstance(objects, list) or not all(map(_names_a_stock, objects)):
        problems["objects"] = ["Expected a list of objects, each with an integer pk."]
    return problems


def _names_a_stock(item: object) -> bool:
    return isinstance(item, dict) and type(item.get("pk")) is int
