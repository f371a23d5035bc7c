"""`failures`: what needs a person, why, and what to do; dismissed and exported here."""

# ruff: noqa: PLC0415 - `--help` is quick, since what only some runs need is imported by them

from __future__ import annotations

import json
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.doings import of_events, tell_events
from worker.cli.nouns import SHOWN, Limit, Number, noun
from worker.cli.session import Session, printable, rfc3339, table
from worker.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from worker.ledger.events import Event
    from worker.ledger.failures import Failure
    from worker.model import Key

failures = noun("failures", "What needs a person: rows, files, sources, items, channels.")
_Source = Annotated[str | None, typer.Option(help="Only those of this source.")]
_Reason = Annotated[str | None, typer.Option(help="Only those open for this reason.")]
_ROWS = (
    "all of its rows are in the rejects file (.rejected in the drop folder): mend it, or the"
    " configuration, and drop it again; or let the source be read again: stocksync sources rewind"
)
_OPEN = "look at the open ones: stocksync failures"


@failures.callback()
def opening(
    context: typer.Context, source: _Source = None, reason: _Reason = None, limit: Limit = None
) -> None:
    """List what needs a person, by reason and one by one; replay, dismiss or export it."""
    if context.invoked_subcommand is None:
        _list(context.obj, source, reason, limit)


@failures.command("list")
def listed(
    context: typer.Context, source: _Source = None, reason: _Reason = None, limit: Limit = None
) -> None:
    """List the open failures: groups first, then one by one, the latest first."""
    _list(context.obj, source, reason, limit)


@failures.command()
def show(context: typer.Context, failure_id: Number) -> None:
    """Show everything that is known of one failure."""
    from worker.ledger import events
    from worker.ledger import failures as failures_ledger
    from worker.ledger.crowds import levels_of

    session: Session = context.obj
    with session.untouched_ledger.read() as connection:
        found = failures_ledger.numbered(connection, [failure_id])
        done = events.on(connection, found)
        about = [level.key for one in found for level in levels_of(connection, one)]
    if not found:
        raise UsageError(f"there is no failure {failure_id}", remedy=_OPEN)
    document = _whole(found[0], done) | _keys(about)
    session.show(document, lambda: _show(session, found[0], done, about))


def _keys(about: Sequence[Key]) -> dict[str, Any]:
    """The keys that a failure stands for."""
    if not about:
        return {}
    return {"skus": [key.sku for key in about], "keys": [key._asdict() for key in about]}


@failures.command()
def dismiss(
    context: typer.Context,
    failure_id: Number,
    why: Annotated[str, typer.Option(help="Why nothing needs to be done; it is recorded.")],
) -> None:
    """Close a failure. Its level stays parked, uncounted, until the ERP states another value."""
    from worker.bootstrap import actor
    from worker.operating import dismiss as dismiss_failure

    session: Session = context.obj
    if not why.strip():
        raise UsageError("--why is empty", remedy="say why nothing needs to be done")
    failure = dismiss_failure(session.ledger, failure_id, why=why.strip(), actor=actor())
    text = f"failure {failure_id} is closed ({failure.reason}: {failure.message})"
    session.show({"id": failure_id, "dismissed": True, "why": why.strip()}, lambda: text)


@failures.command()
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv|jsonl")],
) -> None:
    """Write all open failures to a new file: CSV for a spreadsheet, or exact JSON lines.

    Each level has a line of its own where one failure stands for many.
    """
    from worker.cli.exporting import write_new
    from worker.ledger import failures as failures_ledger

    session: Session = context.obj
    with session.untouched_ledger.read() as connection:
        found = failures_ledger.each_open(connection)
        each = (row for failure in found for row in _exported(connection, failure))
        count = write_new(file, each)
    session.show({"file": str(file), "count": count}, lambda: f"{count} failures are in {file}")


def _exported(connection: Connection, failure: Failure) -> Iterator[dict[str, Any]]:
    """One line a failure; one a SKU where a failure stands for many."""
    from worker.ledger.crowds import levels_of

    levels = levels_of(connection, failure)
    if not levels:
        yield _whole(failure)
    for level in levels:
        own = level.key._asdict() | {"value": str(level.shown.stock), "occurrences": 1}
        yield _whole(failure) | own


def _list(session: Session, source: str | None, reason: str | None, limit: int | None) -> None:
    from worker.ledger import failures as failures_ledger

    shown = limit if limit is not None or session.as_json else SHOWN
    with session.untouched_ledger.read() as connection:
        found = failures_ledger.open_ones(connection, source=source, reason=reason, limit=shown)
        groups = failures_ledger.groups(connection, source=source, reason=reason)
        ids = [group["example"] for group in groups]
        examples = {one.id: one for one in failures_ledger.numbered(connection, ids)}
    session.show(
        [_document(failure) for failure in found], lambda: _tell(session, found, groups, examples)
    )


def _document(failure: Failure) -> dict[str, Any]:
    return {
        "id": failure.id,
        "kind": failure.kind,
        "source": failure.source,
        "stock_list": failure.stock_list,
        "sku": failure.sku,
        "reason": failure.reason,
        "message": failure.message,
        "remedy": failure.remedy,
        "line": failure.line,
        "first_seen": rfc3339(failure.first_seen),
        "last_seen": rfc3339(failure.last_seen),
        "attempts": failure.attempts,
        "warehouse": failure.warehouse,
        "file": failure.file,
        "column": failure.column,
        "value": failure.value,
        "occurrences": failure.occurrences,
    }


def _whole(failure: Failure, done: Sequence[Event] = ()) -> dict[str, Any]:
    document = _document(failure) | {
        "raw": failure.raw,
        "status": failure.status,
        "excerpt": failure.excerpt,
        "pull": failure.pull_id,
        "batch": failure.batch_id,
        "closed_at": rfc3339(failure.closed_at),
        "closed_why": failure.closed_why,
    }
    if done:
        document["events"] = of_events(done)
    return document


def _tell(
    session: Session,
    found: Sequence[Failure],
    groups: Sequence[Mapping[str, Any]],
    examples: Mapping[int, Failure],
) -> None:
    if not groups:
        session.out.print("nothing needs a person")
        return
    for group in groups:
        _tell_group(session, group, examples[group["example"]])
    columns = ("#id", "last seen", "kind", "source", "#list", "sku", "reason", "message")
    rows = [
        (
            f.id,
            session.local(f.last_seen),
            f.kind,
            f.source,
            f.stock_list,
            f.sku,
            f.reason,
            _message(f),
        )
        for f in found
    ]
    session.out.print(table("one by one, the latest first", columns, rows))
    left = sum(group["failures"] for group in groups) - len(found)
    if left > 0:
        session.out.print(f"and {left} more: --limit, or stocksync failures export FILE.csv")


def _tell_group(session: Session, group: Mapping[str, Any], example: Failure) -> None:
    first, last = session.local(group["first_seen"]), session.local(group["last_seen"])
    lines = [
        f"{group['count']} x {group['reason']} ({group['kind']}), first {first}, last {last}",
        f"    for example {example.id}: {_message(example)}",
        f"    remedy: {example.remedy}",
        "",
    ]
    session.out.print(printable("\n".join(lines)))


def _message(failure: Failure) -> str:
    """What went wrong, with the file that it is about."""
    named = failure.file is None or failure.file in failure.message
    return failure.message if named else f"{failure.file}: {failure.message}"


def _show(session: Session, failure: Failure, done: Sequence[Event], about: Sequence[Key]) -> None:
    moments = {"first_seen", "last_seen", "closed_at"}
    for name, value in (failure._asdict() | {"raw": _as_read(failure.raw)}).items():
        if value not in {None, ""} and name != "identity":
            text = session.local(value) if name in moments else value
            session.out.print(printable(f"{_label(name):<12} {text}"))
    tell_events(session, done)
    for stock_list, keys in groupby(about[:SHOWN], key=attrgetter("stock_list")):
        skus = ", ".join(key.sku for key in keys)
        session.out.print(printable(f"{f'list {stock_list}':<12} {skus}"))
    if len(about) > SHOWN:
        session.out.print(f"and {len(about) - SHOWN} more: stocksync failures export FILE.csv")
    for sentence in _what_next(failure):
        session.out.print(sentence)


def _as_read(raw: str | None) -> str | None:
    """A rejected row as its cells, where these were kept."""
    try:
        cells = json.loads(raw or "")["cells"]
    except (ValueError, TypeError, KeyError):
        return raw
    return ", ".join(map(repr, cells)) or raw


def _label(name: str) -> str:
    """What a person calls a field."""
    words = name.removesuffix("_id").replace("_", " ")
    return "HTTP status" if words == "status" else words


def _what_next(failure: Failure) -> list[str]:
    if failure.closed_at is not None:
        return []
    dismissing = f"to close it without effect: stocksync failures dismiss {failure.id} --why TEXT"
    again = "to send it again" if failure.kind != "row" else "to have it judged by today's rules"
    if failure.kind == "row" and failure.occurrences > 1:
        return [_ROWS, dismissing]
    if not _can_be_replayed(failure):
        return [dismissing]
    return [f"{again}: stocksync failures replay {failure.id}", dismissing]


def _can_be_replayed(failure: Failure) -> bool:
    from worker.replay import can_go_again

    return failure.kind == "row" or can_go_again(failure)
