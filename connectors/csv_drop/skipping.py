"""Rows that are no stock, by the configured rules; how many there were. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from connectors.csv_drop.dialect import NumberedCells
    from connectors.csv_drop.options import Skip


class Sieve:
    """Holds back the rows that any rule names, and counts them.

    places: 0-based, of the cell that each rule looks at.
    """

    def __init__(self, skips: Sequence[Skip], places: Sequence[int]) -> None:
        self._tests = [(at, _test(skip)) for skip, at in zip(skips, places, strict=True)]
        self.held_back = 0

    def kept(self, rows: Iterable[NumberedCells]) -> Iterable[NumberedCells]:
        """Pass on the rows that no rule names."""
        return self._sift(rows) if self._tests else rows

    def _sift(self, rows: Iterable[NumberedCells]) -> Iterator[NumberedCells]:
        for row in rows:
            cells = row[1]
            if any(at < len(cells) and test(cells[at].strip()) for at, test in self._tests):
                self.held_back += 1
            else:
                yield row


def _test(skip: Skip) -> Callable[[str], object]:
    """Make the test of a cell's text."""
    if skip.matches is not None:
        return re.compile(skip.matches).fullmatch
    return (skip.equals or "").strip().__eq__
