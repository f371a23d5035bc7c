"""Sources in the ledger: who is configured, how each stands, who is reading it now."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from worker.ledger import holders, schema
from worker.model import SourceState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy import Connection

_table = schema.source


class Source(NamedTuple):
    """A row of the `source` table."""

    id: int
    name: str
    configured: bool
    checkpoint: Mapping[str, Any] | None
    fingerprint: str | None
    next_at: float
    next_full_at: float
    last_success_at: float | None
    read_at: float | None
    last_pull_id: int | None
    held_pull_id: int | None
    snapshot_pull_id: int | None
    snapshot_rows: int | None
    trouble: str | None
    trouble_reason: str | None
    trouble_since: float | None
    paused_until: float | None
    intent: str | None
    lease_token: str | None
    lease_until: float | None

    def paused(self, now: float) -> bool:
        """Whether a person paused it, and the pause is not over."""
        return self.paused_until is not None and self.paused_until > now

    def wants_all(self, fingerprint: str) -> bool:
        """Whether what looks unchanged must be read all the same: for new rules, or new keys."""
        return self.fingerprint not in {None, fingerprint} or self.intent == "adopt"

    def stale(self, now: float, after: float | None) -> bool:
        """Whether nothing was read for ``after`` seconds; None: that is no matter."""
        return after is not None and self.read_at is not None and now - self.read_at > after

    def state(
        self, now: float, *, fingerprint: str | None = None, stale_after: float | None = None
    ) -> SourceState:
        """The first state that fits; ``fingerprint``: of today's rules."""
        if self.paused(now):
            return SourceState.PAUSED
        if self.held_pull_id is not None:
            return SourceState.HELD
        if self.stale(now, stale_after) and self.trouble != SourceState.FAILING:
            return SourceState.STALE
        if self.trouble is not None:
            return SourceState(self.trouble)
        if fingerprint is not None and self.fingerprint not in {None, fingerprint}:
            return SourceState.RULES_CHANGED
        return SourceState.ACTIVE


def register(connection: Connection, names: Iterable[str], *, now: float | None = None) -> None:
    """Make the configured sources known, and retire the levels of those configured no longer.

    now: from when on a source that is configured anew is waited for.
    """
    wanted = set(names)
    for row in connection.execute(select(_table.c.id, _table.c.name, _table.c.configured)).all():
        if row.configured != (row.name in wanted):
            _configure(connection, row.id, configured=not row.configured)
            if not row.configured:
                change(connection, row.id, read_at=now)
        wanted.discard(row.name)
    for name in sorted(wanted):
        connection.execute(insert(_table).values(name=name, configured=True, read_at=now))
    end_retiring(connection)


def rename(connection: Connection, source_id: int, name: str, *, instead_of: int) -> None:
    """Give a source another name and configure it, in place of the one that had that name."""
    connection.execute(delete(_table).where(_table.c.id == instead_of))
    change(connection, source_id, name=name, next_at=0.0)
    _configure(connection, source_id, configured=True)


def end_retiring(connection: Connection) -> None:
    """Retire the levels that were to go once more first (to zero), as far as Omnitron has that.

    What a person has pinned goes again when that ends.
    """
    wish = _table.c.intent.in_(["retire", "retired"]) & ~_table.c.configured
    level = schema.level
    for (source_id,) in connection.execute(select(_table.c.id).where(wish)).all():
        left = (level.c.source_id == source_id) & ~level.c.retired
        done = (level.c.revision <= level.c.sent_revision) & level.c.claim_token.is_(None)
        done &= level.c.override_stock.is_(None)
        connection.execute(update(level).where(left & done).values(retired=True))
        if connection.execute(select(level.c.sku).where(left).limit(1)).first() is None:
            change(connection, source_id, intent="retired")


def orphans(connection: Connection, configured: Collection[str]) -> dict[str, int]:
    """Sources configured no longer, with how many levels they own; not those a person retired."""
    decided = _table.c.intent.in_(["retire", "retired"])
    count = func.count(schema.level.c.sku)
    query = (
        select(_table.c.name, count)
        .join(schema.level, schema.level.c.source_id == _table.c.id)
        .where(_table.c.name.not_in(configured), _table.c.intent.is_(None) | ~decided)
        .group_by(_table.c.name)
        .order_by(_table.c.name)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _configure(connection: Connection, source_id: int, *, configured: bool) -> None:
    change(connection, source_id, configured=configured, intent=None)
    level = schema.level
    condition = (level.c.source_id == source_id) & (level.c.retired == configured)
    connection.execute(update(level).where(condition).values(retired=not configured))


def every(connection: Connection) -> list[Source]:
    """All sources that are configured, by name."""
    query = select(_table).where(_table.c.configured).order_by(_table.c.name)
    return [_source(row) for row in connection.execute(query).mappings()]


def named(connection: Connection, name: str) -> Source | None:
    """The source of this name, configured or not."""
    row = connection.execute(select(_table).where(_table.c.name == name)).mappings().first()
    return None if row is None else _source(row)


def unseen(name: str) -> Source:
    """A source as it is before the ledger has seen it; it has no number yet."""
    blank: dict[str, Any] = dict.fromkeys(Source._fields)
    blank |= {"id": 0, "name": name, "configured": True, "next_at": 0.0, "next_full_at": 0.0}
    return Source(**blank)


def names_by_id(connection: Connection) -> dict[int, str]:
    """Name of every source that ever was."""
    rows = connection.execute(select(_table.c.id, _table.c.name)).all()
    return {row.id: row.name for row in rows}


def change(connection: Connection, source_id: int, **values: object) -> None:
    """Set columns; a mapping (the checkpoint) is written as JSON."""
    written = {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in values.items()
    }
    connection.execute(update(_table).where(_table.c.id == source_id).values(written))


def lease(connection: Connection, name: str, *, token: str, now: float, seconds: float) -> bool:
    """Become the one who reads this source; False while somebody else's lease is live."""
    query = select(_table.c.lease_token).where(_table.c.name == name)
    held = connection.execute(query).scalar()
    free = (
        _table.c.lease_token.is_(None)
        | _table.c.lease_token.in_([token, held] if holders.is_gone(held) else [token])
        | (_table.c.lease_until <= now)
        | (_table.c.lease_until > now + 10 * seconds)
    )
    statement = (
        update(_table)
        .where((_table.c.name == name) & free)
        .values(lease_token=token, lease_until=now + seconds)
    )
    return connection.execute(statement).rowcount == 1


def keep_lease(connection: Connection, source_id: int, *, token: str, until: float) -> bool:
    """Prolong the lease; False: it was lost, and nothing more may be written."""
    condition = (_table.c.id == source_id) & (_table.c.lease_token == token)
    statement = update(_table).where(condition).values(lease_until=until)
    return connection.execute(statement).rowcount == 1


def end_lease(connection: Connection, source_id: int, *, token: str) -> None:
    """Let others read the source."""
    condition = (_table.c.id == source_id) & (_table.c.lease_token == token)
    connection.execute(update(_table).where(condition).values(lease_token=None, lease_until=None))


def _source(row: Mapping[Any, Any]) -> Source:
    checkpoint = row["checkpoint"]
    values = {name: row[name] for name in Source._fields}
    values["checkpoint"] = None if checkpoint is None else json.loads(checkpoint)
    return Source(**values)
