"""How each database is kept from writing, waiting for ever and hindering the ERP. Pure.

SQL Server has no read-only session: there every read is rolled back, as everywhere, and it is the
one that gives way in a deadlock. It and Oracle are not run by the tests of this project.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from connectors.sql_erp.options import Isolation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.sql_erp.options import SqlOptions

CONNECT_SECONDS = 10
WHOLE = 6
"""A whole read may last so many times longer than one answer, where only the whole has a limit."""

_LEVELS: Mapping[str, Mapping[Isolation, str]] = {
    "postgresql": {
        Isolation.READ_COMMITTED: "READ COMMITTED",
        Isolation.REPEATABLE_READ: "REPEATABLE READ",
        Isolation.SNAPSHOT: "REPEATABLE READ",  # which is a snapshot there
    },
    "mysql": {
        Isolation.READ_COMMITTED: "READ COMMITTED",
        Isolation.REPEATABLE_READ: "REPEATABLE READ",
        Isolation.SNAPSHOT: "REPEATABLE READ",  # the same
    },
    "mssql": {
        Isolation.READ_COMMITTED: "READ COMMITTED",
        Isolation.REPEATABLE_READ: "REPEATABLE READ",
        Isolation.SNAPSHOT: "SNAPSHOT",
    },
    "oracle": {
        Isolation.READ_COMMITTED: "READ COMMITTED",
        Isolation.REPEATABLE_READ: "SERIALIZABLE",  # the weakest there that keeps a snapshot
        Isolation.SNAPSHOT: "SERIALIZABLE",
    },
}


def connect_arguments(driver: str, options: SqlOptions) -> dict[str, Any]:
    """Return what a driver is told when it connects, so that no call waits for ever."""
    build = _CONNECT_ARGUMENTS.get(driver)
    return build(options) if build else {}


def opening(family: str, options: SqlOptions) -> Sequence[str]:
    """Return what a new connection is told first. family: ``mariadb`` and ``mysql`` differ here."""
    build = _OPENING.get(family)
    return build(options) if build else ()


def isolation_level(backend: str, isolation: Isolation | None) -> str | None:
    """Return SQLAlchemy's name of an isolation; None to leave the database's own.

    A read of SQLite is a snapshot whatever is asked for.
    """
    return None if isolation is None else _LEVELS.get(backend, {}).get(isolation)


def _postgresql(options: SqlOptions) -> Sequence[str]:
    return (
        f"SET statement_timeout = {_milliseconds(options.answer_timeout)}",
        f"SET lock_timeout = {_milliseconds(options.lock_timeout)}",
    )


def _mysql_or_mariadb(options: SqlOptions) -> Sequence[str]:
    return (
        "SET SESSION TRANSACTION READ ONLY",
        f"SET SESSION lock_wait_timeout = {math.ceil(options.lock_timeout)}",
        f"SET SESSION net_write_timeout = {math.ceil(options.answer_timeout)}",
    )


def _mysql(options: SqlOptions) -> Sequence[str]:
    limit = f"SET SESSION max_execution_time = {_milliseconds(options.answer_timeout * WHOLE)}"
    return (*_mysql_or_mariadb(options), limit)


def _mariadb(options: SqlOptions) -> Sequence[str]:
    limit = f"SET SESSION max_statement_time = {options.answer_timeout * WHOLE:.3f}"
    return (*_mysql_or_mariadb(options), limit)


def _mssql(options: SqlOptions) -> Sequence[str]:
    return (
        "SET DEADLOCK_PRIORITY LOW",
        f"SET LOCK_TIMEOUT {_milliseconds(options.lock_timeout)}",
    )


def _milliseconds(seconds: float) -> int:
    return max(math.ceil(seconds * 1_000), 1)


_OPENING: Mapping[str, Callable[[SqlOptions], Sequence[str]]] = {
    "sqlite": lambda _options: ("PRAGMA query_only = ON",),
    "postgresql": _postgresql,
    "mysql": _mysql,
    "mariadb": _mariadb,
    "mssql": _mssql,
}
_CONNECT_ARGUMENTS: Mapping[str, Callable[[SqlOptions], dict[str, Any]]] = {
    "sqlite": lambda options: {"timeout": options.lock_timeout},
    "psycopg": lambda _options: {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    },
    "pymysql": lambda options: {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": options.answer_timeout,
    },
    "pymssql": lambda options: {
        "login_timeout": CONNECT_SECONDS,
        "timeout": math.ceil(options.answer_timeout),
    },
    "oracledb": lambda _options: {"tcp_connect_timeout": float(CONNECT_SECONDS)},
}
