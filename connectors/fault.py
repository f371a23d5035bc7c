"""Crash points: places between two effects where a test may kill this process. Off unless armed.

A killed process is what no ``except`` and no ``finally`` can soften, so whatever stands between two
effects (a commit, a request, a file that moves) has a name here, and tests kill at every passage.
Knows nothing else; reads no environment.
"""

from __future__ import annotations

import enum
import fcntl
import os
import re
import signal
from pathlib import Path


class Point(enum.StrEnum):
    """Every place that can be named; each stands between two effects."""

    COMMIT = "ledger.commit"  # a write transaction is whole, but not committed
    COMMITTED = "ledger.committed"
    READ = "pull.read"  # a source was read to its end, nothing is decided
    ASIDE = "file.aside"  # rejected rows stand in a file that nobody sees yet
    REASON = "file.reason"  # why a file failed is written, the file not moved
    MOVING = "file.moving"
    MOVED = "file.moved"
    ENDING = "lease.ending"  # the turn is done, others may not pull yet
    CLAIMED = "deliver.claimed"
    SENDING = "deliver.sending"  # the next request has not started
    LEFT = "request.left"  # Omnitron has it and begins to answer, which is not read yet
    ANSWERED = "deliver.answered"  # the answer is here, nothing is recorded
    PAGE = "confirm.page"  # a channel's page is here, nothing is recorded
    RINGING = "bell.ringing"  # work is in the ledger, the broker knows nothing of it
    RUNG = "bell.rung"


ANY = "any"
_ORDER = re.compile(r"(?P<name>[a-z.]+):(?P<number>\d+)(?:@(?P<file>.+))?")
_KILLED = "killed"


class Order:
    """When to kill: at the ``number``-th passage of a point, or of whichever point.

    file: passages are counted over all processes that share it, one line each, and it kills once;
    without it each process counts its own, and dies again. Number 0 only counts.
    """

    def __init__(self, name: str, number: int, file: Path | None = None) -> None:
        self._name = name
        self._number = number
        self._file = file
        self._passed = 0

    @classmethod
    def from_text(cls, text: str) -> Order:
        """Read ``deliver.sending:3``, ``any:17`` or ``any:17@/path``. Raises ValueError."""
        found = _ORDER.fullmatch(text)
        if found is None or found["name"] not in {ANY, *Point}:
            raise ValueError(f"no crash point: {text[:100]!r}")
        file = Path(found["file"]) if found["file"] else None
        return cls(found["name"], int(found["number"]), file)

    def passes(self, point: Point) -> None:
        """Count a passage; this may be the last that this process does."""
        if self._file is not None:
            self._count_in(self._file, point)
        elif self._means(point):
            self._passed += 1
            if self._passed == self._number:
                _die()

    def _means(self, point: str) -> bool:
        return self._name in {ANY, point}

    def _count_in(self, file: Path, point: Point) -> None:
        with file.open("a+") as lines:
            fcntl.flock(lines, fcntl.LOCK_EX)
            lines.seek(0)
            before = lines.read().split()
            lines.write(f"{point}\n")
            if _KILLED in before or not self._means(point):
                return
            if 1 + sum(map(self._means, before)) == self._number:
                lines.write(f"{_KILLED}\n")
                lines.flush()
                _die()


_order: Order | None = None


def arm(order: Order | None) -> None:
    """Let this process, and those that it forks, be killed as ordered; None: no more."""
    global _order  # noqa: PLW0603 - a crash point is known by its place in the code alone
    _order = order


def point(name: Point) -> None:
    """Stand between two effects."""
    if _order is not None:
        _order.passes(name)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
