"""What one command works with: the configuration asked for, the service, and where output goes."""

from __future__ import annotations

import signal
import sys
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console
from rich.table import Table

from worker.bootstrap import Service, build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from worker.ledger import Ledger


@dataclass(kw_only=True)
class Session:
    """One run of the program. config: as given on the command line; as_json: for a script."""

    config: Path | None = None
    as_json: bool = False
    stopping: bool = False
    out: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    err: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))

    @cached_property
    def service(self) -> Service:
        """The configured service. Raises ConfigurationError."""
        return build(self.config, stopped=lambda: self.stopping)

    @property
    def ledger(self) -> Ledger:
        """The ledger, ready for use. Raises LedgerNotReady or LedgerUnreachable."""
        return self.service.ready_ledger()

    def show(self, document: Any, render: Callable[[], Any]) -> None:
        """Give scripts one JSON document, and people what ``render`` returns or prints."""
        if self.as_json:
            sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")
            return
        shown = render()
        if shown is not None:
            self.out.print(shown)

    def local(self, moment: float | None) -> str:
        """A moment for people: local time with its offset; a dash where there is none."""
        if moment is None:
            return "–"
        zone = ZoneInfo(self.service.loaded.settings.timezone)
        return datetime.fromtimestamp(moment, zone).strftime("%Y-%m-%d %H:%M:%S%z")

    def stop_on_signals(self) -> None:
        """Let SIGTERM and Ctrl-C end the work in order: start nothing more, finish, record."""

        def stop(number: int, _frame: object) -> None:
            if self.stopping:
                signal.default_int_handler(number, None)
            self.stopping = True
            self.signal = number

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)

    signal: int = 0

    def close(self) -> None:
        """Give back what was opened."""
        if "service" in self.__dict__:
            self.service.close()


def rfc3339(moment: float | None) -> str | None:
    """A moment for scripts: RFC 3339, UTC, milliseconds."""
    if moment is None:
        return None
    text = datetime.fromtimestamp(moment, ZoneInfo("UTC")).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A plain table; a column whose name begins with ``#`` holds numbers, aligned to the right."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        made.add_column(column.lstrip("#"), justify="right" if column.startswith("#") else "left")
    for row in rows:
        made.add_row(*("–" if cell is None else str(cell) for cell in row))
    return made
