"""Every product stock: as it was written, and as the channels see it."""

from __future__ import annotations

import enum
import heapq
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from worker.sandbox.validation import Write

FIRST_PRODUCT = 10_001
"""Products count from elsewhere than stocks, so that nobody takes one for the other."""


class Fate(enum.StrEnum):
    """What becomes of a write."""

    APPLIED = "applied"
    LOST = "lost"  # answered as if applied, then forgotten
    UNPROPAGATED = "unpropagated"  # applied, but no channel ever sees it
    REFUSED = "refused"  # a fault answered in its place: nothing is written, nothing is noted


class Version(NamedTuple):
    """What a stock is from one write to the next; modified in epoch milliseconds."""

    stock: int
    unit_type: str
    sold: int
    extra: Mapping[str, Any]
    modified: int


@dataclass(slots=True, kw_only=True, eq=False)
class Stock:
    """One product in one list; seen: the version that channels see, None: not yet any."""

    pk: int
    product: int
    sku: str
    stock_list: int
    created: int
    current: Version
    seen: Version | None = None


class Written(NamedTuple):
    """What a write came to."""

    stock: Stock
    version: Version
    created: bool


class Stocks:
    """The product stocks by key, by pk and by list, in order of their creation."""

    def __init__(self, on_seen: Callable[[Stock], None]) -> None:
        """on_seen: called whenever channels begin to see another version of a stock."""
        self.by_key: dict[tuple[int, str], Stock] = {}
        self.by_pk: dict[int, Stock] = {}
        self.by_list: dict[int, list[Stock]] = {}
        self.shown: dict[int, list[Stock]] = {}
        self._on_seen = on_seen
        self._products: dict[str, int] = {}
        self._pks = itertools.count(1)
        self._turns = itertools.count()
        self._coming: list[tuple[float, int, Stock, Version]] = []

    def write(self, write: Write, *, fate: Fate, now_ms: int, visible_at: float) -> Written:
        """Create or update one stock; visible_at: when channels see it, on the clock of `show`."""
        stock = self.by_key.get((write.stock_list, write.sku))
        if stock is None:
            return self._keep(self._new(write, now_ms), None, fate, visible_at)
        return self._keep(stock, _updated(stock.current, write, now_ms), fate, visible_at)

    def show(self, now: float) -> None:
        """Let channels see every write that is due by now."""
        while self._coming and self._coming[0][0] <= now:
            _, _, stock, version = heapq.heappop(self._coming)
            self._see(stock, version)

    def _new(self, write: Write, now_ms: int) -> Stock:
        product = self._products.setdefault(write.sku, FIRST_PRODUCT + len(self._products))
        version = _updated(Version(0, "qty", 0, {}, 0), write, now_ms)
        return Stock(
            pk=next(self._pks),
            product=product,
            sku=write.sku,
            stock_list=write.stock_list,
            created=version.modified,
            current=version,
        )

    def _keep(
        self, stock: Stock, version: Version | None, fate: Fate, visible_at: float
    ) -> Written:
        created = version is None
        version = version or stock.current
        if fate in (Fate.LOST, Fate.REFUSED):
            return Written(stock, version, created)
        if created:
            self._add(stock)
        stock.current = version
        if fate is Fate.APPLIED:
            heapq.heappush(self._coming, (visible_at, next(self._turns), stock, version))
        return Written(stock, version, created)

    def _add(self, stock: Stock) -> None:
        self.by_key[stock.stock_list, stock.sku] = stock
        self.by_pk[stock.pk] = stock
        self.by_list.setdefault(stock.stock_list, []).append(stock)

    def _see(self, stock: Stock, version: Version) -> None:
        if stock.seen is not None and stock.seen.modified > version.modified:
            return  # the delay was lowered meanwhile: the newer version is already there
        if stock.seen is None:
            self.shown.setdefault(stock.stock_list, []).append(stock)
        stock.seen = version
        self._on_seen(stock)


def _updated(before: Version, write: Write, now_ms: int) -> Version:
    return Version(
        before.stock if write.stock is None else write.stock,
        write.unit_type or before.unit_type,
        before.sold if write.sold is None else write.sold,
        before.extra if write.extra is None else write.extra,
        max(now_ms, before.modified + 1),  # two versions never share a date
    )


def iso(epoch_ms: int) -> str:
    """Write a date the way Omnitron's API page does."""
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def write_record(stock: Stock, version: Version) -> dict[str, Any]:
    """Return the record as the write side shows it."""
    return {
        "id": stock.pk,
        "product_sku": stock.sku,
        "stock": version.stock,
        "stock_list": stock.stock_list,
        "unit_type": version.unit_type,
        "sold_quantity_unreported": version.sold,
        "extra_field": version.extra,
    }


def channel_record(stock: Stock, version: Version, *, reserve: int) -> dict[str, Any]:
    """Return the record as a channel shows it: no SKU, the pk is the write side's id."""
    return {
        "pk": stock.pk,
        "product": stock.product,
        "unit_type": version.unit_type,
        "stock": version.stock,
        "sold_quantity_unreported": version.sold,
        "extra_field": version.extra,
        "stock_list": stock.stock_list,
        "modified_collection": None,
        "adjusted_stock": max(version.stock - reserve, 0),
        "created_date": iso(stock.created),
        "modified_date": iso(version.modified),
    }
