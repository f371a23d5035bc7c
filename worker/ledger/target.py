"""The target row: one for all processes, so that ten workers and a `sync` share one limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import select, update

from worker.ledger import schema
from worker.planning.limiter import Target

if TYPE_CHECKING:
    from sqlalchemy import Connection

_table = schema.target


def read(connection: Connection, *, lock: bool = False) -> Target:
    """The row as decisions need it; ``lock``: until this transaction ends."""
    query = select(*(_table.c[name] for name in Target._fields))
    row = connection.execute(query.with_for_update() if lock else query).one()
    return Target._make(row)


def save(connection: Connection, target: Target) -> None:
    """Write it back; the caller has locked it."""
    connection.execute(update(_table).values(target._asdict()))


def base_url(connection: Connection) -> str | None:
    """The Omnitron that this ledger has sent to, None where nothing was sent yet."""
    return cast("str | None", connection.execute(select(_table.c.base_url)).scalar_one())


def bind(connection: Connection, url: str) -> None:
    """Remember the Omnitron that is sent to first; only `rebind` changes it."""
    connection.execute(update(_table).where(_table.c.base_url.is_(None)).values(base_url=url))


def rebind(connection: Connection, url: str) -> None:
    """From now on this ledger belongs to another address."""
    connection.execute(update(_table).values(base_url=url))


def beat(connection: Connection, *, now: float, every: float) -> None:
    """A task was here: what `stocksync health` goes by; written at most once in ``every``.

    One that lies ahead was written before the ledger's clock was put back, and proves no life.
    """
    kept = _table.c.heartbeat_at
    old = kept.is_(None) | (kept < now - every) | (kept > now + every)
    connection.execute(update(_table).where(old).values(heartbeat_at=now))


def heartbeat(connection: Connection) -> float | None:
    """When a task was here last."""
    return cast("float | None", connection.execute(select(_table.c.heartbeat_at)).scalar_one())


def values(connection: Connection) -> dict[str, Any]:
    """The whole row, for people."""
    return dict(connection.execute(select(_table)).mappings().one())
