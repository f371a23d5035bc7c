"""The transaction that decides a pull, and what an applied pull makes good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Kind
from worker.ledger import failures, lists, parts, pulls, sources
from worker.model import UNREAD, FailureKind, Key, PullStatus
from worker.planning.fingerprints import recomputed

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.ledger.pulls import Pull
    from worker.model import SourcePlan

WATCHED = 20_000
"""So many open failures about rows are looked at, at most, for what a pull makes good."""


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


def close_restated(connection: Connection, applied: Pull, plan: SourcePlan, *, now: float) -> None:
    """Close what was told of rows whose parts a pull has stated, now that it is applied."""
    rows = failures.open_ones(connection, source=plan.name, kind=FailureKind.ROW, limit=WATCHED)
    told = {row.id: (row.sku, row.warehouse or "") for row in rows if row.stock_list is None}
    stock_lists = {**lists.by_code(connection), **plan.stock_lists}.values()
    every = [*stock_lists] if plan.stock_list is None else [plan.stock_list]
    keys = {Key(number, sku) for number in every for sku, _ in told.values() if sku is not None}
    known = parts.by_keys(connection, applied.source_id, keys)
    stated = {
        (part.sku, part.warehouse)
        for of_key in known.values()
        for part in of_key
        if part.pull_id == (applied.as_of or applied.id) and part.quantity != UNREAD
    }
    failures.close_before(
        connection,
        [number for number, name in told.items() if name in stated],
        pull_id=applied.id,
        why="a later row was applied",
        now=now,
        as_of=applied.as_of,
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
