"""The courier: claims, sends and records, batch by batch, until nothing is due."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.fault import Point, point
from worker.deliver import claiming
from worker.deliver.claiming import Claim, Rest
from worker.deliver.recording import Recording
from worker.deliver.sending import Sending
from worker.deliver.slip import Answered, Slip, lease_of
from worker.ledger import batches, holders, target, waits
from worker.ledger.clock import boottime
from worker.model import Delivered
from worker.planning.delivery import EPIDEMIC, LOGIN_WAIT, Streak, Watch, streak_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.model import ChannelPlan, TargetPlan
    from worker.omnitron.client import OmnitronClient


_STREAK_SECONDS = 3_600.0
_LOGIN_TURN = "others have logged in just before, and this login waits its turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a deliver run ended. wait: seconds until there is anything to do, None: nothing left."""

    delivered: Delivered = field(default_factory=Delivered)
    wait: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """What delivering works with. stopped: says when to start nothing more."""

    ledger: Ledger
    client: OmnitronClient
    plan: TargetPlan
    channels: Sequence[ChannelPlan]
    stopped: Callable[[], bool] = lambda: False
    on_progress: Callable[[Delivered], None] = lambda _delivered: None

    @property
    def lease(self) -> float:
        """Seconds that a claim holds."""
        return lease_of(self.plan)

    async def run(self, *, seconds: float) -> Run:
        """Deliver what is due, batch by batch, for about ``seconds``.

        Returns early where nothing is due or the target is paused; nobody sits blocked.
        """
        total, until = Delivered(), boottime() + seconds
        watch = Watch(after=self._streak())
        while not self.stopped():
            claimed = self.claim()
            if isinstance(claimed, Rest):
                return Run(delivered=total, wait=claimed.wait, reason=claimed.reason)
            point(Point.CLAIMED)
            watch = Watch(after=watch)
            total += await self.deliver(claimed, watch)
            self.on_progress(total)
            if watch.stopped == LOGIN_WAIT:  # its turn is seconds away: no batch gets out before
                return Run(delivered=total, wait=watch.login_in, reason=_LOGIN_TURN)
            if claimed.only_unknown:  # once a turn: they get a tenth of the rate, no more
                rest = self._rest()
                return Run(delivered=total, wait=rest.wait, reason=rest.reason)
            if boottime() >= until:
                break
        return Run(delivered=total, wait=0.0)

    def _streak(self) -> Streak:
        """The row of like refusals that went on over the last batches, whoever sent them."""
        with self.ledger.read() as connection:
            since = self.ledger.now(connection) - _STREAK_SECONDS
            parked = batches.last_parked(connection, enough=EPIDEMIC, since=since)
        return streak_of(parked)

    def _rest(self) -> Rest:
        with self.ledger.read() as connection:
            now = self.ledger.now(connection)
            return claiming.rest(connection, target.read(connection), now=now)

    def claim(self) -> Slip | Rest:
        """Claim the next batch, or say how long there is nothing to do, and why."""
        claim = Claim(plan=self.plan, token=holders.token(), before=boottime())
        return self.ledger.write(lambda tx: self._claim(tx, claim))

    def _claim(self, connection: Connection, claim: Claim) -> Slip | Rest:
        waits.follow(connection, self.ledger.now)
        return claim.make(connection, now=self.ledger.now(connection))

    async def deliver(self, slip: Slip, watch: Watch) -> Delivered:
        """Send a batch and record what came of it."""
        batch = Answered(slip=slip, watch=watch)
        sending = Sending(client=self.client, stopped=self.stopped, batch=batch)
        await sending.run(senders=self.plan.max_in_flight)
        return self.ledger.write(lambda tx: self._record(tx, batch))

    def _record(self, connection: Connection, batch: Answered) -> Delivered:
        recording = Recording(
            connection=connection,
            batch=batch,
            plan=self.plan,
            channels=self.channels,
            now=self.ledger.now(connection),
        )
        return recording.make()
