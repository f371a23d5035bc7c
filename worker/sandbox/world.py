"""The whole state of one sandbox, and what may be done to it. Knows no HTTP."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from worker.sandbox.access import Access, RateLimit
from worker.sandbox.faults import FaultBook
from worker.sandbox.feeds import ChannelFeed
from worker.sandbox.journal import Journal
from worker.sandbox.settings import SandboxChannel, SandboxConfig, SandboxList, only_adjustable
from worker.sandbox.stats import Stats
from worker.sandbox.stocks import Fate, Stock, Stocks, Written, iso, write_record
from worker.sandbox.validation import Problems, Write, judge_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class World:
    """Stocks, lists, channels, users, faults, journal and counts of one sandbox."""

    def __init__(self, config: SandboxConfig) -> None:
        self._first = config
        self.reset()

    def reset(self) -> None:
        """Go back to the start: no stocks, no tokens, no faults, an empty journal."""
        config = self._first
        self.config = config
        self.lists = {stock_list.pk: stock_list for stock_list in config.stock_lists}
        self.products = None if config.products is None else set(config.products)
        self.feeds = {channel.id: ChannelFeed(channel) for channel in config.channels}
        self.stocks = Stocks(self._offer)
        self.access = Access(config.users)
        self.rate = RateLimit()
        self.book = FaultBook(config.seed)
        self.journal = Journal(config.journal_cap)
        self.stats = Stats()

    def adjust(self, changes: Mapping[str, Any]) -> None:
        """Change settings while running; raises ValueError for one that cannot be."""
        only_adjustable(changes)
        self.config = replace(self.config, **changes)

    def judge(self, body: object) -> Write | Problems:
        """Judge the body of a product stock POST."""
        return judge_write(body, stock_lists=self.lists, products=self.products)

    def write(
        self,
        write: Write,
        *,
        fate: Fate = Fate.APPLIED,
        by: str = "api",
        received: float | None = None,
    ) -> Written:
        """Write one stock; received in epoch seconds, now where it is left out."""
        now, clock = time.time(), time.monotonic()
        written = self.stocks.write(
            write,
            fate=fate,
            now_ms=int(now * 1000),
            visible_at=clock + self.config.propagation_seconds,
        )
        if fate is not Fate.REFUSED:
            self.journal.note(written, fate=fate, by=by, received=received or now, now=now)
        self.stocks.show(clock)
        return written

    def show(self) -> None:
        """Let channels see what is due by now."""
        self.stocks.show(time.monotonic())

    def add_list(self, stock_list: SandboxList) -> None:
        """Create a stock list, or change it."""
        self.lists[stock_list.pk] = stock_list

    def add_channel(self, channel: SandboxChannel) -> None:
        """Create a channel; it sees at once what others see already."""
        feed = ChannelFeed(channel)
        self.feeds[channel.id] = feed
        for stock in list(self.stocks.by_pk.values()):
            if stock.seen is not None:
                feed.offer(stock)

    def set_products(self, skus: Iterable[str] | None) -> None:
        """Say which SKUs exist; None: any does."""
        self.products = None if skus is None else set(skus)

    def state(self) -> dict[str, dict[str, Any]]:
        """Return every record by ``stock_list:sku``; channel_stock: what channels see, or None."""
        self.show()
        return {f"{pk}:{sku}": _full(stock) for (pk, sku), stock in self.stocks.by_key.items()}

    def _offer(self, stock: Stock) -> None:
        for feed in self.feeds.values():
            feed.offer(stock)


def _full(stock: Stock) -> dict[str, Any]:
    return {
        **write_record(stock, stock.current),
        "product": stock.product,
        "created_date": iso(stock.created),
        "modified_date": iso(stock.current.modified),
        "channel_stock": None if stock.seen is None else stock.seen.stock,
    }
