"""`sources`: how each source stands; paused, resumed and rewound here."""

# ruff: noqa: PLC0415 - `--help` is quick, since what only some runs need is imported by them

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.doings import DEEDS, of_events, tell_events
from worker.cli.nouns import For, noun
from worker.cli.session import Session, rfc3339, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from worker.ledger.events import Event
    from worker.ledger.sources import Source

sources = noun("sources", "The configured sources and how each stands.")
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a configured source.")]


@sources.callback()
def opening(context: typer.Context) -> None:
    """List the sources; pause, resume or rewind one."""
    if context.invoked_subcommand is None:
        _list(context.obj)


@sources.command("list")
def listed(context: typer.Context) -> None:
    """List the configured sources."""
    _list(context.obj)


@sources.command()
def pause(context: typer.Context, name: _Name, seconds: For = "24h") -> None:  # type: ignore[assignment]
    """Read a source no more for a while; what is known of it is still delivered."""
    from worker.bootstrap import actor
    from worker.operating import pause_source

    session: Session = context.obj
    session.service.source(name)
    until = pause_source(session.ledger, name, seconds=seconds, actor=actor())
    text = f"{name} is paused until {session.local(until)}; sooner: stocksync sources resume {name}"
    session.show({"name": name, "paused_until": rfc3339(until)}, lambda: text)


@sources.command()
def resume(context: typer.Context, name: _Name) -> None:
    """Read a paused source again, at the next opportunity."""
    from worker.bootstrap import actor
    from worker.operating import resume_source

    session: Session = context.obj
    session.service.source(name)
    was_paused = resume_source(session.ledger, name, actor=actor())
    text = f"{name} goes on" if was_paused else f"{name} was not paused"
    session.show({"name": name, "was_paused": was_paused}, lambda: text)


@sources.command()
def rewind(
    context: typer.Context,
    name: _Name,
    cursor: Annotated[
        str,
        typer.Argument(
            metavar="CURSOR",
            help="SQL: the cursor to go on from (a moment, a number). CSV: the name of the file"
            ' that counts as applied last. "" reads everything anew.',
        ),
    ],
) -> None:
    """Read a source again from an earlier place; what comes of it passes the guard."""
    from worker.bootstrap import actor
    from worker.ledger.status import cursor_text
    from worker.operating import rewind_source

    session: Session = context.obj
    connector = session.service.connector(name)
    checkpoint = rewind_source(session.ledger, connector, name, cursor=cursor, actor=actor())
    place = cursor_text(checkpoint)
    text = f"{name} is read on from {place}" if place else f"{name} is read from its beginning"
    session.show({"name": name, "cursor": place}, lambda: text)


@sources.command()
def accept(context: typer.Context, name: _Name) -> None:
    """Take other columns in the files of a source as right from now on; nothing is read anew."""
    from worker.bootstrap import actor
    from worker.operating import accept_source

    session: Session = context.obj
    connector = session.service.connector(name)
    accepted = accept_source(session.ledger, connector, name, actor=actor())
    text = (
        f"{name}: the next file sets what columns are expected"
        if accepted
        else f"{name}: nothing is remembered that could have changed"
    )
    session.show({"name": name, "accepted": accepted}, lambda: text)


def _list(session: Session) -> None:
    from worker.ledger import events
    from worker.ledger import sources as sources_ledger

    ledger = session.ledger
    with ledger.read() as connection:
        now = ledger.now(connection)
        known = sources_ledger.every(connection)
        documents = [_document(session, connection, source, now) for source in known]
        rows = [
            _row(session, source, now, shown)
            for source, shown in zip(known, documents, strict=True)
        ]
        done = events.about(connection, *(f"source {s.name}" for s in known), limit=DEEDS)
    session.show(documents, lambda: _tell(session, rows, done))


def _tell(session: Session, rows: Sequence[tuple[object, ...]], done: Sequence[Event]) -> None:
    columns = ("name", "state", "stands at", "next", "last success", "last pull", "reason")
    session.out.print(table("sources", columns, rows))
    tell_events(session, done)


def _document(
    session: Session, connection: Connection, source: Source, now: float
) -> dict[str, Any]:
    from worker.ledger import events
    from worker.ledger.status import cursor_text, paused_by

    done = events.about(connection, f"source {source.name}", limit=DEEDS)
    who = paused_by(connection, f"source {source.name}") if source.paused(now) else None
    plan = session.service.source(source.name)
    return {
        "name": source.name,
        "state": source.state(now, fingerprint=plan.fingerprint, stale_after=plan.stale_from).value,
        "cursor": cursor_text(source.checkpoint),
        "next_at": rfc3339(source.next_at) if source.next_at else None,
        "last_success_at": rfc3339(source.last_success_at),
        "last_pull": _last_pull(connection, source),
        "held_pull": source.held_pull_id,
        "paused_until": rfc3339(source.paused_until) if source.paused(now) else None,
        "paused_by": who,
        "reason": _reason(session, source, who, now),
        "events": of_events(done),
    }


def _last_pull(connection: Connection, source: Source) -> dict[str, Any] | None:
    from worker.ledger import pulls

    if source.last_pull_id is None:
        return None
    pull = pulls.numbered(connection, source.last_pull_id)
    if pull is None:
        return None
    words = ("id", "status", "read", "changed", "rejected", "missing")
    return {word: getattr(pull, word) for word in words}


def _reason(session: Session, source: Source, who: str | None, now: float) -> str | None:
    if source.paused(now):
        by = f" by {who}" if who else ""
        return f"paused until {session.local(source.paused_until)}{by}"
    if source.held_pull_id is not None:
        return f"pull {source.held_pull_id} is held: stocksync pulls show {source.held_pull_id}"
    return source.trouble_reason


def _next(session: Session, source: Source, now: float) -> str:
    moment = max(source.next_at, source.paused_until or 0.0)
    return session.local(moment) if moment > now else "now"


def _row(session: Session, source: Source, now: float, shown: dict[str, Any]) -> tuple[object, ...]:
    last = shown["last_pull"]
    return (
        source.name,
        shown["state"],
        shown["cursor"],
        _next(session, source, now),
        session.local(source.last_success_at),
        None if last is None else f"{last['id']} {last['status']}",
        shown["reason"],
    )
