"""The sandbox from behind its scenes: what it was ordered to do, and what it has seen."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from worker.demo.timing import Shown
from worker.demo.waiting import DemoFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

PROPAGATION_SECONDS = 1.0
"""So much later a channel sees a write, as ordered from the sandbox."""

_ANSWER_SECONDS = 10.0
_ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@dataclass(frozen=True, slots=True)
class Remote:
    """A running sandbox at ``url``."""

    url: str

    def open(self, products: Iterable[str]) -> None:
        """Say which products exist, and let channels see a write a while later."""
        self._ask("POST", "products", sorted(products))
        self._ask("POST", "settings", {"propagation_seconds": PROPAGATION_SECONDS})

    def any_product(self) -> None:
        """From now on every product exists."""
        self._ask("POST", "products", None)

    def writes(self) -> list[Mapping[str, Any]]:
        """The journal: every accepted write, in order."""
        entries: list[Mapping[str, Any]] = self._ask("GET", "journal")["entries"]
        return entries

    def state(self) -> dict[str, dict[str, Any]]:
        """Every record by ``stock_list:sku``."""
        found: dict[str, dict[str, Any]] = self._ask("GET", "state")
        return found

    def stats(self) -> dict[str, Any]:
        """Counts of requests and of concurrency."""
        found: dict[str, Any] = self._ask("GET", "stats")
        return found

    def _ask(self, method: str, path: str, body: object = ...) -> Any:
        host = self.url.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=_ANSWER_SECONDS)
        try:
            content = None if body is ... else orjson.dumps(body)
            connection.request(method, f"/_sandbox/{path}", content)
            answer = connection.getresponse()
            told = answer.read()
        except OSError as error:
            raise DemoFailed(f"the sandbox does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise DemoFailed(f"the sandbox answers {answer.status}: {told[:200].decode()}")
        return orjson.loads(told)


def address_in(log: Path) -> str:
    """The address that a sandbox has written to its log, "" before it has."""
    found = _ADDRESS.search(log.read_text(encoding="utf-8", errors="replace"))
    return found[0] if found else ""


def shown(writes: Iterable[Mapping[str, Any]]) -> list[Shown]:
    """The journal as timing needs it: when a channel could see each write."""
    return [
        Shown(
            key=(write["stock_list"], write["sku"]),
            received=write["received_at"],
            visible=write["applied_at"] + PROPAGATION_SECONDS,
            stock=write["stock"],
        )
        for write in writes
        if write["applied_at"] is not None
    ]
