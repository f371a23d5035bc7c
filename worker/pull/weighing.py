"""Read an offer, compare it with the ledger and ask the guard; for a pull and for its preview."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from connectors.contract import Kind, MendableOffer
from worker.ledger import failures, levels, lists, pulls, sources
from worker.ledger.lines import line_of, stated
from worker.ledger.scratch import Scratch
from worker.model import FailureKind, Lookalikes, Missing
from worker.planning.guard import Weighed, reasons_to_hold
from worker.pull.carrying import carried
from worker.pull.comparing import Comparer
from worker.pull.comparison import Comparison, Scope, Watched, told_before
from worker.pull.deciding import WATCHED
from worker.pull.mending import mends_of
from worker.pull.reading import Reading, read_offer
from worker.pull.resembling import Resemblance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection

    from connectors.contract import Offer
    from worker.ledger import Ledger
    from worker.ledger.pulls import PullRow
    from worker.ledger.sources import Source
    from worker.model import PullCounts, SourcePlan
    from worker.pull.mending import Aside

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighing:
    """What an offer means: its rows, its differences, its counts, and why it would be held."""

    reading: Reading
    found: Comparison
    counts: PullCounts
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What weighing works with. It writes nothing itself.

    on_chunk: called with the rows read so far; stage: with every page of what would change;
    unstage: where all of that is void, before it is staged anew.
    aside: notes what is rejected. as_of: the pull whose rejected rows come back mended.
    """

    ledger: Ledger
    plan: SourcePlan
    source: Source
    on_chunk: Callable[[int], None]
    stage: Callable[[list[PullRow]], None]
    unstage: Callable[[], None]
    aside: Aside | None = None
    as_of: int | None = None

    def weigh(self, offer: Offer) -> Weighing:
        """Read ``offer`` to its end and weigh it. Raises what `Offer.chunks` raises."""
        stock_lists = self._stock_lists()
        with Scratch() as scratch:
            reading = read_offer(
                offer,
                scratch,
                plan=self.plan,
                stock_lists=stock_lists,
                on_chunk=self.on_chunk,
                **({} if self.aside is None else {"on_reject": self.aside.note_row}),
            )
            scope = self._scope(offer, reading, stock_lists)
            scope = replace(scope, alike=self._alike(reading, scratch))
            if self.aside is not None:
                scope = replace(scope, on_broken=self.aside.note_key)
            if scope.recompute:
                for page in carried(self.ledger, self.source.id, scope.list_of):
                    scratch.add(map(line_of, page))
            found = self._walk(scratch, scope)
            if any(of["missing"] for of in found.per_list.values()) and not _few_rejected(
                reading.rejects.total + found.broken_rows, reading, self.plan
            ):
                self.unstage()
                found = self._walk(scratch, replace(scope, missing=False, on_broken=told_before))
        counts = self._counts(reading, found)
        reasons = self._reasons(offer, counts, found)
        return Weighing(reading=reading, found=found, counts=counts, reasons=reasons)

    def _walk(self, scratch: Scratch, scope: Scope) -> Comparison:
        return Comparer(self.ledger, scope, lambda _page, rows: self.stage(rows)).walk(scratch)

    def _stock_lists(self) -> dict[str, int]:
        with self.ledger.read() as connection:
            return {**lists.by_code(connection), **self.plan.stock_lists}

    def _alike(self, reading: Reading, scratch: Scratch) -> dict[str, str]:
        if self.plan.rules.lookalikes is Lookalikes.ALLOW:
            return {}
        if reading.spellings.too_many:
            log.info("lookalikes_not_sought", source=self.plan.name)
        suspects = reading.spellings.suspects()
        if not suspects:
            return reading.spellings.alike(())
        skus = (stated(line).sku for line in scratch.every())
        return reading.spellings.alike({sku for sku in skus if sku in suspects})

    def _scope(self, offer: Offer, reading: Reading, stock_lists: Mapping[str, int]) -> Scope:
        snapshot = offer.kind is Kind.SNAPSHOT
        changed = self.source.fingerprint not in {None, self.plan.fingerprint}
        new_rules = changed and mends_of(offer) is None  # these are as old as their pull
        with self.ledger.read() as connection:
            recompute = new_rules or self._revives(connection)
            owners = frozenset(other.id for other in sources.every(connection))
            rejected = pulls.ever_rejected(connection, self.source.id)
            repeated = _repeats(connection, self.source, offer)
            watched = failures.open_ones(
                connection, source=self.plan.name, kind=FailureKind.ROW, limit=WATCHED
            )
        return Scope(
            source=self.source,
            plan=self.plan,
            owners=owners,
            everything=snapshot or recompute,
            missing=snapshot and _absence_counts(reading, self.plan),
            snapshot=snapshot,
            resemblance=self._resemblance(snapshot=snapshot),
            repeated=repeated,
            recompute=recompute,
            watched=Watched.of(watched),
            stock_lists=stock_lists,
            as_of=self.as_of,
            restates=rejected and self.as_of is None and _may_be_mended(offer),
        )

    def _resemblance(self, *, snapshot: bool) -> Resemblance | None:
        """Not where what this pull no longer states is gone with it: SKUs may be written anew."""
        rules = self.plan.rules
        renewed = snapshot and rules.missing is not Missing.KEEP and self.plan.absences == 1
        if renewed or rules.lookalikes is Lookalikes.ALLOW:
            return None
        return Resemblance(self.source)

    def _revives(self, connection: Connection) -> bool:
        """Whether levels come back that went to zero; mended rows are not the source's word."""
        return self.as_of is None and levels.zeroed_count(connection, self.source.id) > 0

    def _counts(self, reading: Reading, found: Comparison) -> PullCounts:
        with self.ledger.read() as connection:
            known = levels.known_by_list(connection, self.source.id)
        counts = found.counts(read=reading.rows, rejected=reading.rejects.total, known=known)
        return replace(counts, skipped=reading.skipped)

    def _reasons(self, offer: Offer, counts: PullCounts, found: Comparison) -> list[str]:
        guard, drift = self.plan.guard, found.drift
        with self.ledger.read() as connection:
            since = self.ledger.now(connection) - guard.zero_window
            zeroed = pulls.zeroed_since(connection, self.source.id, since)
            first = not pulls.ever_applied(connection, self.source.id)
            unvetted = levels.unvetted_by_list(
                connection, self.source.id, zeroed=self.as_of is None
            )
        weighed = Weighed(
            snapshot=offer.kind is Kind.SNAPSHOT,
            first=first and found.pages > 0,
            rows=counts.read,
            rows_before=self.source.snapshot_rows,
            lists={
                number: replace(of, changed=of.changed + unvetted.get(number, 0) + drift[number])
                for number, of in counts.lists.items()
            },
            zeroed_before=zeroed,
        )
        return reasons_to_hold(weighed, guard)


def _may_be_mended(offer: Offer) -> bool:
    """Whether rows that were rejected before may come back after this offer."""
    return isinstance(offer, MendableOffer) and offer.kind is Kind.DELTA


def _absence_counts(reading: Reading, plan: SourcePlan) -> bool:
    """Whether what a snapshot lacks is gone; not so where too much of it could not be read."""
    rejects = reading.rejects
    return _few_rejected(rejects.total, reading, plan) and not rejects.unreadable_key


def _few_rejected(count: int, reading: Reading, plan: SourcePlan) -> bool:
    return count <= plan.rules.max_reject_ratio * reading.rows


def _repeats(connection: Connection, source: Source, offer: Offer) -> bool:
    """Whether the content of the last snapshot is read once more; only files can tell."""
    content = offer.position.get("sha256")
    last = pulls.numbered(connection, source.snapshot_pull_id or 0)
    return content is not None and last is not None and last.position.get("sha256") == content
