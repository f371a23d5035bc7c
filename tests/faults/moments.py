"""Lets time pass for a ledger that nobody works with at the moment: leases end, rests are over."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg
from sqlalchemy import Double, Table

from worker.ledger import schema

_NOT_THE_LEDGERS = frozenset(
    {
        *("rate", "clock_offset", "unreadable_seconds", "unreadable_before"),  # no moments
        *("posted_at", "seen_modified", "other_modified"),  # of Omnitron's clock
    }
)


def pass_time(url: str, seconds: float) -> None:
    """Move every moment of the ledger into the past, which is what a later start looks like."""
    statements = [_earlier(table, seconds) for table in schema.metadata.sorted_tables]
    if url.startswith("sqlite"):
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=30)) as database:
            database.executescript(f"BEGIN IMMEDIATE; {' '.join(statements)} COMMIT;")
    else:
        with psycopg.connect(url.replace("+psycopg", "")) as session:
            session.execute("".join(statements).encode())


def _earlier(table: Table, seconds: float) -> str:
    names = [c.name for c in table.c if isinstance(c.type, Double)]
    moments = [name for name in names if name not in _NOT_THE_LEDGERS]
    changes = [
        f'"{n}" = CASE WHEN "{n}" > 0 THEN "{n}" - {seconds} ELSE "{n}" END' for n in moments
    ]
    return f"UPDATE {table.name} SET {', '.join(changes)};" if changes else ""  # 0 means never
