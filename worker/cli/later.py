"""Commands that the contract names and that later versions bring: they say so, with exit code 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.cli.app import app
from worker.errors import UsageError

if TYPE_CHECKING:
    import typer

_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True}


def _declare(group: typer.Typer, name: str, spoken: str) -> None:
    def refuse() -> None:
        raise UsageError(
            f"`stocksync {spoken}` is not built yet in this version",
            remedy="see what there is: stocksync --help",
            place="command line",
        )

    group.command(name, hidden=True, context_settings=_ANYTHING)(refuse)


for _name in ("audit", "adopt"):
    _declare(app, _name, _name)
