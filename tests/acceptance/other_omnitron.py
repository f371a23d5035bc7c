"""A second Omnitron, written from the API page alone on the standard library's streams.

It shares nothing with the sandbox, so that the two cannot agree on the same misunderstanding.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "0123456789abcdef0123456789abcdef01234567"
MAX = 2_147_483_647


@dataclass
class World:
    """What the server knows, and what it has seen."""

    stocks: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    posts: list[tuple[int, str, Any]] = field(default_factory=list)
    lists: dict[int, str] = field(default_factory=lambda: {1: "IST", 2: "BER"})
    by_pk: dict[int, dict[str, Any]] = field(default_factory=dict)
    flying: Counter[tuple[int, str]] = field(default_factory=Counter)
    overlaps: int = 0
    unexpected: list[str] = field(default_factory=list)


class OtherOmnitron:
    """Context manager: serves on a free loopback port until left, from a thread of its own."""

    def __init__(self) -> None:
        self.world = World()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def shown(self) -> dict[tuple[int, str], int]:
        return {key: record["stock"] for key, record in dict(self.world.stocks).items()}

    def take_posts(self) -> list[tuple[int, str, Any]]:
        """What was posted since the last call."""
        posts, self.world.posts = self.world.posts, []
        return posts

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(_Conversation(self.world).talk, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Conversation:
    """HTTP/1.1 with keep-alive, as far as a well-behaved client needs it."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                pairs = (line.split(":", 1) for line in head[1:] if line)
                headers = {name.lower(): value.strip() for name, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, answer = await self._reply(method, target, headers, body)
                writer.write(_message(status, answer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _reply(
        self, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, Any]:
        parts = urlsplit(target)
        if (method, parts.path) == ("POST", "/api/i1/auth/login/"):
            return self._login(json.loads(body))
        if headers.get("authorization") != f"Token {TOKEN}":
            return 401, {"detail": "Invalid token."}
        if (method, parts.path) == ("POST", "/api/i1/product_stock/"):
            return await self._upsert(json.loads(body))
        if method != "GET":
            self.world.unexpected.append(f"{method} {parts.path}")
            return 405, {"detail": "not allowed"}
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        answer = self._get([word for word in parts.path.split("/") if word], query)
        return (404, {"detail": "Not found."}) if answer is None else (200, answer)

    def _login(self, given: dict[str, str]) -> tuple[int, Any]:
        if given == {"username": "erp", "password": "s3cret"}:
            return 200, {"key": TOKEN}
        return 400, {"non_field_errors": ["Unable to log in."]}

    def _get(self, words: list[str], query: dict[str, str]) -> Any:
        if words == ["api", "i1", "stock_list"]:
            lists = [
                {"pk": pk, "name": code, "code": code, "is_auto_sync": False}
                for pk, code in self.world.lists.items()
            ]
            return _envelope(lists, query)
        if words == ["api", "i1", "product_stock"]:
            return _envelope(list(self.world.stocks.values()), query, _written)
        if words[:3] == ["api", "v1", "channel"]:
            return self._channel(words[4:], query)
        return None

    def _channel(self, words: list[str], query: dict[str, str]) -> Any:
        lists = {"product_stocks": {1}, "extra_product_stocks": {2}}.get(words[0])
        if lists is None:
            return None
        if "pk__in" in query:
            asked = [self.world.by_pk.get(int(pk)) for pk in query["pk__in"].split(",")]
            found = [record for record in asked if record is not None]
        else:
            found = list(self.world.stocks.values())
        records = [record for record in found if record["stock_list"] in lists]
        if words[1:] == ["inserts_or_updates"]:
            page, limit = int(query.get("page", 1)), int(query.get("limit", 100))
            return [_read(record) for record in records[(page - 1) * limit : page * limit]]
        return _envelope(records, query, _read)

    async def _upsert(self, given: dict[str, Any]) -> tuple[int, Any]:
        key = (given.get("stock_list", 0), given.get("product_sku", ""))
        self.world.flying[key] += 1
        self.world.overlaps += self.world.flying[key] > 1
        self.world.posts.append((*key, given.get("stock")))
        await asyncio.sleep(0)  # let other requests in, so that an overlap would show
        self.world.flying[key] -= 1
        errors = self._errors(given)
        return (400, errors) if errors else (201, self._stored(key, given))

    def _errors(self, given: dict[str, Any]) -> dict[str, list[str]]:
        errors = {}
        stock = given.get("stock", 0)
        if not isinstance(stock, int) or isinstance(stock, bool) or not 0 <= stock <= MAX:
            errors["stock"] = ["A valid integer is required."]
        if given.get("stock_list") not in self.world.lists:
            errors["stock_list"] = ["Invalid pk - object does not exist."]
        if not given.get("product_sku"):
            errors["product_sku"] = ["This field is required."]
        return errors

    def _stored(self, key: tuple[int, str], given: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC)
        number = len(self.world.stocks) + 501
        new = {"id": number, "stock": 0, "unit_type": "qty", "extra_field": {}, "born": now}
        record = self.world.stocks.setdefault(key, new)
        record.update(given, touched=now)
        self.world.by_pk[record["id"]] = record
        return _written(record)


def _message(status: int, answer: Any) -> bytes:
    content = json.dumps(answer).encode()
    head = (
        f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n"
        f"Date: {formatdate(usegmt=True)}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def _written(record: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "product_sku", "stock", "stock_list", "unit_type", "extra_field")
    return {name: record[name] for name in names} | {"sold_quantity_unreported": 0}


def _read(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "pk": record["id"],
        "product": record["id"] + 10_000,
        "unit_type": record["unit_type"],
        "stock": record["stock"],
        "sold_quantity_unreported": 0,
        "extra_field": {},
        "stock_list": record["stock_list"],
        "modified_collection": None,
        "adjusted_stock": record["stock"],
        "created_date": _date(record["born"]),
        "modified_date": _date(record["touched"]),
    }


def _date(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _envelope(
    records: list[Any], query: dict[str, str], form: Callable[[Any], Any] = lambda record: record
) -> dict[str, Any]:
    page, limit = int(query.get("page", 1)), int(query.get("limit", 20))
    shown = [form(record) for record in records[(page - 1) * limit : page * limit]]
    more = page * limit < len(records)
    following = f"http://127.0.0.1/?limit={limit}&page={page + 1}" if more else None
    return {"count": len(records), "next": following, "previous": None, "results": shown}
