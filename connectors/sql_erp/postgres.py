"""Moments of PostgreSQL that Python has no value for: ``infinity``, years before 1 or after 9999.

The driver raises for them, so that one such row would stop a whole read; here it comes as a text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg import DataError
from psycopg.pq import Format

if TYPE_CHECKING:
    from psycopg.abc import AdaptContext, Buffer, Loader

_TYPES = ("date", "timestamp", "timestamptz")


def take_any_moment(connection: Any) -> None:
    """Let a psycopg connection return a text where a date or timestamp is out of range."""
    for name in _TYPES:
        oid = connection.adapters.types[name].oid
        strict = connection.adapters.get_loader(oid, Format.TEXT)
        connection.adapters.register_loader(name, _lenient(strict))


def _lenient(strict: type[Loader]) -> type[Loader]:
    class LenientLoader:
        """The driver's own loader, but for values that it cannot hold."""

        format = strict.format

        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            self._strict = strict(oid, context)

        def load(self, text: Buffer) -> Any:
            try:
                return self._strict.load(text)
            except DataError:
                return bytes(text).decode()

    return LenientLoader
