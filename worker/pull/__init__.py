"""The pull step: connector → ledger. Read, weigh, decide, apply; one pull of a source at a time."""

from worker.pull.holding import approve, discard, still_held
from worker.pull.patient import read_soon
from worker.pull.rejudging import Rejudged, rejudge
from worker.pull.report import PullReport, Turn
from worker.pull.step import finish, pull_source

__all__ = [
    "PullReport",
    "Rejudged",
    "Turn",
    "approve",
    "discard",
    "finish",
    "pull_source",
    "read_soon",
    "rejudge",
    "still_held",
]
