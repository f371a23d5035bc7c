"""Counts of requests, and how many were under way at once."""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

Key = tuple[int, str]

MAX_OVERLAPS = 100


class Caller(Protocol):
    """A request, as far as it matters whether somebody still waits for its answer."""

    @property
    def transport(self) -> Any:
        """The connection, None once it is gone."""


class Stats:
    """Counters by method, route and outcome; concurrency overall and per (list, SKU).

    A request whose caller has hung up is no longer under way: what the caller gave up may be sent
    again without counting as an overlap.
    """

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._total = 0
        self._in_flight = 0
        self._most_in_flight = 0
        self._by_key: dict[Key, list[Caller]] = {}
        self._most_per_key = 0
        self._overlaps: list[dict[str, Any]] = []
        self._second = 0
        self._this_second = 0
        self._busiest_second = 0

    def begin(self, now: float) -> None:
        """Note that a request came in; now in epoch seconds."""
        self._total += 1
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)
        if int(now) != self._second:
            self._second, self._this_second = int(now), 0
        self._this_second += 1
        self._busiest_second = max(self._busiest_second, self._this_second)

    def end(self, method: str, route: str, outcome: str) -> None:
        """Note how a request ended: its status, or ``reset``."""
        self._in_flight -= 1
        self._requests[method, route, outcome] += 1

    def enter(self, key: Key, caller: Caller, now: float) -> None:
        """Note that a write of a key is under way."""
        waiting = [other for other in self._by_key.get(key, ()) if _waits(other)]
        waiting.append(caller)
        self._by_key[key] = waiting
        self._most_per_key = max(self._most_per_key, len(waiting))
        if len(waiting) > 1 and len(self._overlaps) < MAX_OVERLAPS:
            self._overlaps.append({"stock_list": key[0], "sku": key[1], "at": now})

    def leave(self, key: Key, caller: Caller) -> None:
        """Note that a write of a key is over."""
        rest = [other for other in self._by_key.get(key, ()) if other is not caller]
        if rest:
            self._by_key[key] = rest
        else:
            self._by_key.pop(key, None)

    def report(self) -> dict[str, Any]:
        """Return all counts as JSON."""
        counts = sorted(self._requests.items())
        return {
            "total": self._total,
            "in_flight": self._in_flight,
            "max_in_flight": self._most_in_flight,
            "max_in_flight_per_key": self._most_per_key,
            "overlaps": list(self._overlaps),
            "busiest_second": self._busiest_second,
            "requests": [
                {"method": method, "path": route, "status": outcome, "count": count}
                for (method, route, outcome), count in counts
            ],
        }


def _waits(caller: Caller) -> bool:
    transport = caller.transport
    return transport is not None and not transport.is_closing()
