"""What one command works with: the configuration asked for, the service, and where output goes.

Imports little, so that ``--help`` is quick: the service comes in when a command asks for it.
"""

# ruff: noqa: PLC0415 - the service and rich are imported when they are needed, see above

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from worker.bootstrap import Service
    from worker.ledger import Ledger

DASH = "–"
"""What people see where there is no value."""

_WIDE = 200
"""Columns of a table that goes into a file or another program, where no terminal sets a width."""


@dataclass(kw_only=True)
class Session:
    """One run of the program. config: as given on the command line; as_json: for a script.

    warned: where the configuration's warnings go: to people on standard error, into the log of a
    service, or nowhere, since the process that started this one has told them.
    stopping: a signal came, start nothing more; ended_by: its number, 0 where none came.
    """

    config: Path | None = None
    as_json: bool = False
    warned: Literal["people", "log", "nobody"] = "people"
    stopping: bool = False
    ended_by: int = 0

    @cached_property
    def out(self) -> Console:
        """Standard output, for people; texts are shown as they are, not as markup."""
        from rich.console import Console

        width = None if sys.stdout.isatty() else _WIDE
        return Console(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width)

    @cached_property
    def err(self) -> Console:
        """Standard error, for progress and remarks."""
        from rich.console import Console

        return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)

    @cached_property
    def service(self) -> Service:
        """The configured service; its warnings are told. Raises ConfigurationError."""
        from worker.bootstrap import build

        service = build(self.config, stopped=lambda: self.stopping)
        for warning in service.loaded.warnings:
            self._warn(str(warning))
        return service

    def _warn(self, warning: str) -> None:
        if self.warned == "people":
            self.remark(f"warning: {warning}")
        elif self.warned == "log":
            import structlog

            structlog.get_logger(__name__).warning("configuration_warning", reason=warning)

    @property
    def ledger(self) -> Ledger:
        """The ledger, ready for use. Raises LedgerNotReady or LedgerUnreachable."""
        return self.service.ready_ledger()

    @property
    def untouched_ledger(self) -> Ledger:
        """The ledger for commands that only look. Raises LedgerNotReady or LedgerUnreachable."""
        from worker.ledger import migrating

        migrating.require(self.service.ledger)
        return self.service.ledger

    @property
    def configured(self) -> bool:
        """Whether the configuration was loaded, and with it the logs set up."""
        return "service" in self.__dict__

    def show(self, document: Any, render: Callable[[], Any]) -> None:
        """Give scripts one JSON document, and people what ``render`` returns or prints."""
        if self.as_json:
            sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
            return
        shown = render()
        if shown is not None:
            self.out.print(shown)

    def remark(self, text: str) -> None:
        """A line for a person beside the output proper."""
        sys.stderr.write(f"{printable(text)}\n")

    def local(self, moment: float | None) -> str:
        """A moment for people: local time with its offset; a dash where there is none."""
        if moment is None:
            return DASH
        zone = self.service.loaded.settings.zone
        return datetime.fromtimestamp(moment, zone).isoformat(sep=" ", timespec="seconds")

    def stop_on_signals(self) -> None:
        """Let SIGTERM and Ctrl-C end the work in order: start nothing more, finish, record.

        A second signal ends it at once; what was in flight then rests and goes again later.
        """

        def stop(number: int, _frame: object) -> None:
            self.ended_by = number
            if self.stopping:
                raise KeyboardInterrupt
            self.stopping = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)

    def close(self) -> None:
        """Give back what was opened."""
        if self.configured:
            self.service.close()


def rfc3339(moment: float | None) -> str | None:
    """A moment for scripts: RFC 3339, UTC, milliseconds."""
    if moment is None:
        return None
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def seconds_of(option: str, text: str) -> float:
    """A duration as the configuration writes them. Raises UsageError that names the option."""
    from pydantic_core import PydanticCustomError

    from config.values import seconds
    from worker.errors import UsageError

    try:
        return seconds(text)
    except PydanticCustomError as error:
        remedy = 'write seconds, or text like "90s", "2m", "6h", "7d"'
        raise UsageError(f"{option} {error.message()}", remedy=remedy) from None


def printable(text: str) -> str:
    """Spell out what would move the cursor or recolour the terminal; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A plain table; a column whose name begins with ``#`` holds numbers, aligned to the right."""
    from rich.table import Table

    made = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column.startswith("#") else "left"
        made.add_column(column.lstrip("#"), justify=justify, overflow="fold")
    for row in rows:
        made.add_row(*(DASH if cell is None else printable(str(cell)) for cell in row))
    return made
