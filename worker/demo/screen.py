"""What a person sees meanwhile: a table that lives on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import textwrap
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rich.console import Console

    from worker.demo.watch import Glance

LINE_SECONDS = 2.0
LOOKS_PER_SECOND = 4
RATE_SECONDS = 3.0

_INDENT = " " * len("  0.0 s  ")


class Screen:
    """Where the story is told; its clock starts with it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been on."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        """Tell what has just happened."""
        self._print(f"{self.seconds:5.1f} s  {text}")

    def show(self, lines: Iterable[str]) -> None:
        """Show what a command told, set in a little."""
        for line in lines:
            self._print(f"{_INDENT}{line}", indent=f"{_INDENT}  ")

    def _print(self, text: str, *, indent: str = _INDENT) -> None:
        """One line where there is no terminal; on one, as many as its width asks for."""
        if not self._console.soft_wrap:
            text = textwrap.fill(text, self._console.width, subsequent_indent=indent)
        self._console.print(text, markup=False, highlight=False)

    @contextlib.contextmanager
    def following(
        self, look: Callable[[], Glance | None], *, transactions: Callable[[], int]
    ) -> Iterator[None]:
        """Meanwhile show how the ledger stands; transactions: of the ERP so far."""
        gauge = _Gauge(look)
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            with self._living(gauge, transactions):
                yield
        else:
            with self._ticking(gauge):
                yield

    def _living(self, gauge: _Gauge, transactions: Callable[[], int]) -> Live:
        def table() -> Table:
            shown = Table.grid(padding=(0, 2))
            shown.add_column(style="bold", no_wrap=True)
            shown.add_column()
            head = f"{self.seconds:.0f} s, the ERP wrote {transactions():,} transactions"
            for row in (("demo", head), *gauge.rows()):
                shown.add_row(*row)
            return shown

        return Live(
            get_renderable=table,
            console=self._console,
            refresh_per_second=LOOKS_PER_SECOND,
            transient=True,
        )

    @contextlib.contextmanager
    def _ticking(self, gauge: _Gauge) -> Iterator[None]:
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(LINE_SECONDS):
                self.say(gauge.line())

        ticker = threading.Thread(target=tick, name="screen", daemon=True)
        ticker.start()
        try:
            yield
        finally:
            ended.set()
            ticker.join()


class _Gauge:
    """How the ledger stands, in words, and how fast it has lately been delivered from."""

    def __init__(self, look: Callable[[], Glance | None]) -> None:
        self._look = look
        self._accepted: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def rows(self) -> list[tuple[str, str]]:
        """For the table: a name and its words."""
        glance = self._look()
        if glance is None:
            return []
        levels = (
            f"{glance.total:,}: in sync {glance.in_sync:,}, due {glance.due:,},"
            f" in flight {glance.in_flight}, waiting {glance.waiting}, parked {glance.parked}"
        )
        delivery = f"{self._rate(glance):.0f}/s, {glance.accepted:,} accepted, {_lag(glance)}"
        return [
            ("levels", levels),
            ("delivery", delivery),
            ("channel", f"{glance.confirmed:,} confirmed, {glance.unconfirmed:,} to be seen"),
            ("attention", f"{glance.failures} failures open, {glance.held} pulls held"),
        ]

    def line(self) -> str:
        """All of it in one line."""
        glance = self._look()
        if glance is None:
            return "the ledger cannot be read yet"
        return (
            f"levels {glance.total}: in sync {glance.in_sync}, due {glance.due},"
            f" in flight {glance.in_flight}, parked {glance.parked}"
            f" | {self._rate(glance):.0f}/s, {_lag(glance)}"
            f" | confirmed {glance.confirmed} | failures {glance.failures}, held {glance.held}"
        )

    def _rate(self, glance: Glance) -> float:
        """Accepted levels per second over the last few seconds."""
        now = time.monotonic()
        self._accepted.append((now, glance.accepted))
        while now - self._accepted[0][0] > RATE_SECONDS and len(self._accepted) > 1:
            self._accepted.popleft()
        since, before = self._accepted[0]
        return (glance.accepted - before) / (now - since) if now > since else 0.0


def _lag(glance: Glance) -> str:
    if glance.oldest_due is None:
        return "nothing due"
    return f"oldest due {glance.oldest_due:.1f} s"
