"""The levels that a failure stands for which names none of them, or one of many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.ledger import confirmations, levels, sources
from worker.model import ConfirmState, FailureKind
from worker.planning.levels import UNKNOWN_PRODUCT

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.ledger.failures import Failure
    from worker.planning.levels import Level

_OF_CHANNEL = {state.value: state for state in (ConfirmState.UNCONFIRMED, ConfirmState.OVERWRITTEN)}


def levels_of(connection: Connection, failure: Failure) -> list[Level]:
    """Those levels as they are now, in key order; none for a failure that speaks for itself."""
    if failure.reason == UNKNOWN_PRODUCT:
        return _unknown(connection, failure)
    state = _OF_CHANNEL.get(failure.reason)
    if failure.kind != FailureKind.CHANNEL or state is None:
        return []
    channel_id = int(failure.identity.removeprefix("channel:"))
    found = levels.by_keys(connection, confirmations.keys_in(connection, channel_id, state))
    return [found[key] for key in sorted(found)]


def _unknown(connection: Connection, failure: Failure) -> list[Level]:
    if failure.stock_list is None:
        return []
    source = sources.named(connection, failure.source)
    return [] if source is None else levels.unknown_ones(connection, source.id, failure.stock_list)
