"""What is deleted because of its age: history after a month, settled failures after half a year.

In small transactions, so that nobody waits for it. Open failures, levels, parts, confirmations and
the latest pull of each kind of ending stay for ever: they are state, not history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select, text, tuple_

from worker.ledger import schema
from worker.model import PAGE_ROWS, BatchStatus, PullStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sqlalchemy import ColumnElement, Connection, Table

    from worker.ledger import Ledger

DAY = 86_400.0
HISTORY_SECONDS = 30 * DAY
FAILURE_SECONDS = 180 * DAY
_UNSETTLED = (PullStatus.RUNNING, PullStatus.APPLYING, PullStatus.HELD)


def sweep(ledger: Ledger, *, stopped: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Delete what is old; returns the rows per table. Ends early when ``stopped``."""
    with ledger.read() as connection:
        now = ledger.now(connection)
    gone: dict[str, int] = {}
    for table, condition in _old(now):
        gone[table.name] = 0
        while not stopped():
            deleted = ledger.write(lambda tx, t=table, c=condition: _page(tx, t, c))  # type: ignore[misc]
            gone[table.name] += deleted
            if deleted < PAGE_ROWS:
                break
    _tidy(ledger)
    return gone


def _old(now: float) -> list[tuple[Table, ColumnElement[bool]]]:
    history, settled = now - HISTORY_SECONDS, now - FAILURE_SECONDS
    pulls, batches = _old_pulls(history), _old_batches(history)
    pull, batch, failure = schema.pull, schema.batch, schema.failure
    return [
        (schema.pull_row, schema.pull_row.c.pull_id.in_(select(pull.c.id).where(pulls))),
        (pull, pulls),
        (schema.batch_line, schema.batch_line.c.batch_id.in_(select(batch.c.id).where(batches))),
        (batch, batches),
        (failure, failure.c.closed_at < settled),
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
    return (batch.c.started_at < moment) & (batch.c.status != BatchStatus.SENDING)


def _page(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    keys: list[Any] = list(table.primary_key)
    named = tuple_(*keys) if len(keys) > 1 else keys[0]
    picked = select(*keys).where(condition).limit(PAGE_ROWS)
    return connection.execute(delete(table).where(named.in_(picked))).rowcount


def _tidy(ledger: Ledger) -> None:
    """Let SQLite renew what it knows of its indexes; PostgreSQL does it by itself."""
    if ledger.sqlite:
        ledger.write(lambda connection: connection.execute(text("PRAGMA optimize")) and None)
