"""Read an offer, compare it with the ledger and ask the guard; for a pull and for its preview."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.contract import Kind
from worker.ledger import failures, levels, lists, pulls, sources
from worker.ledger.scratch import Scratch
from worker.model import FailureKind
from worker.planning.guard import Weighed, reasons_to_hold
from worker.pull.comparing import Comparer, Comparison, Scope, Watched
from worker.pull.reading import Reading, read_offer

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.contract import Offer
    from worker.ledger import Ledger
    from worker.ledger.pulls import PullRow
    from worker.ledger.sources import Source
    from worker.model import PullCounts, SourcePlan

_WATCHED = 20_000


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

    on_chunk: called with the rows read so far; stage: with every page of what would change.
    """

    ledger: Ledger
    plan: SourcePlan
    source: Source
    on_chunk: Callable[[int], None]
    stage: Callable[[list[PullRow]], None]

    def weigh(self, offer: Offer) -> Weighing:
        """Read ``offer`` to its end and weigh it. Raises what `Offer.chunks` raises."""
        with Scratch() as scratch:
            reading = read_offer(
                offer,
                scratch,
                plan=self.plan,
                stock_lists=self._stock_lists(),
                on_chunk=self.on_chunk,
            )
            comparer = Comparer(
                self.ledger, self._scope(offer, reading), lambda _page, rows: self.stage(rows)
            )
            found = comparer.walk(scratch)
        counts = self._counts(reading, found)
        reasons = self._reasons(offer, counts, differs=found.pages > 0)
        return Weighing(reading=reading, found=found, counts=counts, reasons=reasons)

    def _stock_lists(self) -> dict[str, int]:
        with self.ledger.read() as connection:
            return {**lists.by_code(connection), **self.plan.stock_lists}

    def _scope(self, offer: Offer, reading: Reading) -> Scope:
        snapshot = offer.kind is Kind.SNAPSHOT
        recompute = self.source.fingerprint not in {None, self.plan.fingerprint}
        with self.ledger.read() as connection:
            owners = frozenset(other.id for other in sources.every(connection))
            watched = failures.open_ones(
                connection, source=self.plan.name, kind=FailureKind.ROW, limit=_WATCHED
            )
        return Scope(
            source=self.source,
            plan=self.plan,
            owners=owners,
            everything=snapshot or recompute,
            missing=snapshot and not reading.rejects.unreadable_key,
            recompute=recompute,
            watched=Watched.of(watched),
        )

    def _counts(self, reading: Reading, found: Comparison) -> PullCounts:
        with self.ledger.read() as connection:
            known = levels.known_by_list(connection, self.source.id)
        return found.counts(read=reading.rows, rejected=reading.rejects.total, known=known)

    def _reasons(self, offer: Offer, counts: PullCounts, *, differs: bool) -> list[str]:
        guard = self.plan.guard
        with self.ledger.read() as connection:
            since = self.ledger.now(connection) - guard.zero_window
            zeroed = pulls.zeroed_since(connection, self.source.id, since)
            first = not pulls.ever_applied(connection, self.source.id)
        weighed = Weighed(
            snapshot=offer.kind is Kind.SNAPSHOT,
            first=first and differs,
            rows=counts.read,
            rows_before=self.source.snapshot_rows,
            lists=counts.lists,
            zeroed_before=zeroed,
        )
        return reasons_to_hold(weighed, guard)
