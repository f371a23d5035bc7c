"""One look at one channel: which pages are read, within which budget of requests and time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.fault import Point, point
from worker.confirm.sightings import Sightings
from worker.ledger import channels, confirmations, levels, target
from worker.ledger.clock import boottime
from worker.model import Key, StockRecord
from worker.omnitron.client import LOOKUP_PKS, PAGE_LIMIT, RESOURCES
from worker.planning import limiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.ledger.confirmations import Confirmation
    from worker.model import ChannelPlan, TargetPlan
    from worker.omnitron.client import OmnitronClient

_SHARE_WHILE_DUE = 0.1
_MOST_PER_POLL = 20_000
_LOST_LOOKED_AT = 50
_DOUBTED_LOOKED_AT = 500


@dataclass(kw_only=True)
class Look:
    """What is needed for it, and what came of it. seconds: after these it ends early.

    sightings: what the records prove; read: how many there were.
    """

    ledger: Ledger
    client: OmnitronClient
    plan: TargetPlan
    channel: ChannelPlan
    stopped: Callable[[], bool]
    seconds: float
    read: int = 0
    sightings: Sightings = field(init=False)
    _budget: int = 0
    _known: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin to count the time, and what cannot be read."""
        self.sightings = Sightings(
            ledger=self.ledger, channel=self.channel, settle=self.plan.settle
        )
        self._until = boottime() + self.seconds
        self._odd_before = self._odd()

    @property
    def malformed(self) -> int:
        """Records that it showed and that could not be read."""
        return self._odd() - self._odd_before

    def _odd(self) -> int:
        return self.client.oddities["unreadable_record"]

    async def feeds(self) -> None:
        """Read the feeds as far as it pays; none if nothing waits."""
        waiting = self._prepare()
        if not waiting:
            return
        pages = waiting // PAGE_LIMIT + 2
        for resource in self._wanted_resources():
            await self._feed(resource, pages)

    def _prepare(self) -> int:
        with self.ledger.read() as connection:
            channel = channels.numbered(connection, self.channel.id)
            waiting = confirmations.waiting_count(connection, self.channel.id)
            rate = target.read(connection).rate or self.plan.rate
            share = _SHARE_WHILE_DUE if levels.any_due(connection) else 1.0
        self._known = channel.resources
        self.sightings.unreadable = channel.unreadable_seconds
        self._budget = max(4, int(rate * self.channel.poll * share))
        return waiting

    def _wanted_resources(self) -> tuple[str, ...]:
        known = {self._known.get(number) for number in self.channel.stock_lists}
        return tuple(r for r in RESOURCES if r in known or None in known)

    async def _feed(self, resource: str, pages: int) -> None:
        before: set[int] = set()
        for page in range(1, pages + 1):
            if not await self._turn():
                return
            records = await self.client.feed(self.channel.id, resource, page)
            self.read += len(records)
            pks = {record.pk for record in records}
            if not records or pks <= before:
                return
            before |= pks
            self._match(resource, records)
            if len(records) < PAGE_LIMIT:
                return

    async def records(self) -> None:
        """Ask for what still waits by its pks, those first that waited longest for a look."""
        with self.ledger.read() as connection:
            affordable = min(_MOST_PER_POLL, self._budget * LOOKUP_PKS)
            rows = confirmations.waiting(connection, self.channel.id, limit=affordable)
            rows += confirmations.not_confirmed(connection, self.channel.id, limit=_LOST_LOOKED_AT)
            rows += self._doubted(connection)
        for start in range(0, len(rows), LOOKUP_PKS):
            page = rows[start : start + LOOKUP_PKS]
            if not await self._look_up(page):
                return

    def _doubted(self, connection: Connection) -> list[Confirmation]:
        """What is confirmed, and yet an earlier request may still take effect behind it."""
        since = self.ledger.now(connection) - self.channel.confirm_within
        return confirmations.doubted(
            connection, self.channel.id, since=since, limit=_DOUBTED_LOOKED_AT
        )

    async def _look_up(self, rows: Sequence[Confirmation]) -> bool:
        """Ask each resource that may show these; False: the budget or the time is used up."""
        found, odd_before = set[Key](), self._odd()
        for resource in RESOURCES:
            pks = self._pks([row for row in rows if row.key not in found], resource)
            if not pks:
                continue
            if not await self._turn():
                return False
            records = await self.client.lookup(self.channel.id, resource, pks)
            self.read += len(records)
            found |= self._match(resource, records)
        missed = [row for row in rows if row.key not in found]
        told = self._odd() == odd_before  # else they may be among what could not be read
        self.ledger.write(lambda tx: self.sightings.miss(tx, missed, told=told))
        return True

    def _pks(self, rows: Iterable[Confirmation], resource: str) -> list[int]:
        """Those that this resource may show."""
        return sorted(
            row.remote_pk
            for row in rows
            if row.remote_pk is not None and self._resource_of(row.stock_list) in {None, resource}
        )

    def _resource_of(self, stock_list: int) -> str | None:
        return self.sightings.resources.get(stock_list) or self._known.get(stock_list)

    async def _turn(self) -> bool:
        """Reserve a slot for one GET and wait for it; False: no more this time."""
        if self._budget <= 0 or boottime() > self._until or self.stopped():
            return False
        self._budget -= 1
        wait = self.ledger.write(self._reserve)
        if wait is None:
            return False
        start = boottime() + wait
        while (ahead := start - boottime()) > 0:
            await asyncio.sleep(min(ahead, 0.5))
            if self.stopped():
                return False
        return True

    def _reserve(self, connection: Connection) -> float | None:
        now = self.ledger.now(connection)
        row = target.read(connection, lock=True)
        if limiter.closed_for(row, now=now):
            return None
        row = limiter.recovered(row, plan=self.plan, now=now)
        row, start = limiter.reserved(row, count=1, now=now)
        target.save(connection, row)
        return start - now

    def _match(self, resource: str, records: Iterable[StockRecord]) -> set[Key]:
        """Hold records against what was sent; returns the keys they are about."""
        point(Point.PAGE)
        by_pk = {(record.pk, record.stock_list): record for record in records}
        return self.ledger.write(lambda tx: self.sightings.judge(tx, resource, by_pk))
