"""The write side: login, product stocks, stock lists."""

from __future__ import annotations

import math
import time
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from worker.sandbox.paging import BadFilter, chained, envelope, filtered
from worker.sandbox.reply import Reply, detail, errors
from worker.sandbox.routing import Call, Route
from worker.sandbox.stocks import Stock, write_record
from worker.sandbox.validation import REQUIRED, Write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.sandbox.settings import SandboxList
    from worker.sandbox.world import World

PRODUCT_STOCK = "/api/i1/product_stock/"


class WriteApi:
    """``/api/i1/``, and the login that ``/api/v1/`` shares with it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> Sequence[Route]:
        """Return the resources."""
        login = {"POST": self.login}
        return (
            Route("/api/i1/auth/login/", login, open=True),
            Route("/api/v1/auth/login/", login, open=True),
            Route(PRODUCT_STOCK, {"GET": self.stocks, "POST": self.write}),
            Route("/api/i1/stock_list/", {"GET": self.stock_lists}),
        )

    def login(self, call: Call) -> Reply:
        """Give out a token."""
        world, now = self._world, time.monotonic()
        wait = world.access.login_wait(now, world.config.logins_per_minute)
        if wait:
            seconds = str(math.ceil(wait))
            text = f"Request was throttled. Expected available in {seconds} seconds."
            return detail(429, text, {"Retry-After": seconds})
        problems = _login_problems(call.body)
        if problems:
            return errors(problems)
        username, password = call.body["username"], call.body["password"]
        if not world.access.knows(username, password):
            return errors({"non_field_errors": ["Unable to log in with provided credentials."]})
        life = world.config.token_seconds
        return Reply(200, {"key": world.access.token_for(username, now, life)})

    def write(self, call: Call) -> Reply:
        """Create or update one stock: 201 and the whole record either way."""
        judged = self._world.judge(call.body)
        if not isinstance(judged, Write):
            return errors(judged)
        written = self._world.write(judged, fate=call.fate, received=call.received)
        return Reply(201, write_record(written.stock, written.version))

    def stocks(self, call: Call) -> Reply:
        """List what was written."""
        rows = chained(self._world.stocks.by_list.values())
        try:
            found = filtered(rows, call.url.query, of=attrgetter("current"))
        except BadFilter as bad:
            return errors(bad.problems)
        return envelope(call.url, found, _as_written)

    def stock_lists(self, call: Call) -> Reply:
        """List the stock lists."""
        return envelope(call.url, list(self._world.lists.values()), list_record)


def _as_written(stock: Stock) -> dict[str, Any]:
    return write_record(stock, stock.current)


def list_record(stock_list: SandboxList) -> dict[str, Any]:
    """Return a stock list as the API shows it."""
    return {
        "pk": stock_list.pk,
        "id": stock_list.pk,
        "name": stock_list.name,
        "code": stock_list.code,
        "is_auto_sync": stock_list.is_auto_sync,
    }


def _login_problems(body: object) -> dict[str, list[str]]:
    if not isinstance(body, dict):
        return {"non_field_errors": ["Invalid data. Expected a dictionary."]}
    return {
        name: [REQUIRED if name not in body else "Not a valid string."]
        for name in ("username", "password")
        if not isinstance(body.get(name), str)
    }
