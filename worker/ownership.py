"""Which source feeds what: a source that is renamed or retired, or takes over another's keys.

Each is carried out and recorded with who did it. The configuration is changed first, by a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.errors import UsageError
from worker.ledger import events, failures, levels, parts, pulls, sources
from worker.model import PAGE_ROWS, FailureKind, PullStatus
from worker.planning.levels import UNKNOWN_PRODUCT, replayed, stated
from worker.pull.lease import Lease
from worker.pull.owning import OWNED_ELSEWHERE

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.ledger.sources import Source
    from worker.model import Key
    from worker.planning.levels import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """What retiring a source did, in levels; to_send: that go to zero in Omnitron now."""

    levels: int = 0
    to_send: int = 0


def adopt_source(ledger: Ledger, name: str, *, actor: str) -> int:
    """Let a source take over what another owns, with its next pull; returns how many keys.

    Raises UsageError where no key of another source is reported for it.
    """

    def work(connection: Connection) -> int:
        source, now = _configured(connection, name), ledger.now(connection)
        reported = failures.open_ones(
            connection, source=name, kind=FailureKind.SOURCE, reason=OWNED_ELSEWHERE
        )
        if not reported:
            raise UsageError(
                f"source {name!r} is not known to state any key of another source",
                remedy=f"see: stocksync failures; pull it first: stocksync pull {name}",
            )
        keys = sum(failure.occurrences for failure in reported)
        sources.change(connection, source.id, intent="adopt", next_at=0.0)
        owners = sorted(failure.identity for failure in reported)
        _note(connection, actor, "adopt", name, now, keys=keys, owners=owners)
        return keys

    return ledger.write(work)


def rename_source(ledger: Ledger, old: str, new: str, *, actor: str) -> None:
    """Let a source that has another name in the configuration go on where it was.

    Raises UsageError unless ``old`` is configured no longer and ``new`` is, and has not applied
    anything yet; SourceBusy while either is pulled.
    """
    leases = [Lease(ledger, name) for name in (old, new)]
    with ledger.read() as connection:
        _renameable(connection, old, new)
    try:
        for lease in leases:
            lease.take()
        leases[0].write(lambda connection: _rename(ledger, connection, old, new, actor))
    finally:
        for lease in leases:
            lease.end()


def _rename(ledger: Ledger, connection: Connection, old: str, new: str, actor: str) -> None:
    former, present = _renameable(connection, old, new)
    now = ledger.now(connection)
    why = f"its source is {old!r}, renamed"
    _drop_held(connection, present, why, now)
    pulls.reassign(connection, present.id, former.id)
    failures.close_source(connection, new, why=why, now=now)
    failures.rename_source(connection, old, new)
    sources.rename(connection, former.id, new, instead_of=present.id)
    _note(connection, actor, "rename", new, now, was=old)


def _renameable(connection: Connection, old: str, new: str) -> tuple[Source, Source]:
    former, present = _known(connection, old), _configured(connection, new)
    if former.configured:
        raise UsageError(
            f"source {old!r} is still configured",
            remedy=f"give it its new name in the configuration first: {new!r}",
        )
    if pulls.ever_applied(connection, present.id):
        raise UsageError(
            f"source {new!r} has applied pulls of its own, so it goes on by itself",
            remedy=f"what {old!r} leaves: stocksync sources retire {old} --keep, or --zero",
        )
    return former, present


def retire_source(
    ledger: Ledger,
    name: str,
    *,
    zero: bool,
    actor: str,
    page_rows: int = PAGE_ROWS,
) -> Retired:
    """Give up a source that is configured no longer; its levels stay as they are, or go to zero.

    Levels that go to zero count as retired when Omnitron has the zero. Goes page by page; one that
    was interrupted is simply begun again. Raises UsageError while the source is configured,
    SourceBusy while it is pulled.
    """
    with ledger.read() as connection:
        source = _retirable(connection, name)
    lease = Lease(ledger, name)
    lease.take()
    try:
        lease.write(lambda connection: _retire(ledger, connection, name, actor, zero=zero))
        done, after = Retired(), None
        while True:
            page, after = lease.write(
                lambda connection, after=after: _retire_page(  # type: ignore[misc]
                    ledger, connection, source.id, after, zero=zero, rows=page_rows
                )
            )
            done = Retired(levels=done.levels + page.levels, to_send=done.to_send + page.to_send)
            if after is None:
                return done
    finally:
        lease.end()


def _retire(ledger: Ledger, connection: Connection, name: str, actor: str, *, zero: bool) -> None:
    source, now = _retirable(connection, name), ledger.now(connection)
    _require_nothing_pinned(connection, source)
    _drop_held(connection, source, "its source is retired", now)
    failures.close_source(connection, name, why="its source is retired", now=now)
    sources.change(connection, source.id, intent="retire" if zero else "retired")
    _note(connection, actor, "retire", name, now, levels="zero" if zero else "keep")


def _retire_page(  # noqa: PLR0913 - where it goes on, and how, by name
    ledger: Ledger,
    connection: Connection,
    source_id: int,
    after: Key | None,
    *,
    zero: bool,
    rows: int,
) -> tuple[Retired, Key | None]:
    page = levels.page_of_source(connection, source_id, after, limit=rows)
    now = ledger.now(connection)
    ended = [_ended(level, zero=zero, now=now) for level in page]
    levels.save(connection, ended)
    if zero:  # what it says when it comes back is news
        parts.forget(connection, source_id, [level.key for level in page])
    cleared = [level.key for level, end in zip(page, ended, strict=True) if _unparked(level, end)]
    failures.close_items(connection, cleared, why="its source is retired", now=now)
    to_send = sum(not level.retired for level in ended)
    return Retired(levels=len(page), to_send=to_send), page[-1].key if page else None


def _ended(level: Level, *, zero: bool, now: float) -> Level:
    """The level without its source; an unknown product has nothing in Omnitron to take back."""
    if not zero or level.park_reason == UNKNOWN_PRODUCT:
        return level._replace(retired=not level.pinned)
    none_left = level.value._replace(stock=0)
    after = stated(replayed(level), none_left, pull_id=level.pull_id, now=now)
    goes = after.must_go or after.pinned  # what was pinned just now goes when that ends
    return after._replace(retired=not goes, vetted_stock=None)


def _unparked(before: Level, after: Level) -> bool:
    return before.park_reason is not None and after.park_reason is None


def _retirable(connection: Connection, name: str) -> Source:
    source = _known(connection, name)
    if source.configured:
        raise UsageError(
            f"source {name!r} is still configured",
            remedy="take it out of the configuration first",
        )
    return source


def _require_nothing_pinned(connection: Connection, source: Source) -> None:
    """What no source feeds is not sent any more, so that a pin could never be taken off."""
    ours = [level.sku for level in levels.pinned(connection) if level.source_id == source.id]
    if ours:
        raise UsageError(
            f"{len(ours)} SKUs of source {source.name!r} are overridden, the first: {ours[0]!r}",
            remedy="end that first (stocksync override list, override clear SKU) and deliver",
        )


def _drop_held(connection: Connection, source: Source, why: str, now: float) -> None:
    if source.held_pull_id is None:
        return
    pulls.decide(
        connection,
        source.held_pull_id,
        was=PullStatus.HELD,
        status=PullStatus.DISCARDED,
        reason=why,
        ended_at=now,
    )
    pulls.forget_rows(connection, source.held_pull_id)
    sources.change(connection, source.id, held_pull_id=None)


def _known(connection: Connection, name: str) -> Source:
    source = sources.named(connection, name)
    if source is None:
        known = ", ".join(sorted(sources.names_by_id(connection).values())) or "none"
        raise UsageError(f"there is no source {name!r} in the ledger", remedy=f"it knows: {known}")
    return source


def _configured(connection: Connection, name: str) -> Source:
    source = _known(connection, name)
    if not source.configured:
        raise UsageError(
            f"source {name!r} is not configured", remedy="name one that is: stocksync sources"
        )
    return source


def _note(
    connection: Connection, actor: str, action: str, name: str, now: float, /, **detail: object
) -> None:
    events.record(
        connection, actor=actor, action=action, subject=f"source {name}", now=now, **detail
    )
