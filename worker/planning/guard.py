"""Whether a pull is to be held before its first write (`design.md` §4.6)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from worker.model import FirstPull, Guard, ListCounts
from worker.planning.duration import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ZEROES_FROM = 5
"""`max_zero_ratio` acts from this many levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What the guard looks at. zeroed_before: per list, within the zero window, by earlier pulls.

    rows_before: rows of the last applied snapshot, None where there is none.
    """

    snapshot: bool
    first: bool
    rows: int
    rows_before: int | None
    lists: Mapping[int, ListCounts]
    zeroed_before: Mapping[int, int]


def reasons_to_hold(weighed: Weighed, guard: Guard) -> list[str]:
    """Sentences, one per limit that the pull breaks; empty: it may be applied."""
    return [
        *_by_kind(weighed, guard),
        *_by_ratio("in all", _total(weighed.lists), sum(weighed.zeroed_before.values()), guard),
        *(
            reason
            for stock_list, counts in sorted(weighed.lists.items())
            if len(weighed.lists) > 1
            for reason in _by_ratio(
                f"in stock list {stock_list}",
                counts,
                weighed.zeroed_before.get(stock_list, 0),
                guard,
            )
        ),
    ]


def expired(held_at: float, *, now: float, guard: Guard) -> bool:
    """Whether a pull has been held for so long that it is dropped and read again."""
    return now - held_at > guard.expires


def _by_kind(weighed: Weighed, guard: Guard) -> Iterator[str]:
    if weighed.first and guard.first_pull is FirstPull.HOLD:
        yield 'it is the first pull of this source (guard.first_pull = "hold")'
    if not weighed.snapshot:
        return
    if weighed.rows == 0:
        yield "the snapshot is empty"
    elif weighed.rows_before and weighed.rows / weighed.rows_before < guard.min_row_ratio:
        yield (
            f"the snapshot has {weighed.rows} rows, the last one had {weighed.rows_before}"
            f" (guard.min_row_ratio = {guard.min_row_ratio:g})"
        )


def _by_ratio(where: str, counts: ListCounts, zeroed_before: int, guard: Guard) -> Iterator[str]:
    if not counts.known:
        return
    if (
        counts.changed > guard.ignore_below
        and counts.changed / counts.known > guard.max_change_ratio
    ):
        yield (
            f"{counts.changed} of {counts.known} levels {where} would change"
            f" (guard.max_change_ratio = {guard.max_change_ratio:g})"
        )
    zeroed = counts.zeroed + zeroed_before
    if counts.zeroed and zeroed >= ZEROES_FROM and zeroed / counts.known > guard.max_zero_ratio:
        yield (
            f"{zeroed} of {counts.known} levels {where} would go to zero within"
            f" {duration(guard.zero_window)} (guard.max_zero_ratio = {guard.max_zero_ratio:g})"
        )


def _total(lists: Mapping[int, ListCounts]) -> ListCounts:
    total = ListCounts()
    for counts in lists.values():
        total = replace(
            total,
            known=total.known + counts.known,
            changed=total.changed + counts.changed,
            zeroed=total.zeroed + counts.zeroed,
        )
    return total
