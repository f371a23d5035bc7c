"""What a person sees meanwhile: a table that lives on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from rich.live import Live
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.console import Console

    from worker.demo.watch import Glance

LINE_SECONDS = 2.0
LOOKS_PER_SECOND = 4
RATE_SECONDS = 3.0


class Screen:
    """A context manager; `say` may be called from the story's thread at any time.

    look: what the ledger holds now, None before there is one. transactions: of the ERP so far.
    """

    def __init__(
        self,
        console: Console,
        *,
        look: Callable[[], Glance | None],
        transactions: Callable[[], int],
    ) -> None:
        self._console = console
        self._look = look
        self._transactions = transactions
        self._began = time.monotonic()
        self._sent: deque[tuple[float, int]] = deque([(self._began, 0)])
        self._ended = threading.Event()
        self._live = self._a_live_one() if console.is_terminal and _is_able(console) else None
        self._ticker = threading.Thread(target=self._tick, name="screen", daemon=True)

    @property
    def seconds(self) -> float:
        """How long it has been on."""
        return time.monotonic() - self._began

    def say(self, text: str) -> None:
        """Tell what has just happened."""
        self._console.print(f"{self.seconds:5.1f} s  {text}", markup=False, highlight=False)

    def show(self, text: str) -> None:
        """Show what a command printed, set in a little."""
        for line in text.rstrip().splitlines():
            self._console.print(
                f"         {line}", markup=False, highlight=False, overflow="ellipsis", no_wrap=True
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        else:
            self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._live is not None:
            self._live.stop()
        else:
            self._ticker.join()

    def _a_live_one(self) -> Live:
        return Live(
            get_renderable=self._table,
            console=self._console,
            refresh_per_second=LOOKS_PER_SECOND,
            transient=True,
        )

    def _tick(self) -> None:
        while not self._ended.wait(LINE_SECONDS):
            glance = self._look()
            if glance is not None:
                self.say(_line(glance, self._rate(glance)))

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column()
        glance = self._look()
        head = f"{self.seconds:.0f} s, the ERP wrote {self._transactions()} transactions"
        table.add_row("demo", head)
        if glance is not None:
            for name, text in _rows(glance, self._rate(glance)):
                table.add_row(name, text)
        return table

    def _rate(self, glance: Glance) -> float:
        """Accepted levels per second over the last few seconds."""
        now = time.monotonic()
        self._sent.append((now, glance.accepted))
        while now - self._sent[0][0] > RATE_SECONDS and len(self._sent) > 1:
            self._sent.popleft()
        since, before = self._sent[0]
        return (glance.accepted - before) / (now - since) if now > since else 0.0


def _is_able(console: Console) -> bool:
    return not console.is_dumb_terminal


def _rows(glance: Glance, rate: float) -> list[tuple[str, str]]:
    levels = (
        f"{glance.total:,}: in sync {glance.in_sync:,}, due {glance.due:,},"
        f" in flight {glance.in_flight}, waiting {glance.waiting}, parked {glance.parked}"
    )
    return [
        ("levels", levels),
        ("delivery", f"{rate:.0f}/s, {glance.accepted:,} accepted, {_lag(glance)}"),
        ("channel", f"{glance.confirmed:,} confirmed, {glance.unconfirmed:,} to be seen"),
        ("attention", f"{glance.failures} failures open, {glance.held} pulls held"),
    ]


def _line(glance: Glance, rate: float) -> str:
    return (
        f"levels {glance.total}: in sync {glance.in_sync}, due {glance.due},"
        f" in flight {glance.in_flight}, parked {glance.parked} | {rate:.0f}/s, {_lag(glance)}"
        f" | confirmed {glance.confirmed} | failures {glance.failures}, held {glance.held}"
    )


def _lag(glance: Glance) -> str:
    if glance.oldest_due is None:
        return "nothing due"
    return f"oldest due {glance.oldest_due:.1f} s"
