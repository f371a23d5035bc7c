"""What a database or its driver raised, turned into an error that says what to do next.

Messages of drivers are shown to people, so secrets are taken out of them, and a cause that still
holds one is not kept. Knows the codes of PostgreSQL, MySQL and SQLite; others by their DBAPI class.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pymysql
from sqlalchemy import exc

from connectors.errors import (
    ConnectorError,
    SourceMisconfigured,
    SourceUnreachable,
    SourceUnreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST = 300

WAIT = "Nothing was applied; it is read again at the next pull. Check the database if this stays."
CONNECT = "Check url, username and password, and that the database runs; it is tried again."
CORRECT = "Correct the statement; `stocksync check` runs it without reading it all."
LOOK = "Nothing was applied. Look at the values that the statement computes or returns."
INSTALL = "Correct the front of the url, or install the driver that it names."

_LATER_SQLSTATES = ("08", "40", "53", "55", "57", "58", "XX")
_WRONG_SQLSTATES = ("0A", "25", "26", "28", "34", "3D", "3F", "42")
_CLIENT_MYSQL = range(2000, 3000)  # connection refused, gone, lost
_LATER_MYSQL = frozenset(
    {1021, 1037, 1038, 1040, 1041, 1042, 1043, 1053, 1077, 1129, 1152, 1158, 1159, 1160, 1161}
    | {1184, 1203, 1205, 1213, 1226, 1317, 1836, 1927, 1969, 3024}
)
_DATA_MYSQL = frozenset({1264, 1292, 1365, 1366, 1406, 1690})
_WRONG_SQLITE = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH})
_BROKEN_SQLITE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@contextmanager
def translated(source: str, *, secrets: Sequence[str] = (), label: str = "") -> Iterator[None]:
    """Raise what the block raises as SourceUnreachable, SourceMisconfigured or SourceUnreadable.

    source: its name, for the message. label: the statement that runs, "" while connecting.
    """
    try:
        yield
    except ConnectorError:
        raise
    except (exc.SQLAlchemyError, ImportError, ValueError, OverflowError, OSError) as error:
        message = f"Source {source}: {_without(secrets, _first_line(error))}"
        kind, remedy = _class(error, connecting=not label)
        failure = kind(message, remedy=remedy, place=label or "url")
        raise failure from (None if _holds(secrets, error) else error)


def _class(error: Exception, *, connecting: bool) -> tuple[type[ConnectorError], str]:
    if isinstance(error, exc.DBAPIError):
        return _class_of_driver(error, connecting=connecting)
    if isinstance(error, exc.NoSuchModuleError | exc.ArgumentError | ImportError):
        return SourceMisconfigured, INSTALL
    if isinstance(error, exc.SQLAlchemyError):
        return SourceMisconfigured, CORRECT
    if isinstance(error, OSError):
        return SourceUnreachable, CONNECT
    return SourceUnreadable, LOOK


def _class_of_driver(
    error: exc.DBAPIError, *, connecting: bool
) -> tuple[type[ConnectorError], str]:
    kind = _kind_by_code(error.orig) or _kind_by_class(error)
    if connecting and kind is not SourceMisconfigured:
        return SourceUnreachable, CONNECT
    remedies = {
        SourceUnreachable: WAIT,
        SourceMisconfigured: CONNECT if connecting else CORRECT,
        SourceUnreadable: LOOK,
    }
    return kind, remedies[kind]


def _kind_by_code(original: Any) -> type[ConnectorError] | None:
    """Judge by the code that the driver gives; None where it gives none or an unknown one."""
    sqlstate = getattr(original, "sqlstate", None) or ""
    code = getattr(original, "sqlite_errorcode", None)
    if sqlstate.startswith(_LATER_SQLSTATES):
        return SourceUnreachable
    if sqlstate.startswith(_WRONG_SQLSTATES):
        return SourceMisconfigured
    if code is not None:
        return _kind_of_sqlite(code & 0xFF)
    if isinstance(original, pymysql.MySQLError) and _numbered(original):
        return _kind_of_mysql(original.args[0])
    return None


def _kind_of_sqlite(code: int) -> type[ConnectorError]:
    if code in _WRONG_SQLITE:
        return SourceMisconfigured
    return SourceUnreadable if code in _BROKEN_SQLITE else SourceUnreachable


def _kind_of_mysql(code: int) -> type[ConnectorError]:
    """Judge by the server's or client's number; its driver's classes tell little."""
    if code in _CLIENT_MYSQL or code in _LATER_MYSQL:
        return SourceUnreachable
    return SourceUnreadable if code in _DATA_MYSQL else SourceMisconfigured


def _kind_by_class(error: exc.DBAPIError) -> type[ConnectorError]:
    if error.connection_invalidated:
        return SourceUnreachable
    if isinstance(error, exc.ProgrammingError | exc.NotSupportedError):
        return SourceMisconfigured
    if isinstance(error, exc.DataError | exc.IntegrityError):
        return SourceUnreadable
    return SourceUnreachable


def _first_line(error: Exception) -> str:
    original = error.orig if isinstance(error, exc.DBAPIError) and error.orig else error
    words = original.args[1] if _numbered(original) else str(original)
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    lines = text.strip().splitlines() or [type(original).__name__]
    return lines[0][:LONGEST]


def _numbered(error: BaseException) -> bool:
    """Whether the driver puts a number before its sentence, as those of MySQL and SQL Server do."""
    return len(error.args) > 1 and isinstance(error.args[0], int)


def _holds(secrets: Sequence[str], error: BaseException) -> bool:
    chain = f"{error!s} {error!r} {error.__cause__!r} {error.__context__!r}"
    return any(form in chain for form in _forms(secrets))


def _without(secrets: Sequence[str], text: str) -> str:
    for form in _forms(secrets):
        text = text.replace(form, "•••")
    return text


def _forms(secrets: Sequence[str]) -> list[str]:
    """Return each secret as it may stand in a text or a URL, longest first."""
    forms = {form for word in secrets if word for form in (word, quote(word), quote_plus(word))}
    return sorted(forms, key=len, reverse=True)
