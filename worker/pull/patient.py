"""A turn of a source that waits a moment for files that are about to be ready; for commands."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from worker.pull.lease import SourceBusy, SourcePaused
from worker.pull.step import pull_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.contract import Waiting
    from worker.pull.report import PullReport, Turn

SOON = 10.0
"""Seconds that a command waits at most for a file that was written a moment ago."""

_NOTICE = 0.2


class Read(NamedTuple):
    """How a turn ended. waiting: what the source does not offer yet."""

    pulls: list[PullReport]
    waiting: Sequence[Waiting]


def read_soon(turn: Turn, *, patience: float = SOON) -> Read:
    """Pull a source, and once more where a file is ready within ``patience``, at most `SOON`.

    So `sync` reads what was dropped just before it, as a person expects. Raises as `pull_source`.
    """
    first = _read(turn)
    rests = [rest.ready_in for rest in first.waiting if rest.ready_in is not None]
    soon = [rest for rest in rests if rest <= min(patience, SOON)]
    if not soon or not _waited(max(soon), turn):
        return first
    try:
        again = _read(turn)
    except (SourceBusy, SourcePaused):  # somebody else has it now
        return first
    return Read(first.pulls + again.pulls, again.waiting)


def _read(turn: Turn) -> Read:
    waiting: list[Waiting] = []
    pulls = pull_source(replace(turn, on_waiting=waiting.extend))
    return Read(pulls, waiting)


def _waited(seconds: float, turn: Turn) -> bool:
    """Wait; False where it is no longer wanted."""
    until = time.monotonic() + seconds
    while (ahead := until - time.monotonic()) > 0:
        if turn.stopped():
            return False
        time.sleep(min(ahead, _NOTICE))
    return not turn.stopped()
