"""How long a change in the ERP took to reach the sales channel. Pure; times in seconds.

For each key the ERP's commits are laid beside the writes that Omnitron accepted. A commit has
arrived with the first write after it whose value is the commit's or that of a later commit of the
key which had happened by then.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from worker.demo.writer import Commit

Key = tuple[int, str]


class Shown(NamedTuple):
    """One write that Omnitron accepted: received and visible in a channel, in epoch seconds."""

    key: Key
    received: float
    visible: float
    stock: int


Item = TypeVar("Item", "Commit", "Shown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """seconds: one per change that arrived, sorted.

    undone: there and back again before anybody read it, so that nothing had to be sent.
    missing: changes that should have arrived and have not.
    """

    seconds: Sequence[float] = ()
    undone: int = 0
    missing: int = 0

    @property
    def changes(self) -> int:
        """How many changes were looked at."""
        return len(self.seconds) + self.undone + self.missing

    def percentile(self, share: float) -> float:
        """The nearest-rank percentile, 0 < share <= 1. NaN without samples."""
        if not self.seconds:
            return math.nan
        return self.seconds[math.ceil(share * len(self.seconds)) - 1]


def measure(commits: Iterable[Commit], writes: Iterable[Shown], *, since: float) -> Timing:
    """Time every change of a sellable stock that was committed at ``since`` or later."""
    seconds: list[float] = []
    undone = missing = 0
    commits_of, writes_of = _by_key(commits), _by_key(writes)
    for key, of_key in commits_of.items():
        for number, commit in enumerate(of_key):
            if commit.at < since or commit.before == commit.after:
                continue
            later = of_key[number:]
            arrived = _arrival(later, writes_of.get(key, ()))
            if arrived is not None:
                seconds.append(arrived - commit.at)
            elif _was_there(later, writes_of.get(key, ())):
                undone += 1
            else:
                missing += 1
    return Timing(seconds=sorted(seconds), undone=undone, missing=missing)


def _by_key(items: Iterable[Item]) -> dict[Key, list[Item]]:
    grouped: dict[Key, list[Item]] = defaultdict(list)
    for item in items:
        grouped[item.key].append(item)
    return grouped


def _arrival(later: Sequence[Commit], writes: Sequence[Shown]) -> float | None:
    """When a channel first showed the first of ``later``, or what came of it."""
    for write in writes:
        if write.received >= later[0].at and _is_of(write, later):
            return write.visible
    return None


def _is_of(write: Shown, later: Sequence[Commit]) -> bool:
    return any(commit.after == write.stock and commit.at <= write.received for commit in later)


def _was_there(later: Sequence[Commit], writes: Sequence[Shown]) -> bool:
    """Whether the key came to be, by one of ``later``, what Omnitron had by then anyway."""
    for commit in later:
        before = [write.stock for write in writes if write.received < commit.at]
        if before and before[-1] == commit.after:
            return True
    return False
