"""An answer before it becomes bytes, so that handlers are plain functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_HEADERS: Mapping[str, str] = {}


class Reply(NamedTuple):
    """A status, a payload that becomes JSON, and headers."""

    status: int
    payload: Any
    headers: Mapping[str, str] = NO_HEADERS

    def encoded(self) -> bytes:
        """Return the payload as JSON text."""
        return orjson.dumps(self.payload)

    def response(self) -> web.Response:
        """Build what goes over the wire."""
        return web.Response(
            body=self.encoded(),
            status=self.status,
            content_type="application/json",
            headers=self.headers or None,
        )


def detail(status: int, text: str, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    """Answer the way Django REST framework words its own errors."""
    return Reply(status, {"detail": text}, headers)


def errors(problems: Mapping[str, list[str]]) -> Reply:
    """Answer 400 with ``{field: [messages]}``."""
    return Reply(400, problems)


NOT_FOUND = detail(404, "Not found.")
