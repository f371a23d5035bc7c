"""Compare what was read with the ledger, page by page, and stage what would change."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from worker.ledger import levels, parts
from worker.ledger.pulls import PullRow
from worker.model import PAGE_ROWS, Key, ListCounts, PullCounts, Said
from worker.planning.differences import KeyPlan, Statement, plan_key
from worker.planning.rules import Broken, resolve
from worker.pull.differing import all_keys, differing_keys, rows_of
from worker.pull.garbage import collected_rarely
from worker.pull.reading import KEPT_PER_REASON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from worker.ledger import Ledger
    from worker.ledger.failures import Failure
    from worker.ledger.scratch import Scratch
    from worker.ledger.sources import Source
    from worker.model import SourcePlan
    from worker.planning.levels import Level

_KNOWN_ROWS = 4 * PAGE_ROWS


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
    """What a pull means: counts for the guard, and the keys that could not be made a level."""

    per_list: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    foreign: Counter[int] = field(default_factory=Counter)
    broken: list[BrokenKey] = field(default_factory=list)
    broken_counts: Counter[str] = field(default_factory=Counter)
    pages: int = 0
    good_again: set[int] = field(default_factory=set)

    def counts(self, *, read: int, rejected: int, known: Mapping[int, int]) -> PullCounts:
        """The counts as they are kept with the pull."""
        names = sorted({*self.per_list, *known})
        lists = {
            number: ListCounts(known=known.get(number, 0), **self.per_list.get(number, Counter()))
            for number in names
        }
        return PullCounts(
            read=read,
            rejected=rejected + self.broken_counts.total(),
            foreign=sum(self.foreign.values()),
            lists=lists,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Numbers of open row failures: by (SKU, warehouse), or by key where a whole level failed."""

    by_row: Mapping[tuple[str, str], list[int]]
    by_key: Mapping[tuple[int, str], list[int]]

    @classmethod
    def of(cls, failures: Iterable[Failure]) -> Watched:
        """Those that name a SKU; a row whose SKU could not be read never reads well again."""
        by_row: dict[tuple[str, str], list[int]] = defaultdict(list)
        by_key: dict[tuple[int, str], list[int]] = defaultdict(list)
        for failure in failures:
            if failure.sku is None:
                continue
            if failure.stock_list is not None and failure.warehouse is None:
                by_key[failure.stock_list, failure.sku].append(failure.id)
            else:
                by_row[failure.sku, failure.warehouse or ""].append(failure.id)
        return cls(by_row=by_row, by_key=by_key)

    def about(self, stock_list: int, sku: str, warehouse: str) -> list[int]:
        """The failures that a good row of this part heals."""
        rows, keys = self.by_row.get((sku, warehouse)), self.by_key.get((stock_list, sku))
        return [*(rows or ()), *(keys or ())]

    def __bool__(self) -> bool:
        return bool(self.by_row or self.by_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a comparison looks at.

    everything: keys that were not stated are looked at too (a snapshot, or changed rules).
    missing: whether absence may be believed. recompute: levels are made anew from their parts.
    watched: open row failures, to be closed when what they are about reads well again.
    """

    source: Source
    plan: SourcePlan
    owners: frozenset[int]
    everything: bool
    missing: bool
    recompute: bool
    watched: Watched


class Comparer:
    """One pull's walk over the sorted statements."""

    def __init__(
        self, ledger: Ledger, scope: Scope, stage: Callable[[int, list[PullRow]], None]
    ) -> None:
        self._ledger = ledger
        self._scope = scope
        self._stage = stage
        self._page: list[PullRow] = []
        self.found = Comparison()

    @collected_rarely()
    def walk(self, scratch: Scratch) -> Comparison:
        """Compare every page; calls ``stage`` with what each page would change."""
        after: tuple[int, str] | None = None
        for page in scratch.pages():
            upto = (page[-1][0], page[-1][1])
            if self._scope.everything:
                self._merge(page, after, upto)
            else:
                self._look_up(page)
            after = upto
        if self._scope.everything:
            self._merge([], after, None)
        self._stage_page()
        return self.found

    def _look_up(self, page: list[tuple[Any, ...]]) -> None:
        keys = {row[:2] for row in page}
        with self._ledger.read() as connection:
            known = parts.contents_of(connection, self._scope.source.id, keys)
        self._plan_page(page, sorted(known, key=itemgetter(0, 1, 2)))

    def _merge(
        self,
        page: list[tuple[Any, ...]],
        after: tuple[int, str] | None,
        upto: tuple[int, str] | None,
    ) -> None:
        """Walk the known keys in (after, upto] beside the page, never too many at a time."""
        known = self._known(after, upto)
        while len(known) == _KNOWN_ROWS:
            last = known[-1][:2]
            whole = [row for row in known if row[:2] < last]
            self._plan_page([row for row in page if row[:2] < last], whole)
            page = [row for row in page if row[:2] >= last]
            known = self._known(whole[-1][:2], upto)
        self._plan_page(page, known)

    def _known(
        self, after: tuple[int, str] | None, upto: tuple[int, str] | None
    ) -> list[tuple[Any, ...]]:
        with self._ledger.read() as connection:
            return parts.contents_between(
                connection, self._scope.source.id, after=after, upto=upto, limit=_KNOWN_ROWS
            )

    def _plan_page(self, page: list[tuple[Any, ...]], known: list[tuple[Any, ...]]) -> None:
        self._note_good(page)
        keys = self._candidates(page, known)
        if not keys:
            return
        with self._ledger.read() as connection:
            there = levels.by_keys(connection, keys)
            absent = self._absences(connection, keys, page, known)
        for key in sorted(keys):
            stated, before = rows_of(page, key), rows_of(known, key)
            self._add(list(self._key_rows(key, stated, before, there.get(key), absent)))

    def _add(self, rows: list[PullRow]) -> None:
        """Put the rows of one key on the page; a key is never cut in two."""
        if self._page and len(self._page) + len(rows) > PAGE_ROWS:
            self._stage_page()
        self._page += rows

    def _stage_page(self) -> None:
        rows, self._page = self._page, []
        if rows:
            self.found.pages += 1
            page = self.found.pages
            self._stage(page, [row._replace(page=page, n=n) for n, row in enumerate(rows)])

    def _candidates(self, page: list[tuple[Any, ...]], known: list[tuple[Any, ...]]) -> set[Key]:
        """Keys that differ in any way."""
        if self._scope.recompute:
            return all_keys(page, known)
        return differing_keys(page, known, absences=self._scope.everything)

    def _note_good(self, page: list[tuple[Any, ...]]) -> None:
        if not self._scope.watched:
            return
        for row in page:
            if row[3] is not None:
                self.found.good_again.update(self._scope.watched.about(*row[:3]))

    def _absences(
        self,
        connection: Any,
        keys: Iterable[Key],
        page: list[tuple[Any, ...]],
        known: list[tuple[Any, ...]],
    ) -> dict[tuple[Any, ...], int]:
        """How often in a row a part was absent before, for the parts that are absent now."""
        if not self._scope.missing or self._scope.plan.absences < 2:  # noqa: PLR2004
            return {}
        gone = {
            key
            for key in keys
            if {row[:3] for row in rows_of(known, key)} - {row[:3] for row in rows_of(page, key)}
        }
        last = self._scope.source.snapshot_pull_id
        found = parts.by_keys(connection, self._scope.source.id, gone)
        return {
            part[:3]: 1
            for part in itertools.chain.from_iterable(found.values())
            if part.absent_pull_id is not None and part.absent_pull_id == last
        }

    def _key_rows(
        self,
        key: Key,
        stated: list[tuple[Any, ...]],
        known: list[tuple[Any, ...]],
        level: Level | None,
        absent: Mapping[tuple[Any, ...], int],
    ) -> Iterator[PullRow]:
        if level is not None and self._foreign(level):
            self.found.foreign[level.source_id] += 1
            return
        statement, broken = self._statement(key, stated, known, absent)
        before = {row[2]: Said(*row[3:7]) for row in known}
        planned = plan_key(
            statement,
            before,
            rules=self._scope.plan.rules,
            units=self._scope.plan.units,
            absences=self._scope.plan.absences,
        )
        if planned.broken is not None:
            broken = [replace(_at(key, stated, planned.broken), warehouse="")]
        for item in broken:
            self._keep_broken(item)
        if statement.missing:
            self.found.per_list[key.stock_list]["missing"] += 1
        yield from self._rows(key, planned, level, stated)

    def _foreign(self, level: Level) -> bool:
        return level.source_id != self._scope.source.id and level.source_id in self._scope.owners

    def _keep_broken(self, item: BrokenKey) -> None:
        reason = item.broken.reason
        self.found.broken_counts[reason] += 1
        if self.found.broken_counts[reason] <= KEPT_PER_REASON:
            self.found.broken.append(item)

    def _statement(
        self,
        key: Key,
        stated: list[tuple[Any, ...]],
        known: list[tuple[Any, ...]],
        absent: Mapping[tuple[Any, ...], int],
    ) -> tuple[Statement, list[BrokenKey]]:
        said, present, broken = self._resolved(key, stated)
        here = {row[2] for row in stated}
        missing = (
            {row[2]: absent.get(row[:3], 0) for row in known if row[2] not in here}
            if self._scope.missing
            else {}
        )
        return Statement(said=said, present=present, missing=missing), broken

    def _resolved(
        self, key: Key, stated: list[tuple[Any, ...]]
    ) -> tuple[dict[str, Said], frozenset[str], list[BrokenKey]]:
        said: dict[str, Said] = {}
        present: set[str] = set()
        broken: list[BrokenKey] = []
        for warehouse, rows in itertools.groupby(stated, key=lambda row: row[2]):
            group = list(rows)
            good = [Said(*row[3:7]) for row in group if row[3] is not None]
            if len(good) < len(group):
                present.add(warehouse)
                continue
            one = resolve(good, duplicates=self._scope.plan.rules.duplicates)
            if one is None:
                present.add(warehouse)
                broken.append(_duplicate(key, group))
            else:
                said[warehouse] = one
        return said, frozenset(present), broken

    def _rows(
        self,
        key: Key,
        planned: KeyPlan,
        level: Level | None,
        stated: list[tuple[Any, ...]],
    ) -> Iterator[PullRow]:
        changed = planned.value is not None and (level is None or level.value != planned.value)
        parks = any(part.change == "park" for part in planned.parts)
        if not planned.parts and not changed:
            return
        before = None if level is None else level.stock
        after = before if planned.value is None else planned.value.stock
        self._count(key, before, after, changed=changed or parks)
        places = {row[2]: row[7] for row in stated}
        row = PullRow(0, 0, "rules", *key, before=before, after=after)
        if not planned.parts:
            yield row
        for part in planned.parts:
            yield row._replace(
                change=part.change,
                warehouse=part.warehouse,
                quantity=part.said.quantity,
                unit=part.said.unit,
                sold=part.said.sold,
                extra=part.said.extra,
                place=places.get(part.warehouse),
            )

    def _count(self, key: Key, before: int | None, after: int | None, *, changed: bool) -> None:
        counts = self.found.per_list[key.stock_list]
        if not changed or after is None:
            return
        if before is None:
            counts["created"] += 1
            return
        counts["changed"] += 1
        counts["raised"] += after > before
        counts["lowered"] += after < before
        counts["zeroed"] += after == 0 < before


def _at(key: Key, stated: list[tuple[Any, ...]], broken: Broken) -> BrokenKey:
    row = stated[-1] if stated else (*key, "", "0", "", None, None, 0)
    said = Said(row[3] or "", row[4], row[5], row[6])
    return BrokenKey(key=key, warehouse=row[2], place=row[7], said=said, broken=broken)


def _duplicate(key: Key, rows: list[tuple[Any, ...]]) -> BrokenKey:
    values = ", ".join(f"{row[3]} (line {row[7]})" for row in rows[:5])
    broken = Broken(
        reason="duplicate",
        column="sku",
        value=key.sku,
        message=f"{len(rows)} rows state different stock for this SKU and warehouse: {values}",
        remedy='state it once, or choose rules.duplicates = "last" or "sum"',
    )
    return _at(key, rows, broken)
