"""Which keys of two sorted pages differ: the cheap test that nearly all rows end at. Pure.

Rows are tuples in the order of `worker.ledger.scratch.Stated`; known rows end after their seventh
field, the content. Both pages are sorted by their first three fields, the name of a part, as the
ledger and the scratch sorter give them.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from worker.ledger.pulls import PullRow
from worker.model import Key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    Row = tuple[Any, ...]

content = itemgetter(0, 1, 2, 3, 4, 5, 6)
_part = itemgetter(0, 1, 2)
_key = itemgetter(0, 1)


def differing_keys(page: Sequence[Row], known: Sequence[Row], *, absences: bool) -> set[Key]:
    """Keys of which something stated is new, different or said twice.

    absences: also keys of which something known is not stated.
    """
    if len(page) == len(known):
        pairs = zip(map(content, page), known, strict=True)
        unlike = [(stated, before) for stated, before in pairs if stated != before]
        if all(stated[:3] == before[:3] for stated, before in unlike):
            return {Key(stated[0], stated[1]) for stated, _ in unlike}
    return _differing_sets(page, known, absences=absences)


def _differing_sets(page: Sequence[Row], known: Sequence[Row], *, absences: bool) -> set[Key]:
    """The same where parts were added or are gone, so that the pages do not run in step."""
    before = set(known)
    unlike = [row for row in page if content(row) not in before]
    here = set(map(_part, page))
    if absences:
        unlike += [row for row in known if _part(row) not in here]
    if len(here) != len(page):
        unlike += _repeated(page)
    return {Key(row[0], row[1]) for row in unlike}


def _repeated(page: Sequence[Row]) -> list[Row]:
    """Rows of a sorted page that state the same part as the row before them."""
    return [row for before, row in pairwise(page) if _part(row) == _part(before)]


def all_keys(*pages: Iterable[Row]) -> set[Key]:
    """Every key of the pages."""
    return {Key(row[0], row[1]) for row in chain(*pages)}


def restated(
    stated: Sequence[Row], known: Sequence[Row], changing: Collection[str | None]
) -> list[PullRow]:
    """Rows that say what is known already, but for the warehouses that change."""
    before = set(known)
    same = {content(row): row for row in stated if row[2] not in changing}
    return [
        PullRow(0, 0, "restated", *said)._replace(place=row[7])
        for said, row in same.items()
        if said in before
    ]


def rows_of(rows: Sequence[Row], key: Key) -> list[Row]:
    """The rows of one key out of a sorted page."""
    start = end = bisect_left(rows, key)
    while end < len(rows) and rows[end][:2] == key:
        end += 1
    return list(rows[start:end])
