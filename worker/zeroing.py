"""Sources that were not read for longer than `zero_after`: their levels go to zero meanwhile.

For those who prefer not selling to overselling. What the sources said stays, and the levels come
back from it with the next pull that is applied (`worker.pull.reviving`).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from worker.ledger import failures, levels, sources
from worker.ledger.failures import NewFailure
from worker.model import PAGE_ROWS, FailureKind
from worker.planning.duration import duration
from worker.planning.levels import zeroed
from worker.pull.expiring import drop_held
from worker.pull.lease import Lease, SourceBusy
from worker.pull.reviving import ZEROED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.ledger.sources import Source
    from worker.model import Key, SourcePlan

log = structlog.get_logger(__name__)


def zero_unread(
    ledger: Ledger,
    plans: Mapping[str, SourcePlan],
    *,
    stopped: Callable[[], bool] = lambda: False,
    page_rows: int = PAGE_ROWS,
) -> dict[str, int]:
    """Take to zero what sources own that were not read for too long; levels by source.

    Goes page by page; what was interrupted goes on with the next call. A source that is being
    pulled is left alone. Raises LedgerUnreachable.
    """
    with ledger.read() as connection:
        due = [plan for plan in plans.values() if _due(ledger, connection, plan) is not None]
    gone = {
        plan.name: _zero(ledger, plan, stopped=stopped, page_rows=page_rows)
        for plan in due
        if not stopped()
    }
    return {name: count for name, count in gone.items() if count}


def _due(ledger: Ledger, connection: Connection, plan: SourcePlan) -> Source | None:
    """The source, if it was not read for too long and has something left to take to zero."""
    source = sources.named(connection, plan.name)
    now = ledger.now(connection)
    if source is None or not source.configured or source.paused(now):
        return None
    if not source.stale(now, plan.zero_after):
        return None
    return source if levels.in_stock_count(connection, source.id) else None


def _zero(ledger: Ledger, plan: SourcePlan, *, stopped: Callable[[], bool], page_rows: int) -> int:
    lease = Lease(ledger, plan.name)
    try:
        lease.take()
    except SourceBusy:
        return 0
    try:
        return _pages(ledger, lease, plan, stopped=stopped, page_rows=page_rows)
    except SourceBusy as lost:
        log.warning("zeroing_interrupted", source=plan.name, reason=str(lost))
        return 0
    finally:
        lease.end()


def _pages(
    ledger: Ledger,
    lease: Lease,
    plan: SourcePlan,
    *,
    stopped: Callable[[], bool],
    page_rows: int,
) -> int:
    source = lease.write(lambda connection: _begin(ledger, connection, plan))
    count, after = 0, None
    while source is not None and not stopped():
        page = lease.write(
            lambda connection, after=after: _page(  # type: ignore[misc]
                ledger, connection, source.id, after, rows=page_rows
            )
        )
        if not page:
            break
        count, after = count + len(page), page[-1]
    if count:
        log.error("levels_zeroed", source=plan.name, levels=count, zero_after=plan.zero_after)
    return count


def _begin(ledger: Ledger, connection: Connection, plan: SourcePlan) -> Source | None:
    """Tell it first, so that no level is at zero without a reason that people find."""
    source = _due(ledger, connection, plan)
    if source is None:
        return None
    now = ledger.now(connection)
    drop_held(connection, source, reason="its levels go to zero; it is read again", now=now)
    there = levels.in_stock_count(connection, source.id)
    count = there + levels.zeroed_count(connection, source.id)
    failures.record(connection, [_failure(plan, source, count)], now=now)
    return source


def _page(
    ledger: Ledger, connection: Connection, source_id: int, after: Key | None, *, rows: int
) -> list[Key]:
    """Take the next levels to zero; returns their keys."""
    page = levels.page_of_source(connection, source_id, after, limit=rows, in_stock=True)
    now = ledger.now(connection)
    changed = [zeroed(level, now=now) for level in page]
    levels.save(connection, changed)
    pairs = zip(page, changed, strict=True)
    cleared = [level.key for level, end in pairs if level.park_reason and not end.park_reason]
    failures.close_items(connection, cleared, why="its level goes to zero", now=now)
    return [level.key for level in page]


def _failure(plan: SourcePlan, source: Source, count: int) -> NewFailure:
    since = datetime.fromtimestamp(source.read_at or 0.0, ZoneInfo(plan.timezone))
    return NewFailure(
        kind=FailureKind.SOURCE,
        identity=plan.name,
        reason=ZEROED,
        message=f"nothing was read from source {plan.name!r} since"
        f" {since.isoformat(sep=' ', timespec='seconds')}, for more than"
        f" {duration(plan.zero_after or 0.0)}"
        f" (zero_after): {count} levels go to zero",
        remedy="let the ERP write and this source be read again: its levels come back with that"
        f" pull. Why it is not read: stocksync sources, stocksync pull {plan.name}",
        source=plan.name,
    )
