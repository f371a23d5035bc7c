"""What a pull would do, found out by doing all of it but the writing.

Takes no lease, writes nothing to the ledger, moves no file. Every offer is compared with the ledger
as it is now; where several deltas are ready, a key that two of them state is counted in both.
"""

from __future__ import annotations

import heapq
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.contract import Reject, Verdict
from connectors.errors import ConnectorError, SourceUnreadable
from worker.ledger import sources
from worker.model import PullCounts, PullStatus, WhileHeld
from worker.pull.expiring import live_hold
from worker.pull.mending import mends_of, origin, outdone
from worker.pull.report import PullReport
from worker.pull.reviving import all_awaited
from worker.pull.stored import StoredParts, by_new_rules
from worker.pull.weighing import Scale

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connectors.contract import Offer, Position, Waiting
    from worker.ledger.pulls import PullRow
    from worker.ledger.sources import Source
    from worker.pull.comparison import BrokenKey
    from worker.pull.report import Turn
    from worker.pull.weighing import Weighing

_NOT_WEIGHED = frozenset({PullStatus.FAILED, PullStatus.SUPERSEDED})

SHOWN = 20
"""So many of the largest changes, and of the rejected rows, are kept for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would become of one offer.

    report: as the pull would report it, without a number; status ``held`` where the guard would
    stop it. changes: the largest, largest first. rejects: the first of the rows, and of the keys
    that cannot be made a level.
    """

    report: PullReport
    counts: PullCounts = field(default_factory=PullCounts)
    changes: Sequence[PullRow] = ()
    rejects: Sequence[Reject] = ()

    @property
    def zeroed(self) -> int:
        """How many levels would go to zero."""
        return sum(of.zeroed for of in self.counts.lists.values())

    @property
    def to_send(self) -> int:
        """How many levels would have to go to Omnitron: while it is held what may pass, or none."""
        return self.report.eased if self.report.status == PullStatus.HELD else self.report.changed


def preview(turn: Turn) -> tuple[list[Preview], Sequence[Waiting]]:
    """What `pull_source` would do with this turn, and what waits without being offered yet.

    What is wrong with the source is reported, not raised. Raises LedgerUnreachable.
    """
    source = _source(turn)
    held = _held(turn, source)
    with turn.ledger.read() as connection:
        revives = all_awaited(connection, source, held=held)
    try:
        listing = turn.connector.look(
            source.checkpoint,
            full=turn.full or revives or source.wants_all(turn.plan.fingerprint),
            held=held,
        )
        previews = [_of(turn, source, offer) for offer in listing.offers]
        return previews + _by_new_rules(turn, source, listing.offers, previews), listing.waiting
    except ConnectorError as error:
        return [Preview(report=_failed(turn, "", error))], ()


def _by_new_rules(
    turn: Turn, source: Source, offers: Sequence[Offer], previews: Sequence[Preview]
) -> list[Preview]:
    """What new rules make of what is known, where nothing that is offered does so."""
    weighed = any(
        offer.verdict is Verdict.READ
        and preview.report.status not in _NOT_WEIGHED
        and mends_of(offer) is None
        for offer, preview in zip(offers, previews, strict=True)
    )
    if weighed or _held(turn, source) is not None:
        return []
    known = by_new_rules(source, turn.plan)
    return [] if known is None else [_of(turn, source, known)]


def _of(turn: Turn, source: Source, offer: Offer) -> Preview:
    if offer.verdict is not Verdict.READ:
        return Preview(report=_passed_over(turn, offer))
    largest = _Largest(SHOWN)
    try:
        as_of = _as_of(turn, source, offer)
        if why := outdone(source, as_of):
            return Preview(report=_passed_over(turn, offer, why))
        weighed = Scale(
            ledger=turn.ledger,
            plan=turn.plan,
            source=source,
            on_chunk=lambda rows: turn.on_progress(offer.label, rows),
            stage=largest.add,
            unstage=largest.forget,
            as_of=as_of,
        ).weigh(offer)
    except SourceUnreadable as error:
        return Preview(report=_failed(turn, offer.label, error))
    return Preview(
        report=_report(turn, offer, weighed),
        counts=weighed.counts,
        changes=largest.rows(),
        rejects=_rejects(weighed),
    )


def _rejects(weighed: Weighing) -> list[Reject]:
    keys = map(_reject, weighed.found.broken[:SHOWN])
    found = [*weighed.reading.rejects.kept[:SHOWN], *keys]
    return sorted(found, key=lambda reject: reject.place)[:SHOWN]


def _reject(item: BrokenKey) -> Reject:
    return Reject(
        place=item.place,
        column=item.broken.column,
        value=item.broken.value,
        reason=item.broken.reason,
        message=item.broken.message,
        remedy=item.broken.remedy,
        raw="",
        sku=item.key.sku,
        warehouse=item.warehouse or None,
    )


def _as_of(turn: Turn, source: Source, offer: Offer) -> int | None:
    if isinstance(offer, StoredParts):
        return sys.maxsize  # it would be the pull itself, which has no number yet
    with turn.ledger.read() as connection:
        return origin(connection, source, offer)


class _Largest:
    """Keeps the rows whose level changes most, a bounded number of them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: list[PullRow] = []

    def add(self, rows: Iterable[PullRow]) -> None:
        """Look at a page of rows."""
        moved = (row for row in rows if row.before != row.after)
        self._kept = heapq.nlargest(self._count, [*self._kept, *moved], key=_size)

    def forget(self) -> None:
        """Begin anew."""
        self._kept = []

    def rows(self) -> list[PullRow]:
        """The largest, one per level."""
        return list({(row.stock_list, row.sku): row for row in self._kept}.values())


def _size(row: PullRow) -> tuple[bool, int]:
    """What goes to zero first, then by how much a level changes."""
    before, after = row.before or 0, row.after or 0
    return after == 0 < before, abs(after - before)


def _source(turn: Turn) -> Source:
    with turn.ledger.read() as connection:
        known = sources.named(connection, turn.plan.name)
    return sources.unseen(turn.plan.name) if known is None else known


def _held(turn: Turn, source: Source) -> Position | None:
    with turn.ledger.read() as connection:
        held = live_hold(connection, source, turn.plan, now=turn.ledger.now(connection))
    return None if held is None else held.position


def _report(turn: Turn, offer: Offer, weighed: Weighing) -> PullReport:
    lists = weighed.counts.lists.values()
    status = PullStatus.APPLIED if weighed.found.changes else PullStatus.UNCHANGED
    eases = turn.plan.guard.while_held is WhileHeld.DECREASES
    return PullReport(
        source=turn.plan.name,
        label=offer.label,
        status=(PullStatus.HELD if weighed.reasons else status).value,
        read=weighed.counts.read,
        changed=sum(of.changed + of.created for of in lists),
        rejected=weighed.counts.rejected,
        missing=sum(of.missing for of in lists),
        incomplete=weighed.counts.incomplete,
        eased=weighed.counts.passing if weighed.reasons and eases else 0,
        reason="; ".join(weighed.reasons) or None,
    )


def _passed_over(turn: Turn, offer: Offer, why: str = "") -> PullReport:
    status = PullStatus.SUPERSEDED if why else PullStatus(offer.verdict.value)
    return PullReport(
        source=turn.plan.name,
        label=offer.label,
        status=status.value,
        reason=why or offer.remark,
    )


def _failed(turn: Turn, label: str, error: ConnectorError) -> PullReport:
    return PullReport(
        source=turn.plan.name,
        label=label,
        status=PullStatus.FAILED.value,
        reason=error.message,
        error=error,
    )
