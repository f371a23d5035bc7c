"""What a comparison looks at, and what it finds."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.model import ListCounts, Missing, PullCounts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from worker.ledger.failures import Failure
    from worker.ledger.sources import Source
    from worker.model import Key, Said, SourcePlan
    from worker.planning.levels import Level
    from worker.planning.rules import Broken
    from worker.pull.resembling import Resemblance

OF_LEVELS = frozenset({"fraction", "too_large", "mixed_units", "unknown_unit"})
"""Reasons why the rules cannot make a level; its parts are in the ledger nevertheless."""

NAMED = 5
"""So many keys of another owner are named as examples."""

_AWAITED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenKey:
    """A key whose statement cannot be applied, with the line that says so.

    warehouse: "" where the level as a whole is broken.
    """

    key: Key
    warehouse: str
    place: int
    said: Said
    broken: Broken


@dataclass(slots=True)
class Comparison:
    """What a pull means: counts for the guard, and the keys that could not be made a level.

    foreign: rows' keys per other owner, with the first of them; adopted: levels that pass to this
    source; drift: what the guard must add to the changed levels because of those that were let
    through while an earlier pull was held; passing: levels that sink without reaching zero;
    changes: staged rows that change something; outdated: mended rows that a later pull has stated;
    broken_rows: rows of the keys that could not be made a level; incomplete: levels that wait, for
    not all that is stated of them could be read; awaited: their SKUs, the first of them.
    """

    per_list: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    foreign: dict[int, list[Key]] = field(default_factory=lambda: defaultdict(list))
    foreign_counts: Counter[int] = field(default_factory=Counter)
    adopted: Counter[int] = field(default_factory=Counter)
    drift: Counter[int] = field(default_factory=Counter)
    passing: int = 0
    broken: list[BrokenKey] = field(default_factory=list)
    broken_counts: Counter[str] = field(default_factory=Counter)
    broken_rows: int = 0
    incomplete: int = 0
    awaited: set[str] = field(default_factory=set)
    pages: int = 0
    changes: int = 0
    outdated: int = 0
    good_again: set[int] = field(default_factory=set)

    def note_foreign(self, level: Level) -> None:
        """Count a key that another source owns."""
        self.foreign_counts[level.source_id] += 1
        if len(self.foreign[level.source_id]) < NAMED:
            self.foreign[level.source_id].append(level.key)

    def note_incomplete(self, sku: str) -> None:
        """Count a level that waits for what could not be read."""
        self.incomplete += 1
        if len(self.awaited) < _AWAITED:
            self.awaited.add(sku)

    def counts(self, *, read: int, rejected: int, known: Mapping[int, int]) -> PullCounts:
        """The counts as they are kept with the pull."""
        names = sorted({*self.per_list, *known})
        lists = {
            number: ListCounts(
                known=known.get(number, 0) + self.adopted[number],
                **self.per_list.get(number, Counter()),
            )
            for number in names
        }
        return PullCounts(
            read=read,
            rejected=rejected + self.broken_counts.total(),
            foreign=self.foreign_counts.total(),
            passing=self.passing,
            incomplete=self.incomplete,
            lists=lists,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Numbers of open row failures: by (SKU, warehouse), or by key where a whole level failed.

    by_sku: warehouses of rows by SKU. crowded: so many levels failed alike that one failure counts
    them all, without their keys.
    """

    by_row: Mapping[tuple[str, str], list[int]]
    by_key: Mapping[tuple[int, str], list[int]]
    by_sku: Mapping[str, set[str]] = field(default_factory=dict)
    crowded: bool = False

    @classmethod
    def of(cls, failures: Iterable[Failure]) -> Watched:
        """Those that name a SKU; a row whose SKU could not be read never reads well again."""
        by_row: dict[tuple[str, str], list[int]] = defaultdict(list)
        by_key: dict[tuple[int, str], list[int]] = defaultdict(list)
        crowded = False
        for failure in failures:
            if failure.sku is None:
                crowded |= failure.reason in OF_LEVELS
                continue
            if failure.stock_list is not None and failure.warehouse is None:
                by_key[failure.stock_list, failure.sku].append(failure.id)
            else:
                by_row[failure.sku, failure.warehouse or ""].append(failure.id)
        by_sku: dict[str, set[str]] = defaultdict(set)
        for sku, warehouse in by_row:
            by_sku[sku].add(warehouse)
        return cls(by_row=by_row, by_key=by_key, by_sku=by_sku, crowded=crowded)

    def about(self, sku: str, warehouse: str) -> list[int]:
        """The failures that a good row heals; those of a whole level end when it can be made."""
        return self.by_row.get((sku, warehouse), [])


def told_before(_item: BrokenKey, _places: list[int]) -> None:
    """Nobody need be told of a broken key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a comparison looks at.

    everything: keys that were not stated are looked at too (a snapshot, or changed rules).
    missing: whether absence may be believed. recompute: levels are made anew from their parts.
    watched: open row failures, to be closed when what they are about reads well again.
    stock_lists: warehouse -> list, as rows are read today. alike: SKU -> another that looks alike.
    resemblance: finds new SKUs that look like known ones; None: they are not sought.
    snapshot: whether everything is stated.
    repeated: whether it is the content of the last snapshot once more, which proves no absence.
    as_of: the pull whose rejected rows these are, mended. restates: also what is stated unchanged
    gets the number of the pull, so that rows mended later do not undo it. on_broken: is told of
    each key that cannot be applied, and where its rows stand.
    """

    source: Source
    plan: SourcePlan
    owners: frozenset[int]
    everything: bool
    missing: bool
    recompute: bool
    watched: Watched
    stock_lists: Mapping[str, int] = field(default_factory=dict)
    alike: Mapping[str, str] = field(default_factory=dict)
    snapshot: bool = False
    repeated: bool = False
    resemblance: Resemblance | None = None
    as_of: int | None = None
    restates: bool = False
    on_broken: Callable[[BrokenKey, list[int]], None] = told_before

    @property
    def ends_absent(self) -> bool:
        """Whether what is not stated is gone at once."""
        keeps = self.plan.rules.missing is Missing.KEEP
        return self.missing and not keeps and self.plan.absences == 1

    def unplaced(self, sku: str) -> bool:
        """Whether an earlier row of a SKU is told of that belongs to no stock list, so far."""
        if self.snapshot:
            return False  # it states everything itself
        return any(self.list_of(name) is None for name in self.watched.by_sku.get(sku, ()))

    def takes(self, level: Level) -> bool:
        """Whether a key that another source owns passes to this one as soon as it states it."""
        return self.source.intent == "adopt" or level.source_id not in self.owners

    def moved(self, stock_list: int, warehouse: str) -> bool:
        """Whether a known part counts for another stock list by today's rules."""
        now = self.list_of(warehouse)
        return now is not None and now != stock_list

    def list_of(self, warehouse: str) -> int | None:
        """The stock list of a warehouse, by today's rules."""
        fixed = self.plan.stock_list
        return fixed if fixed is not None else self.stock_lists.get(warehouse)
