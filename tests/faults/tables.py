"""All rows of a ledger on PostgreSQL, taken out and put back; on SQLite they are files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from psycopg import Connection

_NAMES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
_SEQUENCES = "SELECT sequencename, coalesce(last_value, 0) FROM pg_sequences"


def taken(url: str) -> dict[str, bytes]:
    """Every table as PostgreSQL copies it, and under "" the statements that set the sequences."""
    if url.startswith("sqlite"):
        return {}
    with _session(url) as session:
        tables = {name: _content(session, name) for (name,) in session.execute(_NAMES)}
        sequences = session.execute(_SEQUENCES).fetchall()
    sets = "; ".join(
        f"SELECT setval('{name}', {max(last, 1)}, {'true' if last else 'false'})"
        for name, last in sequences
    )
    return {**tables, "": sets.encode()}


def put_back(url: str, tables: dict[str, bytes]) -> None:
    """Let the ledger be as it was when they were taken; whoever is connected is thrown out."""
    if not tables:
        return
    with _session(url) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for name, content in tables.items():
            if name:
                session.execute(f'DELETE FROM "{name}"')  # type: ignore[call-overload]
                with session.cursor().copy(f'COPY "{name}" FROM STDIN') as copy:  # type: ignore[call-overload]
                    copy.write(content)
        session.execute(tables[""])  # type: ignore[call-overload]


def _session(url: str) -> Connection:
    return psycopg.connect(url.replace("+psycopg", ""))


def _content(session: Connection, name: str) -> bytes:
    with session.cursor().copy(f'COPY "{name}" TO STDOUT') as copy:  # type: ignore[call-overload]
        return b"".join(bytes(block) for block in copy)
