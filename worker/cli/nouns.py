"""What the commands named by a noun share: a noun alone lists, and so does ``NOUN list``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from worker.cli.app import app
from worker.cli.session import Session, seconds_of

SHOWN = 20
"""Rows that people see unless they ask for more."""

FOR_SCRIPTS = 10_000
"""Rows of a history that scripts get unless they ask for more."""


def noun(name: str, explanation: str) -> typer.Typer:
    """A group of commands that may be called without one."""
    group = typer.Typer(help=explanation, invoke_without_command=True, rich_markup_mode=None)
    app.add_typer(group, name=name)
    return group


def duration(text: str) -> float:
    """Read how long, more than nothing, as the configuration writes it, into seconds."""
    found = seconds_of("--for", text)
    if not found:
        raise typer.BadParameter('It must be more than nothing, like "15m", "2h", "7d".')
    return found


Limit = Annotated[int | None, typer.Option(min=1, help="How many to list, the latest first.")]
Number = Annotated[int, typer.Argument(metavar="ID", help="Its number, as the list shows it.")]
For = Annotated[
    float, typer.Option("--for", parser=duration, metavar="DURATION", help="Like 30m, 2h, 7d.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def how_many(session: Session, limit: int | None) -> int:
    """How many rows of a history to list."""
    if limit is not None:
        return limit
    return FOR_SCRIPTS if session.as_json else SHOWN


def agreed(session: Session, question: str, *, yes: bool) -> bool:
    """Ask a person at a terminal; scripts, and those who said yes, are not asked."""
    if yes or session.as_json or not sys.stdin.isatty():
        return True
    if typer.confirm(question, err=True):
        return True
    session.remark("nothing was changed")
    return False
