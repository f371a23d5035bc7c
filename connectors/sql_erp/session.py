"""One read-only connection to an ERP's database, opened for one read and closed after it.

Knows how each database tells its own time; how each is kept from writing and from waiting for ever
stands in `dialects`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import NullType

from connectors.errors import SourceMisconfigured
from connectors.sql_erp import dialects
from connectors.sql_erp.failures import translated
from connectors.sql_erp.postgres import take_any_moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection, CursorResult

    from connectors.sql_erp.options import SqlOptions
    from connectors.sql_erp.statement import Statement

CHUNK_ROWS = 5_000

_SECRET_NAME = re.compile("pass|pwd|secret|token|key", re.IGNORECASE)

_ACTIVE = "SELECT MIN_ACTIVE_ROWVERSION()"
"""SQL Server's lowest rowversion of a transaction that is still open."""

_CLOCKS: Mapping[str, str] = {
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "postgresql": "SELECT clock_timestamp()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "mssql": "SELECT SYSUTCDATETIME()",
    "oracle": "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM dual",
}


class Session:
    """An open connection that only reads; see `session`."""

    def __init__(self, connection: Connection, *, source: str, secrets: Sequence[str]) -> None:
        self._connection = connection
        self._source = source
        self._secrets = secrets

    @property
    def server(self) -> str:
        """The database's name and version, for people."""
        dialect = self._connection.dialect
        version = ".".join(map(str, dialect.server_version_info or ()))
        return f"{dialect.name} {version}".strip()

    def now(self) -> datetime:
        """Return the database's clock, in UTC (`erp-facts.md`, fact 10); ours where it has none."""
        clock = _CLOCKS.get(backend(self._connection.dialect.name))
        if clock is None:
            return datetime.now(UTC)
        with translated(self._source, secrets=self._secrets, label="clock"):
            told: Any = self._connection.exec_driver_sql(clock).scalar_one()
        moment = told if isinstance(told, datetime) else datetime.fromisoformat(told)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

    def active_rowversion(self) -> bytes | None:
        """Return the lowest rowversion still open, eight bytes; None where there are none."""
        if self._connection.dialect.name != "mssql":
            return None
        with translated(self._source, secrets=self._secrets, label="clock"):
            return bytes(self._connection.exec_driver_sql(_ACTIVE).scalar_one())

    def start_over(self) -> None:
        """Forget a failed statement, so that the next one can run."""
        with suppress(SQLAlchemyError):  # where that fails, the next statement says why
            self._connection.rollback()

    @contextmanager
    def run(
        self, statement: Statement, binds: Mapping[str, object], *, rows: int = CHUNK_ROWS
    ) -> Iterator[CursorResult[Any]]:
        """Run a statement and stream its result, ``rows`` at a time from the database.

        What goes wrong while the block reads is raised as a ConnectorError. Raises
        SourceMisconfigured where the statement returns no rows at all.
        """
        text = sqlalchemy.text(statement.text).bindparams(
            # Without a type of SQLAlchemy's, so that it adds no cast and the driver decides.
            *(sqlalchemy.bindparam(name, binds[name], NullType()) for name in statement.binds)
        )
        options = {"stream_results": True, "max_row_buffer": rows}
        with translated(self._source, secrets=self._secrets, label=statement.label):
            result = self._connection.execute(text, execution_options=options)
            if not result.returns_rows:
                raise _no_rows(statement.label)
            try:
                yield result
            finally:
                result.close()


@contextmanager
def session(options: SqlOptions) -> Iterator[Session]:
    """Connect, read only, and leave nothing open behind: what a statement does is rolled back.

    Raises SourceUnreachable, or SourceMisconfigured for a URL or driver that cannot be.
    """
    password = (options.password() if options.password else None) or ""
    secrets = (password, *_secrets_within(_url(options)))
    with translated(options.name, secrets=secrets):
        engine = _engine(options, password)
        connection = engine.connect()
    try:
        with translated(options.name, secrets=secrets):
            _prepare(connection, options)
        yield Session(connection, source=options.name, secrets=secrets)
    finally:
        with suppress(SQLAlchemyError):  # a connection that is gone cannot be closed again
            connection.close()
        engine.dispose()


def backend(name: str) -> str:
    """Return the family of a dialect, by SQLAlchemy's backend name."""
    return "mysql" if name == "mariadb" else name


def backend_of(options: SqlOptions) -> str:
    """Return the family of the configured database, without connecting.

    Raises SourceMisconfigured where the URL cannot be read; it is not quoted.
    """
    return backend(_url(options).get_backend_name())


def _url(options: SqlOptions) -> URL:
    try:
        return make_url(options.url)
    except (ArgumentError, ValueError, TypeError) as error:
        # What is raised here quotes the URL or a part of it; not even its cause is kept.
        raise SourceMisconfigured(
            f"Source {options.name}: the url cannot be read ({type(error).__name__}).",
            remedy="Write it like postgresql+psycopg://host:5432/database; username and password "
            "are keys of their own.",
            place="url",
        ) from None


def _secrets_within(url: URL) -> Sequence[str]:
    """Return the secrets of a URL; they should not be there, but may."""
    named = (str(url.query[name]) for name in url.query if _SECRET_NAME.search(name))
    return (str(url.password or ""), *named)


def _engine(options: SqlOptions, password: str) -> sqlalchemy.Engine:
    url = _url(options)
    if url.get_backend_name() == "sqlite":
        url = _read_only_sqlite(url)
    if options.username:
        url = url.set(username=options.username)
    if password:
        url = url.set(password=password)
    arguments = dialects.connect_arguments(_driver(url), options)
    return sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=arguments)


def _driver(url: URL) -> str:
    return "sqlite" if url.get_backend_name() == "sqlite" else url.get_driver_name()


def _read_only_sqlite(url: URL) -> URL:
    """Open the file for reading only: a missing one is an error, not a new empty database."""
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        return url
    query = {**url.query, "mode": "ro", "uri": "true"}
    return url.set(database=f"file:{quote(url.database)}", query=query)


def _prepare(connection: Connection, options: SqlOptions) -> None:
    """Set a new connection up before its first statement; settings outlive a rollback."""
    dialect = connection.dialect
    family = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    for statement in dialects.opening(family, options):
        connection.exec_driver_sql(statement)
    connection.commit()
    level = dialects.isolation_level(backend(dialect.name), options.isolation)
    if level is not None:
        connection.execution_options(isolation_level=level)
    if dialect.name == "postgresql":
        connection.execution_options(postgresql_readonly=True)
    if dialect.driver == "psycopg":
        take_any_moment(connection.connection.dbapi_connection)


def _no_rows(label: str) -> SourceMisconfigured:
    return SourceMisconfigured(
        f"{label} returns no rows at all: it is not a query.",
        remedy="Write one SELECT statement; a source is only ever read.",
        place=label,
    )
