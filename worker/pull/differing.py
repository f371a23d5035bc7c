"""Which keys of two sorted pages differ: the cheap test that nearly all rows end at. Pure.

Pages hold lines (`worker.ledger.lines`), sorted as the ledger and the scratch sorter give them;
those of the ledger have no places.
"""

from __future__ import annotations

from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

from worker.ledger.lines import key_of, part_of, without_places
from worker.ledger.pulls import PullRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    Row = tuple[Any, ...]


def differing_keys(page: Sequence[str], known: Sequence[str], *, absences: bool) -> set[str]:
    """Keys of which something stated is new, different or said twice, as lines begin with them.

    absences: also keys of which something known is not stated.
    """
    said = without_places(page)
    if len(said) == len(known):
        pairs = zip(said, known, strict=True)
        unlike = [(stated, before) for stated, before in pairs if stated != before]
        if all(part_of(stated) == part_of(before) for stated, before in unlike):
            return {key_of(stated) for stated, _ in unlike}
    return _differing_sets(said, known, absences=absences)


def _differing_sets(said: Sequence[str], known: Sequence[str], *, absences: bool) -> set[str]:
    """The same where parts were added or are gone, so that the pages do not run in step."""
    before = set(known)
    unlike = [line for line in said if line not in before]
    here = set(map(part_of, said))
    if absences:
        unlike += [line for line in known if part_of(line) not in here]
    if len(here) != len(said):
        unlike += _repeated(said)
    return set(map(key_of, unlike))


def _repeated(said: Sequence[str]) -> list[str]:
    """Lines of a sorted page that state the same part as the line before them."""
    return [line for before, line in pairwise(said) if part_of(line) == part_of(before)]


def all_keys(*pages: Iterable[str]) -> set[str]:
    """Every key of the pages, as lines begin with it."""
    return set(map(key_of, chain(*pages)))


def restated(
    stated: Sequence[Row], known: Sequence[Row], changing: Collection[str | None]
) -> list[PullRow]:
    """Rows that say what is known already, but for the warehouses that change."""
    before = {row[:-1] for row in known}
    same = {row[:-1]: row for row in stated if row[2] not in changing}
    return [
        PullRow(0, 0, "restated", *said)._replace(place=row[7])
        for said, row in same.items()
        if said in before
    ]
