"""Apply a decided pull: page by page, idempotent, taken up again after a crash where it stopped."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from worker.ledger import failures, levels, parts, pulls, sources
from worker.ledger.failures import NewFailure, identity_of
from worker.ledger.parts import Part
from worker.model import UNREAD, FailureKind, Key, PullStatus, Said
from worker.planning.levels import (
    MISSING_IN_SOURCE,
    UNKNOWN_PRODUCT,
    created,
    parked,
    rises,
    sinks,
    stated,
)
from worker.planning.rules import Broken, level_value
from worker.pull.deciding import close_restated
from worker.pull.reviving import ZEROED

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.ledger.pulls import Pull, PullRow
    from worker.model import SourcePlan, Value
    from worker.planning.levels import Level
    from worker.pull.lease import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Applier:
    """Applies the pages of one pull. withhold: seconds that its levels wait for later files.

    easing: the pull is held, and only what lowers a level without reaching zero is applied.
    """

    ledger: Ledger
    lease: Lease
    plan: SourcePlan
    pull: Pull
    withhold: float = 0.0
    easing: bool = False

    def run(self) -> None:
        """Apply what is left of the pages, then end the pull. Raises LeaseLost."""
        for number in range(self.pull.pages_applied + 1, self.pull.pages + 1):
            self.lease.write(partial(self._page, number=number))
        if not self.easing:
            self.lease.write(self._end)

    def _end(self, connection: Connection) -> None:
        now = self.ledger.now(connection)
        pulls.decide(
            connection,
            self.pull.id,
            was=PullStatus.APPLYING,
            status=PullStatus.APPLIED,
            ended_at=now,
        )
        levels.vet(connection, self.pull.source_id)
        if self.pull.actor is not None:  # what a person let in may have been held so far
            close_restated(connection, self.pull, self.plan, now=now)
        failures.close_matching(
            connection,
            source=self.plan.name,
            kind=FailureKind.SOURCE,
            why="a pull was applied",
            now=now,
            reasons=("hold_expired", *((ZEROED,) if self.pull.as_of is None else ())),
        )
        if self.pull.kind == "snapshot":
            sources.change(
                connection,
                self.pull.source_id,
                snapshot_pull_id=self.pull.id,
                snapshot_rows=self.pull.read,
                intent=None,
            )

    def _page(self, connection: Connection, *, number: int) -> None:
        now = self.ledger.now(connection)
        staged = pulls.page(connection, self.pull.id, number)
        there = levels.by_keys(connection, set(map(_key, staged)), lock=True)
        owners = self._other_owners(connection)
        rows = [row for row in staged if self._applies(row, there.get(_key(row)), owners)]
        keys = set(map(_key, rows))
        self._write_parts(connection, rows, keys)
        changing = [row for row in rows if row.change != "restated"]
        self._write_levels(connection, changing, set(map(_key, changing)), there, now)
        pulls.change(connection, self.pull.id, pages_applied=number)

    def _other_owners(self, connection: Connection) -> frozenset[int]:
        """Sources whose keys are not this one's to state."""
        others = {source.id: source for source in sources.every(connection)}
        me = others.pop(self.pull.source_id, None)
        return frozenset() if me is not None and me.intent == "adopt" else frozenset(others)

    def _applies(self, row: PullRow, level: Level | None, owners: frozenset[int]) -> bool:
        """Whether a row is applied: not if its key became another's while the pull was held."""
        if level is not None and level.source_id in owners:
            return False
        return not self.easing or self._eases(row, level)

    def _eases(self, row: PullRow, level: Level | None) -> bool:
        if level is None or row.after is None or row.before != level.stock:
            return False
        unit = self.plan.units.get(row.unit) if row.unit else level.unit_type
        stated = level.value._replace(stock=row.after, unit_type=unit)
        return row.change != "park" and sinks(level, stated)

    def _write_parts(self, connection: Connection, rows: list[PullRow], keys: set[Key]) -> None:
        known = {
            part[:3]: part
            for of_key in parts.by_keys(connection, self.pull.source_id, keys).values()
            for part in of_key
        }
        changed = []
        for row in rows:
            name = (row.stock_list or 0, row.sku or "", row.warehouse or "")
            before = known.get(name)
            stale = before is not None and self._is_later(before)
            if row.change == "rules" or stale:
                continue
            changed.append(_part_after(row, before, self.pull.as_of or self.pull.id))
        parts.save(connection, self.pull.source_id, changed)

    def _is_later(self, part: Part) -> bool:
        """Whether a part was stated after what this pull says; mended rows may be corrected."""
        if self.pull.as_of is not None:
            return part.pull_id > self.pull.as_of
        return part.pull_id >= self.pull.id

    def _write_levels(
        self,
        connection: Connection,
        rows: list[PullRow],
        keys: set[Key],
        there: dict[Key, Level],
        now: float,
    ) -> None:
        stated_parts = parts.by_keys(connection, self.pull.source_id, keys)
        to_park = {_key(row) for row in rows if row.change == "park"}
        made = {_key(row) for row in rows if row.after is not None}
        changed, missing, unparked = [], [], []
        values = {key: self._value(stated_parts.get(key, []), there.get(key)) for key in keys}
        made_anew = {key for key, value in values.items() if value is not None}
        self._take_over(connection, [there[key] for key in made_anew & there.keys()])
        for key in sorted(keys):
            level, value = there.get(key), values[key]
            if level is not None and key in to_park and _has_left(stated_parts.get(key, [])):
                value = level.value
            if value is None or (level is None and key not in made):
                continue  # told when the pull was weighed; its level stays as it is
            after = self._after(level, key, value, now)
            if key in to_park:
                if not after.pinned:  # what a person has pinned goes all the same
                    after = parked(after, reason=MISSING_IN_SOURCE, now=now)
                missing.append(self._missing_failure(key))
            if after != level:
                changed.append(after)
            if level is not None and _ends_park(level, after):
                unparked.append(key)
        levels.create(connection, [level for level in changed if level.key not in there])
        levels.save(connection, [level for level in changed if level.key in there])
        failures.close_items(connection, unparked, why="newer value", now=now)
        failures.record(connection, missing, now=now)

    def _take_over(self, connection: Connection, known: list[Level]) -> None:
        """What the former owner said of keys that pass on counts no more."""
        passing: dict[int, list[Key]] = defaultdict(list)
        for level in known:
            if level.source_id != self.pull.source_id:
                passing[level.source_id].append(level.key)
        for former, keys in sorted(passing.items()):
            parts.forget(connection, former, keys)

    def _value(self, of_key: list[Part], level: Level | None) -> Value | None:
        """As the pull was weighed: what was gone before it, or went unread, counts no more."""
        there = [part for part in of_key if not part.gone or part.pull_id == self.pull.id]
        counted = sorted(there or of_key, key=lambda part: part.warehouse)
        counted = [part for part in counted if part.quantity != UNREAD or not part.gone]
        read = [part for part in counted if part.quantity != UNREAD]
        if not read:
            return None
        value = level_value(
            [part.said for part in read],
            rules=self.plan.rules,
            units=self.plan.units,
            gone=all(part.gone and part.quantity == "0" for part in read),
        )
        if isinstance(value, Broken) or (len(read) < len(counted) and rises(level, value)):
            return None
        return value

    def _after(self, level: Level | None, key: Key, value: Value, now: float) -> Level:
        number, source_id = self.pull.id, self.pull.source_id
        withheld = now + self.withhold if self.withhold else 0.0
        if level is None:
            new = created(
                key,
                value,
                source_id=source_id,
                pull_id=number,
                now=now,
                backfill=self.pull.backfill,
            )
            return new._replace(withheld_until=withheld)
        if level.source_id == source_id and level.pull_id > number:
            return level
        owned = level._replace(source_id=source_id, retired=False)
        if self._rests_at_zero(level):
            value = value._replace(stock=0)
        elif not self.easing:
            owned = owned._replace(vetted_stock=None)
        elif level.vetted_stock is None:
            owned = owned._replace(vetted_stock=level.stock)
        if level.park_reason == MISSING_IN_SOURCE:  # it is stated again
            owned = owned._replace(park_reason=None, parked_at=None)
        after = stated(owned, value, pull_id=number, now=now, backfill=self.pull.backfill)
        moved = after.revision != level.revision
        return after._replace(withheld_until=withheld) if moved and withheld else after

    def _rests_at_zero(self, level: Level) -> bool:
        """Whether only the word of the source itself, not mended rows, may bring it back."""
        mended = self.pull.as_of is not None
        return mended and level.zeroed and level.source_id == self.pull.source_id

    def _missing_failure(self, key: Key) -> NewFailure:
        return NewFailure(
            kind=FailureKind.ITEM,
            identity=identity_of(*key),
            reason=MISSING_IN_SOURCE,
            message=f"{key.sku} is no longer in the snapshots of source {self.plan.name!r}",
            remedy="let the ERP state it again, or dismiss this failure",
            source=self.plan.name,
            stock_list=key.stock_list,
            sku=key.sku,
            pull_id=self.pull.id,
        )


def _ends_park(level: Level, after: Level) -> bool:
    """Whether a level is parked no longer, or not for what it was; not so while it is pinned."""
    return level.park_reason not in {None, UNKNOWN_PRODUCT, after.park_reason}


def _key(row: PullRow) -> Key:
    return Key(row.stock_list or 0, row.sku or "")


def _has_left(of_key: list[Part]) -> bool:
    """Whether nothing is stated of a key any more."""
    return all(part.gone for part in of_key)


def _part_after(row: PullRow, before: Part | None, pull_id: int) -> Part:
    content = Said(
        "0" if row.quantity is None else row.quantity, row.unit or "", row.sold, row.extra
    )
    absent = row.change == "absent"
    return Part(
        stock_list=row.stock_list or 0,
        sku=row.sku or "",
        warehouse=row.warehouse or "",
        quantity=content.quantity,
        unit=content.unit,
        sold=content.sold,
        extra=content.extra,
        pull_id=before.pull_id if absent and before is not None else pull_id,
        place=row.place,
        gone=row.change in {"gone", "park"},
        absent_pull_id=pull_id if absent else None,
    )
