"""The right to be the one `stocksync run` of a ledger; it ends with the process in any case."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from worker.errors import LedgerUnreachable, UsageError
from worker.ledger.filelock import sign

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from worker.ledger import Ledger

log = structlog.get_logger(__name__)

_LOOK_EVERY = 5.0
"""Seconds between two looks whether the session that holds the lock is still there."""

_LOCK = 0x73746F636B  # "stock"
"""Number of the advisory lock; a database holds one ledger."""


@contextlib.contextmanager
def sole_runner(ledger: Ledger) -> Iterator[None]:
    """Be the only one, as long as the context lasts.

    Raises UsageError naming the one that is there already, or LedgerUnreachable.
    """
    claimed = _by_file(ledger.path) if ledger.path is not None else _by_session(ledger)
    with claimed:
        yield


@contextlib.contextmanager
def _by_file(ledger: Path) -> Iterator[None]:
    path = ledger.with_name(ledger.name + ".run")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerUnreachable(
            f"{path} cannot be opened: {error.strerror}",
            remedy="make its folder writable for the user that stocksync runs as",
        ) from error
    try:
        _lock(descriptor, ledger)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, ledger: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 10, 0).decode(errors="replace").strip()
        raise _taken(str(ledger), f"process {holder or 'unknown'}") from None
    sign(descriptor)


@contextlib.contextmanager
def _by_session(ledger: Ledger) -> Iterator[None]:
    session = _Session(ledger)
    session.take()
    over = threading.Event()
    threading.Thread(target=session.keep, args=(over,), daemon=True).start()
    try:
        yield
    finally:
        over.set()
        session.close()


class _Session:
    """A session of PostgreSQL that holds the lock, and takes it anew when the server ended it."""

    def __init__(self, ledger: Ledger) -> None:
        name = f"stocksync run {os.getpid()} on {socket.gethostname()}"[:63]
        arguments = {"connect_timeout": 5, "application_name": name, "keepalives_idle": 60}
        self._place = ledger.place
        self._engine = create_engine(
            ledger.url, connect_args=arguments, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        self._connection: Connection | None = None

    def take(self) -> None:
        """Raises UsageError, naming the one that has it, or LedgerUnreachable."""
        try:
            connection = self._engine.connect()
        except OperationalError as error:
            raise LedgerUnreachable(
                f"the ledger at {self._place} does not answer",
                remedy="see that the database is up",
                place="database_url",
            ) from error
        if not connection.execute(text(f"SELECT pg_try_advisory_lock({_LOCK})")).scalar_one():
            with connection:
                raise _taken(self._place, _holder(connection))
        self._connection = connection

    def keep(self, over: threading.Event) -> None:
        """See now and then that the session is there."""
        while not over.wait(_LOOK_EVERY):
            try:
                if self._connection is None:
                    self.take()
                else:
                    self._connection.execute(text("SELECT 1"))
            except DBAPIError:
                self.close()
            except LedgerUnreachable:
                continue
            except UsageError as error:
                log.warning("another_service_runs", reason=error.message, remedy=error.remedy)

    def close(self) -> None:
        """Give the lock back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(DBAPIError):
                connection.close()


def _holder(connection: Connection) -> str:
    query = text(
        "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
        f" AND l.classid = {_LOCK >> 32} AND l.objid = {_LOCK & 0xFFFFFFFF}"
        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    name = connection.execute(query).scalar() or ""
    return f"process {name.removeprefix('stocksync run ')}" if name else "an unknown process"


def _taken(place: str, holder: str) -> UsageError:
    return UsageError(
        f"the ledger at {place} has a running service: {holder}",
        remedy="end that one first, or use another ledger (database_url)",
        place="database_url",
    )
