"""A held pull that nobody decides about: dropped after a time and read again, with an alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.ledger import failures, pulls, sources
from worker.ledger.failures import NewFailure
from worker.model import FailureKind, PullStatus
from worker.planning.duration import duration
from worker.planning.guard import expired

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.ledger.pulls import Pull
    from worker.ledger.sources import Source
    from worker.model import SourcePlan

HOLD_EXPIRED = "hold_expired"


def live_hold(
    connection: Connection, source: Source, plan: SourcePlan, *, now: float
) -> Pull | None:
    """The pull that is held and has not expired."""
    held = _held(connection, source)
    if held is None or expired(held.started_at, now=now, guard=plan.guard):
        return None
    return held


def expire(connection: Connection, source: Source, plan: SourcePlan, *, now: float) -> bool:
    """Drop the held pull if its time is over, and say so.

    The checkpoint stays and no file is moved, so that the next look offers the same again.
    """
    held = _held(connection, source)
    if held is None or not expired(held.started_at, now=now, guard=plan.guard):
        return False
    reason = f"nobody decided within {duration(plan.guard.expires)}; it is read again"
    _drop(connection, held, reason, now)
    failures.record(connection, [_alarm(held, plan, reason)], now=now)
    return True


def drop_held(connection: Connection, source: Source, *, reason: str, now: float) -> None:
    """Drop what is held of a source, whatever its age, so that it is read and weighed again."""
    held = _held(connection, source)
    if held is not None:
        _drop(connection, held, reason, now)


def _drop(connection: Connection, held: Pull, reason: str, now: float) -> None:
    pulls.decide(
        connection,
        held.id,
        was=PullStatus.HELD,
        status=PullStatus.DISCARDED,
        reason=reason,
        ended_at=now,
    )
    pulls.forget_rows(connection, held.id)
    sources.change(connection, held.source_id, held_pull_id=None)


def _held(connection: Connection, source: Source) -> Pull | None:
    if source.held_pull_id is None:
        return None
    return pulls.numbered(connection, source.held_pull_id)


def _alarm(held: Pull, plan: SourcePlan, reason: str) -> NewFailure:
    return NewFailure(
        kind=FailureKind.SOURCE,
        identity=plan.name,
        reason=HOLD_EXPIRED,
        message=f"pull {held.id} ({held.label}) was held, and {reason}",
        remedy=f"decide about what is held now: stocksync pulls --source {plan.name}",
        source=plan.name,
        pull_id=held.id,
    )
