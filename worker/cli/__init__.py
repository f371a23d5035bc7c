"""The command line: parse, call, show. Decides nothing."""

# ruff: noqa: PLC0415 - the program is imported where Ctrl-C is heard

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit code; Ctrl-C shows no traceback, however early."""
    try:
        from worker.cli.app import main as run

        run(arguments)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
