"""Keys that two sources state: only the owner's rows are applied, and the other is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.ledger import failures, sources
from worker.ledger.failures import NewFailure
from worker.model import FailureKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

    from worker.pull.comparison import Comparison

OWNED_ELSEWHERE = "owned_elsewhere"


def report_foreign(
    connection: Connection, source: str, pull_id: int, found: Comparison, *, now: float
) -> None:
    """Open or count one failure for each other source whose keys this pull stated."""
    names = sources.names_by_id(connection)
    pairs = [
        _failure(source, names[owner], pull_id, found, owner) for owner in sorted(found.foreign)
    ]
    failures.record(connection, pairs, now=now)


def close_foreign(
    connection: Connection, source: str, found: Comparison, *, complete: bool, now: float
) -> None:
    """Close what no longer happens: seen by a snapshot, or the owner is configured no longer.

    complete: the pull stated everything that the source has.
    """
    names = sources.names_by_id(connection)
    stated = {names[owner] for owner in found.foreign}
    configured = {other.name for other in sources.every(connection)}
    known = failures.open_ones(
        connection, source=source, kind=FailureKind.SOURCE, reason=OWNED_ELSEWHERE
    )
    over = [
        failure.id
        for failure in known
        if _is_over(failure.identity, stated, configured, complete=complete)
    ]
    failures.close(connection, over, why="it no longer happens", now=now)


def _is_over(
    owner: str, stated: Collection[str], configured: Collection[str], *, complete: bool
) -> bool:
    return owner not in stated and (complete or owner not in configured)


def _failure(source: str, owner: str, pull_id: int, found: Comparison, owner_id: int) -> NewFailure:
    count = found.foreign_counts[owner_id]
    named = ", ".join(f"{key.sku!r} (list {key.stock_list})" for key in found.foreign[owner_id])
    more = ", …" if count > len(found.foreign[owner_id]) else ""
    return NewFailure(
        kind=FailureKind.SOURCE,
        identity=owner,
        reason=OWNED_ELSEWHERE,
        message=f"source {source!r} states {count} keys that source {owner!r} owns, and they are"
        f" not applied: {named}{more}",
        remedy=f"let only one of the two state them, or: stocksync sources adopt {source}",
        source=source,
        occurrences=count,
        pull_id=pull_id,
    )
