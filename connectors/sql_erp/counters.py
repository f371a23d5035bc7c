"""Cursors that are integers or opaque texts: the highest seen, and what to bind next.

A text is compared by the database in its own order, here by code points. Any value seen is safe to
go on from, as nothing below the highest of either order is skipped. Knows no database.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from connectors.errors import SourceMisconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from connectors.contract import Checkpoint

INT64 = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerCursor:
    """How integers are read, compared and bound; overlap in units."""

    start: int = 0
    overlap: int = 0

    def bound(self, checkpoint: Checkpoint | None, *, now: datetime) -> int:  # noqa: ARG002 - of the protocol
        """Return what to bind; raises SourceMisconfigured if the stored one is no integer."""
        stored = (checkpoint or {}).get("cursor")
        if stored is None:
            return self.start
        return max(int(self.canonical(str(stored))) - self.overlap, -INT64)

    def watch(
        self,
        *,
        now: datetime,  # noqa: ARG002 - of the protocol
        active: bytes | None = None,  # noqa: ARG002 - the same
    ) -> IntegerWatch:
        """Look out for the highest value of one read."""
        return IntegerWatch()

    def after(
        self,
        checkpoint: Checkpoint | None,
        watch: IntegerWatch,
        *,
        full: bool,  # noqa: ARG002 - of the protocol
    ) -> dict[str, Any]:
        """Build the checkpoint after a read; without a higher value it stays where it was."""
        stored = (checkpoint or {}).get("cursor")
        known = [watch.top] if stored is None else [int(stored), watch.top]
        reached = max((value for value in known if value is not None), default=None)
        return {"cursor": None if reached is None else str(reached)}

    def canonical(self, text: str) -> str:
        """Turn an integer as a person writes it into the text that a checkpoint holds."""
        digits = text.strip().removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < len(str(INT64))):
            raise SourceMisconfigured(
                f"the cursor {text[:64]!r} is not an integer, but cursor_type is integer.",
                remedy="Rewind the source to an integer, or correct cursor_type.",
                place="cursor_type",
            )
        return str(int(text))


@dataclass(slots=True, kw_only=True)
class IntegerWatch:
    """The highest integer of one read, None before the first; strange: one that is no integer."""

    top: int | None = None
    strange: object = None

    def add(self, values: Iterable[object]) -> None:
        """Take note of the values of some rows; raises SourceMisconfigured for another type."""
        for value in set(values):
            number = self._integer(value)
            if number is not None and (self.top is None or number > self.top):
                self.top = number

    def _integer(self, value: Any) -> int | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise unfit(
                value,
                wanted="integer",
                remedy="Correct cursor_type, or let the query state an integer as cursor_value.",
            )
        if math.isfinite(value) and -INT64 < value < INT64 and value == int(value):
            return int(value)
        self.strange = value
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCursor:
    """How opaque texts are read, compared and bound; there is no overlap between texts."""

    start: str = ""

    def bound(self, checkpoint: Checkpoint | None, *, now: datetime) -> str:  # noqa: ARG002 - of the protocol
        """Return what to bind as ``:cursor``."""
        stored = (checkpoint or {}).get("cursor")
        return self.start if stored is None else str(stored)

    def watch(
        self,
        *,
        now: datetime,  # noqa: ARG002 - of the protocol
        active: bytes | None = None,  # noqa: ARG002 - the same
    ) -> TextWatch:
        """Look out for the highest value of one read."""
        return TextWatch()

    def after(
        self,
        checkpoint: Checkpoint | None,
        watch: TextWatch,
        *,
        full: bool,  # noqa: ARG002 - of the protocol
    ) -> dict[str, Any]:
        """Build the checkpoint after a read; without a higher value it stays where it was."""
        known = ((checkpoint or {}).get("cursor"), watch.top)
        return {"cursor": max((text for text in known if text is not None), default=None)}

    def canonical(self, text: str) -> str:
        """Return the text that a checkpoint holds: the same."""
        return text


@dataclass(slots=True, kw_only=True)
class TextWatch:
    """The highest text of one read, by code points; None before the first."""

    top: str | None = None
    strange: object = None

    def add(self, values: Iterable[object]) -> None:
        """Take note of the values of some rows; raises SourceMisconfigured for another type."""
        for value in set(values):
            if value is None:
                continue
            if not isinstance(value, str):
                raise unfit(
                    value,
                    wanted="text",
                    remedy="Correct cursor_type, or cast cursor_value to a text in the query.",
                )
            if self.top is None or value > self.top:
                self.top = value


def unfit(value: object, *, wanted: str, remedy: str) -> SourceMisconfigured:
    """Make the error for a ``cursor_value`` of another type than the cursor's."""
    return SourceMisconfigured(
        f"cursor_value is of type {type(value).__name__}, but cursor_type is {wanted}.",
        remedy=remedy,
        place="cursor_type",
    )
