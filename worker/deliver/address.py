"""Which Omnitron a ledger belongs to: the one that it has sent to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.errors import WrongTarget
from worker.ledger import target

if TYPE_CHECKING:
    from sqlalchemy import Connection


def require_address(connection: Connection, wanted: str) -> None:
    """Raise WrongTarget where this ledger has sent to another Omnitron than the one wanted."""
    bound = target.base_url(connection)
    if bound is not None and bound.rstrip("/") != wanted.rstrip("/"):
        raise WrongTarget(
            f"this ledger has sent to {bound}, the configuration names {wanted}",
            remedy="another system: stocksync target rebind --new (everything goes again);"
            " the same one under a new address: stocksync target rebind --moved",
            place="omnitron.base_url",
        )
