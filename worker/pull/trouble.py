"""A source that cannot be read, and one that can be again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from connectors.errors import (
    ConnectorError,
    SourceUnreachable,
)
from worker.ledger import failures, sources
from worker.ledger.failures import NewFailure
from worker.model import FailureKind, PullStatus
from worker.planning.schedule import next_at
from worker.pull.report import PullReport
from worker.pull.room import NoRoom

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.pull.visit import Visit


log = structlog.get_logger(__name__)


def in_trouble(visit: Visit, error: ConnectorError) -> PullReport:
    """Note that the source cannot be read, and report it."""
    unreachable = isinstance(error, SourceUnreachable)
    failure = NewFailure(
        kind=FailureKind.SOURCE,
        identity=visit.plan.name,
        reason=_reason_of(error),
        message=error.message,
        remedy=error.remedy,
        source=visit.plan.name,
    )

    def work(connection: Connection) -> None:
        now = visit.ledger.now(connection)
        source = visit.named(connection)
        trouble = "unreachable" if unreachable else "failing"
        since = source.trouble_since if source.trouble == trouble else now
        sources.change(
            connection,
            source.id,
            trouble=trouble,
            trouble_reason=error.message,
            trouble_since=since,
        )
        failures.record(connection, [failure], now=now)

    visit.lease.write(work)
    log.error("source_in_trouble", source=visit.plan.name, reason=error.message)
    return PullReport(
        source=visit.plan.name,
        label="",
        status=PullStatus.FAILED,
        reason=error.message,
        error=error,
    )


def well(visit: Visit, connection: Connection, *, full: bool) -> None:
    """Note that it can be read; what was told of its trouble is over."""
    now = visit.ledger.now(connection)
    values: dict[str, object] = {"trouble": None, "trouble_reason": None}
    source = visit.named(connection)
    if source.held_pull_id is None:
        values["last_success_at"] = now
        if source.fingerprint is None or source.last_pull_id is None:
            values["fingerprint"] = visit.plan.fingerprint
    if full and visit.plan.full_cron is not None:
        values["next_full_at"] = next_at(
            cron=visit.plan.full_cron, every=None, timezone=visit.plan.timezone, now=now
        )
    sources.change(connection, source.id, **values)
    failures.close_matching(
        connection,
        source=visit.plan.name,
        kind=FailureKind.SOURCE,
        why="it works",
        now=now,
        reasons=("unreachable", "misconfigured", "disk_full"),
    )


def _reason_of(error: ConnectorError) -> str:
    if isinstance(error, NoRoom):
        return "disk_full"
    return "unreachable" if isinstance(error, SourceUnreachable) else "misconfigured"
