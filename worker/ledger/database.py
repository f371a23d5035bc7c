"""One ledger: engine, transactions, clock, and what its database needs to be trusted."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from connectors.fault import Point, point
from worker.errors import LedgerUnreachable, UsageError
from worker.ledger.clock import PostgresClock, SqliteClock
from worker.ledger.filelock import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection, Engine

try:  # the system's SQLite may have the WAL bug; the wheel brings a newer one where there is one
    import pysqlite3 as _sqlite
except ImportError:  # pragma: no cover - depends on the platform
    _sqlite = sqlite3

sqlite_module: Any = _sqlite
"""The newest SQLite there is, by the interface of the standard module."""

T = TypeVar("T")

WAL_SAFE = (3, 51, 3)
"""Before this version a WAL database with several writers can corrupt."""

BUSY_SECONDS = 30
_TRIES = 6
_AGAIN = {"40001", "40P01", "55P03", "23505"}
"""Serialization failure, deadlock, a lock not had in time, and a row that somebody else wrote
between our look for it and our own."""
_NETWORK_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "ceph"}


class Ledger:
    """The local database at ``url``; safe to make before a fork, since it connects per process.

    ``clock`` replaces the ledger's clock, for tests: seconds since 1970.
    """

    def __init__(self, url: str | URL, *, clock: Callable[[], float] | None = None) -> None:
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if not self.sqlite and self.url.drivername != "postgresql+psycopg":
            raise UsageError(
                f"a ledger on {self.url.drivername!r} is not supported",
                remedy="use sqlite:///path or postgresql+psycopg://host/database",
                place="database_url",
            )
        self._own_clock = clock
        self._clock: PostgresClock | SqliteClock = PostgresClock()
        self._engine: Engine | None = None
        self._pid = 0

    def __repr__(self) -> str:
        return f"Ledger({self.place})"

    @property
    def place(self) -> str:
        """Where the ledger is, without secrets."""
        if self.path is not None:
            return str(self.path)
        return self.url._replace(password=None, username=None).render_as_string()

    @property
    def path(self) -> Path | None:
        """The SQLite file, None on PostgreSQL."""
        return Path(str(self.url.database)) if self.sqlite else None

    @property
    def engine(self) -> Engine:
        """This process's engine; a forked child never uses its parent's connections."""
        if self._engine is None or self._pid != os.getpid():
            if self._engine is not None:
                self._engine.dispose(close=False)
            self._engine = self._created()
            self._pid = os.getpid()
        return self._engine

    def now(self, connection: Connection) -> float:
        """Ledger time in seconds since 1970."""
        if self._own_clock is not None:
            return self._own_clock()
        return self._clock.now(connection)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises LedgerUnreachable."""
        with _translated(self), self.engine.connect() as connection, connection.begin():
            yield connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in a write transaction and commit.

        ``work`` may run several times (serialization failure, deadlock, busy), so it must do
        nothing but talk to the connection. Raises LedgerUnreachable.
        """
        with _translated(self):
            for attempt in range(1, _TRIES + 1):
                try:
                    return self._written(work)
                except DBAPIError as error:
                    if attempt == _TRIES or not _worth_again(error):
                        raise
                    time.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311
        raise AssertionError  # pragma: no cover - the loop returns or raises

    def close(self) -> None:
        """Give connections back."""
        if self._engine is not None and self._pid == os.getpid():
            self._engine.dispose()
        self._engine = None

    def _written(self, work: Callable[[Connection], T]) -> T:
        lock = exclusive(self.lock_path) if self.lock_path else contextlib.nullcontext()
        with lock, self.engine.connect() as connection:
            connection.execution_options(stocksync_write=True)
            with connection.begin():
                result = work(connection)
                point(Point.COMMIT)
            point(Point.COMMITTED)
            return result

    @property
    def lock_path(self) -> Path | None:
        """The lock file beside a SQLite ledger."""
        return None if self.path is None else self.path.with_name(self.path.name + ".lock")

    def _created(self) -> Engine:
        return self._sqlite_engine() if self.sqlite else self._postgres_engine()

    def _postgres_engine(self) -> Engine:
        from worker.ledger import postgres  # noqa: PLC0415 - its driver loads only where it is used

        def connect(
            _dialect: object, _record: object, words: list[str], named: dict[str, Any]
        ) -> postgres.Session:
            return postgres.Session.connect(*words, **named)

        arguments = {
            "connect_timeout": 5,
            "application_name": "stocksync",
            "options": " ".join(f"-c {name}={value}" for name, value in postgres.OPTIONS.items()),
        }
        engine = create_engine(
            self.url, connect_args=arguments, pool_size=2, max_overflow=4, pool_pre_ping=True
        )
        event.listen(engine, "do_connect", connect)
        return engine

    def _sqlite_engine(self) -> Engine:
        self._clock = SqliteClock()
        engine = create_engine(
            self.url,
            module=sqlite_module,
            poolclass=None if self.url.database else NullPool,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, by name
    mode = "WAL" if wal_is_safe() else "DELETE"
    for pragma in (
        f"journal_mode={mode}",
        "synchronous=FULL",
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "cache_size=-16000",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("stocksync_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def sqlite_version() -> tuple[int, ...]:
    """Version of the SQLite that the ledger uses."""
    return tuple(int(number) for number in sqlite_module.sqlite_version.split("."))


def wal_is_safe() -> bool:
    """Whether several writers may share a WAL database with this SQLite."""
    return sqlite_version() >= WAL_SAFE


def network_filesystem(path: Path, *, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The type of the network share that ``path`` is on, or None; Linux only."""
    try:
        lines = [line.split()[1:3] for line in mounts.read_text().splitlines()]
    except OSError:
        return None
    resolved = path.resolve()
    points = [(point.replace(r"\040", " "), kind) for point, kind in lines]
    on = [(len(point), kind) for point, kind in points if resolved.is_relative_to(point)]
    kind = max(on, default=(0, ""))[1]
    return kind if kind in _NETWORK_FILESYSTEMS else None


def _worth_again(error: DBAPIError) -> bool:
    if getattr(error.orig, "sqlstate", None) in _AGAIN:
        return True
    return isinstance(error, OperationalError) and "locked" in str(error.orig)


@contextlib.contextmanager
def _translated(ledger: Ledger) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise LedgerUnreachable(
            f"the ledger at {ledger.place} does not answer: {_first_line(error)}",
            remedy="see that the database is up, that its disk has room and that you may write",
            place="database_url",
        ) from error
    except DatabaseError as error:
        if type(error) is not DatabaseError:  # its kinds (a constraint, bad SQL) are our mistakes
            raise
        raise LedgerUnreachable(
            f"the ledger at {ledger.place} cannot be used: {_first_line(error)}",
            remedy="see that database_url names a ledger; a damaged one comes back from a backup",
            place="database_url",
        ) from error


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().split("\n", 1)[0][:200]
