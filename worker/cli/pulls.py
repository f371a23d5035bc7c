"""`pulls`: the history of what was read, and the decision about a held pull."""

# ruff: noqa: PLC0415 - `--help` is quick, since what only some runs need is imported by them

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.doings import of_events, tell_events
from worker.cli.nouns import Limit, Number, how_many, noun
from worker.cli.session import Session, printable, rfc3339, table
from worker.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.ledger.events import Event
    from worker.ledger.failures import Failure
    from worker.ledger.pulls import Change, Pull
    from worker.pull import PullReport

pulls = noun("pulls", "What was read from the sources; held pulls are approved or discarded here.")
_Source = Annotated[str | None, typer.Option(help="Only those of this source.")]
_ROWS = 10


@pulls.callback()
def opening(context: typer.Context, source: _Source = None, limit: Limit = None) -> None:
    """List what was read from the sources; approve or discard held pulls."""
    if context.invoked_subcommand is None:
        _list(context.obj, source, limit)


@pulls.command("list")
def listed(context: typer.Context, source: _Source = None, limit: Limit = None) -> None:
    """List the pulls, the latest first."""
    _list(context.obj, source, limit)


@pulls.command()
def show(context: typer.Context, pull_id: Number) -> None:
    """Show one pull: what it would change (or changed), what it rejected, and what to do."""
    from worker.ledger import events, failures
    from worker.ledger import pulls as pulls_ledger

    session: Session = context.obj
    with session.untouched_ledger.read() as connection:
        pull, name = _found(connection, pull_id)
        largest = pulls_ledger.largest_changes(connection, pull_id, limit=_ROWS)
        zeroed = pulls_ledger.going_to_zero(connection, pull_id, limit=_ROWS)
        rejected = failures.of_pull(connection, pull_id, limit=_ROWS)
        done = events.about(connection, f"pull {pull_id}")
    document = _document(pull, name) | _plan(pull, largest, zeroed, rejected)
    document["events"] = of_events(done)
    session.show(document, lambda: _show(session, document, done))


@pulls.command()
def approve(context: typer.Context, pull_id: Number) -> None:
    """Apply a held pull exactly as it was shown."""
    from worker.bootstrap import actor
    from worker.pull import approve as approve_pull

    session: Session = context.obj
    name = _source_of(session, pull_id)
    service = session.service
    report = approve_pull(
        service.ledger,
        service.connector(name),
        service.source(name),
        pull_id=pull_id,
        actor=actor(),
    )
    text = (
        f"pull {pull_id} is applied: {report.changed} levels changed, they go with the next deliver"
    )
    session.show(_decision(report), lambda: text)


@pulls.command()
def discard(
    context: typer.Context,
    pull_id: Number,
    skip: Annotated[
        bool, typer.Option("--skip", help="Go on behind it: what it read is not read again.")
    ] = False,
) -> None:
    """Drop a held pull. A file goes to the failed folder; a query reads the same again."""
    from worker.bootstrap import actor
    from worker.pull import discard as discard_pull

    session: Session = context.obj
    name = _source_of(session, pull_id)
    service = session.service
    report = discard_pull(
        service.ledger,
        service.connector(name),
        service.source(name),
        pull_id=pull_id,
        actor=actor(),
        skip=skip,
    )
    session.show(_decision(report), lambda: _discarded(report))


def _discarded(report: PullReport) -> str:
    text = f"pull {report.pull_id} is discarded"
    if report.eased:
        return f"{text}; {report.eased} levels that only sank were let through before, and stay so"
    return f"{text}, nothing was changed"


def _list(session: Session, source: str | None, limit: int | None) -> None:
    from worker.ledger import pulls as pulls_ledger
    from worker.ledger import sources

    with session.untouched_ledger.read() as connection:
        names = sources.names_by_id(connection)
        chosen = None if source is None else _id_of(names, source)
        found = pulls_ledger.latest(connection, source_id=chosen, limit=how_many(session, limit))
    documents = [_document(pull, names[pull.source_id]) for pull in found]
    session.show(documents, lambda: _table(session, found, names))


def _id_of(names: dict[int, str], name: str) -> int:
    ids = [number for number, known in names.items() if known == name]
    if not ids:
        raise UsageError(
            f"there is no source {name!r}",
            remedy=f"the ledger knows: {', '.join(sorted(names.values())) or 'none yet'}",
        )
    return ids[0]


def _found(connection: Any, pull_id: int) -> tuple[Pull, str]:
    from worker.ledger import pulls as pulls_ledger
    from worker.ledger import sources

    pull = pulls_ledger.numbered(connection, pull_id)
    if pull is None:
        raise UsageError(f"there is no pull {pull_id}", remedy="list them: stocksync pulls")
    return pull, sources.names_by_id(connection)[pull.source_id]


def _source_of(session: Session, pull_id: int) -> str:
    with session.ledger.read() as connection:
        return _found(connection, pull_id)[1]


def _document(pull: Pull, source: str) -> dict[str, Any]:
    return {
        "id": pull.id,
        "source": source,
        "status": pull.status,
        "read": pull.read,
        "changed": pull.changed,
        "zeroed": pull.zeroed,
        "missing": pull.missing,
        "rejected": pull.rejected,
        "reason": pull.reason,
        "started_at": rfc3339(pull.started_at),
        "ended_at": rfc3339(pull.ended_at),
        "label": pull.label,
        "kind": pull.kind,
        "actor": pull.actor,
    }


def _plan(
    pull: Pull, largest: Sequence[Change], zeroed: Sequence[Change], rejected: Sequence[Failure]
) -> dict[str, Any]:
    lists = sorted(pull.counts.lists.items())
    return {
        "lists": [{"stock_list": number, **asdict(counts)} for number, counts in lists],
        "skipped": pull.counts.skipped,
        "foreign": pull.counts.foreign,
        "incomplete": pull.counts.incomplete,
        "let_through": pull.counts.passing if pull.status == "held" and pull.pages_applied else 0,
        "largest_changes": [change._asdict() for change in largest],
        "going_to_zero": [change._asdict() for change in zeroed],
        "rejected_rows": [
            {
                "failure": row.id,
                "line": row.line,
                "sku": row.sku,
                "reason": row.reason,
                "message": row.message,
                "remedy": row.remedy,
            }
            for row in rejected
        ],
        "next": _next(pull),
    }


def _next(pull: Pull) -> list[str]:
    if pull.status != "held":
        return []
    return [f"stocksync pulls approve {pull.id}", f"stocksync pulls discard {pull.id}"]


def _decision(report: PullReport) -> dict[str, Any]:
    return {
        "id": report.pull_id,
        "source": report.source,
        "status": report.status,
        "read": report.read,
        "changed": report.changed,
        "rejected": report.rejected,
    }


def _table(session: Session, found: Sequence[Pull], names: dict[int, str]) -> Any:
    columns = ("#id", "source", "what", "status", "started")
    numbers = ("#read", "#changed", "#to zero", "#missing", "#rejected", "reason")
    rows = [
        (p.id, names[p.source_id], p.label, p.status, session.local(p.started_at), *_numbers(p))
        for p in found
    ]
    return table("pulls, the latest first", columns + numbers, rows)


def _numbers(pull: Pull) -> tuple[object, ...]:
    return pull.read, pull.changed, pull.zeroed, pull.missing, pull.rejected, pull.reason


def _show(session: Session, shown: dict[str, Any], done: Sequence[Event]) -> None:
    title = f"pull {shown['id']} of {shown['source']}: {shown['status']} ({shown['kind']}"
    session.out.print(printable(f"{title}, {shown['label']})"))
    if shown["reason"]:
        session.out.print(printable(f"because {shown['reason']}"))
    tell_events(session, done)
    session.out.print(
        f"{shown['read']} rows read, {shown['changed']} levels new or changed,"
        f" {shown['zeroed']} go to zero, {shown['missing']} missing, {shown['rejected']} rejected"
    )
    if shown["skipped"]:
        session.out.print(f"{shown['skipped']} rows passed over, as configured")
    if shown["let_through"]:
        session.out.print(
            f"{shown['let_through']} of them only sink, and were let through meanwhile"
        )
    if shown["incomplete"]:
        session.out.print(f"{shown['incomplete']} levels wait until all of their rows can be read")
    if shown["foreign"]:
        session.out.print(f"{shown['foreign']} keys of other sources are not applied")
    _show_lists(session, shown["lists"])
    _show_changes(session, "largest changes", shown["largest_changes"], shown["changed"])
    _show_changes(session, "going to zero", shown["going_to_zero"], shown["zeroed"])
    _show_rejected(session, shown["rejected_rows"], shown["rejected"])
    if shown["next"]:
        approve_it, discard_it = shown["next"]
        session.out.print(f"to apply exactly this:  {approve_it}")
        session.out.print(f"to drop it:             {discard_it}")


def _show_lists(session: Session, lists: Sequence[dict[str, int]]) -> None:
    if not lists:
        return
    words = ("known", "created", "changed", "raised", "lowered", "zeroed", "missing")
    columns = ("#stock list", *(f"#{word}" for word in words))
    rows = [(of["stock_list"], *(of[word] for word in words)) for of in lists]
    session.out.print(table("per stock list", columns, rows))


def _show_changes(
    session: Session, title: str, changes: Sequence[dict[str, Any]], total: int
) -> None:
    if not changes:
        return
    columns = ("#stock list", "sku", "#before", "#after")
    rows = [(c["stock_list"], c["sku"], c["before"], c["after"]) for c in changes]
    session.out.print(table(_of(title, len(changes), total), columns, rows))


def _show_rejected(session: Session, rejected: Sequence[dict[str, Any]], total: int) -> None:
    if not rejected:
        return
    columns = ("#line", "sku", "reason", "message", "remedy")
    rows = [tuple(row[name.lstrip("#")] for name in columns) for row in rejected]
    session.out.print(table(_of("rejected rows", len(rejected), total), columns, rows))


def _of(title: str, shown: int, total: int) -> str:
    return f"{title} ({shown} of {total})" if total > shown else title
