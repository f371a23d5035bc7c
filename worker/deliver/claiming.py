"""Claiming: a batch and its slots of the shared rate, in one transaction, or why there is none."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from worker.deliver.address import require_address
from worker.deliver.expiring import end_overrides, end_pauses, expire, shorten
from worker.deliver.slip import MARGIN, Slip, lease_of
from worker.ledger import batches, claims, levels, target
from worker.ledger.clock import boottime
from worker.model import TargetState
from worker.planning import limiter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from worker.model import Claimed, TargetPlan
    from worker.planning.limiter import Target

_TURN_AHEAD = 2.0
"""A claim whose first slot is further ahead than this is left to a later turn."""


class Rest(NamedTuple):
    """Nothing to send now. wait: seconds until there is, None: nothing is left."""

    wait: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One try to claim a batch. before: `boottime` of its start, which its deadline counts from."""

    plan: TargetPlan
    token: str
    before: float

    @property
    def lease(self) -> float:
        """Seconds that it holds."""
        return lease_of(self.plan)

    def make(self, connection: Connection, *, now: float) -> Slip | Rest:
        """Claim the next batch, or say how long there is nothing to do, and why.

        Raises WrongTarget where the ledger was bound to another Omnitron meanwhile.
        """
        require_address(connection, self.plan.base_url)
        shorten(connection, timeout=self.plan.timeout, now=now)
        expire(connection, settle=self.plan.settle, longest=10 * self.lease, now=now)
        end_overrides(connection, now=now)
        row = limiter.recovered(end_pauses(connection, now=now), plan=self.plan, now=now)
        refusal = self._refusal(connection, row, now)
        if refusal is not None:
            return refusal
        batch_id = batches.open_batch(
            connection,
            token=self.token,
            worker=worker_name(),
            now=now,
            lease_until=now + self.lease,
        )
        lines = claims.claim(
            connection, self._ticket(batch_id, row, now), limit=limiter.slice_of(row), now=now
        )
        if not lines:
            batches.drop(connection, batch_id)
            return rest(connection, row, now=now)
        batches.add_lines(connection, batch_id, lines)
        return self._slip(connection, batch_id, lines, row, now)

    def _refusal(self, connection: Connection, row: Target, now: float) -> Rest | None:
        """Why nobody may send now."""
        closed = limiter.closed_for(row, now=now)
        if closed > 0:
            return (
                Rest(closed, row.reason or row.state) if levels.any_due(connection) else Rest(None)
            )
        if not self.plan.writes:
            return Rest(None, 'writes = "off"')
        ahead = row.next_free - now - _TURN_AHEAD
        return Rest(ahead, "other processes use up the rate") if ahead > 0 else None

    def _ticket(self, batch_id: int, row: Target, now: float) -> claims.Ticket:
        return claims.Ticket(
            token=self.token,
            batch_id=batch_id,
            until=now + self.lease,
            raises=row.raises_paused_until <= now,
        )

    def _slip(
        self,
        connection: Connection,
        batch_id: int,
        lines: Sequence[Claimed],
        row: Target,
        now: float,
    ) -> Slip:
        probes = limiter.slice_of(row) == 1 and row.state != TargetState.UP
        row, start = limiter.reserved(row, count=len(lines), now=now)
        target.save(connection, limiter.probing(row, now=now, lease=self.lease) if probes else row)
        return Slip(
            batch_id=batch_id,
            token=self.token,
            lines=sorted(lines, key=lambda line: line.rank),
            claimed_at=now,
            first_slot=boottime() + start - now,
            interval=1.0 / row.rate,
            start_until=self.before + self.lease - self.plan.timeout - MARGIN,
        )


def rest(connection: Connection, row: Target, *, now: float) -> Rest:
    """For how long nothing can go, where no level could be claimed."""
    moment = levels.next_moment(connection)
    if moment is None:
        return Rest(None)
    if moment <= now < row.raises_paused_until:
        return Rest(row.raises_paused_until - now, "increases are paused")
    why = "keys rest after an outcome in doubt, or their list does"
    return Rest(max(moment - now, 0.5), why)


def worker_name() -> str:
    """Host and process, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"
