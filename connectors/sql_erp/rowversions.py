"""Cursors that are rowversions: the counter of all changes that SQL Server keeps by itself.

A rowversion is given when a row is written, not when its transaction commits, so one that is seen
late may be below one that was seen before. `MIN_ACTIVE_ROWVERSION()`, asked before each read, is
the lowest that is still open: everything below it is decided, so the cursor never moves past it,
and no overlap is needed. Rows above it are read, and read again. Knows no database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connectors.errors import SourceMisconfigured
from connectors.sql_erp.counters import unfit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from connectors.contract import Checkpoint

WIDTH = 8
"""Bytes of a rowversion."""

_WRITTEN = re.compile(rf"(?:0[xX])?([0-9A-Fa-f]{{1,{2 * WIDTH}}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowversionCursor:
    """How rowversions are read, compared and bound; a checkpoint holds them as ``0x`` and hex."""

    start: str = "0x0"

    def bound(self, checkpoint: Checkpoint | None, *, now: datetime) -> bytes:  # noqa: ARG002 - of the protocol
        """Return the eight bytes to bind; raises SourceMisconfigured for a stored one of no use."""
        stored = (checkpoint or {}).get("cursor")
        return _bytes(self.start if stored is None else str(stored))

    def watch(
        self,
        *,
        now: datetime,  # noqa: ARG002 - of the protocol
        active: bytes | None = None,
    ) -> RowversionWatch:
        """Look out for the highest value of one read; ``active`` bounds the next cursor."""
        return RowversionWatch(active=active)

    def after(
        self,
        checkpoint: Checkpoint | None,
        watch: RowversionWatch,
        *,
        full: bool,
    ) -> dict[str, Any]:
        """Build the checkpoint after a read; it never moves back, nor past what was still open.

        full: of a full statement without a cursor, which saw everything below the open ones.
        """
        stored = (checkpoint or {}).get("cursor")
        reached = watch.active if full else watch.decided()
        known = [value for value in (stored and _bytes(str(stored)), reached) if value is not None]
        return {"cursor": _written(max(known)) if known else None}

    def canonical(self, text: str) -> str:
        """Turn a rowversion as a person writes it, with or without ``0x``, into the stored text."""
        return _written(_bytes(text))


@dataclass(slots=True, kw_only=True)
class RowversionWatch:
    """The highest rowversion of one read; active: the lowest that was open before it."""

    active: bytes | None = None
    top: bytes | None = None
    strange: object = None

    def add(self, values: Iterable[object]) -> None:
        """Take note of the values of some rows; raises SourceMisconfigured for another type."""
        for value in values:
            if value is None:
                continue
            if not isinstance(value, bytes | bytearray | memoryview):
                raise unfit(
                    value,
                    wanted="rowversion",
                    remedy="State the rowversion column itself as cursor_value, without a cast.",
                )
            self._note(bytes(value))

    def decided(self) -> bytes | None:
        """Return the highest value seen, not above what was open when the read began."""
        if self.top is None or self.active is None:
            return self.top
        return min(self.top, self.active)

    def _note(self, value: bytes) -> None:
        if len(value) != WIDTH:
            self.strange = f"0x{value[: 2 * WIDTH].hex()}"
        elif self.top is None or value > self.top:
            self.top = value


def _bytes(text: str) -> bytes:
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise SourceMisconfigured(
            f"the cursor {text[:64]!r} is not a rowversion, but cursor_type is rowversion.",
            remedy="Write it as hexadecimal digits, like 0x00000000000007d1.",
            place="cursor_type",
        )
    return bytes.fromhex(found[1].rjust(2 * WIDTH, "0"))


def _written(value: bytes) -> str:
    return f"0x{value.hex()}"
