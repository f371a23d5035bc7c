"""Sources from which nothing was read for too long: an alarm, closed by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.ledger import failures, sources
from worker.ledger.failures import NewFailure
from worker.model import FailureKind
from worker.planning.duration import duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.ledger.sources import Source
    from worker.model import SourcePlan

REASON = "stale"


def watch(ledger: Ledger, plans: Mapping[str, SourcePlan]) -> list[str]:
    """Open an alarm for each source that is stale now, close those of others; names the stale."""
    with ledger.read() as connection:
        stale = _stale(ledger, connection, plans)
        known = failures.open_ones(connection, kind=FailureKind.SOURCE, reason=REASON)
    new = [plan for plan in stale if plan.name not in {failure.source for failure in known}]
    over = [failure.id for failure in known if failure.source not in {p.name for p in stale}]
    if new or over:
        ledger.write(lambda connection: _note(ledger, connection, new, over))
    return [plan.name for plan in stale]


def _stale(
    ledger: Ledger, connection: Connection, plans: Mapping[str, SourcePlan]
) -> list[SourcePlan]:
    now = ledger.now(connection)
    return [
        plans[source.name]
        for source in sources.every(connection)
        if source.name in plans and _is_stale(source, plans[source.name], now)
    ]


def _is_stale(source: Source, plan: SourcePlan, now: float) -> bool:
    """A person who paused it, or has a pull of it to decide, knows why nothing comes."""
    waits = source.paused(now) or source.held_pull_id is not None
    return not waits and source.stale(now, plan.stale_after)


def _note(ledger: Ledger, connection: Connection, new: list[SourcePlan], over: list[int]) -> None:
    now = ledger.now(connection)
    failures.record(connection, [_failure(plan) for plan in new], now=now)
    failures.close(connection, over, why="something was read again", now=now)


def _failure(plan: SourcePlan) -> NewFailure:
    return NewFailure(
        kind=FailureKind.SOURCE,
        identity=plan.name,
        reason=REASON,
        message=f"nothing was read from source {plan.name!r} for more than"
        f" {duration(plan.stale_after or 0.0)}",
        remedy="see that the ERP still writes, and that this source points to where it does",
        source=plan.name,
    )
