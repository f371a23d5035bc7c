"""Batches: what one worker claimed to send now. Lines are a record for people, never sent from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, insert, select, text, update

from worker.ledger import bulk, schema
from worker.model import BatchStatus, Key, LineOutcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from worker.model import Claimed

_table = schema.batch
_lines = schema.batch_line
_SENDING = text("batch.status = 'sending'")
_LATEST = _table.c.id.desc()


NOT_STARTED = "not_started"
"""Why a line waits that no request was made for."""


class Batch(NamedTuple):
    """A row of the `batch` table."""

    id: int
    token: str
    worker: str
    status: str
    lines: int
    sent: int
    superseded: int
    parked: int
    waiting: int
    reason: str | None
    started_at: float
    ended_at: float | None
    lease_until: float


class Line(NamedTuple):
    """A row of the `batch_line` table."""

    batch_id: int
    stock_list: int
    sku: str
    revision: int
    stock: int
    unit_type: str | None
    sold: int | None
    extra: str | None
    outcome: str | None
    reason: str | None
    status: int | None
    message: str | None
    at: float | None

    @property
    def doubtful(self) -> bool:
        """Whether Omnitron may have taken it, or may still, although it did not say so."""
        settled = self.outcome in {None, LineOutcome.SENT}
        return not settled and self.reason not in {None, NOT_STARTED}


def open_batch(
    connection: Connection, *, token: str, worker: str, now: float, lease_until: float
) -> int:
    """Number a batch before its lines are claimed."""
    values = {
        "token": token,
        "worker": worker,
        "status": BatchStatus.SENDING,
        "started_at": now,
        "lease_until": lease_until,
    }
    statement = insert(_table).values(values).returning(_table.c.id)
    return int(connection.execute(statement).scalar_one())


def add_lines(connection: Connection, batch_id: int, claimed: Iterable[Claimed]) -> None:
    """Record what is about to be sent."""
    rows = sorted((batch_id, *line.key, line.revision, *line.value) for line in claimed)
    bulk.insert(connection, _lines, Line._fields[:8], rows)
    change(connection, batch_id, lines=len(rows))


def record(connection: Connection, lines: Sequence[Line]) -> None:
    """Record outcomes."""
    bulk.upsert(connection, _lines, Line._fields, sorted(lines, key=lambda line: line[:3]))


def change(connection: Connection, batch_id: int, **values: object) -> None:
    """Set columns of a batch."""
    connection.execute(update(_table).where(_table.c.id == batch_id).values(values))


def drop(connection: Connection, batch_id: int) -> None:
    """Forget a batch that claimed nothing."""
    connection.execute(_table.delete().where(_table.c.id == batch_id))


def lines_of(connection: Connection, batch_id: int) -> list[Line]:
    """The lines of a batch in key order."""
    columns = [_lines.c[name] for name in Line._fields]
    query = select(*columns).where(_lines.c.batch_id == batch_id)
    ordered = query.order_by(_lines.c.stock_list, _lines.c.sku)
    return [Line._make(row) for row in connection.execute(ordered)]


def lines_for(connection: Connection, key: Key) -> list[Line]:
    """Every time a key was sent, oldest first."""
    columns = [_lines.c[name] for name in Line._fields]
    condition = (_lines.c.stock_list == key.stock_list) & (_lines.c.sku == key.sku)
    query = select(*columns).where(condition).order_by(_lines.c.batch_id)
    return [Line._make(row) for row in connection.execute(query)]


def values_sent(connection: Connection, keys: Iterable[Key]) -> dict[Key, list[Line]]:
    """All lines of these keys, oldest first: which values were ever ours."""
    columns = ", ".join(f"batch_line.{name}" for name in Line._fields)
    statement = (
        f"SELECT {columns} FROM {{keys}} k CROSS JOIN batch_line"
        " WHERE batch_line.stock_list = k.stock_list AND batch_line.sku = k.sku"
        " ORDER BY batch_line.batch_id"
    )
    found: dict[Key, list[Line]] = {}
    for row in bulk.by_keys(connection, statement, keys):
        found.setdefault(Key(row[1], row[2]), []).append(Line._make(row))
    return found


def numbered(connection: Connection, batch_id: int) -> Batch | None:
    """The batch of this number."""
    found = _selected(connection, _table.c.id == batch_id)
    return found[0] if found else None


def latest(connection: Connection, *, limit: int = 50) -> list[Batch]:
    """The last batches, newest first."""
    return _selected(connection, _table.c.id > 0, limit=limit)


def last_parked(
    connection: Connection, *, enough: int, since: float
) -> list[list[tuple[Key, str | None]]]:
    """What the last batches, the latest first, ended with: keys, and why each was parked.

    Reads back until there are ``enough`` lines, or one was not parked (reason None).
    """
    found: list[list[tuple[Key, str | None]]] = []
    for batch in _selected(connection, _table.c.ended_at.is_not(None), limit=enough):
        if (batch.ended_at or 0.0) < since:
            break
        lines = lines_of(connection, batch.id) if batch.parked == batch.lines else []
        found.append([(Key(line.stock_list, line.sku), line.reason) for line in lines])
        if not lines or sum(map(len, found)) >= enough:
            break
    return found


def of_one(connection: Connection, ids: Iterable[int | None]) -> set[int]:
    """Those of these batches that had a single line."""
    wanted = [number for number in ids if number is not None]
    found = _selected(connection, _table.c.id.in_(wanted) & (_table.c.lines == 1))
    return {batch.id for batch in found}


def overdue(connection: Connection, *, now: float) -> list[Batch]:
    """Batches that still count as being sent although their lease is over."""
    overdue = and_(_SENDING, _table.c.lease_until <= now)
    return _selected(connection, overdue, order=_table.c.lease_until)


def sending(connection: Connection, *, beyond: float) -> list[Batch]:
    """Batches that are being sent, with a lease that lasts longer than until ``beyond``."""
    alive = and_(_SENDING, _table.c.lease_until > beyond)
    return _selected(connection, alive, order=_table.c.lease_until)


def _selected(
    connection: Connection,
    condition: object,
    *,
    order: object = _LATEST,
    limit: int | None = None,
) -> list[Batch]:
    columns = [_table.c[name] for name in Batch._fields]
    query = select(*columns).where(condition).order_by(order).limit(limit)  # type: ignore[arg-type]
    return [Batch._make(row) for row in connection.execute(query)]
