"""What people have pinned for a while (`override`): who did it, and what ends by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.ledger import events, failures, levels
from worker.model import PAGE_ROWS
from worker.planning.levels import unpinned

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from worker.ledger.events import Event
    from worker.model import Key
    from worker.planning.levels import Level

PINNED = "override"
"""The action of the event that pins."""


def subject(key: Key) -> str:
    """How events name a level."""
    return f"level {key.stock_list}/{key.sku}"


def end_over(connection: Connection, *, now: float) -> list[Key]:
    """Take off the pins whose time is over, a page at most; returns their keys."""
    over = levels.pins_over(connection, now=now, limit=PAGE_ROWS)
    end(connection, over.values(), why="its override is over", now=now)
    return [*over]


def end(connection: Connection, pinned: Iterable[Level], *, why: str, now: float) -> None:
    """Let what the ERP says of these levels, which the caller holds locked, go out again."""
    before = [*pinned]
    after = [unpinned(level, now=now) for level in before]
    levels.save(connection, after)
    pairs = zip(before, after, strict=True)
    unparked = [end.key for level, end in pairs if level.park_reason and not end.park_reason]
    failures.close_items(connection, unparked, why=why, now=now)


def last_event(connection: Connection, key: Key) -> Event | None:
    """Who pinned a level last, and when; None: that is too long ago to be known."""
    done = events.about(connection, subject(key))
    return next((event for event in done if event.action == PINNED), None)
