"""Read an offer into the scratch sorter: rows become statements, bad ones become rejects."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from connectors.contract import Chunk, Reject
from worker.ledger.lines import LIST_BASE, PLACE_BASE, is_fit, line_of
from worker.model import Negative, Said
from worker.planning.lookalikes import Spellings
from worker.planning.mapping import is_sku, sku_mapper
from worker.planning.rules import judge
from worker.pull.garbage import collected_rarely
from worker.pull.keeping import kept_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.contract import Offer, Row
    from worker.ledger.scratch import Scratch
    from worker.model import SourcePlan
    from worker.planning.rules import Broken

KEPT_PER_REASON = 1_000
"""More rejected rows of one reason than this become one failure with a count."""


@dataclass(slots=True)
class Rejects:
    """The rejected rows of a pull: the first of each reason, and how many there are.

    each: is told every one of them.
    """

    kept: list[Reject] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    unreadable_key: bool = False
    each: Callable[[Reject], None] = lambda _reject: None

    @property
    def total(self) -> int:
        """Rows rejected in all."""
        return sum(self.counts.values())

    def add(self, reject: Reject) -> None:
        """Count one, and keep it if it is among the first of its reason."""
        self.each(reject)
        count = self.counts.get(reject.reason, 0) + 1
        self.counts[reject.reason] = count
        if count <= KEPT_PER_REASON:
            self.kept.append(reject)


@dataclass(slots=True)
class Reading:
    """What was read: number of rows, the rejects, and how the SKUs are written.

    skipped: rows passed over because the configuration says so; not among ``rows``.
    """

    rows: int = 0
    skipped: int = 0
    rejects: Rejects = field(default_factory=Rejects)
    spellings: Spellings = field(default_factory=Spellings)


@collected_rarely()
def read_offer(  # noqa: PLR0913 - what to read by and whom to tell, all by name
    offer: Offer,
    scratch: Scratch,
    *,
    plan: SourcePlan,
    stock_lists: Mapping[str, int],
    on_chunk: Callable[[int], None],
    on_reject: Callable[[Reject], None] = lambda _reject: None,
) -> Reading:
    """Read ``offer`` to its end into ``scratch``.

    stock_lists: warehouse -> list, with the codes that Omnitron's own lists add. on_chunk: called
    with the number of rows so far. Raises what `Offer.chunks` raises.
    """
    reading = Reading(rejects=Rejects(each=on_reject))
    for read in offer.chunks():
        reading.rows += len(read.rows) + len(read.rejects)
        reading.skipped += read.skipped
        chunk = mapped(read, plan)
        scratch.add(_statements(chunk.rows, plan, stock_lists, reading.rejects))
        for reject in chunk.rejects:
            scratch.add(_marker(reject, plan, stock_lists, reading.rejects))
        reading.spellings.note([row[0] for row in chunk.rows])
        on_chunk(reading.rows)
    return reading


def mapped(chunk: Chunk, plan: SourcePlan) -> Chunk:
    """The chunk with Omnitron's SKUs; a row of which the rules leave none is rejected."""
    if not plan.sku_rules:
        return chunk
    map_sku = sku_mapper(plan.sku_rules)
    rows, rejects = [], []
    for row in chunk.rows:
        sku = map_sku(row.sku)
        if is_sku(sku):
            rows.append(row._replace(sku=sku))
        else:
            rejects.append(_unmapped(row, sku))
    for reject in chunk.rejects:
        sku = map_sku(reject.sku or "")
        rejects.append(replace(reject, sku=sku if reject.sku and is_sku(sku) else None))
    return Chunk(rows, rejects)


def _unmapped(row: Row, sku: str) -> Reject:
    return Reject(
        place=row.place,
        column="sku",
        value=row.sku,
        reason="sku_too_long" if sku else "missing_sku",
        message=f"of the SKU {row.sku!r} the rules make {sku[:40]!r}, which is none",
        remedy="correct sku_rules of the source: a SKU has 1 to 255 characters",
        raw=kept_text(row, mapped=False),
        warehouse=row.warehouse,
    )


def _statements(
    rows: Sequence[Row], plan: SourcePlan, stock_lists: Mapping[str, int], rejects: Rejects
) -> list[str]:
    """The hot loop: one line a row, and no call for a row that is good."""
    fixed, units = plan.stock_list, plan.units
    judge_sign = plan.rules.negative is Negative.REJECT
    unfit, every = _unfit(rows), sorted(set(stock_lists.values()))
    statements: list[str] = []
    keep = statements.append
    for row in rows:
        sku, warehouse, quantity, unit, sold, extra, place, _cells = row
        if unfit and (warehouse in unfit or unit in unfit):
            rejects.add(_control_signs(row))
            rejects.unreadable_key = True
            statements += _present(every if fixed is None else [fixed], sku, "", place)
            continue
        stock_list = fixed if fixed is not None else stock_lists.get(warehouse)
        if stock_list is None:
            rejects.add(_unknown_warehouse(row))
            rejects.unreadable_key = True
            statements += _present(every, sku, warehouse, place)
            continue
        if (unit and unit not in units) or (judge_sign and quantity[0] == "-"):
            broken = judge(Said(quantity, unit), rules=plan.rules, units=units)
            if broken is not None:
                rejects.add(_rejected(row, broken))
                quantity = ""  # the key counts as present
        # as `lines.line_of` writes it
        keep(
            f"{LIST_BASE + stock_list}\x1f{sku}\x1f{warehouse}\x1e{PLACE_BASE + place}"
            f"\x1f{quantity}\x1f{unit}\x1f{sold or ''}\x1f{extra or ''}"
        )
    return statements


def _unfit(rows: Sequence[Row]) -> set[str]:
    """Warehouses and units with control signs; there are few names, however many rows."""
    names = {row[1] for row in rows} | {row[3] for row in rows}
    return {name for name in names if not is_fit(name)}


def _marker(
    reject: Reject, plan: SourcePlan, stock_lists: Mapping[str, int], rejects: Rejects
) -> list[str]:
    rejects.add(reject)
    warehouse = reject.warehouse or ""
    stock_list = plan.stock_list or stock_lists.get(warehouse)
    if reject.sku is None:
        rejects.unreadable_key = True
        return []
    if stock_list is not None and is_fit(warehouse):
        return _present([stock_list], reject.sku, warehouse, reject.place)
    rejects.unreadable_key = True
    lists = sorted(set(stock_lists.values())) if plan.stock_list is None else [plan.stock_list]
    return _present(lists, reject.sku, warehouse, reject.place)


def _present(lists: Sequence[int], sku: str, warehouse: str, place: int) -> list[str]:
    """A row that is there and could not be read; of a warehouse without a list, in every list."""
    name = warehouse if is_fit(warehouse) else ""
    return [line_of((number, sku, name, None, "", None, None, place)) for number in lists]


def _control_signs(row: Row) -> Reject:
    return Reject(
        place=row.place,
        column="warehouse",
        value=f"{row.warehouse} {row.unit}".strip(),
        reason="control_signs",
        message=f"the warehouse {row.warehouse!r} or the unit {row.unit!r} holds control signs",
        remedy="correct it in the ERP: a name is written on one line, without tabs",
        raw=kept_text(row),
        sku=row.sku,
        warehouse=row.warehouse,
    )


def _unknown_warehouse(row: Row) -> Reject:
    return Reject(
        place=row.place,
        column="warehouse",
        value=row.warehouse,
        reason="unknown_warehouse",
        message=f"the warehouse {row.warehouse!r} has no stock list",
        remedy=f'add it to [stock_lists]: "{row.warehouse}" = <stock list pk>, or give a list in'
        " Omnitron this code",
        raw=kept_text(row),
        sku=row.sku,
        warehouse=row.warehouse,
    )


def _rejected(row: Row, broken: Broken) -> Reject:
    return Reject(
        place=row.place,
        column=broken.column,
        value=broken.value,
        reason=broken.reason,
        message=broken.message,
        remedy=broken.remedy,
        raw=kept_text(row),
        sku=row.sku,
        warehouse=row.warehouse,
    )


def raw_identity(reject: Reject) -> str:
    """Identity of a failure about a row whose key is not known: the hash of the raw row.

    The column counts too: several cells of one row of a pivot table may be bad.
    """
    text = f"{reject.column}\n{reject.raw}"
    return "raw:" + hashlib.sha256(text.encode()).hexdigest()[:24]
