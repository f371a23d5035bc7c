"""What becomes of an offer that was read and weighed: it is held, or applied."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from connectors.contract import Kind, Settlement
from worker.ledger import failures, pulls, sources
from worker.model import PullCounts, PullStatus
from worker.pull.applying import Applier
from worker.pull.deciding import close_outdated, decide_applying, read_now
from worker.pull.easing import ease
from worker.pull.lease import SECONDS
from worker.pull.mending import mends_of
from worker.pull.owning import close_foreign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from connectors.contract import Offer
    from worker.ledger.sources import Source
    from worker.pull.comparison import Comparison
    from worker.pull.report import PullReport
    from worker.pull.visit import Visit

log = structlog.get_logger(__name__)

BACKFILL_FROM = 1_000
"""A pull that raises more levels than this lets other changes go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """An offer that was read to its end and compared: what a decision is made of."""

    offer: Offer
    source: Source
    pull_id: int
    counts: PullCounts
    found: Comparison
    as_of: int | None


def hold(visit: Visit, read: Read, reasons: Sequence[str]) -> PullReport:
    """Keep what it would change, without effect, until a person decides."""
    reason, number = "; ".join(reasons), read.pull_id

    def work(connection: Connection) -> None:
        _supersede_held(visit, connection, read.source)
        values = _decided(visit, read)
        pulls.change(connection, number, status=PullStatus.HELD, reason=reason, **values)
        sources.change(
            connection,
            read.source.id,
            held_pull_id=number,
            last_pull_id=number,
            **read_now(read.as_of, visit.ledger.now(connection)),
        )

    superseded = visit.held_position(read.source)
    visit.lease.write(work)
    if superseded is not None:
        visit.settle(superseded, Settlement.SUPERSEDED, "a newer snapshot took its place")
    eased = ease(visit.ledger, visit.lease, visit.plan, number)
    log.error("pull_held", source=visit.plan.name, pull=number, reason=reason, eased=eased)
    return replace(_report(visit, read, PullStatus.HELD, reason), eased=eased)


def apply(visit: Visit, read: Read, *, last: bool) -> PullReport:
    """Decide it in one transaction, then write its pages; ``last``: nothing more is ready."""
    superseded = visit.held_position(read.source)
    visit.lease.write(lambda connection: _decide(visit, connection, read))
    _applier(visit, read.pull_id, withhold=0.0 if last else SECONDS).run()
    status = PullStatus.APPLIED if read.found.changes else PullStatus.UNCHANGED
    left_out = _left_out(read.found.outdated)
    if status is PullStatus.UNCHANGED:
        visit.lease.write(lambda connection: pulls.change(connection, read.pull_id, status=status))
    if left_out is not None:
        visit.lease.write(
            lambda connection: pulls.change(connection, read.pull_id, reason=left_out)
        )
    if superseded is not None:
        visit.settle(superseded, Settlement.SUPERSEDED, "a newer snapshot took its place")
    visit.settle(read.offer.position, Settlement(status.value))
    report = _report(visit, read, status, left_out)
    log.info(
        "pull_applied",
        source=visit.plan.name,
        pull=read.pull_id,
        read=report.read,
        changed=report.changed,
        rejected=report.rejected,
        status=status.value,
    )
    return report


def _decide(visit: Visit, connection: Connection, read: Read) -> None:
    now = visit.ledger.now(connection)
    _supersede_held(visit, connection, read.source)
    decide_applying(connection, read.source.id, read.pull_id, now=now, **_decided(visit, read))
    _close_healed(visit, connection, read, now)


def _applier(visit: Visit, pull_id: int, *, withhold: float) -> Applier:
    with visit.ledger.read() as connection:
        decided = pulls.numbered(connection, pull_id)
    if decided is None:  # pragma: no cover - it was decided just now
        raise AssertionError(pull_id)
    return Applier(
        ledger=visit.ledger, lease=visit.lease, plan=visit.plan, pull=decided, withhold=withhold
    )


def _decided(visit: Visit, read: Read) -> dict[str, Any]:
    counts = read.counts
    raised = sum(of.raised + of.created for of in counts.lists.values())
    return {
        "counts": counts,
        "read": counts.read,
        "changed": _changed(counts),
        "zeroed": sum(of.zeroed for of in counts.lists.values()),
        "missing": sum(of.missing for of in counts.lists.values()),
        "rejected": counts.rejected,
        "checkpoint": dict(read.offer.checkpoint()),
        "fingerprint": visit.plan.fingerprint,
        "pages": read.found.pages,
        "backfill": raised > BACKFILL_FROM,
        "as_of": read.as_of,
    }


def _close_healed(visit: Visit, connection: Connection, read: Read, now: float) -> None:
    snapshot = read.offer.kind is Kind.SNAPSHOT
    close_foreign(connection, visit.plan.name, read.found, complete=snapshot, now=now)
    applied = pulls.numbered(connection, read.pull_id)
    if applied is not None:
        close_outdated(connection, applied, visit.plan.name, now=now)
    failures.close_before(
        connection,
        sorted(read.found.good_again),
        pull_id=read.pull_id,
        why="a later row was applied",
        now=now,
        as_of=read.as_of,
    )
    if read.as_of is not None and not read.counts.rejected and _is_whole(read.offer):
        _close_mended(visit, connection, read, read.as_of, now)


def _close_mended(visit: Visit, connection: Connection, read: Read, as_of: int, now: float) -> None:
    """Close what names no key too, where as many good rows came back as were rejected."""
    mended = pulls.numbered(connection, as_of)
    if mended is not None and read.counts.read >= mended.rejected:
        why = "its rows came back mended"
        failures.close_of_pull(connection, visit.plan.name, as_of, why=why, now=now)


def _supersede_held(visit: Visit, connection: Connection, source: Source) -> None:
    if source.held_pull_id is None:
        return
    now = visit.ledger.now(connection)
    pulls.decide(
        connection,
        source.held_pull_id,
        was=PullStatus.HELD,
        status=PullStatus.DISCARDED,
        reason="superseded by a newer snapshot",
        ended_at=now,
    )
    pulls.forget_rows(connection, source.held_pull_id)
    sources.change(connection, source.id, held_pull_id=None)


def _report(visit: Visit, read: Read, status: PullStatus, reason: str | None) -> PullReport:
    counts = read.counts
    return replace(
        visit.report(read.offer, read.pull_id, status, reason),
        read=counts.read,
        changed=_changed(counts),
        rejected=counts.rejected,
        missing=sum(of.missing for of in counts.lists.values()),
        incomplete=counts.incomplete,
    )


def _is_whole(offer: Offer) -> bool:
    """Whether all rejected rows of a pull may have come back."""
    mends = mends_of(offer)
    return mends is not None and mends.whole


def _left_out(outdated: int) -> str | None:
    if not outdated:
        return None
    return f"{outdated} mended rows were left out: a later pull has stated these keys already"


def _changed(counts: PullCounts) -> int:
    return sum(of.changed + of.created for of in counts.lists.values())
