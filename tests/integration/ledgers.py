"""Ledgers for tests: migrated once per session and database, then copied for each test."""

from __future__ import annotations

import shutil
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg

from tests.databases import fresh_database
from worker.ledger import Ledger, migrating

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import Server

NOW = 1_800_000_000.0


class HandClock:
    """A ledger's clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


def migrated(url: str) -> str:
    ledger = Ledger(url)
    migrating.migrate(ledger)
    ledger.close()
    return url


def migrated_sqlite(folder: Path) -> Path:
    path = folder / "template.db"
    migrated(f"sqlite:///{path}")
    return path


def migrated_postgres(server: Server) -> str:
    return migrated(fresh_database(server)).rsplit("/", 1)[1]


def copied_sqlite(template: Path, folder: Path) -> str:
    shutil.copy(template, folder / "ledger.db")
    return f"sqlite:///{folder / 'ledger.db'}"


@contextmanager
def copied_postgres(server: Server, template: str) -> Iterator[str]:
    """A copy of a migrated database; it is dropped again, since each takes megabytes."""
    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user=server.user, dbname="postgres", autocommit=True
    ) as session:
        session.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')  # type: ignore[call-overload]
        yield server.url(name)
        session.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[call-overload]
