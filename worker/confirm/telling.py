"""Failures of a channel: one a reason, with a count; each closes by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.ledger import confirmations, failures
from worker.ledger.failures import NewFailure
from worker.model import ConfirmState, FailureKind

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.errors import OmnitronUnreachable
    from worker.ledger.confirmations import Confirmation

MALFORMED = "without a whole number as pk, stock_list and stock each"
"""What is wrong with a record that nobody can read."""

_LOST = (
    (
        ConfirmState.UNCONFIRMED,
        "channel {channel} has not come to show {count} levels in time, {sku} for one",
        (
            "see whether the channel's catalogue has these products and its own integration runs;"
            " to send them once more: stocksync failures replay --reason unconfirmed"
        ),
    ),
    (
        ConfirmState.OVERWRITTEN,
        (
            "{count} levels in channel {channel} were changed by somebody else after we sent them,"
            " {sku} for one (it shows {seen})"
        ),
        "find who else writes stock; the ERP's next change goes out as always",
    ),
)


def tell_of_lost(connection: Connection, channel_id: int, *, now: float) -> None:
    """Tell of levels that it did not come to show, or that somebody else has changed."""
    for state, message, remedy in _LOST:
        example = confirmations.example_in(connection, channel_id, state)
        if example is None:
            failures.close_channel(connection, channel_id, reason=state.value, now=now)
            continue
        count = confirmations.count_in(connection, channel_id, state)
        failure = _lost(channel_id, example, message, remedy, count)
        failures.record(connection, [failure], now=now)


def _lost(
    channel_id: int, example: Confirmation, message: str, remedy: str, count: int
) -> NewFailure:
    return NewFailure(
        kind=FailureKind.CHANNEL,
        identity=_identity(channel_id),
        reason=example.state,
        message=message.format(
            channel=channel_id, count=count, sku=example.sku, seen=example.seen_stock
        ),
        remedy=remedy,
        stock_list=example.stock_list,
        sku=example.sku,
        occurrences=count,
    )


def tell_that_unreadable(
    connection: Connection, channel_id: int, error: OmnitronUnreachable, *, now: float
) -> None:
    """Tell why it cannot be read."""
    failure = NewFailure(
        kind=FailureKind.CHANNEL,
        identity=_identity(channel_id),
        reason="unreadable",
        message=f"channel {channel_id} cannot be read: {error.message}",
        remedy=error.remedy,
    )
    failures.record(connection, [failure], now=now)


def tell_that_readable(connection: Connection, channel_id: int, *, now: float) -> None:
    """It can be read again."""
    failures.close_channel(connection, channel_id, reason="unreadable", now=now)


def tell_of_malformed(connection: Connection, channel_id: int, *, count: int, now: float) -> None:
    """Tell of so many records that nobody can read beside others; of none: it is over."""
    if not count:
        failures.close_channel(connection, channel_id, reason="malformed", now=now)
        return
    failure = NewFailure(
        kind=FailureKind.CHANNEL,
        identity=_identity(channel_id),
        reason="malformed",
        message=f"channel {channel_id} shows {count} malformed records, {MALFORMED}",
        remedy="what they are about is not confirmed; ask who runs Omnitron or what is before"
        " it. It closes by itself",
    )
    failures.record(connection, [failure], now=now)


def _identity(channel_id: int) -> str:
    return f"channel:{channel_id}"
