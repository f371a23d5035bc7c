"""What a channel's record proves about a level (`design.md` §7), as pure functions."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.model import StockRecord

CLOCK_SLACK = 2.0
"""Omnitron's dates have whole seconds, and its hosts' clocks differ a little."""

LAG_SHARE = 0.5
"""An older value that was not written after ours is lag until this share of `confirm_within`."""


class Sight(enum.StrEnum):
    """What a record shows."""

    CONFIRMED = "confirmed"
    PENDING = "pending"  # nothing is proven yet
    OLDER = "older"  # an older value of ours
    OVERWRITTEN = "overwritten"  # a value that was never ours, newer than our write


class Expected(NamedTuple):
    """What is looked for. other: another value was sent or seen since ours was last shown."""

    revision: int
    stock: int
    unit_type: str | None
    posted_at: float | None
    other: bool
    other_modified: float | None


class Sent(NamedTuple):
    """One value that was ever sent for the key."""

    revision: int
    stock: int
    unit_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one record means, and what to remember of it."""

    sight: Sight
    revision: int | None = None
    other: bool = False
    other_modified: float | None = None


def shows(record: StockRecord, expected: Expected) -> bool:
    """Whether a record has the value that is looked for; else it takes a history to judge it."""
    return _shows(record, expected.stock, expected.unit_type)


def judge(expected: Expected, record: StockRecord, history: Iterable[Sent]) -> Seen:
    """What a record proves. history: every value ever sent for the key."""
    if shows(record, expected):
        return _same(expected, record)
    lines = [sent for sent in history if _shows(record, sent.stock, sent.unit_type)]
    later = [sent.revision for sent in lines if sent.revision > expected.revision]
    is_earlier_too = any(sent.revision < expected.revision for sent in lines)
    if later and (not is_earlier_too or _is_newer(expected, record)):
        return Seen(sight=Sight.CONFIRMED, revision=max(later))
    return Seen(
        sight=_other_sight(expected, record, ours=bool(lines)),
        other=True,
        other_modified=_latest(expected.other_modified, record.modified),
    )


def _shows(record: StockRecord, stock: int, unit_type: str | None) -> bool:
    return record.stock == stock and unit_type in {None, record.unit_type}


def _same(expected: Expected, record: StockRecord) -> Seen:
    if not expected.other or _is_newer(expected, record):
        return Seen(sight=Sight.CONFIRMED, revision=expected.revision)
    return Seen(sight=Sight.PENDING, other=expected.other, other_modified=expected.other_modified)


def _is_newer(expected: Expected, record: StockRecord) -> bool:
    """Whether the record was written by our last POST, and is not an earlier time of the value."""
    if record.modified is None:
        return False
    if expected.other_modified is not None and record.modified > expected.other_modified:
        return True
    return expected.posted_at is not None and record.modified >= expected.posted_at - CLOCK_SLACK


def _other_sight(expected: Expected, record: StockRecord, *, ours: bool) -> Sight:
    if ours:
        return Sight.OLDER
    after_ours = (
        expected.posted_at is not None
        and record.modified is not None
        and record.modified > expected.posted_at + CLOCK_SLACK
    )
    return Sight.OVERWRITTEN if after_ours else Sight.PENDING


def _latest(one: float | None, other: float | None) -> float | None:
    known = [moment for moment in (one, other) if moment is not None]
    return max(known, default=None)


def must_heal(  # noqa: PLR0913 - moments and spans, all by name
    record: StockRecord,
    *,
    posted_at: float | None,
    sent_at: float,
    settle: float,
    confirm_within: float,
    now: float,
) -> bool:
    """Whether an older value of ours is a late write that won, rather than mere lag.

    It is one where it was written after our POST and our key has settled; lag is given half of
    `confirm_within`, for propagation may well take longer than a key rests.
    """
    age = now - sent_at if sent_at <= now else math.inf  # else the clock was put back since
    if age < settle:
        return False
    is_late = written_after(record, posted_at=posted_at)
    return is_late or age >= LAG_SHARE * confirm_within


def written_after(record: StockRecord, *, posted_at: float | None) -> bool:
    """Whether an older value was written behind our POST, as far as dates can tell."""
    if posted_at is None or record.modified is None:
        return True
    return record.modified >= posted_at - CLOCK_SLACK


def landed_since(record: StockRecord, expected: Expected, doubtful: Iterable[Sent]) -> bool:
    """Whether a request that was in doubt has taken effect since another value was seen last.

    doubtful: what may still land. Whatever else puts an older value back is healed only once.
    """
    seen, written = expected.other_modified, record.modified
    is_news = seen is None or (written is not None and written > seen)
    return is_news and any(_shows(record, sent.stock, sent.unit_type) for sent in doubtful)
