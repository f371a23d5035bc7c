"""Failures: one open row per (source, kind, identity, reason); a repeat counts on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import func, select, update

from worker.ledger import bulk, schema
from worker.model import PAGE_ROWS, FailureKind
from worker.planning.levels import UNKNOWN_PRODUCT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

_table = schema.failure
RAW_LIMIT = 2_048


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFailure:
    """Something a person should know of; texts without secrets."""

    kind: FailureKind
    identity: str
    reason: str
    message: str
    remedy: str
    source: str = ""
    stock_list: int | None = None
    sku: str | None = None
    warehouse: str | None = None
    file: str | None = None
    line: int | None = None
    column: str | None = None
    value: str | None = None
    raw: str | None = None
    status: int | None = None
    excerpt: str | None = None
    occurrences: int = 1
    pull_id: int | None = None
    batch_id: int | None = None


class Failure(NamedTuple):
    """A row of the `failure` table."""

    id: int
    source: str
    kind: str
    identity: str
    reason: str
    stock_list: int | None
    sku: str | None
    warehouse: str | None
    message: str
    remedy: str
    file: str | None
    line: int | None
    column: str | None
    value: str | None
    raw: str | None
    status: int | None
    excerpt: str | None
    occurrences: int
    attempts: int
    pull_id: int | None
    batch_id: int | None
    first_seen: float
    last_seen: float
    closed_at: float | None
    closed_why: str | None


_GIVEN = (
    "source", "kind", "identity", "reason", "stock_list", "sku", "warehouse", "message", "remedy",
    "file", "line", "column", "value", "raw", "status", "excerpt", "occurrences", "pull_id",
    "batch_id",
)  # fmt: skip
_WRITTEN = (*_GIVEN, "first_seen", "last_seen")
_IDENTIFYING = ("source", "kind", "identity", "reason", "stock_list", "sku", "warehouse")
_ON_REPEAT = (
    " ON CONFLICT (source, kind, identity, reason) WHERE closed_at IS NULL DO UPDATE SET"
    " attempts = failure.attempts + 1, last_seen = excluded.last_seen,"
    + ",".join(f' "{name}" = excluded."{name}"' for name in _GIVEN if name not in _IDENTIFYING)
)


def identity_of(stock_list: int, sku: str, warehouse: str = "") -> str:
    """The identity of a failure about a key."""
    return f"{stock_list}/{sku}/{warehouse}" if warehouse else f"{stock_list}/{sku}"


def unknown_identity(stock_list: int) -> str:
    """The identity of a source's failure about all products of a list that are unknown."""
    return f"unknown:{stock_list}"


def record(connection: Connection, failures: Iterable[NewFailure], *, now: float) -> None:
    """Open each failure, or count it on the one that is open already."""
    unique = {(f.source, f.kind, f.identity, f.reason): f for f in failures}
    rows = [(*(getattr(failure, name) for name in _GIVEN), now, now) for failure in unique.values()]
    bulk.insert_with(connection, _table, _WRITTEN, rows, conflict=_ON_REPEAT)


def numbered(connection: Connection, ids: Sequence[int]) -> list[Failure]:
    """Failures by number, closed ones too."""
    return _selected(connection, _table.c.id.in_(ids))


def open_ones(
    connection: Connection,
    *,
    source: str | None = None,
    kind: FailureKind | None = None,
    reason: str | None = None,
    limit: int | None = None,
) -> list[Failure]:
    """Open failures, the latest first."""
    wanted = {"source": source, "kind": kind, "reason": reason}
    condition: ColumnElement[bool] = _table.c.closed_at.is_(None)
    for name, value in wanted.items():
        if value is not None:
            condition &= _table.c[name] == value
    return _selected(connection, condition, limit=limit)


def of_sku(connection: Connection, sku: str) -> list[Failure]:
    """Everything that ever failed for a SKU."""
    return _selected(connection, _table.c.sku == sku)


def of_unknown(connection: Connection, source: str, stock_list: int) -> list[Failure]:
    """What ever was told of the products of a source and list that Omnitron does not know."""
    identity = _table.c.identity == unknown_identity(stock_list)
    return _selected(connection, (_table.c.source == source) & identity)


def each_open(connection: Connection, *, limit: int = PAGE_ROWS) -> Iterator[Failure]:
    """All open failures, the latest opened first, read in pages."""
    is_open: ColumnElement[bool] = _table.c.closed_at.is_(None)
    condition = is_open
    columns = [_table.c[name] for name in Failure._fields]
    while True:
        query = select(*columns).where(condition).order_by(_table.c.id.desc()).limit(limit)
        page = [Failure._make(row) for row in connection.execute(query)]
        yield from page
        if len(page) < limit:
            return
        condition = is_open & (_table.c.id < page[-1].id)


def of_pull(connection: Connection, pull_id: int, *, limit: int) -> list[Failure]:
    """What a pull rejected, unless a later one rejected it again; in the order of the file."""
    columns = [_table.c[name] for name in Failure._fields]
    query = select(*columns).where(_table.c.pull_id == pull_id)
    ordered = query.order_by(_table.c.line, _table.c.id).limit(limit)
    return [Failure._make(row) for row in connection.execute(ordered)]


def open_count(connection: Connection) -> int:
    """How many failures are open."""
    query = select(func.count()).where(_table.c.closed_at.is_(None))
    return int(connection.execute(query).scalar_one())


def unknown_count(connection: Connection) -> int:
    """How many of them are about products that Omnitron does not know."""
    condition = _table.c.closed_at.is_(None) & (_table.c.reason == UNKNOWN_PRODUCT)
    return int(connection.execute(select(func.count()).where(condition)).scalar_one())


def groups(
    connection: Connection, *, source: str | None = None, reason: str | None = None
) -> list[Mapping[str, Any]]:
    """Open failures by kind and reason: count, first, last, and the number of an example.

    count: of what they are about (rows, keys); failures: of entries.
    """
    condition: ColumnElement[bool] = _table.c.closed_at.is_(None)
    for name, value in {"source": source, "reason": reason}.items():
        if value is not None:
            condition &= _table.c[name] == value
    query = (
        select(
            _table.c.kind,
            _table.c.reason,
            func.sum(_table.c.occurrences).label("count"),
            func.count().label("failures"),
            func.min(_table.c.first_seen).label("first_seen"),
            func.max(_table.c.last_seen).label("last_seen"),
            func.max(_table.c.id).label("example"),
        )
        .where(condition)
        .group_by(_table.c.kind, _table.c.reason)
        .order_by(func.sum(_table.c.occurrences).desc())
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def close(connection: Connection, ids: Sequence[int], *, why: str, now: float) -> int:
    """Close failures that are open; returns how many were."""
    condition = _table.c.id.in_(ids) & _table.c.closed_at.is_(None)
    statement = update(_table).where(condition).values(closed_at=now, closed_why=why)
    return connection.execute(statement).rowcount


def close_before(  # noqa: PLR0913 - which, before what, why and when, all by name
    connection: Connection,
    ids: Sequence[int],
    *,
    pull_id: int,
    why: str,
    now: float,
    as_of: int | None = None,
) -> None:
    """Close those of these failures that a pull has not seen again itself.

    as_of: the pull whose rows it brings back; what was read later than those is no better by them.
    """
    pull, newest = schema.pull, pull_id if as_of is None else as_of
    later = (
        select(pull.c.id)
        .where(pull.c.id == _table.c.pull_id, func.coalesce(pull.c.as_of, pull.c.id) > newest)
        .exists()
    )
    for page in bulk.paged(ids, 1_000):
        condition = _table.c.id.in_(page) & _table.c.closed_at.is_(None)
        statement = update(_table).where(condition & (_table.c.pull_id < pull_id) & ~later)
        connection.execute(statement.values(closed_at=now, closed_why=why))


def close_matching(  # noqa: PLR0913 - every one narrows the choice, by name
    connection: Connection,
    *,
    source: str,
    kind: FailureKind,
    why: str,
    now: float,
    before_pull: int | None = None,
    reasons: Sequence[str] | None = None,
) -> int:
    """Close a source's failures of one kind: of any pull, or of those before one; of any reason."""
    condition = (_table.c.source == source) & (_table.c.kind == kind) & _table.c.closed_at.is_(None)
    if before_pull is not None:
        condition &= _table.c.pull_id < before_pull
    if reasons is not None:
        condition &= _table.c.reason.in_(reasons)
    statement = update(_table).where(condition).values(closed_at=now, closed_why=why)
    return connection.execute(statement).rowcount


def close_of_pull(  # noqa: PLR0913 - of which pull, why and when, all by name
    connection: Connection, source: str, pull_id: int, *, why: str, now: float, alone: bool = False
) -> int:
    """Close what a pull rejected; alone: but for what was open before."""
    condition = (
        (_table.c.source == source)
        & (_table.c.kind == FailureKind.ROW)
        & (_table.c.pull_id == pull_id)
        & _table.c.closed_at.is_(None)
    )
    if alone:
        condition &= _table.c.attempts == 1
    statement = update(_table).where(condition).values(closed_at=now, closed_why=why)
    return connection.execute(statement).rowcount


def close_source(connection: Connection, source: str, *, why: str, now: float) -> None:
    """Close everything that is open about a source."""
    condition = (_table.c.source == source) & _table.c.closed_at.is_(None)
    connection.execute(update(_table).where(condition).values(closed_at=now, closed_why=why))


def rename_source(connection: Connection, old: str, new: str) -> None:
    """Let the failures of a source go by its new name; nothing is open by that name yet."""
    connection.execute(update(_table).where(_table.c.source == old).values(source=new))


def close_items(
    connection: Connection, keys: Sequence[tuple[int, str]], *, why: str, now: float
) -> None:
    """Close the item failures of these keys."""
    if not keys or not _any_item_open(connection):
        return
    identities = [identity_of(*key) for key in keys]
    for page in bulk.paged(identities, 1_000):
        condition = (
            _table.c.identity.in_(page)
            & (_table.c.kind == FailureKind.ITEM)
            & _table.c.closed_at.is_(None)
        )
        connection.execute(update(_table).where(condition).values(closed_at=now, closed_why=why))


def close_lists(
    connection: Connection, stock_lists: Iterable[int], *, why: str, now: float
) -> None:
    """Close the failures about whole stock lists."""
    identities = [f"list:{number}" for number in stock_lists]
    condition = (
        (_table.c.source == "")
        & (_table.c.kind == FailureKind.ITEM)
        & _table.c.identity.in_(identities)
        & _table.c.closed_at.is_(None)
    )
    connection.execute(update(_table).where(condition).values(closed_at=now, closed_why=why))


def unknown_is_open(connection: Connection, source: str, stock_list: int) -> bool:
    """Whether a source's failure about unknown products of a list is open."""
    query = select(_table.c.id).where(_of_unknown(source, stock_list))
    return connection.execute(query).first() is not None


def recount_unknown(
    connection: Connection, source: str, stock_list: int, *, count: int, message: str
) -> None:
    """Say how many are unknown now, where their number has changed; nothing was asked again."""
    changed = _of_unknown(source, stock_list) & (_table.c.occurrences != count)
    statement = update(_table).where(changed).values(occurrences=count, message=message)
    connection.execute(statement)


def close_unknown(
    connection: Connection, source: str, stock_list: int, *, why: str, now: float
) -> None:
    """Close it: none is unknown any more."""
    statement = update(_table).where(_of_unknown(source, stock_list))
    connection.execute(statement.values(closed_at=now, closed_why=why))


def _of_unknown(source: str, stock_list: int) -> ColumnElement[bool]:
    return (
        (_table.c.source == source)
        & (_table.c.kind == FailureKind.ITEM)
        & (_table.c.identity == unknown_identity(stock_list))
        & (_table.c.reason == UNKNOWN_PRODUCT)
        & _table.c.closed_at.is_(None)
    )


def close_channel(connection: Connection, channel_id: int, *, reason: str, now: float) -> None:
    """Close a channel's failure of this reason."""
    condition = (
        (_table.c.identity == f"channel:{channel_id}")
        & (_table.c.kind == FailureKind.CHANNEL)
        & (_table.c.reason == reason)
        & _table.c.closed_at.is_(None)
    )
    connection.execute(
        update(_table).where(condition).values(closed_at=now, closed_why="it is well again")
    )


def _any_item_open(connection: Connection) -> bool:
    condition = (_table.c.kind == FailureKind.ITEM) & _table.c.closed_at.is_(None)
    return connection.execute(select(_table.c.id).where(condition).limit(1)).first() is not None


def _selected(connection: Connection, condition: Any, *, limit: int | None = None) -> list[Failure]:
    columns = [_table.c[name] for name in Failure._fields]
    query = (
        select(*columns).where(condition).order_by(_table.c.last_seen.desc(), _table.c.id.desc())
    )
    if limit is not None:
        query = query.limit(limit)
    return [Failure._make(row) for row in connection.execute(query)]
