"""Sales channels in the ledger: which are watched, whether each can be read, when it is due."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import insert, select, update

from worker.ledger import holders, schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

_table = schema.channel


class Channel(NamedTuple):
    """A row of the `channel` table; resources: stock list -> the resource that shows it."""

    id: int
    configured: bool
    state: str
    reason: str | None
    since: float | None
    polled_at: float | None
    next_at: float
    unreadable_seconds: float
    resources: Mapping[int, str]
    lease_token: str | None
    lease_until: float | None


def register(connection: Connection, ids: Iterable[int]) -> None:
    """Make the configured channels known."""
    wanted = set(ids)
    for row in connection.execute(select(_table.c.id, _table.c.configured)).all():
        if row.configured != (row.id in wanted):
            change(connection, row.id, configured=row.id in wanted)
        wanted.discard(row.id)
    for number in sorted(wanted):
        values = {"id": number, "configured": True, "state": "unknown", "resources": "{}"}
        connection.execute(insert(_table).values(values))


def every(connection: Connection) -> list[Channel]:
    """All configured channels, by number."""
    query = select(_table).where(_table.c.configured).order_by(_table.c.id)
    return [_channel(row) for row in connection.execute(query).mappings()]


def numbered(connection: Connection, channel_id: int) -> Channel:
    """The channel of this number, which is registered."""
    query = select(_table).where(_table.c.id == channel_id)
    return _channel(connection.execute(query).mappings().one())


def change(connection: Connection, channel_id: int, **values: object) -> None:
    """Set columns; ``resources`` as a mapping."""
    written = dict(values)
    if "resources" in written:
        written["resources"] = json.dumps(written["resources"])
    connection.execute(update(_table).where(_table.c.id == channel_id).values(written))


def lease(
    connection: Connection, channel_id: int, *, token: str, now: float, seconds: float
) -> bool:
    """Become the one who reads this channel; False while somebody else does."""
    held = connection.execute(
        select(_table.c.lease_token).where(_table.c.id == channel_id)
    ).scalar()
    free = (
        _table.c.lease_token.is_(None)
        | _table.c.lease_token.in_([token, held] if holders.is_gone(held) else [token])
        | (_table.c.lease_until <= now)
        | (_table.c.lease_until > now + 10 * seconds)
    )
    statement = (
        update(_table)
        .where((_table.c.id == channel_id) & free)
        .values(lease_token=token, lease_until=now + seconds)
    )
    return connection.execute(statement).rowcount == 1


def end_lease(connection: Connection, channel_id: int, *, token: str) -> None:
    """Let others read the channel."""
    condition = (_table.c.id == channel_id) & (_table.c.lease_token == token)
    connection.execute(update(_table).where(condition).values(lease_token=None, lease_until=None))


def forget_learnt(connection: Connection) -> None:
    """Which resource shows which list was learnt from another Omnitron."""
    connection.execute(update(_table).values(resources="{}", state="unknown", reason=None))


def _channel(row: Mapping[Any, Any]) -> Channel:
    values = {name: row[name] for name in Channel._fields}
    written = json.loads(row["resources"] or "{}")
    values["resources"] = {int(number): resource for number, resource in written.items()}
    return Channel(**values)
