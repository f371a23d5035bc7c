"""One key of a pull: what its rows state, what would become of its level, what speaks against it.

Rows have the shape of `worker.ledger.lines.Stated`; those of the ledger have no place.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from worker.ledger.pulls import PullRow
from worker.model import Said
from worker.planning.differences import Statement, plan_key
from worker.planning.levels import rises, sinks
from worker.planning.rules import Broken, resolve
from worker.pull.carrying import CARRIED
from worker.pull.comparison import BrokenKey
from worker.pull.reading import KEPT_PER_REASON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from worker.model import Duplicates, Key
    from worker.planning.differences import KeyPlan
    from worker.planning.levels import Level
    from worker.pull.comparison import Comparison, Scope

    Row = tuple[Any, ...]


class KeyJudge:
    """Judges key after key, and counts what it finds."""

    def __init__(self, scope: Scope, found: Comparison) -> None:
        self._scope = scope
        self._found = found
        self._known_twins: Mapping[str, str] = {}

    def note_known_twins(self, twins: Mapping[str, str]) -> None:
        """Of the keys that are judged next: new SKUs that look like one that is known."""
        self._known_twins = twins

    def rows(
        self,
        key: Key,
        stated: list[Row],
        known: list[Row],
        level: Level | None,
        absent: Mapping[Row, int],
    ) -> list[PullRow]:
        """What would change of this key, to be staged; absent: part -> absences before."""
        statement, broken = self._statement(key, stated, known, absent)
        if level is not None and level.source_id != self._scope.source.id:
            if not statement.said:
                return []  # what this source once said of it counts no more
            if not self._scope.takes(level):
                self._found.note_foreign(level)
                return []
        planned = self._weighed(key, self._planned(statement, known), level, statement)
        if planned.broken is not None and not self._is_history(stated, statement):
            broken = [replace(_at(key, stated, planned.broken), warehouse="")]
            planned = replace(planned, value=None)
        elif not broken and statement.said:
            self._found.good_again.update(self._scope.watched.by_key.get(key, ()))
        for item in broken:
            places = _places(stated, item.warehouse)
            self._keep_broken(item)
            self._found.broken_rows += len(places)
            self._scope.on_broken(item, places)
        if statement.missing and level is not None:
            self._found.per_list[key.stock_list]["missing"] += 1
        return list(self._rows(key, planned, level, stated))

    def _is_history(self, stated: list[Row], statement: Statement) -> bool:
        """Whether a trusted snapshot no longer has a key: what it was is no news of this pull."""
        return bool(statement.missing) and not stated and not self._scope.recompute

    def _weighed(
        self, key: Key, planned: KeyPlan, level: Level | None, statement: Statement
    ) -> KeyPlan:
        """The plan, less what must not become of the level yet."""
        if level is not None and planned.value is not None and self._rests_at_zero(level):
            planned = replace(planned, value=planned.value._replace(stock=0))
        elif level is not None and planned.parked:
            planned = replace(planned, value=level.value)
        lookalike = self._lookalike(key, level, planned)
        if lookalike is not None:
            return replace(planned, broken=lookalike, parts=())
        if self._waits(key, planned, level, statement):
            self._found.note_incomplete(key.sku)
            return replace(planned, value=None)
        never_there = level is None and planned.gone
        return replace(planned, value=None) if never_there else planned

    def _lookalike(self, key: Key, level: Level | None, planned: KeyPlan) -> Broken | None:
        """What speaks against raising a level, or making it: another SKU that looks the same."""
        twin, known = self._scope.alike.get(key.sku), self._known_twins.get(key.sku)
        if twin is not None and _rises(level, planned):
            return _lookalike(key, twin, "the same pull states; neither is raised")
        if known is not None and level is None and planned.value is not None:
            return _lookalike(key, known, "this source has stated before; it is not sent")
        return None

    def _planned(self, statement: Statement, known: list[Row]) -> KeyPlan:
        plan = self._scope.plan
        return plan_key(
            statement,
            {row[2]: Said(*row[3:7]) for row in known},
            rules=plan.rules,
            units=plan.units,
            absences=plan.absences,
        )

    def _waits(self, key: Key, planned: KeyPlan, level: Level | None, statement: Statement) -> bool:
        """Whether a level must wait until all that is stated of it can be read.

        It is not made of a part of it, and it is not raised; but it sinks.
        """
        if planned.value is None or planned.gone:
            return False
        if level is None:
            mapped = (self._is_mapped(key, name) for name in statement.present)
            return planned.incomplete or not all(mapped) or self._scope.unplaced(key.sku)
        return planned.incomplete and rises(level, planned.value)

    def _is_mapped(self, key: Key, warehouse: str) -> bool:
        return self._scope.list_of(warehouse) == key.stock_list

    def _rests_at_zero(self, level: Level) -> bool:
        """Whether it waits for the word of the source itself, which mended rows are not."""
        return level.zeroed and self._owns(level) and self._scope.as_of is not None

    def _revives(self, level: Level) -> bool:
        return level.zeroed and self._owns(level) and self._scope.as_of is None

    def _is_unvetted(self, level: Level) -> bool:
        """Whether the guard weighs it against another stock than it has now."""
        unvetted = level.vetted_stock is not None and self._owns(level)
        return unvetted and not self._rests_at_zero(level)

    def _owns(self, level: Level) -> bool:
        return level.source_id == self._scope.source.id

    def _keep_broken(self, item: BrokenKey) -> None:
        reason = item.broken.reason
        self._found.broken_counts[reason] += 1
        if self._found.broken_counts[reason] <= KEPT_PER_REASON:
            self._found.broken.append(item)

    def _statement(
        self, key: Key, stated: list[Row], known: list[Row], absent: Mapping[Row, int]
    ) -> tuple[Statement, list[BrokenKey]]:
        said, present, broken = self._resolved(key, stated, {row[2] for row in known})
        here = {row[2] for row in stated}
        unstated = [row for row in known if row[2] not in here]
        moved = frozenset(row[2] for row in unstated if self._scope.moved(row[0], row[2]))
        missing = (
            {row[2]: absent.get(row[:3], 0) for row in unstated if row[2] not in moved}
            if self._scope.missing
            else {}
        )
        unread = present if self._scope.plan.stock_list is None else frozenset()
        return Statement(
            said=said,
            present=present,
            missing=missing,
            moved=moved,
            unread=frozenset(name for name in unread if self._is_mapped(key, name)),
        ), broken

    def _resolved(
        self, key: Key, stated: list[Row], known: set[str]
    ) -> tuple[dict[str, Said], frozenset[str], list[BrokenKey]]:
        said: dict[str, Said] = {}
        present: set[str] = set()
        broken: list[BrokenKey] = []
        for warehouse, rows in itertools.groupby(stated, key=lambda row: row[2]):
            read, carried = _apart(rows)
            if not read and self._scope.ends_absent:
                continue  # it is gone from the old list, and was not stated for the new one
            one = _said(read, self._scope.plan.rules.duplicates)
            if one is not None:
                said[warehouse] = one
                continue
            if read and all(row[3] is not None for row in read):
                broken.append(_duplicate(key, read))
            if carried and warehouse not in known:
                said[warehouse] = carried[-1]  # what it said before, for the other list
            else:
                present.add(warehouse)
        return said, frozenset(present), broken

    def _rows(
        self, key: Key, planned: KeyPlan, level: Level | None, stated: list[Row]
    ) -> Iterator[PullRow]:
        changed = planned.value is not None and (level is None or level.value != planned.value)
        parks = any(part.change == "park" for part in planned.parts)
        foreign = level is not None and not self._owns(level)
        passes = foreign and planned.value is not None
        vets = level is not None and planned.value is not None and self._revives(level)
        self._found.adopted[key.stock_list] += passes
        after = self._count(key, planned, level, changed=changed or parks)
        if not planned.parts and not changed and not passes and not vets:
            return
        places = {row[2]: row[7] for row in stated if row[7] != CARRIED}
        before = None if level is None else level.stock
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

    def _count(
        self, key: Key, planned: KeyPlan, level: Level | None, *, changed: bool
    ) -> int | None:
        """Count what becomes of the level; returns its stock after it."""
        before = None if level is None else level.stock
        after = before if planned.value is None else planned.value.stock
        counts = self._found.per_list[key.stock_list]
        if level is not None and self._is_unvetted(level):
            self._found.drift[key.stock_list] += (after != level.vetted_stock) - changed - 1
            counts["zeroed"] += level.zeroed and after == 0
        if not changed or after is None:
            return after
        if level is None or before is None:
            counts["created"] += 1
            return after
        counts["changed"] += 1
        counts["raised"] += after > before
        counts["lowered"] += after < before
        counts["zeroed"] += after == 0 < before
        if planned.value is not None and not any(part.change == "park" for part in planned.parts):
            self._found.passing += sinks(level, planned.value)
        return after


def _apart(rows: Iterable[Row]) -> tuple[list[Row], list[Said]]:
    """The rows that were read, and what was carried here and can be read."""
    there = list(rows)
    carried = [Said(*row[3:7]) for row in there if row[7] == CARRIED and row[3] is not None]
    return [row for row in there if row[7] != CARRIED], carried


def _said(read: list[Row], duplicates: Duplicates) -> Said | None:
    """What rows of one part state; None: one of them could not be read, or they differ."""
    if not read or any(row[3] is None for row in read):
        return None
    return resolve([Said(*row[3:7]) for row in read], duplicates=duplicates)


def _rises(level: Level | None, planned: KeyPlan) -> bool:
    return planned.value is not None and rises(level, planned.value)


def _places(stated: list[Row], warehouse: str) -> list[int]:
    of_it = (row for row in stated if not warehouse or row[2] == warehouse)
    return [row[7] for row in of_it if row[7] != CARRIED]


def _at(key: Key, stated: list[Row], broken: Broken) -> BrokenKey:
    row = stated[-1] if stated else (*key, "", "0", "", None, None, 0)
    said = Said(row[3] or "", row[4], row[5], row[6])
    return BrokenKey(key=key, warehouse=row[2], place=row[7], said=said, broken=broken)


def _lookalike(key: Key, twin: str, how: str) -> Broken:
    return Broken(
        reason="lookalike",
        column="sku",
        value=key.sku,
        message=f"the SKU {key.sku!r} looks like {twin!r}, which {how}",
        remedy="write one product one way in the ERP (case, blanks inside, or accents differ);"
        ' where they are two products: rules.lookalikes = "allow"',
    )


def _duplicate(key: Key, rows: list[Row]) -> BrokenKey:
    values = ", ".join(f"{row[3]} (line {row[7]})" for row in rows[:5])
    broken = Broken(
        reason="duplicate",
        column="sku",
        value=key.sku,
        message=f"{len(rows)} rows state different stock for this SKU and warehouse: {values}",
        remedy='state it once, or choose rules.duplicates = "last" or "sum"',
    )
    return _at(key, rows, broken)
