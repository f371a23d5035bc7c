"""How far long work has come, on standard error, and only where a person looks at a terminal."""

# ruff: noqa: PLC0415 - rich's progress is imported only where there is a terminal to show it on

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from worker.cli.session import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from worker.cli.session import Session
    from worker.model import Delivered


class Steps:
    """Takes what the steps report while they work; shows nothing without ``bar``."""

    def __init__(self, bar: Progress | None = None) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}
        self._before, self._last = 0, 0

    def pulled(self, label: str, rows: int) -> None:
        """So many rows of this file or query were read."""
        self._show(f"reading {printable(label)}", rows, "rows")

    def delivered(self, delivered: Delivered) -> None:
        """So many levels are done in this run of the courier; a new run counts from 0 again."""
        done = delivered.sent + delivered.superseded + delivered.parked
        if done < self._last:
            self._before += self._last
        self._last = done
        self._show("delivering", self._before + done, "levels")

    def _show(self, what: str, count: int, unit: str) -> None:
        if self._bar is None:
            return
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=None, unit=unit)
        self._bar.update(self._tasks[what], completed=count)


@contextmanager
def steps_shown(session: Session) -> Iterator[Steps]:
    """Show progress while the block lasts, unless a script reads or there is no terminal."""
    if session.as_json or not session.err.is_terminal:
        yield Steps()
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.completed:,} {task.fields[unit]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=session.err, transient=True) as bar, _logs_above_the_bar():
        yield Steps(bar)


@contextmanager
def _logs_above_the_bar() -> Iterator[None]:
    """Let the logs go where rich has put itself in between, so that no line runs into the bar."""
    handlers = [
        each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)
    ]
    before = [(handler, handler.stream) for handler in handlers]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler, stream in before:
            handler.setStream(stream)
