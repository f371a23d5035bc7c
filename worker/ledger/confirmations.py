"""What each channel is expected to show of a key, and what it was seen to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, func, literal, select, text, tuple_, update

from worker.ledger import bulk, schema
from worker.model import ConfirmState, Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection

    from worker.model import ChannelPlan, Value

_table = schema.confirmation


class Confirmation(NamedTuple):
    """A row of the `confirmation` table."""

    channel_id: int
    stock_list: int
    sku: str
    remote_pk: int | None
    revision: int
    stock: int
    unit_type: str | None
    state: str
    since: float
    posted_at: float | None = None
    other: bool = False
    other_modified: float | None = None
    confirmed_revision: int | None = None
    confirmed_at: float | None = None
    seen_stock: int | None = None
    seen_modified: float | None = None
    seen_at: float | None = None
    seen: str | None = None
    healed_revision: int | None = None
    looked_at: float = 0.0
    unreadable_before: float = 0.0

    @property
    def key(self) -> Key:
        """The level that it is about."""
        return Key(self.stock_list, self.sku)


_NAMES = ", ".join(f"c.{name}" for name in Confirmation._fields)


class Accepted(NamedTuple):
    """One level that Omnitron has just answered to have."""

    key: Key
    revision: int
    value: Value
    remote_pk: int | None
    posted_at: float | None


def expect(
    connection: Connection,
    accepted: Sequence[Accepted],
    channels: Iterable[ChannelPlan],
    *,
    unreadable: dict[int, float],
    now: float,
) -> None:
    """From now on every channel that lists a level's stock list should come to show it.

    unreadable: per channel, the seconds it could not be read so far.
    """
    for channel in channels:
        of_channel = [item for item in accepted if item.key.stock_list in channel.stock_lists]
        if not of_channel:
            continue
        there = of_keys(connection, channel.id, [item.key for item in of_channel])
        rows = [
            _expected(there.get(item.key), item, channel.id, unreadable.get(channel.id, 0.0), now)
            for item in of_channel
        ]
        save(connection, rows)


def _expected(
    before: Confirmation | None, item: Accepted, channel_id: int, unreadable: float, now: float
) -> Confirmation:
    fresh = Confirmation(
        channel_id,
        *item.key,
        remote_pk=item.remote_pk,
        revision=item.revision,
        stock=item.value.stock,
        unit_type=item.value.unit_type,
        state=ConfirmState.WAITING,
        since=now,
        posted_at=item.posted_at,
        unreadable_before=unreadable,
    )
    if before is None:
        return fresh
    same = (before.stock, before.unit_type) == (item.value.stock, item.value.unit_type)
    return before._replace(
        remote_pk=item.remote_pk if item.remote_pk is not None else before.remote_pk,
        revision=item.revision,
        stock=item.value.stock,
        unit_type=item.value.unit_type,
        state=ConfirmState.WAITING,
        since=before.since if before.state == ConfirmState.WAITING else now,
        posted_at=item.posted_at,
        other=before.other or not same,
        unreadable_before=unreadable
        if before.state != ConfirmState.WAITING
        else before.unreadable_before,
    )


def of_keys(
    connection: Connection, channel_id: int, keys: Iterable[Key]
) -> dict[Key, Confirmation]:
    """A channel's rows of these keys."""
    statement = (
        f"SELECT {_NAMES} FROM {{keys}} k CROSS JOIN confirmation c"
        " WHERE c.stock_list = k.stock_list AND c.sku = k.sku AND c.channel_id = ?"
    )
    rows = map(Confirmation._make, bulk.by_keys(connection, statement, set(keys), channel_id))
    return {row.key: row for row in rows}


def of_pks(
    connection: Connection, channel_id: int, pks: Sequence[int]
) -> dict[tuple[int, int], Confirmation]:
    """A channel's rows by (remote pk, stock list)."""
    of_channel = _table.c.channel_id + 0 == channel_id  # so put that no index of channels fits
    rows = _selected(connection, of_channel & _table.c.remote_pk.in_(pks))
    return {(row.remote_pk or 0, row.stock_list): row for row in rows}


def waiting(connection: Connection, channel_id: int, *, limit: int) -> list[Confirmation]:
    """The rows that wait, those first that were looked for the longest time ago."""
    return _of_state(connection, channel_id, ConfirmState.WAITING, limit=limit)


def not_confirmed(connection: Connection, channel_id: int, *, limit: int) -> list[Confirmation]:
    """Rows that were given up or overwritten; they are looked at again now and then."""
    states = (ConfirmState.UNCONFIRMED, ConfirmState.OVERWRITTEN)
    rows = [row for s in states for row in _of_state(connection, channel_id, s, limit=limit)]
    return sorted(rows, key=lambda row: row.looked_at)[:limit]


def keys_in(connection: Connection, channel_id: int, state: ConfirmState) -> list[Key]:
    """The keys of a channel in one state other than confirmed."""
    query = select(_table.c.stock_list, _table.c.sku).where(_open(channel_id, state))
    return [Key(*row) for row in connection.execute(query)]


def doubted(
    connection: Connection, channel_id: int, *, since: float, limit: int
) -> list[Confirmation]:
    """Confirmed rows of which an earlier value was in doubt after ``since``: it may still land."""
    statement = (
        f"SELECT DISTINCT {_NAMES} FROM batch b CROSS JOIN batch_line l CROSS JOIN confirmation c"
        " WHERE b.lines > b.sent AND b.ended_at > ? AND l.batch_id = b.id AND l.outcome <> 'sent'"
        " AND l.reason <> 'not_started' AND c.channel_id = ? AND c.stock_list = l.stock_list"
        " AND c.sku = l.sku AND c.state = 'confirmed' AND c.revision > l.revision"
        f" ORDER BY c.looked_at LIMIT {limit}"
    )
    rows = connection.exec_driver_sql(bulk.driver_sql(connection, statement), (since, channel_id))
    return [Confirmation._make(row) for row in rows]


def waiting_count(connection: Connection, channel_id: int) -> int:
    """How many rows of a channel wait."""
    return count_in(connection, channel_id, ConfirmState.WAITING)


def count_in(connection: Connection, channel_id: int, state: ConfirmState) -> int:
    """How many rows of a channel are in one state other than confirmed."""
    query = select(func.count()).where(_open(channel_id, state))
    return int(connection.execute(query).scalar_one())


def example_in(connection: Connection, channel_id: int, state: ConfirmState) -> Confirmation | None:
    """One of those rows, the one that was looked at the longest time ago; None: there is none."""
    found = _selected(connection, _open(channel_id, state), _table.c.looked_at, limit=1)
    return found[0] if found else None


def _open(channel_id: int, state: ConfirmState) -> ColumnElement[bool]:
    """Of a channel, in a state other than confirmed; said so that the index of these serves."""
    of_channel = (_table.c.channel_id == channel_id) & (_table.c.state == state)
    return of_channel & text("state <> 'confirmed'")


def counts(connection: Connection) -> dict[str, int]:
    """Rows per state, over all channels."""
    query = select(_table.c.state, func.count()).group_by(_table.c.state)
    found = {state: count for state, count in connection.execute(query)}  # noqa: C416 - a Row is no tuple to mypy
    return {state.value: found.get(state.value, 0) for state in ConfirmState}


def of_key(connection: Connection, key: Key) -> list[Confirmation]:
    """What every channel shows of a key."""
    condition = (_table.c.stock_list == key.stock_list) & (_table.c.sku == key.sku)
    return _selected(connection, condition, _table.c.channel_id)


def save(connection: Connection, rows: Iterable[Confirmation]) -> None:
    """Write whole rows, in key order."""
    ordered = sorted(rows, key=lambda row: row[:3])
    bulk.upsert(connection, _table, Confirmation._fields, ordered)


def mark_healed(connection: Connection, key: Key, *, revision: int) -> None:
    """Whichever channels show this level: one of them has made it go again, as this revision."""
    condition = (_table.c.stock_list == key.stock_list) & (_table.c.sku == key.sku)
    connection.execute(update(_table).where(condition).values(healed_revision=revision))


def forget(connection: Connection, channel_id: int, keys: Iterable[Key]) -> None:
    """Expect nothing of these keys any more."""
    for key in keys:
        condition = (
            (_table.c.channel_id == channel_id)
            & (_table.c.stock_list == key.stock_list)
            & (_table.c.sku == key.sku)
        )
        connection.execute(delete(_table).where(condition))


def forget_between(connection: Connection, after: Key | None, upto: Key) -> None:
    """Expect nothing of the keys in (after, upto] in any channel; None: from the first."""
    key = tuple_(_table.c.stock_list, _table.c.sku)
    condition = key <= tuple_(literal(upto.stock_list), literal(upto.sku))
    if after is not None:
        condition &= key > tuple_(literal(after.stock_list), literal(after.sku))
    connection.execute(delete(_table).where(condition))


def _of_state(
    connection: Connection, channel_id: int, state: ConfirmState, *, limit: int
) -> list[Confirmation]:
    """Those first that were looked for the longest time ago."""
    order = (_table.c.looked_at, _table.c.since)
    return _selected(connection, _open(channel_id, state), *order, limit=limit)


def _selected(
    connection: Connection, condition: object, *order: object, limit: int | None = None
) -> list[Confirmation]:
    columns = [_table.c[name] for name in Confirmation._fields]
    query = select(*columns).where(condition).order_by(*order).limit(limit)  # type: ignore[arg-type]
    return [Confirmation._make(row) for row in connection.execute(query)]
