"""What a person configures of one SQL source. Knows no database and opens nothing."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class CursorType(enum.StrEnum):
    """How the values of the column ``cursor_value`` are ordered and compared."""

    TIMESTAMP = "timestamp"  # moments; naive ones are in the source's `timezone`
    INTEGER = "integer"  # a counter that only grows
    TEXT = "text"  # opaque; the database compares, by its own order


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlOptions:
    """One SQL source, as configured (`contract.md`, ``[[sources]]`` with ``type = "sql"``).

    url: a SQLAlchemy URL without user and password. password: asked anew for each connection, so
    that a rotated secret is found. start: the first ``:cursor``, None for the default of the cursor
    type. overlap: how far before the cursor reading begins again, in seconds for timestamps, in
    units for integers; texts have none. timezone: IANA name, for naive timestamps and ``:today``.
    """

    name: str
    url: str = field(repr=False)
    query: str
    username: str | None = None
    password: Callable[[], str | None] | None = field(default=None, repr=False)
    cursor_type: CursorType = CursorType.TIMESTAMP
    start: str | int | None = None
    overlap: float = 120.0
    timezone: str = "UTC"
    full_query: str | None = None
