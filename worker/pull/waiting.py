"""What waits at a source and never comes by itself: kept as failures for as long as it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Position, Waiting
from worker.ledger import failures
from worker.ledger.failures import NewFailure
from worker.model import FailureKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from connectors.errors import ConnectorError

REASON = "waiting"
_REMEDY = "Do as the message says, or take the file away; this closes by itself then."


def stuck(position: Position, error: ConnectorError) -> Waiting:
    """Make an entry of a file that was decided and that its folder does not give up."""
    reason = f"It was decided, but cannot be put away. {error.message} {error.remedy}"
    return Waiting(label=str(position.get("file", "")), reason=reason, alarm=True)


def note_waiting(
    connection: Connection, source: str, alarms: Sequence[Waiting], *, now: float
) -> None:
    """Record each of ``alarms``, and close what was recorded before and waits no more."""
    failures.record(connection, [_failure(source, rest) for rest in alarms], now=now)
    known = failures.open_ones(connection, source=source, kind=FailureKind.FILE, reason=REASON)
    labels = {rest.label for rest in alarms}
    gone = [failure.id for failure in known if failure.identity not in labels]
    if gone:
        failures.close(connection, gone, why="it waits no more", now=now)


def _failure(source: str, rest: Waiting) -> NewFailure:
    return NewFailure(
        kind=FailureKind.FILE,
        identity=rest.label,
        reason=REASON,
        message=f"The file {rest.label!r} waits: {rest.reason}",
        remedy=_REMEDY,
        source=source,
        file=rest.label,
    )
