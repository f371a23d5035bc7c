"""Sessions with PostgreSQL that end, whatever becomes of the server.

A server that stands still (a stopped virtual machine, a hung disk) still has its connections kept
up by its system, so neither keepalives nor its own timeouts end a wait for it. Ours does.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg.abc import PQGen
    from sqlalchemy import Connection

T = TypeVar("T")

STATEMENT_SECONDS = 60
"""No statement takes longer on the server, whose lock timeout is shorter still."""

SILENCE_SECONDS = STATEMENT_SECONDS + 15.0
"""A server that has not answered a statement after this has stopped working."""

OPTIONS = {
    "timezone": "UTC",
    "lock_timeout": "30s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": "60s",
}


class Session(psycopg.Connection[Any]):
    """One session. patience: seconds that a statement may go unanswered; None: no limit."""

    patience: float | None = SILENCE_SECONDS

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for an answer, and end the session where there is none. Raises OperationalError."""
        try:
            return super().wait(gen, interval, self.patience if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            self.pgconn.finish()
            raise psycopg.OperationalError(
                f"the server has not answered for {self.patience:g} s"
            ) from error


@contextmanager
def unlimited(connection: Connection) -> Iterator[None]:
    """Let statements of this transaction take their time, as building an index may."""
    session = cast("Session", connection.connection.dbapi_connection)
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    session.patience = None
    try:
        yield
    finally:
        session.patience = SILENCE_SECONDS
