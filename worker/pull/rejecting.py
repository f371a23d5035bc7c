"""Rejected rows and keys as failures: each with its line and remedy, or one with a count."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from worker.ledger.failures import NewFailure, identity_of
from worker.model import FailureKind
from worker.pull.reading import KEPT_PER_REASON, raw_identity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.contract import Offer, Reject
    from worker.pull.comparing import BrokenKey, Comparison
    from worker.pull.reading import Reading


def reject_failures(
    source: str, offer: Offer, pull_id: int, reading: Reading, found: Comparison
) -> list[NewFailure]:
    """A failure per rejected row; one with a count for a reason that over 1,000 rows share."""
    crowded = {
        reason for reason, count in reading.rejects.counts.items() if count > KEPT_PER_REASON
    }
    rows = [
        _of_row(source, offer, pull_id, reject)
        for reject in reading.rejects.kept
        if reject.reason not in crowded
    ]
    crowds = [
        _of_crowd(source, offer, pull_id, reject, reading.rejects.counts[reject.reason])
        for reject in _first_of_each(reading.rejects.kept)
        if reject.reason in crowded
    ]
    return rows + crowds + [_of_key(source, offer, pull_id, item) for item in found.broken]


def _of_row(source: str, offer: Offer, pull_id: int, reject: Reject) -> NewFailure:
    return NewFailure(
        kind=FailureKind.ROW,
        identity=raw_identity(reject),
        reason=reject.reason,
        message=f"{offer.label}, line {reject.place}: {reject.message}",
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
        identity=identity_of(*item.key),
        reason=item.broken.reason,
        message=f"{offer.label}, line {item.place}: {item.broken.message}",
        remedy=item.broken.remedy,
        source=source,
        stock_list=item.key.stock_list,
        sku=item.key.sku,
        warehouse=item.warehouse or None,
        file=offer.label,
        line=item.place,
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
