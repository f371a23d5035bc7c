"""Waiting for what must happen, with a deadline, and giving up at once when told to stop."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LOOK_SECONDS = 0.2


class DemoFailed(Exception):  # noqa: N818 - named by what happened
    """Something that belongs to the story did not happen; the message is for people."""


class DemoStopped(Exception):  # noqa: N818 - named by what happened
    """A signal asked the demo to end."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How the story waits. alive: raises DemoFailed when a program that must run has ended."""

    stopped: threading.Event = field(default_factory=threading.Event)
    alive: Callable[[], None] = lambda: None

    def until(self, what: str, condition: Callable[[], T | None], *, seconds: float) -> T:
        """Return the first true value of ``condition``.

        Raises DemoFailed after ``seconds``, naming ``what`` was waited for, and DemoStopped.
        """
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            if time.monotonic() > deadline:
                raise DemoFailed(f"waited {seconds:g} s in vain: {what}")
            self.pause(LOOK_SECONDS)
        return found

    def pause(self, seconds: float) -> None:
        """Let time pass. Raises DemoStopped at once when told to stop, and what `alive` raises."""
        if self.stopped.wait(max(seconds, 0.0)):
            raise DemoStopped
        self.alive()
