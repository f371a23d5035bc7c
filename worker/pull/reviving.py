"""Levels that went to zero because their source was not read for too long, and their return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.ledger import levels, pulls

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from connectors.contract import Position
    from worker.ledger.sources import Source

ZEROED = "zeroed"
"""Why the failure is open that tells of them."""


def all_awaited(connection: Connection, source: Source, *, held: Position | None) -> bool:
    """Whether nothing was applied since they went to zero, so that what looks unchanged is news.

    held: where the pull stands that is held now; it has all of them in it already.
    """
    if held is not None:
        return False
    zeroed_at = levels.zeroed_at(connection, source.id)
    return zeroed_at is not None and not pulls.weighed_after(connection, source.id, zeroed_at)
