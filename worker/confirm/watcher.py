"""Whose turn it is to look at a channel, and what a look leaves in the channel's row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from worker.confirm import telling
from worker.confirm.look import Look
from worker.errors import OmnitronLoginWaits, OmnitronThrottled, OmnitronUnreachable
from worker.ledger import channels, confirmations, holders, target
from worker.omnitron.failures import unreadable
from worker.planning import limiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.model import ChannelPlan, TargetPlan
    from worker.omnitron.client import OmnitronClient

log = structlog.get_logger(__name__)

_LEASE = 120.0
_LOOK_SECONDS = 60.0
"""A look at a channel takes no longer, but for its last request: its lease is longer still."""


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
        look = Look(
            ledger=self.ledger,
            client=self.client,
            plan=self.plan,
            channel=channel,
            stopped=self.stopped,
            seconds=self.look_seconds,
        )
        await look.feeds()
        await look.records()
        if look.malformed and not look.read:
            fault = unreadable(f"all {look.malformed} records are malformed, {telling.MALFORMED}")
            return self.ledger.write(lambda tx: self._unreadable(tx, channel, fault))
        return self.ledger.write(lambda tx: self._end(tx, channel, look))

    def _end(self, connection: Connection, channel: ChannelPlan, look: Look) -> Confirmed:
        now, seen = self.ledger.now(connection), look.sightings
        before = channels.numbered(connection, channel.id)
        channels.change(
            connection,
            channel.id,
            state="readable",
            reason=None,
            since=now if before.state != "readable" else before.since,
            polled_at=now,
            next_at=now + channel.poll,
            resources={**before.resources, **seen.resources},
        )
        waiting = confirmations.waiting_count(connection, channel.id)
        telling.tell_of_lost(connection, channel.id, now=now)
        telling.tell_that_readable(connection, channel.id, now=now)
        if look.read or look.malformed:
            telling.tell_of_malformed(connection, channel.id, count=look.malformed, now=now)
        if seen.confirmed or seen.healed:
            log.info(
                "channel_polled",
                channel=channel.id,
                confirmed=seen.confirmed,
                waiting=waiting,
                healed=seen.healed,
            )
        return Confirmed(
            channel_id=channel.id, confirmed=seen.confirmed, waiting=waiting, healed=seen.healed
        )

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
        telling.tell_that_unreadable(connection, channel.id, error, now=now)
        if isinstance(error, OmnitronThrottled):
            self._throttle(connection, error, now)
        waiting = confirmations.waiting_count(connection, channel.id)
        return Confirmed(channel_id=channel.id, waiting=waiting, error=error)

    def _throttle(self, connection: Connection, error: OmnitronThrottled, now: float) -> None:
        row = limiter.throttled(
            target.read(connection, lock=True),
            plan=self.plan,
            reason=error.message,
            retry_after=error.retry_after,
            now=now,
        )
        target.save(connection, row)
