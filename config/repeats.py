"""Counts repeated warnings instead of repeating them. Pure; the time is passed in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable

WINDOW = 60.0
"""Seconds in which a warning is written once."""

MOST = 1_000
"""So many different warnings are remembered; then the oldest is forgotten."""


class Repeated(NamedTuple):
    """A warning whose window is over, and how often it was not written meanwhile."""

    event: str
    times: int


@dataclass(slots=True)
class _Seen:
    event: str
    since: float
    count: int = 0


class Repeats:
    """Which warnings were written lately."""

    def __init__(self, *, window: float = WINDOW, most: int = MOST) -> None:
        self._window = window
        self._most = most
        self._seen: OrderedDict[Hashable, _Seen] = OrderedDict()

    def admit(self, key: Hashable, *, event: str, now: float) -> bool:
        """Whether to write a warning; if not, it is counted. Ask `expired` first."""
        seen = self._seen.get(key)
        if seen is not None:
            seen.count += 1
            return False
        self._seen[key] = _Seen(event, now)
        return True

    def expired(self, now: float) -> list[Repeated]:
        """Take out what is over, oldest first; what was counted is returned to be written."""
        over: list[_Seen] = []
        while self._seen:
            first = next(iter(self._seen.values()))
            if 0 <= now - first.since < self._window and len(self._seen) < self._most:
                break
            over.append(self._seen.popitem(last=False)[1])
        return [Repeated(seen.event, seen.count) for seen in over if seen.count]

    def rest(self) -> list[Repeated]:
        """Take out everything, at the end of the process."""
        counted = [Repeated(seen.event, seen.count) for seen in self._seen.values() if seen.count]
        self._seen.clear()
        return counted
