"""Pulls in the ledger: numbered when they start, with what they would change, row by row."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from worker.ledger import bulk, schema
from worker.model import ListCounts, PullCounts, PullStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

_table = schema.pull
_rows = schema.pull_row


class Pull(NamedTuple):
    """A row of the `pull` table."""

    id: int
    source_id: int
    label: str
    kind: str
    status: str
    reason: str | None
    position: Mapping[str, Any]
    checkpoint: Mapping[str, Any] | None
    fingerprint: str | None
    counts: PullCounts
    read: int
    changed: int
    zeroed: int
    missing: int
    rejected: int
    as_of: int | None
    first: bool
    backfill: bool
    pages: int
    pages_applied: int
    started_at: float
    decided_at: float | None
    ended_at: float | None
    actor: str | None


class PullRow(NamedTuple):
    """A row of the `pull_row` table without its pull: what would change, or was rejected."""

    page: int
    n: int
    change: str
    stock_list: int | None = None
    sku: str | None = None
    warehouse: str | None = None
    quantity: str | None = None
    unit: str | None = None
    sold: str | None = None
    extra: str | None = None
    place: int | None = None
    before: int | None = None
    after: int | None = None
    reject: str | None = None


class Change(NamedTuple):
    """What a pull means for one level; before None: it is new."""

    stock_list: int
    sku: str
    before: int | None
    after: int | None


_WRITTEN = ("pull_id", *PullRow._fields)


def begin(connection: Connection, source_id: int, *, now: float, **values: object) -> int:
    """Number a pull that starts now; returns its number."""
    written = _encoded({"source_id": source_id, "started_at": now, **values})
    result = connection.execute(insert(_table).values(written).returning(_table.c.id))
    return int(result.scalar_one())


def change(connection: Connection, pull_id: int, **values: object) -> None:
    """Set columns of a pull."""
    connection.execute(update(_table).where(_table.c.id == pull_id).values(_encoded(values)))


def decide(
    connection: Connection, pull_id: int, *, was: PullStatus, status: PullStatus, **values: object
) -> bool:
    """Move a pull from one status to another; False: it is no longer in that status."""
    condition = (_table.c.id == pull_id) & (_table.c.status == was)
    written = _encoded({"status": status, **values})
    return connection.execute(update(_table).where(condition).values(written)).rowcount == 1


def numbered(connection: Connection, pull_id: int) -> Pull | None:
    """The pull of this number."""
    row = connection.execute(select(_table).where(_table.c.id == pull_id)).mappings().first()
    return None if row is None else _pull(row)


def latest(connection: Connection, *, source_id: int | None = None, limit: int = 50) -> list[Pull]:
    """The last pulls, newest first."""
    query = select(_table).order_by(_table.c.id.desc()).limit(limit)
    if source_id is not None:
        query = query.where(_table.c.source_id == source_id)
    return [_pull(row) for row in connection.execute(query).mappings()]


def in_status(connection: Connection, source_id: int, status: PullStatus) -> list[Pull]:
    """A source's pulls of one status, oldest first."""
    condition = (_table.c.source_id == source_id) & (_table.c.status == status)
    query = select(_table).where(condition).order_by(_table.c.id)
    return [_pull(row) for row in connection.execute(query).mappings()]


def ever_applied(connection: Connection, source_id: int) -> bool:
    """Whether any pull of this source was applied."""
    done = [PullStatus.APPLIED, PullStatus.APPLYING]
    condition = (_table.c.source_id == source_id) & _table.c.status.in_(done)
    return connection.execute(select(_table.c.id).where(condition).limit(1)).first() is not None


def weighed_after(connection: Connection, source_id: int, moment: float) -> bool:
    """Whether the source's own word, not mended rows, was weighed and applied after a moment."""
    done = [PullStatus.APPLIED, PullStatus.APPLYING, PullStatus.UNCHANGED]
    condition = (
        (_table.c.source_id == source_id)
        & _table.c.status.in_(done)
        & _table.c.fingerprint.is_not(None)  # it was read, not passed over
        & _table.c.as_of.is_(None)
        & (_table.c.decided_at > moment)
    )
    return connection.execute(select(_table.c.id).where(condition).limit(1)).first() is not None


def ever_rejected(connection: Connection, source_id: int) -> bool:
    """Whether any pull of this source that is still known rejected something."""
    condition = (_table.c.source_id == source_id) & (_table.c.rejected > 0)
    return connection.execute(select(_table.c.id).where(condition).limit(1)).first() is not None


def of_stem(connection: Connection, source_id: int, stem: str) -> list[int]:
    """Pulls of a source that rejected something of a file with this name, up to its extension."""
    named = (_table.c.label == stem) | _table.c.label.startswith(f"{stem}.", autoescape=True)
    condition = (_table.c.source_id == source_id) & (_table.c.rejected > 0) & named
    query = select(_table.c.id).where(condition & _table.c.as_of.is_(None)).order_by(_table.c.id)
    return list(connection.execute(query).scalars())


def zeroed_since(connection: Connection, source_id: int, moment: float) -> dict[int, int]:
    """Per stock list, how many levels applied pulls of a source took to zero since ``moment``."""
    condition = (
        (_table.c.source_id == source_id)
        & _table.c.status.in_([PullStatus.APPLIED, PullStatus.APPLYING])
        & (_table.c.decided_at >= moment)
        & (_table.c.zeroed > 0)
    )
    found: dict[int, int] = {}
    for (counts,) in connection.execute(select(_table.c.counts).where(condition)):
        for stock_list, of_list in _counts(counts).lists.items():
            found[stock_list] = found.get(stock_list, 0) + of_list.zeroed
    return found


def reassign(connection: Connection, source_id: int, to: int) -> None:
    """Let the pulls of one source be those of another."""
    statement = update(_table).where(_table.c.source_id == source_id)
    connection.execute(statement.values(source_id=to))


def held_count(connection: Connection) -> int:
    """How many pulls wait for a person."""
    query = select(func.count()).where(_table.c.status == PullStatus.HELD)
    return int(connection.execute(query).scalar_one())


def stage(connection: Connection, pull_id: int, rows: Sequence[PullRow]) -> None:
    """Keep what a running pull found, durable but without any effect yet."""
    bulk.insert(connection, _rows, _WRITTEN, [(pull_id, *row) for row in rows])


def page(connection: Connection, pull_id: int, number: int) -> list[PullRow]:
    """One page of what a pull changes (0: its rejected rows), in key order."""
    condition = (_rows.c.pull_id == pull_id) & (_rows.c.page == number)
    columns = [_rows.c[name] for name in PullRow._fields]
    query = select(*columns).where(condition).order_by(_rows.c.n)
    return [PullRow._make(row) for row in connection.execute(query)]


def rejects(connection: Connection, pull_id: int) -> Iterator[PullRow]:
    """The rejected rows of a pull, in the order they were read."""
    yield from page(connection, pull_id, 0)


def largest_changes(connection: Connection, pull_id: int, *, limit: int = 10) -> list[Change]:
    """The levels that change most, for a person to judge a plan."""
    before, after = func.coalesce(_rows.c.before, 0), func.coalesce(_rows.c.after, 0)
    return _changes(connection, pull_id, before != after, func.abs(after - before), limit)


def going_to_zero(connection: Connection, pull_id: int, *, limit: int = 10) -> list[Change]:
    """The levels that would go to zero, those first that have most."""
    condition = (_rows.c.after == 0) & (_rows.c.before > 0)
    return _changes(connection, pull_id, condition, _rows.c.before, limit)


def _changes(
    connection: Connection,
    pull_id: int,
    condition: ColumnElement[bool],
    size: ColumnElement[int],
    limit: int,
) -> list[Change]:
    """A level has a row for each of its warehouses, all with the same before and after."""
    columns = [_rows.c[name] for name in Change._fields]
    query = select(*columns).where((_rows.c.pull_id == pull_id) & condition).distinct()
    found = query.add_columns(size.label("size")).subquery()
    ordered = select(*(found.c[name] for name in Change._fields)).order_by(
        found.c.size.desc(), found.c.stock_list, found.c.sku
    )
    return [Change._make(row) for row in connection.execute(ordered.limit(limit))]


def forget_rows(connection: Connection, pull_id: int) -> None:
    """Drop what a pull that will never be applied had staged."""
    connection.execute(delete(_rows).where(_rows.c.pull_id == pull_id))


def _encoded(values: Mapping[str, object]) -> dict[str, object]:
    written = dict(values)
    for name in ("position", "checkpoint"):
        if written.get(name) is not None:
            written[name] = json.dumps(written[name])
    counts = written.get("counts")
    if isinstance(counts, PullCounts):
        written["counts"] = json.dumps(asdict(counts))
    return written


def _pull(row: Mapping[Any, Any]) -> Pull:
    values = {name: row[name] for name in Pull._fields}
    values["position"] = json.loads(row["position"] or "{}")
    values["checkpoint"] = json.loads(row["checkpoint"]) if row["checkpoint"] else None
    values["counts"] = _counts(row["counts"])
    return Pull(**values)


def _counts(written: str | None) -> PullCounts:
    if not written:
        return PullCounts()
    read = json.loads(written)
    lists = {int(number): ListCounts(**counts) for number, counts in read.pop("lists").items()}
    return PullCounts(**read, lists=lists)
