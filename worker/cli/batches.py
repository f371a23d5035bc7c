"""`batches`: what was sent together, and sending the rest of it again."""

# ruff: noqa: PLC0415 - `--help` is quick, since what only some runs need is imported by them

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.doings import of_events, tell_events
from worker.cli.nouns import Limit, Number, how_many, noun
from worker.cli.session import Session, rfc3339, table
from worker.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.ledger.batches import Batch, Line

batches = noun("batches", "What was sent to Omnitron together, line by line.")
_LINES = 50


@batches.callback()
def opening(context: typer.Context, limit: Limit = None) -> None:
    """List what was sent to Omnitron; show a batch, or replay what is left of it."""
    if context.invoked_subcommand is None:
        _list(context.obj, limit)


@batches.command("list")
def listed(context: typer.Context, limit: Limit = None) -> None:
    """List the batches, the latest first."""
    _list(context.obj, limit)


@batches.command()
def show(context: typer.Context, batch_id: Number) -> None:
    """Show one batch with its lines, those that were not sent first, and who replayed it."""
    from worker.ledger import events

    session: Session = context.obj
    batch, lines = _found(session, batch_id)
    with session.untouched_ledger.read() as connection:
        done = events.about(connection, f"batch {batch_id}")
    ordered = sorted(lines, key=lambda line: (line.outcome == "sent", line.stock_list, line.sku))
    outcomes = {"outcomes": [_line(line) for line in ordered]}

    def tell() -> None:
        _show(session, batch, ordered)
        tell_events(session, done)

    session.show(_document(batch) | outcomes | {"events": of_events(done)}, tell)


@batches.command()
def replay(
    context: typer.Context,
    batch_id: Number,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say per key what would happen; change nothing.")
    ] = False,
) -> ExitCode:
    """Send again what a batch left over, with today's values; what has moved on stays as it is."""
    from worker.cli.replaying import carry_out
    from worker.model import Key
    from worker.replay import Chosen, keys_of_batch

    session: Session = context.obj
    _, lines = _found(session, batch_id)
    with session.ledger.read() as connection:
        keys = keys_of_batch(connection, batch_id)
    revisions = {Key(line.stock_list, line.sku): line.revision for line in lines}
    return carry_out(
        session,
        Chosen(keys=keys, lists=(), others=()),
        subject=f"batch {batch_id}",
        revisions=revisions,
        dry_run=dry_run,
    )


def _list(session: Session, limit: int | None) -> None:
    from worker.ledger import batches as batches_ledger

    with session.untouched_ledger.read() as connection:
        found = batches_ledger.latest(connection, limit=how_many(session, limit))
    session.show([_document(batch) for batch in found], lambda: _table(session, found))


def _found(session: Session, batch_id: int) -> tuple[Batch, list[Line]]:
    from worker.ledger import batches as batches_ledger

    with session.untouched_ledger.read() as connection:
        batch = batches_ledger.numbered(connection, batch_id)
        lines = batches_ledger.lines_of(connection, batch_id)
    if batch is None:
        raise UsageError(f"there is no batch {batch_id}", remedy="list them: stocksync batches")
    return batch, lines


def _document(batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "status": batch.status,
        "lines": batch.lines,
        "sent": batch.sent,
        "superseded": batch.superseded,
        "parked": batch.parked,
        "waiting": batch.waiting,
        "started_at": rfc3339(batch.started_at),
        "ended_at": rfc3339(batch.ended_at),
        "worker": batch.worker,
        "reason": batch.reason,
    }


def _line(line: Line) -> dict[str, Any]:
    document = line._asdict() | {"at": rfc3339(line.at)}
    del document["batch_id"]
    return document


def _table(session: Session, found: Sequence[Batch]) -> Any:
    columns = ("#id", "status", "started", "#lines", "#sent", "#superseded", "#parked", "#waiting")
    rows = [
        (b.id, b.status, session.local(b.started_at), *b[4:9], b.worker, b.reason) for b in found
    ]
    return table("batches, the latest first", (*columns, "worker", "reason"), rows)


def _show(session: Session, batch: Batch, lines: Sequence[Line]) -> None:
    session.out.print(_table(session, [batch]))
    columns = ("#stock list", "sku", "#revision", "#stock", "outcome", "reason", "#status")
    rows = [
        (li.stock_list, li.sku, li.revision, li.stock, li.outcome, li.reason, li.status, li.message)
        for li in lines[:_LINES]
    ]
    session.out.print(table("lines", (*columns, "message"), rows))
    if len(lines) > _LINES:
        session.out.print(f"and {len(lines) - _LINES} more; all of them with --json")
    if batch.parked or batch.waiting:
        session.out.print(f"to send what is left over again: stocksync batches replay {batch.id}")
