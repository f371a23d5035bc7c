"""One turn of a source: look, read each offer, weigh, decide, apply."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from connectors.contract import Kind, MendableOffer, Settlement, Verdict
from connectors.errors import (
    ConnectorError,
    SourceUnreachable,
    SourceUnreadable,
)
from connectors.fault import Point, point
from worker.errors import UsageError
from worker.ledger import failures, levels, pulls, sources
from worker.ledger.failures import NewFailure
from worker.model import FailureKind, PullCounts, PullStatus
from worker.planning.fingerprints import recomputed, recomputes
from worker.planning.schedule import next_at
from worker.pull.applying import Applier
from worker.pull.deciding import close_outdated, decide_applying, read_now
from worker.pull.easing import ease
from worker.pull.expiring import expire
from worker.pull.lease import SECONDS, Lease, require_running
from worker.pull.mending import Aside, origin, outdone
from worker.pull.owning import close_foreign, report_foreign
from worker.pull.rejecting import reject_failures
from worker.pull.report import PullReport
from worker.pull.reviving import all_awaited
from worker.pull.room import NoRoom, require_room
from worker.pull.stored import StoredParts, settle
from worker.pull.waiting import note_waiting, stuck
from worker.pull.weighing import Scale

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from connectors.contract import Offer, Waiting
    from worker.ledger.pulls import PullRow
    from worker.ledger.sources import Source
    from worker.pull.comparison import Comparison
    from worker.pull.report import Turn

log = structlog.get_logger(__name__)

BACKFILL_FROM = 1_000
"""A pull that raises more levels than this lets other changes go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """An offer that was read to its end and compared: what a decision is made of."""

    offer: Offer
    source: Source
    pull_id: int
    counts: PullCounts
    found: Comparison
    as_of: int | None


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


def _in_turn(turn: Turn, work: Callable[[_Puller], list[PullReport]]) -> list[PullReport]:
    lease = Lease(turn.ledger, turn.plan.name)
    lease.take()
    try:
        require_running(turn.ledger, turn.plan)
        return work(_Puller(turn, lease))
    finally:
        lease.end()


class _Puller:
    """One turn while it holds the lease."""

    def __init__(self, turn: Turn, lease: Lease) -> None:
        self._turn = turn
        self._ledger = turn.ledger
        self._plan = turn.plan
        self._connector = turn.connector
        self._lease = lease
        self._waiting: Sequence[Waiting] = ()
        self._stuck: list[Waiting] = []

    def run(self) -> list[PullReport]:
        reports = self._finish_interrupted()
        self._lease.write(self._expire)
        ease(self._ledger, self._lease, self._plan, self._source().held_pull_id)
        try:
            require_room(self._ledger, self._turn.min_free)
            reports += self._offers()
        except ConnectorError as error:
            reports.append(self._in_trouble(error))
        self._lease.write(self._end_turn)
        return reports

    def take(self, offers: Sequence[Offer]) -> list[PullReport]:
        self._finish_interrupted()
        if self._source().held_pull_id is not None:
            return []
        reports = [self._take(offer, last=True) for offer in offers]
        self._lease.write(lambda connection: levels.let_go(connection, self._source_id))
        return reports

    def _expire(self, connection: Connection) -> None:
        source, now = self._named(connection), self._ledger.now(connection)
        if expire(connection, source, self._plan, now=now):
            log.error("hold_expired", source=self._plan.name, pull=source.held_pull_id)

    def _offers(self) -> list[PullReport]:
        """Take what is offered; look again after an unreadable one: it may have hidden others."""
        reports: list[PullReport] = []
        failed: set[str] = set()
        full = self._turn.full or self._full_is_due(self._source())
        while True:
            taken = self._round(full=full)
            reports += taken
            unreadable = {r.label for r in taken if r.status == PullStatus.FAILED} - failed
            if not unreadable:
                break
            failed |= unreadable
        reports += self._by_new_rules()
        self._lease.write(lambda connection: self._well(connection, full=full))
        return reports + self._alarms()

    def _by_new_rules(self) -> list[PullReport]:
        """Put new rules to what is known, where nothing was read that did so."""
        source = self._source()
        if self._turn.stopped() or source.held_pull_id is not None:
            return []
        if not recomputes(source.fingerprint, self._plan.fingerprint):
            return []
        return [self._take(StoredParts(stands_at=source.checkpoint), last=True)]

    def _alarms(self) -> list[PullReport]:
        """Tell what waits and never comes by itself, as the last look found it."""
        alarms = [*(rest for rest in self._waiting if rest.alarm), *self._stuck]
        self._lease.write(
            lambda connection: note_waiting(
                connection, self._plan.name, alarms, now=self._ledger.now(connection)
            )
        )
        return [
            PullReport(
                source=self._plan.name,
                label=rest.label,
                status=PullStatus.FAILED.value,
                reason=rest.reason,
            )
            for rest in alarms
        ]

    def _round(self, *, full: bool) -> list[PullReport]:
        source = self._source()
        held = self._held_position(source)
        with self._ledger.read() as connection:
            revives = all_awaited(connection, source, held=held)
        listing = self._connector.look(
            source.checkpoint,
            full=full or revives or source.wants_all(self._plan.fingerprint),
            held=held,
        )
        self._waiting = listing.waiting
        passed = [offer for offer in listing.offers if offer.verdict is not Verdict.READ]
        to_read = [offer for offer in listing.offers if offer.verdict is Verdict.READ]
        reports: list[PullReport] = []
        for number, offer in enumerate(to_read, start=1):
            if self._turn.stopped():
                return reports
            reports.append(self._take(offer, last=number == len(to_read)))
            if reports[-1].status == PullStatus.HELD:
                return reports  # what follows rests, and what it outdoes may yet be wanted
            if reports[-1].status == PullStatus.FAILED and offer.kind is Kind.SNAPSHOT:
                return reports  # look again before anything newer: older files count once more
        if any(report.status == PullStatus.FAILED for report in reports):
            return reports  # an older snapshot may be the newest good one: look again
        return reports + [self._passed_over(offer) for offer in passed]

    def _take(self, offer: Offer, *, last: bool) -> PullReport:
        pull_id = self._lease.write(lambda connection: self._begin(connection, offer))
        try:
            return self._read(offer, pull_id, last=last)
        except SourceUnreadable as error:
            return self._failed(offer, pull_id, error)
        except ConnectorError as error:
            self._give_up(pull_id, error.message)
            raise

    def _read(self, offer: Offer, pull_id: int, *, last: bool) -> PullReport:
        source = self._source()
        as_of = self._as_of(offer, pull_id, source)
        if too_late := outdone(source, as_of):
            return self._outdone(offer, pull_id, too_late)

        def stage(rows: list[PullRow]) -> None:
            self._lease.write(lambda connection: pulls.stage(connection, pull_id, rows))

        def unstage() -> None:
            self._lease.write(lambda connection: pulls.forget_rows(connection, pull_id))

        with Aside() as aside:
            weighed = Scale(
                ledger=self._ledger,
                plan=self._plan,
                source=source,
                on_chunk=lambda rows: self._progress(offer, rows),
                stage=stage,
                unstage=unstage,
                aside=aside,
                as_of=as_of,
            ).weigh(offer)
            point(Point.READ)
            self._set_aside(offer, aside, as_of or pull_id)
        failures_found = reject_failures(
            self._plan.name, offer, pull_id, weighed.reading, weighed.found
        )

        def report(connection: Connection) -> None:
            now = self._ledger.now(connection)
            failures.record(connection, failures_found, now=now)
            report_foreign(connection, self._plan.name, pull_id, weighed.found, now=now)

        self._lease.write(report)
        read = _Read(
            offer=offer,
            source=source,
            pull_id=pull_id,
            counts=weighed.counts,
            found=weighed.found,
            as_of=as_of,
        )
        reasons = weighed.reasons
        return self._hold(read, reasons) if reasons else self._apply(read, last=last)

    def _as_of(self, offer: Offer, pull_id: int, source: Source) -> int | None:
        """The pull whose rows an offer brings; None where it is the source's own word of now."""
        if isinstance(offer, StoredParts):
            return pull_id
        with self._ledger.read() as connection:
            return origin(connection, source, offer)

    def _set_aside(self, offer: Offer, aside: Aside, of_pull: int) -> None:
        """Let a person have the rejected rows as a file; without it they are failures all the same.

        Before the pull is decided: what is decided is not read again.
        """
        if not aside.count or not isinstance(offer, MendableOffer):
            return
        self._lease.stay()
        try:
            offer.set_aside(aside.rows(), pull=of_pull)
        except ConnectorError as error:
            log.warning("set_aside_failed", source=self._plan.name, reason=error.message)

    def _outdone(self, offer: Offer, pull_id: int, why: str) -> PullReport:
        """End a pull of mended rows of which a later snapshot has spoken."""

        def work(connection: Connection) -> None:
            now, status = self._ledger.now(connection), PullStatus.SUPERSEDED
            pulls.change(connection, pull_id, status=status, reason=why, ended_at=now)
            sources.change(connection, self._source_id, last_pull_id=pull_id)

        self._lease.write(work)
        self._settle(offer.position, Settlement.SUPERSEDED, why)
        return self._bare_report(offer, pull_id, PullStatus.SUPERSEDED, why)

    def _hold(self, read: _Read, reasons: Sequence[str]) -> PullReport:
        reason, number = "; ".join(reasons), read.pull_id

        def work(connection: Connection) -> None:
            self._supersede_held(connection, read.source)
            values = self._decided(read)
            pulls.change(connection, number, status=PullStatus.HELD, reason=reason, **values)
            sources.change(
                connection,
                read.source.id,
                held_pull_id=number,
                last_pull_id=number,
                **read_now(read.as_of, self._ledger.now(connection)),
            )

        superseded = self._held_position(read.source)
        self._lease.write(work)
        if superseded is not None:
            self._settle(superseded, Settlement.SUPERSEDED, "a newer snapshot took its place")
        eased = ease(self._ledger, self._lease, self._plan, number)
        log.error("pull_held", source=self._plan.name, pull=number, reason=reason, eased=eased)
        return replace(self._report(read, PullStatus.HELD, reason), eased=eased)

    def _apply(self, read: _Read, *, last: bool) -> PullReport:
        superseded = self._held_position(read.source)
        self._lease.write(lambda connection: self._decide(connection, read))
        self._applier(read.pull_id, withhold=0.0 if last else SECONDS).run()
        status = PullStatus.APPLIED if read.found.changes else PullStatus.UNCHANGED
        left_out = _left_out(read.found.outdated)
        if status is PullStatus.UNCHANGED:
            self._lease.write(
                lambda connection: pulls.change(connection, read.pull_id, status=status)
            )
        if left_out is not None:
            self._lease.write(
                lambda connection: pulls.change(connection, read.pull_id, reason=left_out)
            )
        if superseded is not None:
            self._settle(superseded, Settlement.SUPERSEDED, "a newer snapshot took its place")
        self._settle(read.offer.position, Settlement(status.value))
        report = self._report(read, status, left_out)
        log.info(
            "pull_applied",
            source=self._plan.name,
            pull=read.pull_id,
            read=report.read,
            changed=report.changed,
            rejected=report.rejected,
            status=status.value,
        )
        return report

    def _decide(self, connection: Connection, read: _Read) -> None:
        now = self._ledger.now(connection)
        self._supersede_held(connection, read.source)
        values = self._decided(read)
        decide_applying(connection, read.source.id, read.pull_id, now=now, **values)
        self._close_healed(connection, read, now)

    def _applier(self, pull_id: int, *, withhold: float) -> Applier:
        with self._ledger.read() as connection:
            decided = pulls.numbered(connection, pull_id)
        if decided is None:  # pragma: no cover - it was decided just now
            raise AssertionError(pull_id)
        return Applier(
            ledger=self._ledger, lease=self._lease, plan=self._plan, pull=decided, withhold=withhold
        )

    def _decided(self, read: _Read) -> dict[str, object]:
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
            "fingerprint": self._fingerprint(read),
            "pages": read.found.pages,
            "backfill": raised > BACKFILL_FROM,
            "as_of": read.as_of,
        }

    def _fingerprint(self, read: _Read) -> str:
        """Of the rules by which the source's levels are made once this is applied."""
        today = self._plan.fingerprint
        if isinstance(read.offer, StoredParts):
            return recomputed(read.source.fingerprint, today)
        return today

    def _close_healed(self, connection: Connection, read: _Read, now: float) -> None:
        snapshot = read.offer.kind is Kind.SNAPSHOT
        close_foreign(connection, self._plan.name, read.found, complete=snapshot, now=now)
        applied = pulls.numbered(connection, read.pull_id)
        if applied is not None:
            close_outdated(connection, applied, self._plan.name, now=now)
        failures.close_before(
            connection,
            sorted(read.found.good_again),
            pull_id=read.pull_id,
            why="a later row was applied",
            now=now,
        )
        if read.as_of is not None and not read.counts.rejected and _is_whole(read.offer):
            self._close_mended(connection, read, read.as_of, now)

    def _close_mended(self, connection: Connection, read: _Read, as_of: int, now: float) -> None:
        """Close what names no key too, where as many good rows came back as were rejected."""
        mended = pulls.numbered(connection, as_of)
        if mended is not None and read.counts.read >= mended.rejected:
            why = "its rows came back mended"
            failures.close_of_pull(connection, self._plan.name, as_of, why=why, now=now)

    def _supersede_held(self, connection: Connection, source: Source) -> None:
        if source.held_pull_id is None:
            return
        now = self._ledger.now(connection)
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

    def _passed_over(self, offer: Offer) -> PullReport:
        status = PullStatus(offer.verdict.value)

        def work(connection: Connection) -> int:
            now = self._ledger.now(connection)
            number = self._begin(connection, offer)
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
                    self._source_id,
                    checkpoint=checkpoint,
                    last_pull_id=number,
                    read_at=now,
                )
            else:
                checkpoint = dict(offer.checkpoint())
                sources.change(connection, self._source_id, checkpoint=checkpoint)
            return number

        number = self._lease.write(work)
        self._settle(offer.position, Settlement(offer.verdict.value), offer.remark)
        return self._bare_report(offer, number, status, offer.remark)

    def _failed(self, offer: Offer, pull_id: int, error: SourceUnreadable) -> PullReport:
        self._give_up(pull_id, error.message)
        failure = NewFailure(
            kind=FailureKind.FILE,
            identity=offer.label,
            reason="unreadable",
            message=error.message,
            remedy=error.remedy,
            source=self._plan.name,
            file=offer.label,
            pull_id=pull_id,
        )
        self._lease.write(
            lambda connection: failures.record(
                connection, [failure], now=self._ledger.now(connection)
            )
        )
        self._settle(offer.position, Settlement.FAILED, f"{error.message}\n{error.remedy}")
        log.error("pull_failed", source=self._plan.name, pull=pull_id, reason=error.message)
        report = self._bare_report(offer, pull_id, PullStatus.FAILED, error.message)
        return replace(report, error=error)

    def _give_up(self, pull_id: int, reason: str) -> None:
        def work(connection: Connection) -> None:
            pulls.forget_rows(connection, pull_id)
            now = self._ledger.now(connection)
            pulls.change(connection, pull_id, status=PullStatus.FAILED, reason=reason, ended_at=now)
            sources.change(connection, self._source_id, last_pull_id=pull_id)

        self._lease.write(work)

    def _in_trouble(self, error: ConnectorError) -> PullReport:
        unreachable = isinstance(error, SourceUnreachable)
        failure = NewFailure(
            kind=FailureKind.SOURCE,
            identity=self._plan.name,
            reason=_reason_of(error),
            message=error.message,
            remedy=error.remedy,
            source=self._plan.name,
        )

        def work(connection: Connection) -> None:
            now = self._ledger.now(connection)
            source = self._named(connection)
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

        self._lease.write(work)
        log.error("source_in_trouble", source=self._plan.name, reason=error.message)
        return PullReport(
            source=self._plan.name,
            label="",
            status=PullStatus.FAILED,
            reason=error.message,
            error=error,
        )

    def _well(self, connection: Connection, *, full: bool) -> None:
        now = self._ledger.now(connection)
        values: dict[str, object] = {"trouble": None, "trouble_reason": None}
        source = self._named(connection)
        if source.held_pull_id is None:
            values["last_success_at"] = now
            if source.fingerprint is None:
                values["fingerprint"] = self._plan.fingerprint
        if full and self._plan.full_cron is not None:
            values["next_full_at"] = next_at(
                cron=self._plan.full_cron, every=None, timezone=self._plan.timezone, now=now
            )
        sources.change(connection, source.id, **values)
        failures.close_matching(
            connection,
            source=self._plan.name,
            kind=FailureKind.SOURCE,
            why="it works",
            now=now,
            reasons=("unreachable", "misconfigured", "disk_full"),
        )

    def _end_turn(self, connection: Connection) -> None:
        now = self._ledger.now(connection)
        plan = self._plan
        following = next_at(cron=plan.cron, every=plan.every, timezone=plan.timezone, now=now)
        sources.change(connection, self._source_id, next_at=following)
        levels.let_go(connection, self._source_id)

    def _finish_interrupted(self) -> list[PullReport]:
        """What a dead process left: decided pulls are applied, undecided ones begin anew."""
        source = self._source()
        with self._ledger.read() as connection:
            applying = pulls.in_status(connection, source.id, PullStatus.APPLYING)
            running = pulls.in_status(connection, source.id, PullStatus.RUNNING)
        for pull in running:
            self._give_up(pull.id, "interrupted; it is read again")
        for pull in applying:
            Applier(ledger=self._ledger, lease=self._lease, plan=self._plan, pull=pull).run()
            self._settle(pull.position, Settlement.APPLIED)
        return [
            PullReport(
                source=self._plan.name,
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

    def _begin(self, connection: Connection, offer: Offer) -> int:
        source = self._named(connection)
        return pulls.begin(
            connection,
            source.id,
            now=self._ledger.now(connection),
            label=offer.label,
            kind=offer.kind.value,
            status=PullStatus.RUNNING,
            position=dict(offer.position),
            first=not pulls.ever_applied(connection, source.id),
            actor=self._turn.actor,
        )

    def _settle(
        self, position: Mapping[str, object], settlement: Settlement, reason: str = ""
    ) -> None:
        """Tidy up; what cannot be tidied now is recognised and tidied at the next look."""
        try:
            settle(self._connector, position, settlement, reason)
        except ConnectorError as error:
            log.warning("settle_failed", source=self._plan.name, reason=error.message)
            self._stuck.append(stuck(position, error))

    def _full_is_due(self, source: Source) -> bool:
        if self._plan.full_cron is None:
            return False
        with self._ledger.read() as connection:
            return self._ledger.now(connection) >= source.next_full_at

    def _held_position(self, source: Source) -> Mapping[str, object] | None:
        if source.held_pull_id is None:
            return None
        with self._ledger.read() as connection:
            held = pulls.numbered(connection, source.held_pull_id)
        return None if held is None else held.position

    def _progress(self, offer: Offer, rows: int) -> None:
        self._lease.stay()
        self._turn.on_progress(offer.label, rows)

    def _source(self) -> Source:
        with self._ledger.read() as connection:
            return self._named(connection)

    @property
    def _source_id(self) -> int:
        return self._source().id

    def _named(self, connection: Connection) -> Source:
        source = sources.named(connection, self._plan.name)
        if source is None:
            raise UsageError(
                f"there is no source {self._plan.name!r} in the ledger",
                remedy="name one of the configured sources: stocksync sources",
            )
        return source

    def _report(self, read: _Read, status: PullStatus, reason: str | None) -> PullReport:
        counts = read.counts
        return replace(
            self._bare_report(read.offer, read.pull_id, status, reason),
            read=counts.read,
            changed=_changed(counts),
            rejected=counts.rejected,
            missing=sum(of.missing for of in counts.lists.values()),
            incomplete=counts.incomplete,
        )

    def _bare_report(
        self, offer: Offer, pull_id: int, status: PullStatus, reason: str | None
    ) -> PullReport:
        return PullReport(
            source=self._plan.name,
            label=offer.label,
            status=status.value,
            pull_id=pull_id,
            reason=reason,
        )


def _is_whole(offer: Offer) -> bool:
    """Whether all rejected rows of a pull may have come back."""
    mends = offer.mends if isinstance(offer, MendableOffer) else None
    return mends is not None and mends.whole


def _left_out(outdated: int) -> str | None:
    if not outdated:
        return None
    return f"{outdated} mended rows were left out: a later pull has stated these keys already"


def _reason_of(error: ConnectorError) -> str:
    if isinstance(error, NoRoom):
        return "disk_full"
    return "unreachable" if isinstance(error, SourceUnreachable) else "misconfigured"


def _changed(counts: PullCounts) -> int:
    return sum(of.changed + of.created for of in counts.lists.values())
