"""What is deleted because of its age: history, and failures that were settled long ago.

In small transactions, so that nobody waits for it. Open failures, levels, parts, confirmations, the
latest pull of each kind of ending and the latest batch stay for ever: they are state, not history.
So does a batch line by which `confirm` may still have to recognise a value as ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, select, text, tuple_

from worker.ledger import schema
from worker.model import PAGE_ROWS, BatchStatus, ConfirmState, PullStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sqlalchemy import ColumnElement, Connection, Table

    from worker.ledger import Ledger

DAY = 86_400.0
_UNSETTLED = (PullStatus.RUNNING, PullStatus.APPLYING, PullStatus.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How long is kept, in seconds: pulls and batches; failures after they closed, and events."""

    history: float = 30 * DAY
    failures: float = 180 * DAY


def sweep(
    ledger: Ledger, kept: Kept | None = None, *, stopped: Callable[[], bool] = lambda: False
) -> dict[str, int]:
    """Delete what is old; returns the rows per table. Ends early when ``stopped``."""
    with ledger.read() as connection:
        now = ledger.now(connection)
    gone: dict[str, int] = {}
    for table, condition in _old(kept or Kept(), now):
        gone[table.name] = 0
        while not stopped():
            deleted = _delete_page(ledger, table, condition)
            gone[table.name] += deleted
            if deleted < PAGE_ROWS:
                break
    _tidy(ledger)
    return gone


def _old(kept: Kept, now: float) -> list[tuple[Table, ColumnElement[bool]]]:
    history, settled = now - kept.history, now - kept.failures
    pulls, batches = _old_pulls(history), _old_batches(history)
    pull, batch, line = schema.pull, schema.batch, schema.batch_line
    of_old_batch = line.c.batch_id.in_(select(batch.c.id).where(batches))
    with_lines = exists().where(line.c.batch_id == batch.c.id)
    return [
        (schema.pull_row, schema.pull_row.c.pull_id.in_(select(pull.c.id).where(pulls))),
        (pull, pulls),
        (line, of_old_batch & ~_needed()),
        (batch, batches & ~with_lines),
        (schema.failure, schema.failure.c.closed_at < settled),
        (schema.event, schema.event.c.at < settled),
    ]


def _old_pulls(moment: float) -> ColumnElement[bool]:
    pull, source = schema.pull, schema.source
    latest = select(func.max(pull.c.id)).group_by(pull.c.source_id, pull.c.status)
    named = [
        select(source.c[name]).where(source.c[name].is_not(None))
        for name in ("last_pull_id", "held_pull_id", "snapshot_pull_id")
    ]
    condition = (pull.c.started_at < moment) & pull.c.status.not_in(_UNSETTLED)
    for kept in (latest, *named):
        condition &= pull.c.id.not_in(kept)
    return condition


def _old_batches(moment: float) -> ColumnElement[bool]:
    batch = schema.batch
    latest = select(func.max(batch.c.id)).scalar_subquery()
    old = (batch.c.started_at < moment) & (batch.c.status != BatchStatus.SENDING)
    return old & (batch.c.id != latest)


def _needed() -> ColumnElement[bool]:
    """Lines of what is not confirmed yet, and the last line of whatever a channel shows."""
    line, watched = schema.batch_line, schema.confirmation
    later = schema.batch_line.alias("later")
    shown = (watched.c.stock_list == line.c.stock_list) & (watched.c.sku == line.c.sku)
    of_key = (later.c.stock_list == line.c.stock_list) & (later.c.sku == line.c.sku)
    after = of_key & (later.c.batch_id > line.c.batch_id)
    outdone = select(later.c.batch_id).where(after).correlate(line).exists()
    return exists().where(shown & ((watched.c.state != ConfirmState.CONFIRMED) | ~outdone))


def _delete_page(ledger: Ledger, table: Table, condition: ColumnElement[bool]) -> int:
    """Look for a page without holding anybody up, then delete it by its keys."""
    keys: list[Any] = list(table.primary_key)
    with ledger.read() as connection:
        picked = connection.execute(select(*keys).where(condition).limit(PAGE_ROWS)).all()
    if not picked:
        return 0
    named = tuple_(*keys).in_([tuple(row) for row in picked])

    def work(connection: Connection) -> int:
        return connection.execute(delete(table).where(named)).rowcount

    return ledger.write(work)


def _tidy(ledger: Ledger) -> None:
    """Let SQLite renew what it knows of its indexes; PostgreSQL does it by itself."""
    if ledger.sqlite:
        ledger.write(lambda connection: connection.execute(text("PRAGMA optimize")) and None)
