"""What a pull would change for one key: pure comparison of what is stated with what is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.model import UNREAD, Missing, Said, Value
from worker.planning.rules import Broken, level_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from worker.model import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a pull states of one key, per warehouse.

    said: good rows. present: warehouses whose row was rejected; they are not gone. unread: those of
    them of which nothing was ever read.
    missing: warehouses that a trusted snapshot lacks, with how often in a row before this time.
    moved: warehouses that count for another stock list by today's rules.
    """

    said: Mapping[str, Said]
    present: frozenset[str] = frozenset()
    missing: Mapping[str, int] = field(default_factory=dict)
    moved: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartChange:
    """One part as it will be; change: ``part``, ``gone``, ``park``, ``absent`` or ``unread``."""

    change: str
    warehouse: str
    said: Said


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlan:
    """What would become of one key; value None: the level stays as it is.

    incomplete: something is stated of it that could not be read yet, and is not in the value.
    gone: nothing is stated of it any more; parked: that is for a person to decide.
    """

    parts: tuple[PartChange, ...] = ()
    value: Value | None = None
    broken: Broken | None = None
    incomplete: bool = False
    gone: bool = False

    @property
    def parked(self) -> bool:
        """Whether it leaves as it is."""
        return self.gone and any(change.change == "park" for change in self.parts)


def plan_key(
    statement: Statement,
    known: Mapping[str, Said],
    *,
    rules: Rules,
    units: Mapping[str, str],
    absences: int,
) -> KeyPlan:
    """Weigh one key: ``known`` are its parts in the ledger that are not gone, per warehouse.

    A level that the rules cannot make (a fraction, too large) is broken and stays as it is; its
    parts are kept all the same, for what one warehouse states counts when another one changes.
    """
    changes = [
        PartChange(change="part", warehouse=warehouse, said=said)
        for warehouse, said in statement.said.items()
        if known.get(warehouse) != said
    ]
    changes += [
        PartChange(change="unread", warehouse=warehouse, said=Said(UNREAD))
        for warehouse in sorted(statement.unread - known.keys())
    ]
    changes += [_gone(warehouse, known[warehouse]) for warehouse in sorted(statement.moved)]
    changes += _missing(statement, known, rules.missing, absences)
    after = {**known, **{c.warehouse: c.said for c in changes if c.change != "absent"}}
    leaving = {change.warehouse for change in changes if change.change in {"gone", "park"}}
    after = {
        name: said for name, said in after.items() if said.quantity != UNREAD or name not in leaving
    }
    read = {name: said for name, said in sorted(after.items()) if said.quantity != UNREAD}
    if not read:
        return KeyPlan(parts=tuple(changes))
    gone = read.keys() <= leaving
    is_zeroed = gone and all(said.quantity == "0" for said in read.values())
    value = level_value(list(read.values()), rules=rules, units=units, gone=is_zeroed)
    if isinstance(value, Broken):
        return KeyPlan(parts=tuple(changes), broken=value)
    incomplete = len(read) < len(after)
    return KeyPlan(parts=tuple(changes), value=value, incomplete=incomplete, gone=gone)


def _missing(
    statement: Statement, known: Mapping[str, Said], policy: Missing, absences: int
) -> list[PartChange]:
    changes = []
    for warehouse, before in statement.missing.items():
        said = known[warehouse]
        if said.quantity == UNREAD:  # nothing of it was ever applied
            changes.append(_gone(warehouse, said))
        elif policy is Missing.KEEP:
            continue
        elif before + 1 < absences:
            changes.append(PartChange(change="absent", warehouse=warehouse, said=said))
        elif policy is Missing.ZERO:
            changes.append(_gone(warehouse, said))
        else:
            changes.append(PartChange(change="park", warehouse=warehouse, said=said))
    return changes


def _gone(warehouse: str, said: Said) -> PartChange:
    """It counts as 0 from now on; what was never read has no say in what its level becomes."""
    quantity = said.quantity if said.quantity == UNREAD else "0"
    return PartChange(change="gone", warehouse=warehouse, said=said._replace(quantity=quantity))
