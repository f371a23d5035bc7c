"""What people did: who, when, to what. Nothing else is written here."""

from __future__ import annotations

import json
from collections.abc import Sequence  # noqa: TC003 - a field of a named tuple
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import insert, select

from worker.ledger import schema

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from worker.ledger.failures import Failure

_table = schema.event
_MANY = "failures "
_ALL = "all"
_NAMED = 200  # numbers in one subject, which is indexed
_FIRST = 5  # of more than that


class Subject(NamedTuple):
    """What something was done to. failures: their numbers, where the text cannot name them all."""

    text: str
    failures: Sequence[int] = ()


class Event(NamedTuple):
    """A row of the `event` table."""

    id: int
    at: float
    actor: str
    action: str
    subject: str
    detail: Any


def record(
    connection: Connection,
    *,
    actor: str,
    action: str,
    subject: str | Subject,
    now: float,
    **detail: object,
) -> None:
    """Write down a person's action, in the transaction that carries it out."""
    named = Subject(subject) if isinstance(subject, str) else subject
    if named.failures:
        detail["failures"] = list(named.failures)
    values = {"at": now, "actor": actor, "action": action, "subject": named.text}
    connection.execute(insert(_table).values(**values, detail=json.dumps(detail)))


def about(connection: Connection, *subjects: str, limit: int = 200) -> list[Event]:
    """What was done to these subjects, latest first."""
    return _latest(connection, _table.c.subject.in_(subjects), limit=limit)


def last(connection: Connection, subject: str, action: str, **detail: object) -> Event | None:
    """Who did this last, with these details; None: that is too long ago to be known."""
    done = _latest(connection, (_table.c.subject == subject) & (_table.c.action == action))
    return next((event for event in done if detail.items() <= event.detail.items()), None)


def of_failures(
    ids: Sequence[int], *, reason: str | None = None, source: str | None = None
) -> Subject:
    """The subject of what is done to failures, however they are chosen; nothing given: to all."""
    if len(ids) == 1:
        return Subject(f"failure {ids[0]}")
    if len(ids) > _NAMED:
        first = ", ".join(map(str, ids[:_FIRST]))
        return Subject(f"{_MANY}{first} and {len(ids) - _FIRST:,} more", ids)
    by = {"reason": reason, "source": source}
    words = [*map(str, ids), *(f"{name} {value}" for name, value in by.items() if value)]
    return Subject(_MANY + (", ".join(words) or _ALL))


def on(connection: Connection, found: Sequence[Failure]) -> list[Event]:
    """What was done to these failures, by themselves or among others, latest first."""
    if not found:
        return []
    alone = about(connection, *{f"failure {failure.id}" for failure in found})
    since = min(failure.first_seen for failure in found)
    together = _latest(connection, _table.c.subject.startswith(_MANY) & (_table.c.at >= since))
    theirs = [e for e in together if any(_was_among(failure, e) for failure in found)]
    return sorted([*alone, *theirs], key=lambda event: event.id, reverse=True)


def _was_among(failure: Failure, event: Event) -> bool:
    if "failures" in event.detail:
        return failure.id in event.detail["failures"]
    words = event.subject.removeprefix(_MANY).split(", ")
    if words[0].isdecimal():
        return str(failure.id) in words
    was_open = failure.first_seen <= event.at and (failure.closed_at or event.at) >= event.at
    fits = {_ALL, f"reason {failure.reason}", f"source {failure.source}"}
    return was_open and fits.issuperset(words)


def _latest(
    connection: Connection, condition: ColumnElement[bool], limit: int = 200
) -> list[Event]:
    columns = [_table.c[name] for name in Event._fields]
    query = select(*columns).where(condition).order_by(_table.c.id.desc()).limit(limit)
    return [
        Event(*row)._replace(detail=json.loads(row.detail or "{}"))
        for row in connection.execute(query)
    ]
