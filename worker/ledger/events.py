"""What people did: who, when, to what. Nothing else is written here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import insert, select

from worker.ledger import schema

if TYPE_CHECKING:
    from sqlalchemy import Connection

_table = schema.event


class Event(NamedTuple):
    """A row of the `event` table."""

    id: int
    at: float
    actor: str
    action: str
    subject: str
    detail: Any


def record(
    connection: Connection, *, actor: str, action: str, subject: str, now: float, **detail: object
) -> None:
    """Write down a person's action, in the transaction that carries it out."""
    values = {"at": now, "actor": actor, "action": action, "subject": subject}
    connection.execute(insert(_table).values(**values, detail=json.dumps(detail)))


def about(connection: Connection, *subjects: str, limit: int = 200) -> list[Event]:
    """What was done to these subjects, latest first."""
    columns = [_table.c[name] for name in Event._fields]
    query = select(*columns).where(_table.c.subject.in_(subjects)).order_by(_table.c.id.desc())
    rows = connection.execute(query.limit(limit))
    return [Event(*row)._replace(detail=json.loads(row.detail or "{}")) for row in rows]
