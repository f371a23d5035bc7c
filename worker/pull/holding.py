"""What a person decides about a held pull: approve it as it was shown, or discard it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from connectors.contract import Settlement
from connectors.errors import ConnectorError
from worker.errors import UsageError
from worker.ledger import events, failures, levels, pulls, sources
from worker.model import FailureKind, PullStatus
from worker.planning.fingerprints import recomputes
from worker.pull.applying import Applier
from worker.pull.deciding import close_outdated, decide_applying
from worker.pull.expiring import HOLD_EXPIRED
from worker.pull.lease import Lease
from worker.pull.report import PullReport
from worker.pull.stored import settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from connectors.contract import Connector
    from worker.ledger import Ledger
    from worker.ledger.pulls import Pull
    from worker.model import SourcePlan

log = structlog.get_logger(__name__)


def approve(
    ledger: Ledger, connector: Connector, plan: SourcePlan, *, pull_id: int, actor: str
) -> PullReport:
    """Apply exactly what the held pull had staged, once, and move the checkpoint.

    Raises UsageError where it is not held (any more) or was weighed by other rules, SourceBusy
    while the source is pulled.
    """
    lease = Lease(ledger, plan.name)
    lease.take()
    try:
        held = _held(ledger, pull_id)
        _require_same_rules(held, plan)
        lease.write(lambda connection: _decide(ledger, connection, held, actor))
        with ledger.read() as connection:
            decided = pulls.numbered(connection, pull_id) or held
        Applier(ledger=ledger, lease=lease, plan=plan, pull=decided).run()
        lease.write(lambda connection: levels.let_go(connection, held.source_id))
        _tidy(connector, held, Settlement.APPLIED)
    finally:
        lease.end()
    return _report(plan.name, held, PullStatus.APPLIED)


def discard(  # noqa: PLR0913 - what to drop, who, and how, all by name
    ledger: Ledger,
    connector: Connector,
    plan: SourcePlan,
    *,
    pull_id: int,
    actor: str,
    skip: bool = False,
) -> PullReport:
    """Drop a held pull. A file goes to the failed folder; a cursor stays, with ``skip`` it moves.

    The file goes first: one that the ledger has dropped and that still lies there would be read
    again. Interrupted in between, the pull is still held, and is discarded by the next word.
    Raises UsageError where it is not held (any more), SourceBusy while the source is pulled, and
    SourceUnreachable where the file cannot be moved.
    """
    lease = Lease(ledger, plan.name)
    lease.take()
    try:
        held = _held(ledger, pull_id)
        settle(connector, held.position, Settlement.DISCARDED, f"discarded by {actor}")
        lease.write(lambda connection: _drop(ledger, connection, held, actor, skip=skip))
    finally:
        lease.end()
    return _report(plan.name, held, PullStatus.DISCARDED)


def _held(ledger: Ledger, pull_id: int) -> Pull:
    with ledger.read() as connection:
        pull = pulls.numbered(connection, pull_id)
    if pull is None:
        raise UsageError(
            f"there is no pull {pull_id}", remedy="look at the held ones: stocksync pulls"
        )
    if pull.status != PullStatus.HELD:
        raise UsageError(
            f"pull {pull_id} is not held, it is {pull.status}",
            remedy="look at the held ones: stocksync pulls",
        )
    return pull


def _require_same_rules(held: Pull, plan: SourcePlan) -> None:
    """What was shown was computed by the rules of then; other rules would apply something else."""
    if held.fingerprint is None or held.fingerprint == plan.fingerprint:
        return
    if held.position or recomputes(held.fingerprint, plan.fingerprint):
        raise UsageError(
            f"the rules of source {plan.name!r} have changed since pull {held.id} was held",
            remedy=f"restore them, or: stocksync pulls discard {held.id}, and let it be read again",
        )


def _tidy(connector: Connector, pull: Pull, settlement: Settlement) -> None:
    """Move the file away; what cannot be tidied now is recognised and tidied at the next look."""
    try:
        settle(connector, pull.position, settlement)
    except ConnectorError as error:
        log.warning("settle_failed", pull=pull.id, reason=error.message)


def _decide(ledger: Ledger, connection: Connection, held: Pull, actor: str) -> None:
    now = ledger.now(connection)
    decide_applying(
        connection,
        held.source_id,
        held.id,
        now=now,
        checkpoint=dict(held.checkpoint or {}),
        fingerprint=held.fingerprint,
        as_of=held.as_of,
        actor=actor,
    )
    close_outdated(connection, held, sources.names_by_id(connection)[held.source_id], now=now)
    events.record(connection, actor=actor, action="approve", subject=f"pull {held.id}", now=now)


def _drop(ledger: Ledger, connection: Connection, held: Pull, actor: str, *, skip: bool) -> None:
    now = ledger.now(connection)
    reason = f"discarded by {actor}"
    pulls.change(
        connection, held.id, status=PullStatus.DISCARDED, reason=reason, ended_at=now, actor=actor
    )
    pulls.forget_rows(connection, held.id)
    sources.change(connection, held.source_id, held_pull_id=None)
    source, why = sources.names_by_id(connection)[held.source_id], f"pull {held.id} was {reason}"
    failures.close_matching(
        connection,
        source=source,
        kind=FailureKind.SOURCE,
        why=why,
        now=now,
        reasons=(HOLD_EXPIRED,),
    )
    failures.close_of_pull(connection, source, held.id, why=why, now=now, alone=True)
    if skip:
        sources.change(connection, held.source_id, checkpoint=dict(held.checkpoint or {}))
    events.record(
        connection, actor=actor, action="discard", subject=f"pull {held.id}", now=now, skip=skip
    )


def _report(name: str, pull: Pull, status: PullStatus) -> PullReport:
    return PullReport(
        source=name,
        label=pull.label,
        status=status.value,
        pull_id=pull.id,
        read=pull.read,
        changed=pull.changed,
        rejected=pull.rejected,
        missing=pull.missing,
        eased=pull.counts.passing if pull.pages_applied else 0,
    )


def still_held(ledger: Ledger, name: str, reports: Sequence[PullReport]) -> list[PullReport]:
    """The pull of this source that was held before, for a person who has just pulled it again."""
    with ledger.read() as connection:
        source = sources.named(connection, name)
        number = None if source is None else source.held_pull_id
        held = None if number is None else pulls.numbered(connection, number)
    if held is None or any(report.pull_id == held.id for report in reports):
        return []
    reason = f"{held.reason}; what is newer rests until it is approved or discarded"
    report = PullReport(source=name, label=held.label, status=PullStatus.HELD, pull_id=held.id)
    return [replace(report, reason=reason)]
