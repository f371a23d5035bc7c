"""Which function answers which path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from worker.sandbox.reply import Reply, detail

if TYPE_CHECKING:
    from yarl import URL

    from worker.sandbox.stocks import Fate


class Call(NamedTuple):
    """A request, as far as handlers need it; received in epoch seconds."""

    method: str
    url: URL
    params: Mapping[str, str]
    body: Any
    user: str
    fate: Fate
    received: float


Handler = Callable[[Call], Reply]


class Route(NamedTuple):
    """One resource: its path with ``{names}``, its methods, and whether a token is needed."""

    path: str
    methods: Mapping[str, Handler]
    open: bool = False

    def refusal(self, method: str) -> Reply | None:
        """Answer a method that the resource does not have."""
        if method in self.methods:
            return None
        allowed = ", ".join(sorted(self.methods))
        return detail(405, f'Method "{method}" not allowed.', {"Allow": allowed})


class Found(NamedTuple):
    """A route and what its ``{names}`` stand for."""

    route: Route
    params: Mapping[str, str]


NOWHERE = Found(Route("(other)", {}), {})
"""Unknown paths share one name, so that counters cannot grow without end."""


class Router:
    """Fixed paths by look-up, the rest by pattern."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._fixed = {route.path: Found(route, {}) for route in routes if "{" not in route.path}
        self._patterns = [(_pattern(route.path), route) for route in routes if "{" in route.path]

    def find(self, path: str) -> Found:
        """Return the route of a path, NOWHERE if there is none."""
        found = self._fixed.get(path)
        if found is not None:
            return found
        for pattern, route in self._patterns:
            if match := pattern.fullmatch(path):
                return Found(route, match.groupdict())
        return NOWHERE


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[0-9]{1,18})", path))
