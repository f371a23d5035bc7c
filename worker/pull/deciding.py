"""The transaction that decides a pull, and what an applied pull makes good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Kind
from worker.ledger import failures, pulls, sources
from worker.model import FailureKind, PullStatus
from worker.planning.fingerprints import recomputed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.ledger.pulls import Pull


def close_outdated(connection: Connection, applied: Pull, source: str, *, now: float) -> None:
    """Close what a pull that is applied makes good: its own file's failure, if there is one.

    A snapshot says everything, so what earlier pulls and files could not say is over too. A newer
    file that could not be read stays open: an older one does not make it good.
    """
    snapshot = applied.kind == Kind.SNAPSHOT
    files = failures.open_ones(connection, source=source, kind=FailureKind.FILE)
    healed = [
        failure.id
        for failure in files
        if failure.identity == applied.label or (snapshot and failure.identity < applied.label)
    ]
    why = "a later file reads well"
    failures.close_before(connection, healed, pull_id=applied.id, why=why, now=now)
    if snapshot:
        failures.close_matching(
            connection,
            source=source,
            kind=FailureKind.ROW,
            why="a later snapshot reads well",
            now=now,
            before_pull=applied.id,
        )


def decide_applying(  # noqa: PLR0913 - what is decided, all by name
    connection: Connection,
    source_id: int,
    pull_id: int,
    *,
    now: float,
    fingerprint: str | None,
    as_of: int | None,
    **values: object,
) -> None:
    """Decide a pull, in one transaction: its differences are durable, the checkpoint moves.

    fingerprint: of the rules by which it was weighed.
    """
    pulls.change(
        connection,
        pull_id,
        status=PullStatus.APPLYING,
        decided_at=now,
        reason=None,
        pages_applied=0,
        fingerprint=fingerprint,
        as_of=as_of,
        **values,
    )
    if as_of is not None and fingerprint is not None:
        before = {source.id: source.fingerprint for source in sources.every(connection)}[source_id]
        # nothing was read by new rules, and rows that come back put them to no other level
        fingerprint = recomputed(before, fingerprint) if as_of == pull_id else before
    sources.change(
        connection,
        source_id,
        checkpoint=values["checkpoint"],
        fingerprint=fingerprint,
        last_pull_id=pull_id,
        held_pull_id=None,
        last_success_at=now,
        **read_now(as_of, now),
    )


def read_now(as_of: object, now: float) -> dict[str, object]:
    """When the source itself was read last; rows that a person mended are not its word."""
    return {"read_at": now} if as_of is None else {}
