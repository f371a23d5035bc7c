"""``/_sandbox/…``: order faults, look behind the scenes, change the scenery. Needs no token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import TypeAdapter, ValidationError

from worker.sandbox.faults import Fault
from worker.sandbox.reply import NOT_FOUND, Reply, detail, errors
from worker.sandbox.settings import SandboxChannel, SandboxList, SandboxUser
from worker.sandbox.stocks import write_record
from worker.sandbox.validation import Write

if TYPE_CHECKING:
    from aiohttp import web

    from worker.sandbox.world import World

PREFIX = "/_sandbox"

_FAULT: TypeAdapter[Fault] = TypeAdapter(Fault)
_FAULTS: TypeAdapter[list[Fault]] = TypeAdapter(list[Fault])
_LIST: TypeAdapter[SandboxList] = TypeAdapter(SandboxList)
_CHANNEL: TypeAdapter[SandboxChannel] = TypeAdapter(SandboxChannel)
_USER: TypeAdapter[SandboxUser] = TypeAdapter(SandboxUser)
_PRODUCTS: TypeAdapter[list[str] | None] = TypeAdapter(list[str] | None)

Handler = Callable[[Mapping[str, str], Any], Any]


class Control:
    """The sandbox's own calls; a handler takes query and body, and returns JSON."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._calls: Mapping[str, Handler] = {
            "GET /": self.index,
            "GET /journal": self.journal,
            "GET /stats": lambda _query, _body: world.stats.report(),
            "GET /state": lambda _query, _body: world.state(),
            "GET /faults": lambda _query, _body: world.book.records(),
            "POST /faults": self.order,
            "DELETE /faults": self.lift,
            "POST /settings": self.adjust,
            "POST /tokens/revoke": lambda _query, _body: {"revoked": world.access.revoke()},
            "POST /stock_lists": self.add_list,
            "POST /channels": self.add_channel,
            "POST /users": self.add_user,
            "POST /products": self.set_products,
            "POST /edit": self.edit,
            "POST /consume": self.consume,
            "POST /reset": self.reset,
        }

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Answer one call; what cannot be understood is a 400 that says why."""
        place = request.path.removeprefix(PREFIX).rstrip("/") or "/"
        call = self._calls.get(f"{request.method} {place}")
        if call is None:
            return NOT_FOUND.response()
        try:
            raw = await request.read()
            body = orjson.loads(raw) if raw else None
            return Reply(200, call(request.query, body)).response()
        except ValidationError as error:
            return errors(_problems(error)).response()
        except ValueError as error:
            return detail(400, str(error)).response()

    def index(self, _query: Mapping[str, str], _body: object) -> Any:
        """List the calls."""
        return {"calls": [name.replace(" ", f" {PREFIX}") for name in self._calls]}

    def journal(self, query: Mapping[str, str], _body: object) -> Any:
        """Return the accepted writes after number ``since``, at most ``limit``."""
        limit = int(query["limit"]) if "limit" in query else None
        entries = self._world.journal.since(int(query.get("since", "0")), limit)
        return {
            "last": self._world.journal.last,
            "entries": [entry._asdict() for entry in entries],
        }

    def order(self, _query: Mapping[str, str], body: object) -> Any:
        """Order one fault or a list of them."""
        many = isinstance(body, list)
        faults = _FAULTS.validate_python(body) if many else [_FAULT.validate_python(body)]
        return {"ids": [self._world.book.order(fault) for fault in faults]}

    def lift(self, query: Mapping[str, str], _body: object) -> Any:
        """Take back the fault ``id``, or all."""
        number = int(query["id"]) if "id" in query else None
        return {"lifted": self._world.book.lift(number)}

    def adjust(self, _query: Mapping[str, str], body: object) -> Any:
        """Change settings while running."""
        changes = _object(body)
        self._world.adjust(changes)
        return changes

    def add_list(self, _query: Mapping[str, str], body: object) -> Any:
        """Create a stock list."""
        self._world.add_list(_LIST.validate_python(body))
        return body

    def add_channel(self, _query: Mapping[str, str], body: object) -> Any:
        """Create a channel."""
        self._world.add_channel(_CHANNEL.validate_python(body))
        return body

    def add_user(self, _query: Mapping[str, str], body: object) -> Any:
        """Create a user, or change the password."""
        user = _USER.validate_python(body)
        self._world.access.add(user)
        return {"username": user.username}

    def set_products(self, _query: Mapping[str, str], body: object) -> Any:
        """Say which SKUs exist: a list, or null for any."""
        skus = _PRODUCTS.validate_python(body)
        self._world.set_products(skus)
        return {"products": None if skus is None else len(skus)}

    def edit(self, _query: Mapping[str, str], body: object) -> Any:
        """Write a stock as somebody in the back office would."""
        judged = self._world.judge(body)
        if not isinstance(judged, Write):
            raise ValueError("; ".join(f"{name}: {texts[0]}" for name, texts in judged.items()))  # noqa: TRY004 - the value is wrong
        written = self._world.write(judged, by="back_office")
        return write_record(written.stock, written.version)

    def consume(self, _query: Mapping[str, str], body: object) -> Any:
        """Let the app of ``channel`` take up to ``limit`` stocks; ``done``: false to fail."""
        asked = _object(body)
        feed = self._world.feeds.get(asked.get("channel", 0))
        if feed is None:
            known = ", ".join(map(str, self._world.feeds))
            raise ValueError(f"channel must be one of: {known}")
        self._world.show()
        taken = feed.consume(limit=asked.get("limit", 100), done=asked.get("done", True))
        return {"taken": taken}

    def reset(self, _query: Mapping[str, str], _body: object) -> Any:
        """Go back to the start."""
        self._world.reset()
        return {}


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise ValueError("a JSON object is expected")  # noqa: TRY004 - becomes a 400
    return body


def _problems(error: ValidationError) -> dict[str, list[str]]:
    problems: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_input=False):
        place = ".".join(str(part) for part in item["loc"]) or "body"
        problems.setdefault(place, []).append(item["msg"])
    return problems
