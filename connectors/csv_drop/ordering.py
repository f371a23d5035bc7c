"""Where a file stands among those of its source. Pure.

By name: runs of digits count as numbers, so that ``stock_10`` follows ``stock_9``, and the text
before the pattern's first wildcard does not count. Where snapshots lie beside deltas under names of
their own, the numbers alone count. By modification time, or by a time within the name, where that
is configured. What stands at one place is ordered by modification time, then by name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from connectors.csv_drop.dates import NoTime, doubtful_date, is_year_first, time_of
from connectors.csv_drop.options import OrderBy

if TYPE_CHECKING:
    from connectors.csv_drop.options import CsvOptions

Rank = tuple[int | str, ...]

_LITERAL = re.compile(r"[^*?\[]*")
_DIGITS = re.compile(r"([0-9]+)")
_ORDER_REMEDY = (
    'Set `name_time` (such as "%d%m%Y_%H%M"), or `order = "mtime"` if the times of the files can '
    "be trusted; digits that are the same in every name belong into `pattern`, before its wildcard."
)


class Order(NamedTuple):
    """Where a file stands in its source: its rank, then its modification time, then its name."""

    rank: Rank
    mtime_ns: int
    name: str


class NoPlace(Exception):  # noqa: N818 - named by what was not found
    """A name does not tell where its file stands; the text says why and what to do."""


class Ordering:
    """The order of one source's files."""

    def __init__(self, options: CsvOptions) -> None:
        self._options = options

    def place(self, name: str, mtime_ns: int) -> Order:
        """Find the place of a file that is to be read.

        mtime_ns: its believed modification time. Raises NoPlace.
        """
        options = self._options
        if options.name_time is None and options.order is OrderBy.NAME:
            if digits := doubtful_date(self._variable(name)):
                raise NoPlace(
                    f"The digits {digits!r} in its name may be a date with the day in front, whose "
                    f"order is not that of the digits, and this is not guessed. {_ORDER_REMEDY}"
                )
            if options.full_pattern is not None and not self._numbers(name):
                raise NoPlace(
                    "Its name has no number that tells its place among snapshots and deltas. "
                    + _ORDER_REMEDY
                )
        try:
            return Order(self._rank(name, mtime_ns), mtime_ns, name)
        except NoTime as error:
            raise NoPlace(f"{error} Rename it, or correct `name_time`.") from error

    def recall(self, name: str, mtime_ns: int) -> Order:
        """Find the place of a file that was applied, whatever is configured by now.

        A name without the time that is wanted now comes before all others.
        """
        try:
            return Order(self._rank(name, mtime_ns), mtime_ns, name)
        except NoTime:
            return Order((), mtime_ns, name)

    def _rank(self, name: str, mtime_ns: int) -> Rank:
        """Rank a name or a time. Raises NoTime."""
        options = self._options
        if options.name_time is not None:
            form, zone = options.name_time, options.timezone
            return (time_of(name, form, zone=zone, near_ns=mtime_ns),)
        if options.order is OrderBy.MTIME:
            return (mtime_ns,)
        return self._numbers(name) if options.full_pattern is not None else self._natural(name)

    def _natural(self, name: str) -> Rank:
        """Take a name apart into text and numbers in turn, so that like compares with like."""
        pieces = _DIGITS.split(self._variable(name))
        rank: list[int | str] = []
        for number, piece in enumerate(pieces):
            if number % 2 == 0:
                rank.append(piece)
            elif is_year_first(piece):
                rank += [int(piece[:8]), "", _time_of_day(piece[8:])]
            else:
                rank.append(int(piece))
        return tuple(rank)

    def _numbers(self, name: str) -> Rank:
        """Take the numbers out of a name."""
        return tuple(part for part in self._natural(name) if isinstance(part, int))

    def _variable(self, name: str) -> str:
        """Drop what the pattern of a file states before its first wildcard."""
        folded = name.casefold()
        literal = _LITERAL.match(self._options.pattern_of(name).casefold())
        start = literal[0] if literal else ""
        if len(start) == len(self._options.pattern_of(name).casefold()):
            return folded  # a fixed name has no variable part
        return folded.removeprefix(start)


def _time_of_day(digits: str) -> int:
    """Rank what follows a date without a gap; a date alone comes before all times of its day."""
    return int(digits.ljust(6, "0")) if digits else -1
