"""`target`: how Omnitron stands; paused, resumed and rebound here."""

# ruff: noqa: PLC0415 - `--help` is quick, since what only some runs need is imported by them

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.doings import DEEDS, of_events, tell_events
from worker.cli.nouns import For, Yes, agreed, noun
from worker.cli.session import Session, rfc3339
from worker.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.planning.limiter import Target

target = noun("target", "The Omnitron that is written to: state, rate, reason.")


@target.callback()
def opening(context: typer.Context) -> None:
    """Show how Omnitron stands; pause, resume or rebind it."""
    if context.invoked_subcommand is None:
        _show(context.obj)


@target.command("list")
def listed(context: typer.Context) -> None:
    """Show how Omnitron stands."""
    _show(context.obj)


@target.command()
def pause(
    context: typer.Context,
    *,
    raises: Annotated[bool, typer.Option("--raises", help="Stop only what raises stock.")] = False,
    seconds: For = "24h",  # type: ignore[assignment]
) -> None:
    """Send nothing for a while; what changes meanwhile goes afterwards, once, as it is then."""
    from worker.bootstrap import actor
    from worker.operating import pause_target

    session: Session = context.obj
    until = pause_target(session.ledger, seconds=seconds, actor=actor(), raises_only=raises)
    what = "increases are" if raises else "sending is"
    text = f"{what} paused until {session.local(until)}; sooner: stocksync target resume"
    session.show({"paused_until": rfc3339(until), "raises_only": raises}, lambda: text)


@target.command()
def resume(context: typer.Context) -> None:
    """Send again at once: ends a pause of either kind, and any back-off after trouble."""
    from worker.bootstrap import actor
    from worker.operating import resume_target

    session: Session = context.obj
    before = resume_target(session.ledger, actor=actor())
    text = f"sending goes on (it was {before.state})"
    session.show({"state": "up", "was": before.state}, lambda: text)


@target.command()
def rebind(
    context: typer.Context,
    *,
    new: Annotated[
        bool, typer.Option("--new", help="Another system: everything goes again.")
    ] = False,
    moved: Annotated[bool, typer.Option("--moved", help="The same one: sent stays sent.")] = False,
    yes: Yes = False,
) -> ExitCode:
    """Let this ledger belong to the Omnitron that is configured now. Sends and asks nothing."""
    session: Session = context.obj
    if new == moved:
        raise UsageError(
            "say what the configured Omnitron is",
            remedy="another system: --new (everything goes again); the same one under a new"
            " address: --moved (what was sent stays sent)",
            place="command line",
        )
    ledger, url = session.ledger, session.service.target.base_url
    with ledger.read() as connection:
        was = _bound(connection)
    question = f"Send everything again, to {url}?"
    if new and not agreed(session, question, yes=yes):
        return ExitCode.ATTENTION
    levels = _rebound(session, url, new=new)
    document = {"base_url": url, "was": was, "kind": "new" if new else "moved", "levels": levels}
    text = f"this ledger belongs to {url} now; {levels} levels are due again"
    session.show(document, lambda: text)
    return ExitCode.OK


def _rebound(session: Session, url: str, *, new: bool) -> int:
    from worker.bootstrap import actor
    from worker.operating import move_target, replace_target

    if new:
        return replace_target(session.service.ledger, url, actor=actor())
    move_target(session.service.ledger, url, actor=actor())
    return 0


def _bound(connection: Connection) -> str | None:
    from worker.ledger import target as target_ledger

    return target_ledger.base_url(connection)


def _show(session: Session) -> None:
    from worker.ledger import events
    from worker.ledger import target as target_ledger
    from worker.ledger.status import paused_by
    from worker.planning import limiter

    ledger = session.untouched_ledger
    with ledger.read() as connection:
        now = ledger.now(connection)
        row = limiter.recovered(
            target_ledger.read(connection), plan=session.service.target, now=now
        )
        bound = _bound(connection)
        who = paused_by(connection, "target", raises_only=True)
        done = events.about(connection, "target", limit=DEEDS)
    document = _document(session, row, bound, now) | {"events": of_events(done)}
    if row.raises_paused_until > now:
        document["raises_paused_by"] = who

    def tell() -> None:
        _tell(session, row, bound, now, who)
        tell_events(session, done)

    session.show(document, tell)


def _document(session: Session, row: Target, bound: str | None, now: float) -> dict[str, Any]:
    from worker.planning import limiter

    plan = session.service.target
    return {
        "state": row.state,
        "rate": row.rate,
        "reason": row.reason,
        "since": rfc3339(row.since),
        "paused_until": rfc3339(_ahead(row.paused_until, now)),
        "raises_paused_until": rfc3339(_ahead(row.raises_paused_until, now)),
        "configured_rate": plan.rate,
        "rate_reason": limiter.why_slower(row, plan=plan),
        "writes": plan.writes,
        "base_url": plan.base_url,
        "bound_to": bound,
    }


def _ahead(moment: float, now: float) -> float | None:
    return moment if moment > now else None


def _tell(session: Session, row: Target, bound: str | None, now: float, who: str | None) -> None:
    from worker.planning import limiter

    plan, out = session.service.target, session.out
    out.print(f"{plan.base_url}: {row.state}" + (f", {row.reason}" if row.reason else ""))
    if row.since is not None:
        out.print(f"since {session.local(row.since)}")
    if row.paused_until > now:
        out.print(f"nothing is sent before {session.local(row.paused_until)}")
    if row.raises_paused_until > now:
        by = f", paused by {who}" if who else ""
        out.print(f"no increases before {session.local(row.raises_paused_until)}{by}")
    slower = limiter.why_slower(row, plan=plan)
    out.print(
        f"{row.rate:g} requests per second of {plan.rate:g}" + (f": {slower}" if slower else "")
    )
    if not plan.writes:
        out.print('writes = "off": nothing is sent')
    if bound is not None and bound.rstrip("/") != plan.base_url.rstrip("/"):
        out.print(f"this ledger has sent to {bound}: stocksync target rebind --new or --moved")
