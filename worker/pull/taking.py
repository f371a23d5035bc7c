"""Take one offer: read and weigh it, or say why it need not be, or cannot be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from connectors.contract import MendableOffer, Settlement
from connectors.errors import (
    ConnectorError,
    SourceUnreadable,
)
from connectors.fault import Point, point
from worker.ledger import failures, pulls, sources
from worker.ledger.failures import NewFailure
from worker.model import FailureKind, PullStatus
from worker.pull.mending import Aside, origin, outdone
from worker.pull.outcome import Read, apply, hold
from worker.pull.owning import report_foreign
from worker.pull.rejecting import reject_failures
from worker.pull.stored import StoredParts
from worker.pull.weighing import Scale

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from connectors.contract import Offer
    from worker.ledger.pulls import PullRow
    from worker.ledger.sources import Source
    from worker.pull.report import PullReport
    from worker.pull.visit import Visit

log = structlog.get_logger(__name__)


def take(visit: Visit, offer: Offer, *, last: bool) -> PullReport:
    """Number a pull for an offer, and see it to its end."""
    pull_id = visit.lease.write(lambda connection: visit.begin(connection, offer))
    try:
        return _read(visit, offer, pull_id, last=last)
    except SourceUnreadable as error:
        return _failed(visit, offer, pull_id, error)
    except ConnectorError as error:
        visit.give_up(pull_id, error.message)
        raise


def _read(visit: Visit, offer: Offer, pull_id: int, *, last: bool) -> PullReport:
    source = visit.source()
    as_of = _as_of(visit, offer, pull_id, source)
    if too_late := outdone(source, as_of):
        return _outdone(visit, offer, pull_id, too_late)

    def stage(rows: list[PullRow]) -> None:
        visit.lease.write(lambda connection: pulls.stage(connection, pull_id, rows))

    def unstage() -> None:
        visit.lease.write(lambda connection: pulls.forget_rows(connection, pull_id))

    with Aside() as aside:
        weighed = Scale(
            ledger=visit.ledger,
            plan=visit.plan,
            source=source,
            on_chunk=lambda rows: visit.progress(offer, rows),
            stage=stage,
            unstage=unstage,
            aside=aside,
            as_of=as_of,
        ).weigh(offer)
        point(Point.READ)
        _set_aside(visit, offer, aside, as_of or pull_id)
    failures_found = reject_failures(
        visit.plan.name, offer, pull_id, weighed.reading, weighed.found
    )

    def report(connection: Connection) -> None:
        now = visit.ledger.now(connection)
        failures.record(connection, failures_found, now=now)
        report_foreign(connection, visit.plan.name, pull_id, weighed.found, now=now)

    visit.lease.write(report)
    read = Read(
        offer=offer,
        source=source,
        pull_id=pull_id,
        counts=weighed.counts,
        found=weighed.found,
        as_of=as_of,
    )
    reasons = weighed.reasons
    return hold(visit, read, reasons) if reasons else apply(visit, read, last=last)


def _as_of(visit: Visit, offer: Offer, pull_id: int, source: Source) -> int | None:
    """The pull whose rows an offer brings; None where it is the source's own word of now."""
    if isinstance(offer, StoredParts):
        return pull_id
    with visit.ledger.read() as connection:
        return origin(connection, source, offer)


def _set_aside(visit: Visit, offer: Offer, aside: Aside, of_pull: int) -> None:
    """Let a person have the rejected rows as a file; without it they are failures all the same.

    Before the pull is decided: what is decided is not read again.
    """
    if not aside.count or not isinstance(offer, MendableOffer):
        return
    visit.lease.stay()
    try:
        offer.set_aside(aside.rows(), pull=of_pull)
    except ConnectorError as error:
        log.warning("set_aside_failed", source=visit.plan.name, reason=error.message)


def _outdone(visit: Visit, offer: Offer, pull_id: int, why: str) -> PullReport:
    """End a pull of mended rows of which a later snapshot has spoken."""

    def work(connection: Connection) -> None:
        now, status = visit.ledger.now(connection), PullStatus.SUPERSEDED
        pulls.change(connection, pull_id, status=status, reason=why, ended_at=now)
        sources.change(connection, visit.source_id, last_pull_id=pull_id)

    visit.lease.write(work)
    visit.settle(offer.position, Settlement.SUPERSEDED, why)
    return visit.report(offer, pull_id, PullStatus.SUPERSEDED, why)


def pass_over(visit: Visit, offer: Offer) -> PullReport:
    """Note an offer that need not be read, with the reason."""
    status = PullStatus(offer.verdict.value)

    def work(connection: Connection) -> int:
        now = visit.ledger.now(connection)
        number = visit.begin(connection, offer)
        pulls.change(
            connection,
            number,
            status=status,
            reason=offer.remark,
            decided_at=now,
            ended_at=now,
        )
        if status is PullStatus.UNCHANGED:
            checkpoint = dict(offer.checkpoint())
            sources.change(
                connection,
                visit.source_id,
                checkpoint=checkpoint,
                last_pull_id=number,
                read_at=now,
            )
        else:
            checkpoint = dict(offer.checkpoint())
            sources.change(connection, visit.source_id, checkpoint=checkpoint)
        return number

    number = visit.lease.write(work)
    visit.settle(offer.position, Settlement(offer.verdict.value), offer.remark)
    return visit.report(offer, number, status, offer.remark)


def _failed(visit: Visit, offer: Offer, pull_id: int, error: SourceUnreadable) -> PullReport:
    visit.give_up(pull_id, error.message)
    failure = NewFailure(
        kind=FailureKind.FILE,
        identity=offer.label,
        reason="unreadable",
        message=error.message,
        remedy=error.remedy,
        source=visit.plan.name,
        file=offer.label,
        pull_id=pull_id,
    )
    visit.lease.write(
        lambda connection: failures.record(connection, [failure], now=visit.ledger.now(connection))
    )
    visit.settle(offer.position, Settlement.FAILED, f"{error.message}\n{error.remedy}")
    log.error("pull_failed", source=visit.plan.name, pull=pull_id, reason=error.message)
    report = visit.report(offer, pull_id, PullStatus.FAILED, error.message)
    return replace(report, error=error)
