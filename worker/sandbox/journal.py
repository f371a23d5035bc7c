"""The oracle of tests: what was accepted, in the order in which it took effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from worker.sandbox.stocks import Fate, Written

if TYPE_CHECKING:
    from collections.abc import Mapping


class Entry(NamedTuple):
    """One accepted write; times in epoch seconds, applied_at None where it was lost.

    The values are those after the write. by: ``api`` or ``back_office``.
    """

    n: int
    received_at: float
    applied_at: float | None
    by: str
    fate: str
    created: bool
    pk: int
    sku: str
    stock_list: int
    stock: int
    unit_type: str
    sold_quantity_unreported: int
    extra_field: Mapping[str, Any]


class Journal:
    """The last `cap` accepted writes; n counts from 1 and is never given twice."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._entries: list[Entry] = []
        self._last = 0

    def note(self, written: Written, *, fate: Fate, by: str, received: float, now: float) -> None:
        """Add one write."""
        self._last += 1
        stock, version, created = written
        self._entries.append(
            Entry(
                self._last,
                received,
                None if fate is Fate.LOST else now,
                by,
                fate.value,
                created,
                stock.pk,
                stock.sku,
                stock.stock_list,
                version.stock,
                version.unit_type,
                version.sold,
                version.extra,
            )
        )
        self._trim()

    def _trim(self) -> None:
        # A tenth at a time: dropping one by one would move the whole list for each write.
        if len(self._entries) > self._cap + max(self._cap // 10, 100):
            del self._entries[: len(self._entries) - self._cap]

    def since(self, n: int, limit: int | None = None) -> list[Entry]:
        """Return the entries after number n, oldest first, at most limit."""
        kept = self._entries[-self._cap :]
        start = max(n - kept[0].n + 1, 0) if kept else 0
        return kept[start:] if limit is None else kept[start : start + limit]

    @property
    def last(self) -> int:
        """The number of the newest entry, 0 before the first."""
        return self._last
