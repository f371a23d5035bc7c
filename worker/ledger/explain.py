"""Everything that the ledger knows of one SKU, read in one transaction; tells no meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select

from worker.ledger import (
    batches,
    confirmations,
    events,
    failures,
    lists,
    pins,
    schema,
    sources,
    target,
)
from worker.model import PullStatus
from worker.planning import limiter
from worker.planning.levels import UNKNOWN_PRODUCT, Level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from worker.ledger.batches import Line
    from worker.ledger.confirmations import Confirmation
    from worker.ledger.events import Event
    from worker.ledger.failures import Failure
    from worker.ledger.lists import KnownList
    from worker.model import Key

MOST = 500
"""At most so many changes, and so many batch lines of a key, the latest ones."""

_SHOWN = (PullStatus.APPLIED, PullStatus.APPLYING, PullStatus.HELD)


class Stated(NamedTuple):
    """What a source says now for one part of a level, and where it said so."""

    stock_list: int
    warehouse: str
    quantity: str
    unit: str
    gone: bool
    source: str
    pull_id: int
    file: str | None
    line: int | None
    at: float | None


class Change(NamedTuple):
    """One part of a pull that changed a level, or, while it is held, would."""

    pull_id: int
    source: str
    file: str
    status: str
    at: float
    change: str
    stock_list: int
    warehouse: str | None
    quantity: str | None
    line: int | None
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All of it. lists: those of Omnitron, by number; lines: oldest first, of all its levels.

    writes: whether anything is sent at all, as the configuration has it.
    pinned_by: stock list -> the action that pinned its level last.
    """

    sku: str
    at: float
    target: limiter.Target
    levels: Sequence[Level]
    parts: Sequence[Stated]
    changes: Sequence[Change]
    lines: Sequence[Line]
    failures: Sequence[Failure]
    confirmations: Sequence[Confirmation]
    events: Sequence[Event]
    pinned_by: Mapping[int, Event]
    lists: Mapping[int, KnownList]
    sources: Mapping[int, str]
    writes: bool

    @property
    def empty(self) -> bool:
        """Whether nothing at all is known of it."""
        return not (self.levels or self.parts or self.changes or self.failures or self.lines)


def known(
    connection: Connection, sku: str, *, stock_list: int | None, now: float, writes: bool = True
) -> Known:
    """Read it; ``stock_list``: of this list alone, None: of all."""
    there = _levels(connection, sku, stock_list)
    changes = _changes(connection, sku, stock_list)
    names = sources.names_by_id(connection)
    lines = [line for level in there for line in _lines(connection, level.key)]
    failed = [
        failure
        for failure in failures.of_sku(connection, sku)
        if stock_list is None or failure.stock_list in {None, stock_list}
    ]
    unknown = {line.stock_list for line in lines if line.reason == UNKNOWN_PRODUCT}
    for level in there:
        if level.stock_list in unknown:
            name = names.get(level.source_id, "")
            failed += failures.of_unknown(connection, name, level.stock_list)
    return Known(
        sku=sku,
        at=now,
        target=limiter.as_of(target.read(connection), now=now),
        levels=there,
        parts=_parts(connection, sku, stock_list),
        changes=changes,
        lines=lines,
        failures=failed,
        confirmations=[
            row for level in there for row in confirmations.of_key(connection, level.key)
        ],
        events=events.on(connection, failed)
        + events.about(
            connection,
            *{f"pull {change.pull_id}" for change in changes},
            *{f"batch {line.batch_id}" for line in lines},
            *{pins.subject(level.key) for level in there},
            *{f"source {names[level.source_id]}" for level in there if level.source_id in names},
        ),
        pinned_by={
            level.stock_list: event
            for level in there
            if (event := pins.last_event(connection, level.key)) is not None
        },
        lists={row.id: row for row in lists.every(connection)},
        sources=names,
        writes=writes,
    )


def similar(connection: Connection, sku: str, *, limit: int = 5) -> list[str]:
    """SKUs that differ from this one in case only, or begin or end with it."""
    table = schema.level
    condition = (
        (func.upper(table.c.sku) == sku.upper())
        | table.c.sku.endswith(sku, autoescape=True)
        | table.c.sku.startswith(sku, autoescape=True)
    )
    query = select(table.c.sku).where(condition).distinct().order_by(table.c.sku).limit(limit)
    return list(connection.execute(query).scalars())


def _levels(connection: Connection, sku: str, stock_list: int | None) -> list[Level]:
    table = schema.level
    condition = table.c.sku == sku
    if stock_list is not None:
        condition &= table.c.stock_list == stock_list
    query = select(*(table.c[name] for name in Level._fields)).where(condition)
    return [Level._make(row) for row in connection.execute(query.order_by(table.c.stock_list))]


def _lines(connection: Connection, key: Key) -> list[Line]:
    return batches.lines_for(connection, key)[-MOST:]


def _parts(connection: Connection, sku: str, stock_list: int | None) -> list[Stated]:
    part, pull, source = schema.part, schema.pull, schema.source
    query = (
        select(
            part.c.stock_list,
            part.c.warehouse,
            part.c.quantity,
            part.c.unit,
            part.c.gone,
            source.c.name,
            part.c.pull_id,
            pull.c.label,
            part.c.place,
            pull.c.started_at,
        )
        .join(source, source.c.id == part.c.source_id)
        .outerjoin(pull, pull.c.id == part.c.pull_id)
        .where(part.c.sku == sku)
        .order_by(part.c.stock_list, source.c.name, part.c.warehouse)
    )
    if stock_list is not None:
        query = query.where(part.c.stock_list == stock_list)
    return [Stated._make(row) for row in connection.execute(query)]


def _changes(connection: Connection, sku: str, stock_list: int | None) -> list[Change]:
    row, pull, source = schema.pull_row, schema.pull, schema.source
    query = (
        select(
            row.c.pull_id,
            source.c.name,
            pull.c.label,
            pull.c.status,
            func.coalesce(pull.c.decided_at, pull.c.started_at),
            row.c.change,
            row.c.stock_list,
            row.c.warehouse,
            row.c.quantity,
            row.c.place,
            row.c.before,
            row.c.after,
        )
        .join(pull, pull.c.id == row.c.pull_id)
        .join(source, source.c.id == pull.c.source_id)
        .where(row.c.sku == sku, pull.c.status.in_(_SHOWN), row.c.change != "reject")
        .order_by(row.c.pull_id.desc(), row.c.n.desc())
        .limit(MOST)
    )
    if stock_list is not None:
        query = query.where(row.c.stock_list == stock_list)
    return [Change._make(found) for found in connection.execute(query)][::-1]
