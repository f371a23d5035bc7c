"""`status` and `health`: how everything stands, and whether the service is alive."""

# ruff: noqa: PLC0415 - `--help` is quick, since the service is imported when a command runs

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.app import app
from worker.cli.session import DASH, Session, rfc3339, seconds_of, table
from worker.errors import ExitCode
from worker.model import TargetState
from worker.planning.duration import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table

    from worker.planning.standing import Concern, SourceStanding, Standing

_MARKS = {ExitCode.ATTENTION: "!", ExitCode.OK: "✓"}


@app.command()
def status(context: typer.Context) -> ExitCode:
    """Show how everything stands; exits 0 when all is well."""
    from worker.ledger.status import standing
    from worker.planning.standing import concerns

    session: Session = context.obj
    ledger, service = session.untouched_ledger, session.service
    with ledger.read() as connection:
        now = ledger.now(connection)
        found = standing(connection, service.sources, plan=service.target, now=now)
    worries = concerns(found, base_url=service.target.base_url)
    session.show(_document(session, found, worries), lambda: _shown(session, found, worries))
    return ExitCode.worst(*(concern.code for concern in worries))


@app.command()
def health(
    context: typer.Context,
    *,
    max_age: Annotated[
        str, typer.Option(metavar="DURATION", help='How old the last heartbeat may be: "2m".')
    ] = "2m",
) -> ExitCode:
    """Judge by the heartbeat alone whether the service runs; for supervisors and probes."""
    from worker.ledger import target

    session: Session = context.obj
    limit = seconds_of("--max-age", max_age)
    ledger = session.untouched_ledger
    with ledger.read() as connection:
        now, beat = ledger.now(connection), target.heartbeat(connection)
    age = None if beat is None else abs(now - beat)  # ahead: the clock was put back since
    alive = age is not None and age <= limit
    document = {"ok": alive, "heartbeat_at": rfc3339(beat), "age_seconds": age, "max_age": limit}
    session.show(document, lambda: _health_sentence(age, limit))
    return ExitCode.OK if alive else ExitCode.ATTENTION


def _health_sentence(age: float | None, limit: float) -> str:
    if age is None:
        return "! there has never been a heartbeat: start the service with: stocksync run"
    mark, end = ("✓", "") if age <= limit else ("!", f"; more than {duration(limit)}")
    return f"{mark} the last heartbeat was {duration(age)} ago{end}"


def _document(session: Session, found: Standing, worries: Sequence[Concern]) -> dict[str, Any]:
    from importlib.metadata import version

    levels, target = found.levels, found.target
    return {
        "ok": not worries,
        "version": version("stocksync"),
        "instance": session.service.instance,
        "at": rfc3339(found.at),
        "heartbeat_at": rfc3339(found.heartbeat_at),
        "oldest_due_seconds": found.oldest_due_seconds,
        "levels": {
            "total": levels.total,
            "in_sync": levels.in_sync,
            "due": levels.due,
            "in_flight": levels.in_flight,
            "waiting": levels.waiting,
            "parked": levels.parked,
            "retired": levels.retired,
            "overridden": levels.overridden,
        },
        "confirmations": dict(found.confirmations),
        "failures": {"open": found.open_failures},
        "held_pulls": found.held_pulls,
        "sources": [_source(source) for source in found.sources],
        "orphans": [{"name": name, "levels": count} for name, count in found.orphans.items()],
        "target": {
            "state": target.state,
            "rate": target.rate,
            "rate_reason": target.rate_reason,
            "reason": target.reason,
            "since": rfc3339(target.since),
            "paused_until": rfc3339(target.paused_until or None),
            "raises_paused_until": rfc3339(target.raises_paused_until or None),
            "raises_paused_by": target.raises_paused_by if _raises_paused(found) else None,
            "base_url": target.base_url,
        },
        "channels": [
            {
                "id": channel.id,
                "state": channel.state,
                "reason": channel.reason,
                "polled_at": rfc3339(channel.polled_at),
                "confirmations": dict(channel.counts),
            }
            for channel in found.channels
        ],
        "concerns": [
            {"message": worry.message, "remedy": worry.remedy, "exit_code": int(worry.code)}
            for worry in worries
        ],
    }


def _raises_paused(found: Standing) -> bool:
    return found.target.raises_paused_until > found.at


def _source(source: SourceStanding) -> dict[str, Any]:
    last = None
    if source.last_pull is not None:
        moment = source.last_pull["started_at"]
        started = rfc3339(moment if isinstance(moment, float) else None)
        last = {**source.last_pull, "started_at": started}
    return {
        "name": source.name,
        "state": source.state.value,
        "reason": source.reason,
        "cursor": source.cursor,
        "next_at": rfc3339(source.next_at),
        "last_success_at": rfc3339(source.last_success_at),
        "held_pull": source.held_pull_id,
        "paused_until": rfc3339(source.paused_until),
        "paused_by": source.paused_by,
        "last_pull": last,
    }


def _shown(session: Session, found: Standing, worries: Sequence[Concern]) -> None:
    out = session.out
    out.print(f"stocksync {session.service.instance}, {session.local(found.at)}")
    for line in _lines(session, found):
        out.print(line)
    out.print(_sources(session, found))
    if found.channels:
        out.print(_channels(session, found))
    for worry in worries:
        out.print(f"{_MARKS.get(worry.code, '✗')} {worry.message}\n    {worry.remedy}")
    if not worries:
        out.print("✓ all is well")


def _lines(session: Session, found: Standing) -> Iterator[str]:
    levels, target = found.levels, found.target
    counts = (
        (levels.due, "due"),
        (levels.in_flight, "in flight"),
        (levels.waiting, "waiting"),
        (levels.parked, "parked"),
        (levels.overridden, "overridden"),
        (levels.retired, "retired"),
    )
    rest = "".join(f", {count:,} {name}" for count, name in counts if count)
    yield f"Levels: {levels.total:,}, in sync {levels.in_sync:,}{rest}"
    if found.oldest_due_seconds is not None:
        yield f"The oldest due level waits for {duration(found.oldest_due_seconds)}"
    why = f" ({target.reason})" if target.reason else ""
    since = f" since {session.local(target.since)}" if target.since and target.state != "up" else ""
    paused = target.state == TargetState.PAUSED
    until = f" until {session.local(target.paused_until)}" if paused else ""
    slower = f" ({target.rate_reason})" if target.rate_reason else ""
    rate = f"at most {target.rate:g} requests per second{slower}"
    yield f"Omnitron: {target.state}{since}{until}{why}, {rate}"
    if not session.service.target.writes:
        yield 'Nothing is sent: omnitron.writes = "off"'
    if _raises_paused(found):
        end = session.local(target.raises_paused_until)
        who = f" by {target.raises_paused_by}" if target.raises_paused_by else ""
        yield f"Increases are paused until {end}{who}, decreases go: stocksync target resume"
    yield f"Failures open: {found.open_failures:,}; held pulls: {found.held_pulls}"
    beat = "never" if found.heartbeat_at is None else session.local(found.heartbeat_at)
    yield f"Heartbeat of the service: {beat}"


def _sources(session: Session, found: Standing) -> Table:
    columns = ("source", "state", "read up to", "last success", "next", "last pull")
    rows = [
        (
            source.name,
            _state(session, source),
            source.cursor,
            session.local(source.last_success_at),
            session.local(source.next_at),
            _last_pull(source),
        )
        for source in found.sources
    ]
    return table("Sources", columns, rows)


def _state(session: Session, source: SourceStanding) -> str:
    if source.paused_until is None:
        return source.state.value
    who = f" by {source.paused_by}" if source.paused_by else ""
    return f"paused until {session.local(source.paused_until)}{who}"


def _last_pull(source: SourceStanding) -> str:
    pull = source.last_pull
    if pull is None:
        return DASH
    return (
        f"{pull['id']} {pull['status']}: {pull['read']} read, {pull['changed']} changed,"
        f" {pull['rejected']} rejected"
    )


def _channels(session: Session, found: Standing) -> Table:
    columns = (
        "channel",
        "state",
        "looked at",
        "#confirmed",
        "#waiting",
        "#unconfirmed",
        "#overwritten",
    )
    states = ("confirmed", "waiting", "unconfirmed", "overwritten")
    rows = [
        (
            channel.id,
            channel.state,
            session.local(channel.polled_at),
            *(channel.counts.get(state, 0) for state in states),
        )
        for channel in found.channels
    ]
    return table("Channels", columns, rows)
