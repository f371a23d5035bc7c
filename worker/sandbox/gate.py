"""The way of a request: counted, matched with the faults, answered."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from aiohttp import web

from worker.sandbox import mischief
from worker.sandbox.channel_api import ChannelApi
from worker.sandbox.control import PREFIX, Control
from worker.sandbox.faults import Fault, FaultKind
from worker.sandbox.reply import NOT_FOUND, Reply, detail
from worker.sandbox.routing import NOWHERE, Call, Found, Router
from worker.sandbox.stocks import Fate
from worker.sandbox.write_api import PRODUCT_STOCK, WriteApi

if TYPE_CHECKING:
    from worker.sandbox.stats import Key
    from worker.sandbox.world import World

RESETS = frozenset({FaultKind.RESET_UNREAD, FaultKind.RESET, FaultKind.RESET_ANSWER})
TOO_LARGE = detail(413, "Request body is too large.")
THROTTLED = "Request was throttled."
NO_TOKEN = "Authentication credentials were not provided."  # noqa: S105 - a message
BAD_TOKEN = "Invalid token."  # noqa: S105 - a message
CHALLENGE = {"WWW-Authenticate": "Token"}


class Heard(NamedTuple):
    """A request's body: parsed, or the answer to what is wrong with it."""

    body: Any
    problem: Reply | None = None


class Visit(NamedTuple):
    """One request under way; received in epoch seconds."""

    request: web.BaseRequest
    found: Found
    received: float

    @property
    def method(self) -> str:
        """The request's method."""
        return self.request.method

    @property
    def path(self) -> str:
        """The request's path, without the query."""
        return self.request.path


class Gate:
    """The request handler of the server."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._control = Control(world)
        self._router = Router((*WriteApi(world).routes(), *ChannelApi(world).routes()))

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.path
        if path.startswith(PREFIX):
            return await self._control.answer(request)
        visit = Visit(request, self._router.find(path), time.time())
        stats = self._world.stats
        stats.begin(visit.received)
        outcome = "aborted"
        try:
            response, fault = await self._visit(visit)
            outcome = _outcome(response, fault)
        finally:
            stats.end(visit.method, visit.found.route.path, outcome)
        return response

    async def _visit(self, visit: Visit) -> tuple[web.StreamResponse, Fault | None]:
        world = self._world
        if not world.rate.admits(time.monotonic(), world.config.requests_per_second):
            return self._throttled().response(), None
        fault = world.book.unread(visit.method, visit.path)
        if fault is not None:
            await asyncio.sleep(fault.before)
            return mischief.cut(visit.request), fault
        heard = await _hear(visit.request)
        key = _key(visit, heard)
        if key is None:
            return await self._meet(visit, heard, key)
        stats = world.stats
        stats.enter(key, visit.request, visit.received)
        try:
            return await self._meet(visit, heard, key)
        finally:
            stats.leave(key, visit.request)

    async def _meet(
        self, visit: Visit, heard: Heard, key: Key | None
    ) -> tuple[web.StreamResponse, Fault | None]:
        fault = self._world.book.read(visit.method, visit.path, key)
        if fault is None:
            return self._reply(visit, heard, Fate.APPLIED).response(), None
        if fault.before:
            await asyncio.sleep(fault.before)
        reply = self._reply(visit, heard, mischief.fate_of(fault))
        if fault.after:
            await asyncio.sleep(fault.after)
        return await mischief.answer(visit.request, fault, reply), fault

    def _reply(self, visit: Visit, heard: Heard, fate: Fate) -> Reply:
        route, params = visit.found
        if visit.found is NOWHERE:
            return NOT_FOUND
        user = "" if route.open else self._user(visit.request)
        if user is None:
            return _denied(visit.request)
        refusal = route.refusal(visit.method) or heard.problem
        if refusal is not None:
            return refusal
        if fate is Fate.REFUSED and visit.method != "GET" and visit.path != PRODUCT_STOCK:
            return Reply(200, {})
        call = Call(visit.method, visit.request.url, params, heard.body, user, fate, visit.received)
        return route.methods[visit.method](call)

    def _user(self, request: web.BaseRequest) -> str | None:
        header = request.headers.get("Authorization", "")
        life = self._world.config.token_seconds
        return self._world.access.user_of(header, time.monotonic(), life)

    def _throttled(self) -> Reply:
        wait = self._world.config.retry_after
        return detail(429, THROTTLED, {} if wait is None else {"Retry-After": wait})


def _denied(request: web.BaseRequest) -> Reply:
    text = BAD_TOKEN if "Authorization" in request.headers else NO_TOKEN
    return detail(401, text, CHALLENGE)


def _outcome(response: web.StreamResponse, fault: Fault | None) -> str:
    return "reset" if fault is not None and fault.kind in RESETS else str(response.status)


async def _hear(request: web.BaseRequest) -> Heard:
    if request.method in ("GET", "HEAD", "OPTIONS", "DELETE"):
        return Heard(None)
    try:
        raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return Heard(None, TOO_LARGE)
    if request.content_type != "application/json":
        text = f'Unsupported media type "{request.content_type}" in request.'
        return Heard(None, detail(415, text))
    try:
        return Heard(orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        return Heard(None, detail(400, f"JSON parse error - {error}"))


def _key(visit: Visit, heard: Heard) -> Key | None:
    body = heard.body
    if visit.path != PRODUCT_STOCK or not isinstance(body, dict):
        return None
    stock_list, sku = body.get("stock_list"), body.get("product_sku")
    return (stock_list, sku) if type(stock_list) is int and isinstance(sku, str) else None
