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
    ROWVERSION = "rowversion"  # SQL Server's counter of every change, eight bytes


class Isolation(enum.StrEnum):
    """What a read sees of transactions that end while it lasts; each database by its own name."""

    READ_COMMITTED = "read committed"
    REPEATABLE_READ = "repeatable read"
    SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlOptions:
    """One SQL source, as configured (`contract.md`, ``[[sources]]`` with ``type = "sql"``).

    url: a SQLAlchemy URL without user and password. password: asked anew for each connection, so
    that a rotated secret is found. query, full_query: at least one; without ``query`` every read is
    a snapshot. start: the first ``:cursor``, None for the default of the cursor type. overlap: how
    far before the cursor reading begins again, in seconds for timestamps, in units for integers;
    texts and rowversions have none. timezone: IANA name, for naive timestamps and ``:today``.
    isolation: None for the database's own. answer_timeout: seconds for the first rows, and for the
    next ones. lock_timeout: seconds for a lock. cannot_see: sentences for `check`, of a preset.
    warehouses: each row must name one, as no stock list is fixed. units: some are configured, so
    that rows should name theirs.
    """

    name: str
    url: str = field(repr=False)
    query: str | None = None
    username: str | None = None
    password: Callable[[], str | None] | None = field(default=None, repr=False)
    cursor_type: CursorType = CursorType.TIMESTAMP
    start: str | int | None = None
    overlap: float = 120.0
    timezone: str = "UTC"
    full_query: str | None = None
    isolation: Isolation | None = None
    answer_timeout: float = 600.0
    lock_timeout: float = 30.0
    cannot_see: tuple[str, ...] = ()
    warehouses: bool = False
    units: bool = False
