"""`sources rename`, `sources retire` and `sources adopt`: which source feeds what."""

# ruff: noqa: PLC0415 - `--help` is quick, since what only some runs need is imported by them

from __future__ import annotations

from typing import Annotated

import typer

from worker.cli.nouns import Yes, agreed
from worker.cli.session import Session
from worker.cli.sources import sources
from worker.errors import UsageError

_Old = Annotated[str, typer.Argument(metavar="OLD", help="The name that the ledger knows.")]
_New = Annotated[str, typer.Argument(metavar="NEW", help="The name in the configuration.")]
_Gone = Annotated[
    str, typer.Argument(metavar="NAME", help="The name of a source that is configured no longer.")
]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a configured source.")]


@sources.command()
def rename(context: typer.Context, old: _Old, new: _New) -> None:
    """Let a source that was renamed in the configuration go on where it was."""
    from worker.bootstrap import actor
    from worker.ownership import rename_source

    session: Session = context.obj
    rename_source(session.ledger, old, new, actor=actor())
    text = f"{new} goes on where {old} was"
    session.show({"name": new, "was": old}, lambda: text)


@sources.command()
def retire(
    context: typer.Context,
    name: _Gone,
    keep: Annotated[bool, typer.Option("--keep", help="Its levels stay as they are.")] = False,
    zero: Annotated[bool, typer.Option("--zero", help="Its levels go to zero first.")] = False,
    yes: Yes = False,
) -> None:
    """Give up a source that is configured no longer: nobody feeds its levels any more."""
    from worker.bootstrap import actor
    from worker.ownership import retire_source

    session: Session = context.obj
    if keep == zero:
        raise UsageError(
            "say what becomes of its levels",
            remedy="--keep leaves them as they are, --zero sends zeroes",
            place="command line",
        )
    ledger = session.ledger
    if zero and not agreed(session, f"Send zero for every level of {name}?", yes=yes):
        return
    done = retire_source(ledger, name, zero=zero, actor=actor())
    text = f"{name} is retired with {done.levels} levels"
    if zero:
        text += f"; {done.to_send} go to zero with the next deliver"
    document = {"name": name, "levels": done.levels, "to_send": done.to_send}
    session.show(document, lambda: text)


@sources.command()
def adopt(context: typer.Context, name: _Name) -> None:
    """Let a source take over the keys that it states and that another source owns."""
    from worker.bootstrap import actor
    from worker.ownership import adopt_source

    session: Session = context.obj
    session.service.source(name)
    keys = adopt_source(session.ledger, name, actor=actor())
    text = (
        f"{name} takes over the keys that its next pull states, {keys} by the last report;"
        " the guard weighs what that changes"
    )
    session.show({"name": name, "keys": keys}, lambda: text)
