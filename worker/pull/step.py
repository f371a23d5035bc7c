"""One turn of a source: look, read each offer, weigh, decide, apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from connectors.contract import Kind, Settlement, Verdict
from connectors.errors import (
    ConnectorError,
)
from worker.ledger import levels, pulls, sources
from worker.model import PullStatus
from worker.planning.schedule import next_at
from worker.pull.applying import Applier
from worker.pull.easing import ease
from worker.pull.expiring import expire
from worker.pull.lease import Lease, require_running
from worker.pull.mending import mends_of
from worker.pull.report import PullReport
from worker.pull.reviving import all_awaited
from worker.pull.room import require_room
from worker.pull.stored import by_new_rules
from worker.pull.taking import pass_over, take
from worker.pull.trouble import in_trouble, well
from worker.pull.visit import Visit
from worker.pull.waiting import note_waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from connectors.contract import Offer, Waiting
    from worker.ledger.sources import Source
    from worker.pull.report import Turn

log = structlog.get_logger(__name__)


def pull_source(turn: Turn) -> list[PullReport]:
    """Pull everything that the source offers now; one report per offer.

    Raises SourceBusy while another process pulls it, SourcePaused while a person has paused it,
    and LedgerUnreachable. What goes wrong with the source itself is reported, recorded in the
    ledger and never raised.
    """
    return _in_turn(turn, lambda puller: puller.run())


def pull_offers(turn: Turn, offers: Sequence[Offer]) -> list[PullReport]:
    """Pull these deltas of a source rather than what it offers itself; nothing while one is held.

    Raises as `pull_source`.
    """
    return _in_turn(turn, lambda puller: puller.take(offers))


def finish(turn: Turn) -> list[PullReport]:
    """Apply what a process that died had decided for this source; reads nothing.

    Raises as `pull_source`.
    """
    with turn.ledger.read() as connection:
        source = sources.named(connection, turn.plan.name)
        if source is None or not pulls.in_status(connection, source.id, PullStatus.APPLYING):
            return []
    return _in_turn(turn, lambda puller: puller.finish())


def _in_turn(turn: Turn, work: Callable[[_Puller], list[PullReport]]) -> list[PullReport]:
    lease = Lease(turn.ledger, turn.plan.name)
    lease.take()
    try:
        require_running(turn.ledger, turn.plan)
        return work(_Puller(Visit(turn=turn, lease=lease)))
    finally:
        lease.end()


class _Puller:
    """One turn while it holds the lease."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._waiting: Sequence[Waiting] = ()

    def run(self) -> list[PullReport]:
        reports = self._finish_interrupted()
        self._visit.lease.write(self._expire)
        ease(
            self._visit.ledger,
            self._visit.lease,
            self._visit.plan,
            self._visit.source().held_pull_id,
        )
        try:
            require_room(self._visit.ledger, self._visit.turn.min_free)
            reports += self._offers()
        except ConnectorError as error:
            reports.append(in_trouble(self._visit, error))
        self._visit.lease.write(self._end_turn)
        return reports

    def finish(self) -> list[PullReport]:
        reports = self._finish_interrupted()
        self._visit.lease.write(lambda connection: levels.let_go(connection, self._visit.source_id))
        return reports

    def take(self, offers: Sequence[Offer]) -> list[PullReport]:
        self._finish_interrupted()
        self._by_new_rules()
        if self._visit.source().held_pull_id is not None:
            return []
        reports = [take(self._visit, offer, last=True) for offer in offers]
        self._visit.lease.write(lambda connection: levels.let_go(connection, self._visit.source_id))
        return reports

    def _expire(self, connection: Connection) -> None:
        source, now = self._visit.named(connection), self._visit.ledger.now(connection)
        if expire(connection, source, self._visit.plan, now=now):
            log.error("hold_expired", source=self._visit.plan.name, pull=source.held_pull_id)

    def _offers(self) -> list[PullReport]:
        """Take what is offered; look again after an unreadable one: it may have hidden others."""
        reports: list[PullReport] = []
        failed: set[str] = set()
        full = self._visit.turn.full or self._full_is_due(self._visit.source())
        while True:
            taken = self._round(full=full)
            reports += taken
            unreadable = {r.label for r in taken if r.status == PullStatus.FAILED} - failed
            if not unreadable:
                break
            failed |= unreadable
        reports += self._by_new_rules()
        self._visit.lease.write(lambda connection: well(self._visit, connection, full=full))
        return reports + self._alarms()

    def _by_new_rules(self) -> list[PullReport]:
        """Put new rules to what is known, where nothing was read that did so."""
        source = self._visit.source()
        if self._visit.turn.stopped() or source.held_pull_id is not None:
            return []
        known = by_new_rules(source, self._visit.plan)
        return [] if known is None else [take(self._visit, known, last=True)]

    def _alarms(self) -> list[PullReport]:
        """Tell what waits and never comes by itself, as the last look found it."""
        self._visit.turn.on_waiting(self._waiting)
        alarms = [*(rest for rest in self._waiting if rest.alarm), *self._visit.stuck]
        self._visit.lease.write(
            lambda connection: note_waiting(
                connection, self._visit.plan.name, alarms, now=self._visit.ledger.now(connection)
            )
        )
        return [
            PullReport(
                source=self._visit.plan.name,
                label=rest.label,
                status=PullStatus.FAILED.value,
                reason=rest.reason,
            )
            for rest in alarms
        ]

    def _round(self, *, full: bool) -> list[PullReport]:
        source = self._visit.source()
        held = self._visit.held_position(source)
        with self._visit.ledger.read() as connection:
            revives = all_awaited(connection, source, held=held)
        listing = self._visit.connector.look(
            source.checkpoint,
            full=full or revives or source.wants_all(self._visit.plan.fingerprint),
            held=held,
        )
        self._waiting = listing.waiting
        passed = [offer for offer in listing.offers if offer.verdict is not Verdict.READ]
        to_read = [offer for offer in listing.offers if offer.verdict is Verdict.READ]
        reports: list[PullReport] = []
        for number, offer in enumerate(to_read, start=1):
            if mends_of(offer) is not None:
                reports += self._by_new_rules()
            if self._visit.turn.stopped() or _ends_held(reports):
                return reports
            reports.append(take(self._visit, offer, last=number == len(to_read)))
            if _ends_held(reports):
                return reports  # what follows rests, and what it outdoes may yet be wanted
            if reports[-1].status == PullStatus.FAILED and offer.kind is Kind.SNAPSHOT:
                return reports  # look again before anything newer: older files count once more
        if any(report.status == PullStatus.FAILED for report in reports):
            return reports  # an older snapshot may be the newest good one: look again
        return reports + [pass_over(self._visit, offer) for offer in passed]

    def _end_turn(self, connection: Connection) -> None:
        now = self._visit.ledger.now(connection)
        plan = self._visit.plan
        following = next_at(cron=plan.cron, every=plan.every, timezone=plan.timezone, now=now)
        sources.change(connection, self._visit.source_id, next_at=following)
        levels.let_go(connection, self._visit.source_id)

    def _finish_interrupted(self) -> list[PullReport]:
        """What a dead process left: decided pulls are applied, undecided ones begin anew."""
        source = self._visit.source()
        with self._visit.ledger.read() as connection:
            applying = pulls.in_status(connection, source.id, PullStatus.APPLYING)
            running = pulls.in_status(connection, source.id, PullStatus.RUNNING)
        for pull in running:
            self._visit.give_up(pull.id, "interrupted; it is read again")
        for pull in applying:
            Applier(
                ledger=self._visit.ledger, lease=self._visit.lease, plan=self._visit.plan, pull=pull
            ).run()
            self._visit.settle(pull.position, Settlement.APPLIED)
        return [
            PullReport(
                source=self._visit.plan.name,
                label=pull.label,
                status=PullStatus.APPLIED,
                pull_id=pull.id,
                read=pull.read,
                changed=pull.changed,
                rejected=pull.rejected,
                missing=pull.missing,
                reason="taken up again after an interruption",
            )
            for pull in applying
        ]

    def _full_is_due(self, source: Source) -> bool:
        if self._visit.plan.full_cron is None:
            return False
        with self._visit.ledger.read() as connection:
            return self._visit.ledger.now(connection) >= source.next_full_at


def _ends_held(reports: Sequence[PullReport]) -> bool:
    return bool(reports) and reports[-1].status == PullStatus.HELD
