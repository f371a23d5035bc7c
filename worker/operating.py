"""What a person decides between the runs: pause, resume, rewind, rebind, dismiss.

Each is one function that carries it out and records who did it, in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from worker.errors import UsageError
from worker.ledger import (
    batches,
    channels,
    confirmations,
    events,
    failures,
    levels,
    lists,
    sources,
    target,
)
from worker.model import PAGE_ROWS, TargetState
from worker.planning import limiter
from worker.planning.levels import MISSING_IN_SOURCE, never_sent
from worker.pull.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from connectors.contract import Checkpoint, Connector
    from worker.ledger import Ledger
    from worker.ledger.failures import Failure
    from worker.ledger.sources import Source
    from worker.model import Key
    from worker.planning.levels import Level
    from worker.planning.limiter import Target


def pause_source(ledger: Ledger, name: str, *, seconds: float, actor: str) -> float:
    """Read a source no more for so many seconds; returns the end. A running pull ends in order."""

    def work(connection: Connection) -> float:
        now = ledger.now(connection)
        source = _known(connection, name)
        sources.change(connection, source.id, paused_until=now + seconds)
        _note(connection, actor, "pause", f"source {name}", now, until=now + seconds)
        return now + seconds

    return ledger.write(work)


def resume_source(ledger: Ledger, name: str, *, actor: str) -> bool:
    """Read a source again, at the next opportunity; False: it was not paused."""

    def work(connection: Connection) -> bool:
        now = ledger.now(connection)
        source = _known(connection, name)
        if not source.paused(now):
            return False
        sources.change(connection, source.id, paused_until=None, next_at=0.0)
        _note(connection, actor, "resume", f"source {name}", now)
        return True

    return ledger.write(work)


def rewind_source(
    ledger: Ledger, connector: Connector, name: str, *, cursor: str, actor: str
) -> Checkpoint | None:
    """Let a source be read from another place; "" means from its very beginning.

    Returns the new checkpoint. Raises UsageError while a pull is held, SourceBusy while the source
    is pulled, SourceMisconfigured for a cursor that the connector does not understand.
    """
    lease = Lease(ledger, name)
    lease.take()
    try:
        with ledger.read() as connection:
            source = _known(connection, name)
        _require_nothing_held(source)
        after = connector.checkpoint_at(cursor, source.checkpoint) if cursor else None

        def work(connection: Connection) -> None:
            checkpoint = None if after is None else dict(after)
            sources.change(connection, source.id, checkpoint=checkpoint, next_at=0.0)
            now = ledger.now(connection)
            _note(connection, actor, "rewind", f"source {name}", now, cursor=cursor)

        lease.write(work)
    finally:
        lease.end()
    return after


def accept_source(ledger: Ledger, connector: Connector, name: str, *, actor: str) -> bool:
    """Take what has changed about a source itself (the columns of its files) as right from now on.

    False: nothing is remembered that could have changed. Raises SourceBusy while it is pulled.
    """
    lease = Lease(ledger, name)
    lease.take()
    try:
        with ledger.read() as connection:
            before = _known(connection, name).checkpoint
        after = before and connector.accepting(before)
        if not after or after == before:
            return False

        def work(connection: Connection) -> None:
            source = _known(connection, name)
            sources.change(connection, source.id, checkpoint=dict(after), next_at=0.0)
            _note(connection, actor, "accept", f"source {name}", ledger.now(connection))

        lease.write(work)
    finally:
        lease.end()
    return True


def pause_target(ledger: Ledger, *, seconds: float, actor: str, raises_only: bool = False) -> float:
    """Send nothing (or nothing that raises a stock) for so many seconds; returns the end."""

    def work(connection: Connection) -> float:
        now = ledger.now(connection)
        row, until = target.read(connection, lock=True), now + seconds
        if raises_only:
            target.save(connection, row._replace(raises_paused_until=until))
        else:
            reason = f"paused by {actor}"
            target.save(connection, limiter.paused(row, reason=reason, until=until, now=now))
        _note(connection, actor, "pause", "target", now, until=until, raises_only=raises_only)
        return until

    return ledger.write(work)


def resume_target(ledger: Ledger, *, actor: str) -> Target:
    """Send again at once, whatever held it up (a pause, a back-off); returns the row before."""

    def work(connection: Connection) -> Target:
        now = ledger.now(connection)
        before = target.read(connection, lock=True)
        target.save(connection, limiter.resumed(before, now=now))
        _note(connection, actor, "resume", "target", now, was=before.state)
        return before

    return ledger.write(work)


def move_target(ledger: Ledger, url: str, *, actor: str) -> None:
    """The same Omnitron has another address: what was sent stays sent."""

    def work(connection: Connection) -> None:
        _bind(ledger, connection, url, actor=actor, kind="moved")

    ledger.write(work)


def replace_target(
    ledger: Ledger,
    url: str,
    *,
    actor: str,
    page_rows: int = PAGE_ROWS,
    on_progress: Callable[[int], None] = lambda _levels: None,
) -> int:
    """Another Omnitron: everything is due again, as in a first load; returns how many levels.

    Goes page by page and binds the ledger last, so that one that was interrupted is simply begun
    again, and nothing is sent before it is complete. Raises UsageError while a batch is being sent.
    """
    done, page = 0, _void_page(ledger, None, page_rows)
    while page is not None:
        done += page.levels
        on_progress(done)
        page = _void_page(ledger, page.last, page_rows)

    def work(connection: Connection) -> None:
        _require_quiet(ledger, connection)
        now = ledger.now(connection)
        _forget_learnt(connection, now)
        _bind(ledger, connection, url, actor=actor, kind="new", levels=done)

    ledger.write(work)
    return done


def dismiss(ledger: Ledger, failure_id: int, *, why: str, actor: str) -> Failure:
    """Close a failure; its level stays parked, uncounted, until the ERP states another value.

    Returns the failure as it was. Raises UsageError unless it is open.
    """

    def work(connection: Connection) -> Failure:
        now = ledger.now(connection)
        failure = _open_failure(connection, failure_id)
        failures.close(connection, [failure_id], why=f"dismissed by {actor}: {why}", now=now)
        _note(connection, actor, "dismiss", f"failure {failure_id}", now, why=why)
        return failure

    return ledger.write(work)


class _Page(NamedTuple):
    """One page of levels that were made due again."""

    levels: int
    last: Key


def _void_page(ledger: Ledger, after: Key | None, rows: int) -> _Page | None:
    return ledger.write(lambda connection: _void(ledger, connection, after, rows))


def _void(ledger: Ledger, connection: Connection, after: Key | None, rows: int) -> _Page | None:
    """Make one page of levels as if they had never been sent; None: there are no more."""
    page = levels.page_after(connection, after, limit=rows)
    _require_quiet(ledger, connection)
    if not page:
        return None
    now = ledger.now(connection)
    levels.save(connection, (_again(level, now) for level in page))
    confirmations.forget_between(connection, after, page[-1].key)
    parked = [level.key for level in page if level.park_reason not in {None, MISSING_IN_SOURCE}]
    failures.close_items(connection, parked, why="it goes to another Omnitron", now=now)
    return _Page(len(page), page[-1].key)


def _again(level: Level, now: float) -> Level:
    return never_sent(level, now=now, stays_parked=level.park_reason == MISSING_IN_SOURCE)


def _forget_learnt(connection: Connection, now: float) -> None:
    """What was learnt of the old Omnitron says nothing of the new one; a person's pause stays."""
    stopped = [known.id for known in lists.every(connection)]
    failures.close_lists(connection, stopped, why="it goes to another Omnitron", now=now)
    lists.forget(connection)
    channels.forget_learnt(connection)
    row = target.read(connection, lock=True)
    if limiter.as_of(row, now=now).state != TargetState.PAUSED:
        target.save(connection, limiter.resumed(row, now=now, raises_too=False))


def _require_quiet(ledger: Ledger, connection: Connection) -> None:
    if batches.sending(connection, beyond=ledger.now(connection)):
        raise UsageError(
            "a worker is sending with this ledger at the moment",
            remedy="stop the service, wait until its batch is over (stocksync batches), try again",
        )


def _bind(
    ledger: Ledger, connection: Connection, url: str, *, actor: str, kind: str, **detail: object
) -> None:
    was = target.base_url(connection)
    target.rebind(connection, url)
    now = ledger.now(connection)
    _note(connection, actor, "rebind", "target", now, kind=kind, was=was, now_is=url, **detail)


def _require_nothing_held(source: Source) -> None:
    if source.held_pull_id is not None:
        raise UsageError(
            f"pull {source.held_pull_id} of source {source.name!r} is held",
            remedy=f"decide it first: stocksync pulls show {source.held_pull_id}",
        )


def _known(connection: Connection, name: str) -> Source:
    source = sources.named(connection, name)
    if source is None:
        raise UsageError(
            f"there is no source {name!r} in the ledger",
            remedy="name one of the configured sources: stocksync sources",
        )
    return source


def _open_failure(connection: Connection, failure_id: int) -> Failure:
    found = failures.numbered(connection, [failure_id])
    if not found:
        raise UsageError(
            f"there is no failure {failure_id}", remedy="look at the open ones: stocksync failures"
        )
    if found[0].closed_at is not None:
        raise UsageError(
            f"failure {failure_id} is closed already: {found[0].closed_why}",
            remedy="look at the open ones: stocksync failures",
        )
    return found[0]


def _note(
    connection: Connection, actor: str, action: str, subject: str, now: float, /, **detail: object
) -> None:
    events.record(connection, actor=actor, action=action, subject=subject, now=now, **detail)
