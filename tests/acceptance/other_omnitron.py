"""A second Omnitron, written from the API page alone on the standard library's HTTP server.

It shares nothing with the sandbox, so that the two cannot agree on the same misunderstanding.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

TOKEN = "0123456789abcdef0123456789abcdef01234567"
MAX = 2_147_483_647


@dataclass
class World:
    """What the server knows, and what it has seen."""

    stocks: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    posts: list[tuple[int, str, Any]] = field(default_factory=list)
    lists: dict[int, str] = field(default_factory=lambda: {1: "IST", 2: "BER"})
    lock: threading.Lock = field(default_factory=threading.Lock)
    flying: Counter[tuple[int, str]] = field(default_factory=Counter)
    overlaps: int = 0
    unexpected: list[str] = field(default_factory=list)


class OtherOmnitron:
    """Context manager: serves on a free loopback port until left."""

    def __init__(self) -> None:
        self.world = World()
        handler = type("Handler", (_Handler,), {"world": self.world})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def shown(self) -> dict[tuple[int, str], int]:
        with self.world.lock:
            return {key: record["stock"] for key, record in self.world.stocks.items()}

    def take_posts(self) -> list[tuple[int, str, Any]]:
        """What was posted since the last call."""
        with self.world.lock:
            posts, self.world.posts = self.world.posts, []
        return posts

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        if path == "/api/i1/auth/login/":
            return self._login(json.loads(body))
        if not self._allowed():
            return None
        if path != "/api/i1/product_stock/":
            self.world.unexpected.append(f"POST {path}")
            return self._answer(405, {"detail": "not allowed"})
        return self._upsert(json.loads(body))

    def do_GET(self) -> None:
        if not self._allowed():
            return
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        words = [word for word in parts.path.split("/") if word]
        with self.world.lock:
            if words == ["api", "i1", "stock_list"]:
                lists = [
                    {"pk": pk, "name": code, "code": code, "is_auto_sync": False}
                    for pk, code in self.world.lists.items()
                ]
                answer: Any = _envelope(lists, query)
            elif words == ["api", "i1", "product_stock"]:
                answer = _envelope([_written(r) for r in self.world.stocks.values()], query)
            elif words[:3] == ["api", "v1", "channel"]:
                answer = self._channel(words[4:], query)
            else:
                answer = None
        if answer is None:
            self._answer(404, {"detail": "Not found."})
        else:
            self._answer(200, answer)

    def _channel(self, words: list[str], query: dict[str, str]) -> Any:
        lists = {"product_stocks": {1}, "extra_product_stocks": {2}}.get(words[0])
        if lists is None:
            return None
        records = [_read(r) for r in self.world.stocks.values() if r["stock_list"] in lists]
        if words[1:] == ["inserts_or_updates"]:
            page, limit = int(query.get("page", 1)), int(query.get("limit", 100))
            return records[(page - 1) * limit : page * limit]
        if "pk__in" in query:
            wanted = {int(pk) for pk in query["pk__in"].split(",")}
            records = [record for record in records if record["pk"] in wanted]
        return _envelope(records, query)

    def _login(self, given: dict[str, str]) -> None:
        if given == {"username": "erp", "password": "s3cret"}:
            self._answer(200, {"key": TOKEN})
        else:
            self._answer(400, {"non_field_errors": ["Unable to log in."]})

    def _allowed(self) -> bool:
        if self.headers.get("Authorization") == f"Token {TOKEN}":
            return True
        self._answer(401, {"detail": "Invalid token."})
        return False

    def _upsert(self, given: dict[str, Any]) -> None:
        key = (given.get("stock_list", 0), given.get("product_sku", ""))
        with self.world.lock:
            self.world.flying[key] += 1
            self.world.overlaps += self.world.flying[key] > 1
            self.world.posts.append((*key, given.get("stock")))
        errors = self._errors(given)
        if errors:
            status, answer = 400, errors
        else:
            status, answer = 201, self._stored(key, given)
        with self.world.lock:
            self.world.flying[key] -= 1
        self._answer(status, answer)

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
        with self.world.lock:
            now = datetime.now(UTC)
            number = len(self.world.stocks) + 501
            record = self.world.stocks.setdefault(
                key, {"id": number, "stock": 0, "unit_type": "qty", "extra_field": {}, "born": now}
            )
            record.update(given, touched=now)
            return _written(record)

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


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


def _envelope(records: list[Any], query: dict[str, str]) -> dict[str, Any]:
    page, limit = int(query.get("page", 1)), int(query.get("limit", 20))
    shown = records[(page - 1) * limit : page * limit]
    more = page * limit < len(records)
    following = f"http://127.0.0.1/?limit={limit}&page={page + 1}" if more else None
    return {"count": len(records), "next": following, "previous": None, "results": shown}


