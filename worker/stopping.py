"""The word to stop, as it reaches a process that was forked earlier."""

from __future__ import annotations

import contextlib
import mmap
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class StopFlag:
    """Made before the fork: what the parent sets with `stop_all`, its children see at once.

    Calling it says whether to start nothing more.
    """

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)
        self._own = False

    def __call__(self) -> bool:
        """Whether to start nothing more."""
        return self._own or self._shared[0] != 0

    def stop_all(self) -> None:
        """Tell this process and all its children; safe in a signal handler."""
        self._shared[0] = 1

    @contextlib.contextmanager
    def hearing_sigterm(self) -> Iterator[None]:
        """Let SIGTERM mean: finish what is in flight; outside of this it means what it meant.

        A later task of this process starts afresh: whoever wants it gone tells the parent as well.
        """
        self._own = False
        before = signal.signal(signal.SIGTERM, self._heard)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _heard(self, _number: int, _frame: object) -> None:
        self._own = True
