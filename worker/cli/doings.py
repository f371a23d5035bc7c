"""What people did to what is shown: who, when and what, for scripts and for people."""

# ruff: noqa: PLC0415 - `--help` is quick, since what only some runs need is imported by them

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.cli.session import printable, rfc3339

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.cli.session import Session
    from worker.ledger.events import Event

DEEDS = 10
"""So many of the last ones are shown beside how something stands."""


def of_events(done: Sequence[Event]) -> list[dict[str, Any]]:
    """The `events` of a document."""
    return [event._asdict() | {"at": rfc3339(event.at), "detail": _detail(event)} for event in done]


def _detail(event: Event) -> dict[str, Any]:
    detail: dict[str, Any] = dict(event.detail)
    if "until" in detail:
        detail["until"] = rfc3339(detail["until"])
    return detail


def tell_events(session: Session, done: Sequence[Event]) -> None:
    """One line each."""
    from worker.deeds import done_by

    for event in done:
        text = f"{session.local(event.at)} {done_by(event, when=session.local)}"
        session.out.print(printable(text))
