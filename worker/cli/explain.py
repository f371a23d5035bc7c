"""`explain`: what is known of one SKU, and why it is as it is."""

# ruff: noqa: PLC0415 - `--help` is quick, since the service is imported when a command runs

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.app import app
from worker.cli.session import DASH, Session, printable, rfc3339, seconds_of, table
from worker.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from worker.explaining import Happening
    from worker.ledger.explain import Known
    from worker.planning.levels import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """Which part of the history is asked for; moments of the ledger's clock."""

    since: float | None = None
    at: float | None = None

    def shows(self, happening: Happening) -> bool:
        if self.since is not None and happening.at < self.since:
            return False
        return self.at is None or happening.at <= self.at


@app.command()
def explain(
    context: typer.Context,
    sku: Annotated[str, typer.Argument(metavar="SKU", help="As the ERP writes it.")],
    *,
    stock_list: Annotated[int | None, typer.Option(metavar="N", help="Only this list.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="DURATION", help='Only what happened since: "6h".')
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help='How it was then: "2026-01-31 14:05".')
    ] = None,
) -> ExitCode:
    """Tell what Omnitron should show of a SKU, what it shows, what happens next, and why."""
    from worker.explaining import happenings
    from worker.ledger import explain as reading

    session: Session = context.obj
    ledger, writes = session.untouched_ledger, session.service.target.writes
    with ledger.read() as connection:
        now = ledger.now(connection)
        window = _window(session, since=since, at=at, now=now)
        known = reading.known(connection, sku, stock_list=stock_list, now=now, writes=writes)
        if known.empty:
            raise _unknown(sku, stock_list, reading.similar(connection, sku))
    when = utc if session.as_json else session.local
    history = [each for each in happenings(known, when=when) if window.shows(each)]
    document = _document(known, history, window)
    session.show(document, lambda: _shown(session, known, history, window))
    return ExitCode.OK


def utc(moment: float | None) -> str:
    """A moment in a sentence of a document."""
    return rfc3339(moment) or DASH


def _unknown(sku: str, stock_list: int | None, similar: list[str]) -> UsageError:
    where = "" if stock_list is None else f" in stock list {stock_list}"
    close = f"; known are: {', '.join(similar)}" if similar else ""
    return UsageError(
        f"nothing is known of the SKU {sku!r}{where}",
        remedy=f"write it exactly as the ERP does, leading zeros and case too{close}",
    )


def _window(session: Session, *, since: str | None, at: str | None, now: float) -> _Window:
    if since is not None and at is not None:
        raise UsageError("--since and --at exclude each other", remedy="give one of them")
    zone = session.service.loaded.settings.zone
    return _Window(
        since=None if since is None else now - seconds_of("--since", since),
        at=None if at is None else moment_of(at, zone=zone, now=now),
    )


def moment_of(text: str, *, zone: ZoneInfo, now: float) -> float:
    """A date and time (in ``zone`` unless it has an offset), or a time of the last 24 hours."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = _clock_time(text, datetime.fromtimestamp(now, zone))
    return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()


def _clock_time(text: str, here: datetime) -> datetime:
    try:
        wanted = time.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "--at is not a time", remedy='write it like "2026-01-31 14:05", or "14:05"'
        ) from None
    today = datetime.combine(here.date(), wanted, tzinfo=here.tzinfo)
    return today if today <= here else today - timedelta(days=1)


def _sentence(
    known: Known, level: Level, window: _Window, when: Callable[[float | None], str]
) -> str:
    from worker.explaining import sentence, sentence_at

    if window.at is not None:
        return sentence_at(known, level, window.at, when=when)
    return sentence(known, level, when=when)


def _document(known: Known, history: list[Happening], window: _Window) -> dict[str, Any]:
    from worker.explaining import unmade

    return {
        "sku": known.sku,
        "at": rfc3339(window.at or known.at),
        "since": rfc3339(window.since),
        "levels": [_level(known, level, window) for level in known.levels],
        "unmade": unmade(known),
        "history": [
            {
                "at": rfc3339(each.at),
                "what": each.what,
                "stock_list": each.stock_list,
                "text": each.text,
            }
            for each in history
        ],
        "failures": [
            {
                "id": failure.id,
                "kind": failure.kind,
                "reason": failure.reason,
                "stock_list": failure.stock_list,
                "message": failure.message,
                "remedy": failure.remedy,
                "open": failure.closed_at is None,
            }
            for failure in known.failures
        ],
    }


def _level(known: Known, level: Level, window: _Window) -> dict[str, Any]:
    from worker.explaining import state

    return {
        "stock_list": level.stock_list,
        "source": known.sources.get(level.source_id),
        "state": state(known, level).value,
        "sentence": _sentence(known, level, window, utc),
        "stock": level.stock,
        "override": _override(known, level),
        "unit_type": level.unit_type,
        "revision": level.revision,
        "sent_revision": level.sent_revision,
        "sent_stock": level.sent_stock,
        "sent_at": rfc3339(level.sent_at),
        "not_before": rfc3339(level.not_before or None),
        "park_reason": level.park_reason,
        "omnitron_id": level.remote_pk,
        "changed_by_pull": level.pull_id,
        "parts": [
            {
                "warehouse": part.warehouse,
                "quantity": part.quantity,
                "unit": part.unit,
                "gone": part.gone,
                "source": part.source,
                "pull": part.pull_id,
                "file": part.file,
                "line": part.line,
                "at": rfc3339(part.at),
            }
            for part in known.parts
            if part.stock_list == level.stock_list
        ],
        "channels": [
            {
                "id": row.channel_id,
                "state": row.state,
                "expected": row.stock,
                "seen": row.seen_stock,
                "seen_at": rfc3339(row.seen_at),
                "confirmed_at": rfc3339(row.confirmed_at),
            }
            for row in known.confirmations
            if row.stock_list == level.stock_list
        ],
    }


def _override(known: Known, level: Level) -> dict[str, Any] | None:
    if not level.pinned:
        return None
    event = known.pinned_by.get(level.stock_list)
    return {
        "stock": level.override_stock,
        "until": rfc3339(level.override_until),
        "why": level.override_why,
        "by": None if event is None else event.actor,
        "since": None if event is None else rfc3339(event.at),
    }


def _shown(session: Session, known: Known, history: list[Happening], window: _Window) -> None:
    from worker.explaining import seen_sentence, unmade

    out, when = session.out, session.local
    for level in known.levels:
        text = f"{known.sku}, {_sentence(known, level, window, when)}."
        out.print(printable(text))
        rows = [row for row in known.confirmations if row.stock_list == level.stock_list]
        for row in rows if window.at is None else ():
            out.print(f"  {seen_sentence(row, when=when)}")
    for text in unmade(known):
        out.print(printable(f"{known.sku}, {text}."))
    if not known.levels and not unmade(known):
        out.print(printable(f"{known.sku}: no level yet, since no row of it could be applied."))
    if window.at is None:
        out.print(_parts(session, known))
    rows_of = [(when(each.at), each.stock_list, each.what, each.text) for each in history]
    out.print(table("What happened", ("when", "#list", "what", ""), rows_of))


def _parts(session: Session, known: Known) -> object:
    columns = (
        "#list",
        "warehouse",
        "#quantity",
        "unit",
        "source",
        "#pull",
        "file",
        "#line",
        "when",
    )
    rows = [
        (
            part.stock_list,
            part.warehouse or None,
            f"{part.quantity}{' (gone)' if part.gone else ''}",
            part.unit or None,
            part.source,
            part.pull_id,
            part.file,
            part.line,
            session.local(part.at),
        )
        for part in known.parts
    ]
    return table("What the sources say", columns, rows)
