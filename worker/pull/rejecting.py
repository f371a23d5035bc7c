"""Rejected rows and keys as failures: each with its line and remedy, or one with a count."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from worker.ledger.failures import NewFailure, identity_of
from worker.model import FailureKind
from worker.pull.comparison import OF_LEVELS
from worker.pull.reading import KEPT_PER_REASON, raw_identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.contract import Offer, Reject
    from worker.pull.comparison import BrokenKey, Comparison
    from worker.pull.reading import Reading


def reject_failures(
    source: str, offer: Offer, pull_id: int, reading: Reading, found: Comparison
) -> list[NewFailure]:
    """A failure per rejected row; one with a count for a reason that over 1,000 rows share."""
    kept, rows = reading.rejects.kept, reading.rejects.counts
    failures = [
        *(_of_row(source, offer, pull_id, r) for r in kept if rows[r.reason] <= KEPT_PER_REASON),
        *(
            _of_crowd(source, offer, pull_id, first, rows[first.reason])
            for first in _first_of_each(kept)
            if rows[first.reason] > KEPT_PER_REASON
        ),
        *_of_keys(source, offer, pull_id, found),
    ]
    return [_with_effect(failure, found) for failure in failures]


def _with_effect(failure: NewFailure, found: Comparison) -> NewFailure:
    """Say what waits for this row to be readable."""
    if failure.sku in found.awaited and failure.reason not in OF_LEVELS:
        effect = f"{failure.sku} is neither sent for the first time nor raised until it can be read"
    elif failure.sku is None and failure.occurrences > 1 and found.incomplete:
        effect = f"{found.incomplete} levels wait until all of their rows can be read"
    else:
        return failure
    return replace(failure, message=f"{failure.message}; {effect}")


def _of_keys(source: str, offer: Offer, pull_id: int, found: Comparison) -> Iterator[NewFailure]:
    crowds: set[str] = set()
    for item in found.broken:
        reason, count = item.broken.reason, found.broken_counts[item.broken.reason]
        failure = _of_key(source, offer, pull_id, item)
        if count <= KEPT_PER_REASON:
            yield failure
        elif reason not in crowds:
            crowds.add(reason)
            yield _as_crowd(failure, offer, count)


def _as_crowd(first: NewFailure, offer: Offer, count: int) -> NewFailure:
    return replace(
        first,
        identity=f"all:{first.reason}",
        message=f"{offer.label}: {count} levels; the first: {first.message}",
        stock_list=None,
        sku=None,
        warehouse=None,
        occurrences=count,
    )


def _of_row(source: str, offer: Offer, pull_id: int, reject: Reject) -> NewFailure:
    return NewFailure(
        kind=FailureKind.ROW,
        identity=raw_identity(reject),
        reason=reject.reason,
        message=_placed(offer.label, reject.place, reject.message),
        remedy=reject.remedy,
        source=source,
        sku=reject.sku,
        warehouse=reject.warehouse,
        file=offer.label,
        line=reject.place,
        column=reject.column,
        value=reject.value[:200],
        raw=reject.raw,
        pull_id=pull_id,
    )


def _of_crowd(source: str, offer: Offer, pull_id: int, first: Reject, count: int) -> NewFailure:
    return NewFailure(
        kind=FailureKind.ROW,
        identity=f"all:{first.reason}",
        reason=first.reason,
        message=f"{offer.label}: {count} rows; the first is line {first.place}: {first.message}",
        remedy=first.remedy,
        source=source,
        file=offer.label,
        line=first.place,
        column=first.column,
        value=first.value[:200],
        raw=first.raw,
        occurrences=count,
        pull_id=pull_id,
    )


def _of_key(source: str, offer: Offer, pull_id: int, item: BrokenKey) -> NewFailure:
    raw = {"sku": item.key.sku, "warehouse": item.warehouse, **item.said._asdict()}
    return NewFailure(
        kind=FailureKind.ROW,
        identity=identity_of(*item.key, item.warehouse),
        reason=item.broken.reason,
        message=_placed(offer.label, item.place, item.broken.message),
        remedy=item.broken.remedy,
        source=source,
        stock_list=item.key.stock_list,
        sku=item.key.sku,
        warehouse=item.warehouse or None,
        file=offer.label,
        line=item.place or None,
        column=item.broken.column,
        value=item.broken.value[:200],
        raw=json.dumps(raw, ensure_ascii=False),
        pull_id=pull_id,
    )


def _first_of_each(rejects: list[Reject]) -> Iterator[Reject]:
    seen: set[str] = set()
    for reject in rejects:
        if reject.reason not in seen:
            seen.add(reject.reason)
            yield reject


def _placed(label: str, place: int, message: str) -> str:
    """Say file and line once; connectors name the line in their own words. place 0: no row."""
    if not place or f"line {place}," in message:
        return f"{label}: {message}"
    return f"{label}, line {place}: {message}"
