"""The confirm step: Omnitron's sales channels → ledger. Reads with GET alone, changes nothing.

The list resource with ``pk__in`` is the proof, the feed a shortcut; both are joined to what was
sent on (pk, stock list).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from connectors.fault import Point, point
from worker.errors import OmnitronLoginWaits, OmnitronThrottled, OmnitronUnreachable
from worker.ledger import batches, channels, confirmations, failures, holders, levels, target
from worker.ledger.clock import boottime
from worker.ledger.failures import NewFailure
from worker.model import ConfirmState, Expect, FailureKind, Key, StockRecord
from worker.omnitron.client import LOOKUP_PKS, PAGE_LIMIT, RESOURCES
from worker.omnitron.failures import unreadable
from worker.planning import limiter
from worker.planning.confirming import (
    LAG_SHARE,
    Expected,
    Seen,
    Sent,
    Sight,
    judge,
    landed_since,
    must_heal,
    shows,
    written_after,
)
from worker.planning.levels import healed, resent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.ledger.batches import Line
    from worker.ledger.channels import Channel
    from worker.ledger.confirmations import Confirmation
    from worker.model import ChannelPlan, TargetPlan
    from worker.omnitron.client import OmnitronClient
    from worker.planning.levels import Level

log = structlog.get_logger(__name__)

_LEASE = 120.0
_LOOK_SECONDS = 60.0
"""A look at a channel takes no longer, but for its last request: its lease is longer still."""
_SHARE_WHILE_DUE = 0.1
_MOST_PER_POLL = 20_000
_LOST_LOOKED_AT = 50
_DOUBTED_LOOKED_AT = 500
_NEVER_SHOWN = 20
"""As many levels that a channel never showed go again at one poll."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """What a look at one channel found. error: why it could not be read."""

    channel_id: int
    confirmed: int = 0
    waiting: int = 0
    healed: int = 0
    error: OmnitronUnreachable | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watcher:
    """What confirming works with. look_seconds: after these a look at a channel ends early."""

    ledger: Ledger
    client: OmnitronClient
    plan: TargetPlan
    stopped: Callable[[], bool] = lambda: False
    look_seconds: float = _LOOK_SECONDS

    async def poll(self, channel: ChannelPlan, *, force: bool = False) -> Confirmed | None:
        """Look at one channel if it is due (or ``force``); None: not due, or somebody else does."""
        token = holders.token()
        if not self.ledger.write(lambda tx: self._begin(tx, channel, token, force=force)):
            return None
        try:
            return await self._look(channel)
        except OmnitronLoginWaits as error:
            turn = error
            return self.ledger.write(lambda tx: self._later(tx, channel, turn))
        except OmnitronUnreachable as error:
            fault = error
            return self.ledger.write(lambda tx: self._unreadable(tx, channel, fault))
        finally:
            self.ledger.write(lambda tx: channels.end_lease(tx, channel.id, token=token))

    def _begin(
        self, connection: Connection, channel: ChannelPlan, token: str, *, force: bool
    ) -> bool:
        now = self.ledger.now(connection)
        if not force and now < channels.numbered(connection, channel.id).next_at:
            return False
        return channels.lease(connection, channel.id, token=token, now=now, seconds=_LEASE)

    async def _look(self, channel: ChannelPlan) -> Confirmed:
        look = _Look(self, channel)
        await look.feeds()
        await look.records()
        if look.malformed and not look.read:
            fault = unreadable(f"all {look.malformed} records are malformed, {_MALFORMED}")
            return self.ledger.write(lambda tx: self._unreadable(tx, channel, fault))
        return self.ledger.write(lambda tx: self._end(tx, channel, look))

    def _end(self, connection: Connection, channel: ChannelPlan, look: _Look) -> Confirmed:
        now = self.ledger.now(connection)
        before = channels.numbered(connection, channel.id)
        channels.change(
            connection,
            channel.id,
            state="readable",
            reason=None,
            since=now if before.state != "readable" else before.since,
            polled_at=now,
            next_at=now + channel.poll,
            resources={**before.resources, **look.resources},
        )
        waiting = confirmations.waiting_count(connection, channel.id)
        self._report_lost(connection, channel, now)
        failures.close_channel(connection, channel.id, reason="unreadable", now=now)
        _report_malformed(connection, look, now)
        if look.confirmed or look.healed:
            log.info(
                "channel_polled",
                channel=channel.id,
                confirmed=look.confirmed,
                waiting=waiting,
                healed=look.healed,
            )
        return Confirmed(
            channel_id=channel.id, confirmed=look.confirmed, waiting=waiting, healed=look.healed
        )

    def _report_lost(self, connection: Connection, channel: ChannelPlan, now: float) -> None:
        """One failure per channel and reason, with a count; closed when nothing is left of it."""
        for state, message, remedy in _LOST:
            count = confirmations.count_in(connection, channel.id, state)
            example = confirmations.example_in(connection, channel.id, state)
            if example is None:
                failures.close_channel(connection, channel.id, reason=state.value, now=now)
                continue
            failure = NewFailure(
                kind=FailureKind.CHANNEL,
                identity=f"channel:{channel.id}",
                reason=state.value,
                message=message.format(
                    channel=channel.id,
                    count=count,
                    sku=example.sku,
                    seen=example.seen_stock,
                ),
                remedy=remedy,
                stock_list=example.stock_list,
                sku=example.sku,
                occurrences=count,
            )
            failures.record(connection, [failure], now=now)

    def _later(
        self, connection: Connection, channel: ChannelPlan, turn: OmnitronLoginWaits
    ) -> Confirmed:
        """Come back when it is our turn to log in; the channel has nothing to do with it."""
        due = self.ledger.now(connection) + max(turn.seconds, 1.0)
        channels.change(connection, channel.id, next_at=due)
        waiting = confirmations.waiting_count(connection, channel.id)
        return Confirmed(channel_id=channel.id, waiting=waiting, error=turn)

    def _unreadable(
        self, connection: Connection, channel: ChannelPlan, error: OmnitronUnreachable
    ) -> Confirmed:
        now = self.ledger.now(connection)
        before = channels.numbered(connection, channel.id)
        lost = now - (before.polled_at or now)
        channels.change(
            connection,
            channel.id,
            state="unreadable",
            reason=error.message,
            since=now if before.state != "unreadable" else before.since,
            polled_at=now,
            next_at=now + channel.poll,
            unreadable_seconds=before.unreadable_seconds + lost,
        )
        failure = NewFailure(
            kind=FailureKind.CHANNEL,
            identity=f"channel:{channel.id}",
            reason="unreadable",
            message=f"channel {channel.id} cannot be read: {error.message}",
            remedy=error.remedy,
        )
        failures.record(connection, [failure], now=now)
        if isinstance(error, OmnitronThrottled):
            row = limiter.throttled(
                target.read(connection, lock=True),
                plan=self.plan,
                reason=error.message,
                retry_after=error.retry_after,
                now=now,
            )
            target.save(connection, row)
        waiting = confirmations.waiting_count(connection, channel.id)
        return Confirmed(channel_id=channel.id, waiting=waiting, error=error)


_MALFORMED = "without a whole number as pk, stock_list and stock each"


def _report_malformed(connection: Connection, look: _Look, now: float) -> None:
    """One failure while a channel shows records that nobody can read beside others."""
    number = look.channel_id
    if look.malformed:
        failure = NewFailure(
            kind=FailureKind.CHANNEL,
            identity=f"channel:{number}",
            reason="malformed",
            message=f"channel {number} shows {look.malformed} malformed records, {_MALFORMED}",
            remedy="what they are about is not confirmed; ask who runs Omnitron or what is before"
            " it. It closes by itself",
        )
        failures.record(connection, [failure], now=now)
    elif look.read:
        failures.close_channel(connection, number, reason="malformed", now=now)


_LOST = (
    (
        ConfirmState.UNCONFIRMED,
        "channel {channel} has not come to show {count} levels in time, {sku} for one",
        (
            "see whether the channel's catalogue has these products and its own integration runs;"
            " to send them once more: stocksync failures replay --reason unconfirmed"
        ),
    ),
    (
        ConfirmState.OVERWRITTEN,
        (
            "{count} levels in channel {channel} were changed by somebody else after we sent them,"
            " {sku} for one (it shows {seen})"
        ),
        "find who else writes stock; the ERP's next change goes out as always",
    ),
)


class _Look:
    """One poll of one channel."""

    def __init__(self, watcher: Watcher, channel: ChannelPlan) -> None:
        self._watcher = watcher
        self._ledger = watcher.ledger
        self._client = watcher.client
        self._channel = channel
        self._budget = 0
        self._until = boottime() + watcher.look_seconds
        self._unreadable = 0.0
        self.confirmed = 0
        self.healed = 0
        self.read = 0
        self._odd_before = self._odd()
        self.resources: dict[int, str] = {}
        self._known: Mapping[int, str] = {}

    @property
    def channel_id(self) -> int:
        """Which channel is looked at."""
        return self._channel.id

    @property
    def malformed(self) -> int:
        """Records that it showed and that could not be read."""
        return self._odd() - self._odd_before

    def _odd(self) -> int:
        return self._client.oddities["unreadable_record"]

    async def feeds(self) -> None:
        """Read the feeds as far as it pays; none if nothing waits."""
        waiting = self._prepare()
        if not waiting:
            return
        pages = waiting // PAGE_LIMIT + 2
        for resource in self._wanted_resources():
            await self._feed(resource, pages)

    def _prepare(self) -> int:
        with self._ledger.read() as connection:
            channel: Channel = channels.numbered(connection, self._channel.id)
            waiting = confirmations.waiting_count(connection, self._channel.id)
            rate = target.read(connection).rate or self._watcher.plan.rate
            share = _SHARE_WHILE_DUE if levels.any_due(connection) else 1.0
        self._known = channel.resources
        self._unreadable = channel.unreadable_seconds
        self._budget = max(4, int(rate * self._channel.poll * share))
        return waiting

    def _wanted_resources(self) -> tuple[str, ...]:
        known = {self._known.get(number) for number in self._channel.stock_lists}
        return tuple(r for r in RESOURCES if r in known or None in known)

    async def _feed(self, resource: str, pages: int) -> None:
        before: set[int] = set()
        for page in range(1, pages + 1):
            if not await self._turn():
                return
            records = await self._client.feed(self._channel.id, resource, page)
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
        with self._ledger.read() as connection:
            affordable = min(_MOST_PER_POLL, self._budget * LOOKUP_PKS)
            rows = confirmations.waiting(connection, self._channel.id, limit=affordable)
            rows += confirmations.not_confirmed(connection, self._channel.id, limit=_LOST_LOOKED_AT)
            rows += self._doubted(connection)
        for start in range(0, len(rows), LOOKUP_PKS):
            page = rows[start : start + LOOKUP_PKS]
            if not await self._look_up(page):
                return

    def _doubted(self, connection: Connection) -> list[Confirmation]:
        """What is confirmed, and yet an earlier request may still take effect behind it."""
        since = self._ledger.now(connection) - self._channel.confirm_within
        return confirmations.doubted(
            connection, self._channel.id, since=since, limit=_DOUBTED_LOOKED_AT
        )

    async def _look_up(self, rows: Sequence[Confirmation]) -> bool:
        """Ask each resource that may show these; False: the budget or the time is used up."""
        found, odd_before = set[Key](), self._odd()
        for resource in RESOURCES:
            pks = sorted(
                row.remote_pk
                for row in rows
                if row.remote_pk is not None
                and self._resource_of(row.stock_list) in {None, resource}
                and row.key not in found
            )
            if not pks:
                continue
            if not await self._turn():
                return False
            records = await self._client.lookup(self._channel.id, resource, pks)
            self.read += len(records)
            found |= self._match(resource, records)
        missed = [row for row in rows if row.key not in found]
        told = self._odd() == odd_before  # else they may be among what could not be read
        self._ledger.write(lambda connection: self._not_found(connection, missed, told=told))
        return True

    def _resource_of(self, stock_list: int) -> str | None:
        return self.resources.get(stock_list) or self._known.get(stock_list)

    async def _turn(self) -> bool:
        """Reserve a slot for one GET and wait for it; False: no more this time."""
        if self._budget <= 0 or boottime() > self._until or self._watcher.stopped():
            return False
        self._budget -= 1
        wait = self._ledger.write(self._reserve)
        if wait is None:
            return False
        start = boottime() + wait
        while (ahead := start - boottime()) > 0:
            await asyncio.sleep(min(ahead, 0.5))
            if self._watcher.stopped():
                return False
        return True

    def _reserve(self, connection: Connection) -> float | None:
        now = self._ledger.now(connection)
        row = target.read(connection, lock=True)
        if limiter.closed_for(row, now=now):
            return None
        row = limiter.recovered(row, plan=self._watcher.plan, now=now)
        row, start = limiter.reserved(row, count=1, now=now)
        target.save(connection, row)
        return start - now

    def _match(self, resource: str, records: Iterable[StockRecord]) -> set[Key]:
        """Hold records against what was sent; returns the keys they are about."""
        point(Point.PAGE)
        by_pk = {(record.pk, record.stock_list): record for record in records}
        return self._ledger.write(lambda connection: self._judge(connection, resource, by_pk))

    def _judge(
        self,
        connection: Connection,
        resource: str,
        records: Mapping[tuple[int, int], StockRecord],
    ) -> set[Key]:
        found = confirmations.of_pks(connection, self._channel.id, [pk for pk, _ in records])
        about = {row.key: records[name] for name, row in found.items() if name in records}
        there = levels.by_keys(connection, about, lock=True)  # nobody delivers them meanwhile
        known = confirmations.of_keys(connection, self._channel.id, about)
        odd = [key for key, row in known.items() if not shows(about[key], _expected(row))]
        history = batches.values_sent(connection, odd)
        now = self._ledger.now(connection)
        changed = []
        for key, row in known.items():
            self.resources[key.stock_list] = resource
            lines = history.get(key, [])
            seen = judge(_expected(row), about[key], _sent(lines))
            after = self._after(row, about[key], seen, now)
            if seen.sight is Sight.OLDER and key in there:
                landed = landed_since(about[key], _expected(row), self._doubtful(lines, now))
                if landed or not _is_healed(row):
                    after = self._heal(connection, after, about[key], there[key], now)
            changed.append(after)
        confirmations.save(connection, changed)
        return set(about)

    def _doubtful(self, lines: Iterable[Line], now: float) -> list[Sent]:
        """What was in doubt lately, so that it may still land."""
        since = now - self._channel.confirm_within
        return _sent(line for line in lines if line.doubtful and (line.at or 0.0) > since)

    def _after(
        self, row: Confirmation, record: StockRecord, seen: Seen, now: float
    ) -> Confirmation:
        looked = row._replace(
            seen_stock=record.stock,
            seen_modified=record.modified,
            seen_at=now,
            looked_at=now,
            other=seen.other,
            other_modified=seen.other_modified,
            seen="older" if seen.sight is Sight.OLDER else row.seen,
        )
        if seen.sight is Sight.CONFIRMED:
            self.confirmed += row.state != ConfirmState.CONFIRMED
            return looked._replace(
                state=ConfirmState.CONFIRMED,
                confirmed_revision=seen.revision,
                confirmed_at=now,
                seen=None,
            )
        if seen.sight is Sight.OVERWRITTEN:
            return looked._replace(state=ConfirmState.OVERWRITTEN)
        if row.state == ConfirmState.CONFIRMED:
            return looked._replace(state=ConfirmState.WAITING, since=now)
        return self._given_up(looked, now) if row.state == ConfirmState.WAITING else looked

    def _heal(
        self,
        connection: Connection,
        row: Confirmation,
        record: StockRecord,
        level: Level,
        now: float,
    ) -> Confirmation:
        """Send the newest value once more, unless something newer goes anyway."""
        if level.revision != row.revision or level.park_reason is not None:
            return row
        due = must_heal(
            record,
            posted_at=row.posted_at,
            sent_at=level.sent_at or now,
            settle=self._watcher.plan.settle,
            confirm_within=self._channel.confirm_within,
            now=now,
        )
        if not due:
            return row
        is_proven = written_after(record, posted_at=row.posted_at)
        after = healed(level, has=record.stock if is_proven else None, now=now)
        levels.save(connection, [after])
        confirmations.mark_healed(connection, row.key, revision=after.revision)
        self.healed += 1
        return row._replace(healed_revision=after.revision)

    def _not_found(
        self, connection: Connection, rows: Sequence[Confirmation], *, told: bool
    ) -> None:
        keys = [row.key for row in rows]
        there = levels.by_keys(connection, keys, lock=True)  # nobody delivers them meanwhile
        now = self._ledger.now(connection)
        fresh = confirmations.of_keys(connection, self._channel.id, keys)
        waiting = [
            row._replace(looked_at=now)
            for row in fresh.values()
            if row.state != ConfirmState.CONFIRMED
        ]
        after = [self._given_up(row, now) for row in waiting] if told else waiting
        if told and self._channel.expect is Expect.ALL:
            after = self._sent_again(connection, after, there, now)
        confirmations.save(connection, after)
        if self._channel.expect is Expect.LISTED:  # it need not show them
            never = [
                row.key
                for row in after
                if row.state == ConfirmState.UNCONFIRMED and row.seen_at is None
            ]
            confirmations.forget(connection, self._channel.id, never)

    def _sent_again(
        self,
        connection: Connection,
        rows: Sequence[Confirmation],
        there: Mapping[Key, Level],
        now: float,
    ) -> list[Confirmation]:
        """Send once more what the channel has never shown: Omnitron may have dropped the write.

        Once for each key, a few at a time: a channel without the product would never show it.
        """
        lag = LAG_SHARE * self._channel.confirm_within
        late = [
            row
            for row in rows
            if row.state == ConfirmState.WAITING
            and row.seen_at is None
            and row.healed_revision is None
            and self._waited(row, now) >= lag
        ][: max(0, _NEVER_SHOWN - self.healed)]
        gone = {
            row.key: there[row.key]
            for row in late
            if row.key in there
            and there[row.key].revision == row.revision
            and there[row.key].park_reason is None
        }
        levels.save(connection, [resent(level, now=now) for level in gone.values()])
        for key, level in gone.items():
            confirmations.mark_healed(connection, key, revision=level.revision + 1)
        self.healed += len(gone)
        return [
            row._replace(healed_revision=row.revision + 1) if row.key in gone else row
            for row in rows
        ]

    def _given_up(self, row: Confirmation, now: float) -> Confirmation:
        """`confirm_within` is over, not counting the time the channel could not be read."""
        if row.state != ConfirmState.WAITING:
            return row
        if self._waited(row, now) < self._channel.confirm_within:
            return row
        seen = row.seen or ("never" if row.seen_at is None else "older")
        return row._replace(state=ConfirmState.UNCONFIRMED, seen=seen)

    def _waited(self, row: Confirmation, now: float) -> float:
        """For how many seconds the channel could have shown it."""
        return now - row.since - max(self._unreadable - row.unreadable_before, 0.0)


def _is_healed(row: Confirmation) -> bool:
    """Whether this revision is itself a heal: what no doubt explains is healed once."""
    return row.healed_revision is not None and row.revision <= row.healed_revision


def _expected(row: Confirmation) -> Expected:
    return Expected(
        row.revision, row.stock, row.unit_type, row.posted_at, row.other, row.other_modified
    )


def _sent(lines: Iterable[Line]) -> list[Sent]:
    return [Sent(line.revision, line.stock, line.unit_type) for line in lines]
