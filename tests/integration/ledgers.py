"""Ledgers for tests: migrated once per session and database, then copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from tests.databases import fresh_database
from worker.ledger import Ledger, migrating, schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.databases import Server

MIGRATIONS = Path(migrating.__file__).parent / "migrations"
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


def created_at(ledger: Ledger, revision: str) -> None:
    """Make the ledger's tables as they were at a revision, without a row."""

    def work(connection: Connection) -> None:
        config = Config()
        config.set_main_option(
            "script_location", str(Path(migrating.__file__).parent / "migrations")
        )
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    if ledger.path is not None:
        ledger.path.parent.mkdir(parents=True, exist_ok=True)
    ledger.write(work)


def differences(connection: Connection) -> list[object]:
    """How the tables differ from what the program takes them for."""
    options = {
        "compare_type": True,
        "compare_server_default": connection.dialect.name != "sqlite",
    }
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, schema.metadata))


def migrated_sqlite(folder: Path) -> Path:
    path = folder / "template.db"
    migrated(f"sqlite:///{path}")
    return path


def migrated_postgres(server: Server) -> str:
    return migrated(fresh_database(server)).rsplit("/", 1)[1]


def copied_sqlite(template: Path, folder: Path) -> str:
    shutil.copy(template, folder / "ledger.db")
    return f"sqlite:///{folder / 'ledger.db'}"


def emptied_postgres(server: Server, database: str) -> str:
    """The session's database as it was after migrating: cheaper than a copy, which is 8 MB."""
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user=server.user, dbname=database, autocommit=True
    ) as session:
        session.execute(_EMPTY)
        session.execute("UPDATE alembic_version SET version_num = %s", [migrating.wanted()])
        session.execute("INSERT INTO target (id, state, rate) VALUES (1, 'up', 0)")
    return server.url(database)


def somebody_waits(url: str) -> bool:
    """Whether a session of this PostgreSQL waits for a lock of another one."""
    with psycopg.connect(url.replace("+psycopg", "")) as session:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        row = session.execute(waiting).fetchone()
    return row is not None and row[0] > 0


_EMPTY = """
DO $$ DECLARE name text; BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
  FOR name IN SELECT tablename FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> 'alembic_version'
  LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
  FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'
  LOOP EXECUTE format('ALTER SEQUENCE %I RESTART', name); END LOOP;
END $$
"""
