"""What a person is told of items and lists that Omnitron does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.ledger.failures import NewFailure, identity_of
from worker.model import FailureKind
from worker.planning.levels import CRASHED

if TYPE_CHECKING:
    from worker.model import Claimed, Outcome
    from worker.planning.levels import Level

_REMEDIES = {
    "forbidden": "give our user the right to write to this stock list, then replay",
    "no_proof": "look at the product in Omnitron; it answers without saying what it has",
    "internal": "report this as a defect, with the log of this time",
}
_REMEDY = "correct the value in the ERP (it then goes by itself), or the product, then replay"


def item_failure(
    line: Claimed, reason: str, outcome: Outcome, *, batch_id: int, source: str
) -> NewFailure:
    """One level that was parked."""
    return NewFailure(
        kind=FailureKind.ITEM,
        identity=identity_of(*line.key),
        reason=reason,
        message=outcome.message,
        remedy=_REMEDIES.get(reason, _REMEDY),
        source=source,
        stock_list=line.key.stock_list,
        sku=line.key.sku,
        value=str(line.value.stock),
        status=outcome.status,
        excerpt=outcome.excerpt or None,
        batch_id=batch_id,
    )


def crash_failure(level: Level, *, batch_id: int | None, source: str) -> NewFailure:
    """One level at which worker after worker died, with nothing else in its hands."""
    return NewFailure(
        kind=FailureKind.ITEM,
        identity=identity_of(*level.key),
        reason=CRASHED,
        message=f"Whenever {level.sku!r} was sent by itself, the process that sent it died.",
        remedy="look in the log and at the memory of that time; then: stocksync failures replay",
        source=source,
        stock_list=level.stock_list,
        sku=level.sku,
        value=str(level.stock),
        batch_id=batch_id,
    )


def list_failure(stock_list: int, outcome: Outcome, *, batch_id: int) -> NewFailure:
    """One stock list that stands still."""
    return NewFailure(
        kind=FailureKind.ITEM,
        identity=f"list:{stock_list}",
        reason="stock_list",
        message=outcome.message,
        remedy="correct the list in [stock_lists] or in Omnitron; it is tried again by itself",
        stock_list=stock_list,
        status=outcome.status,
        excerpt=outcome.excerpt or None,
        batch_id=batch_id,
    )
