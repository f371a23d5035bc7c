"""Runs a command that ends with the process that started it, even where that is killed.

``python -m worker.lifeline PARENT SIGNAL COMMAND…``. On Linux the kernel sends the signal;
elsewhere nobody does, and a supervisor that is killed leaves its children to be ended by hand.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h; the setting outlives exec."""


def command(line: Sequence[str], *, number: signal.Signals = signal.SIGTERM) -> list[str]:
    """The command line that runs ``line`` so that it gets the signal when this process dies."""
    own = [sys.executable, "-P", "-m", "worker.lifeline"]
    return [*own, str(os.getpid()), str(int(number)), *line]


def bind(parent: int, number: int) -> None:
    """Ask for the signal at the parent's death; ends at once where that has happened already."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        sys.exit(128 + number)


def main(arguments: Sequence[str]) -> NoReturn:
    """Bind to the parent and become the command."""
    parent, number, *line = arguments
    bind(int(parent), int(number))
    os.execvp(line[0], list(line))  # noqa: S606 - this is its purpose; no shell is meant


if __name__ == "__main__":
    main(sys.argv[1:])
