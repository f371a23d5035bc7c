"""What a person did, in one line. Pure: takes what was written down of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from worker.ledger.events import Event

    When = Callable[[float | None], str]


_WORDS = {
    "raises_only": "increases only",
    "now_is": "to {}",
    "kind": "as {}",
    "was": "which was {}",
    "skip": "--skip",
    "why": "{}",
    "failures": "all numbers with --json",
}
"""How a detail is told, in this order."""


def done_by(event: Event, *, when: When) -> str:
    """Who did what to what, how, for how long and why."""
    said = ", ".join(_said(event.action, event.detail, when))
    return f"{event.actor}: {event.action} {event.subject}{' ' if said else ''}{said}"


def _said(action: str, detail: Mapping[str, Any], when: When) -> Iterator[str]:
    if action == "override":
        yield f"to {detail['stock']}"
    if action == "rewind":
        yield f"to {detail['cursor'] or 'its beginning'}"
    if action == "retire":
        yield f"--{detail['levels']}"
    if "until" in detail:
        yield f"until {when(detail['until'])}"
    yield from (words.format(detail[name]) for name, words in _WORDS.items() if detail.get(name))
