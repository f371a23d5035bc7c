"""The replay step: make parked levels due again, by keys, however these are chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.ledger import batches, bulk, crowds, events, failures, levels, lists
from worker.model import ConfirmState, FailureKind, Key, LineOutcome, Rank, ReplayAnswer
from worker.planning.levels import MISSING_IN_SOURCE, UNKNOWN_PRODUCT, replayed, resent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.ledger.events import Subject
    from worker.ledger.failures import Failure
    from worker.planning.levels import Level

BULK = 1_000
"""A replay of more levels than this lets today's changes go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One key and what became of it; replayed keys carry the value that will go."""

    key: Key
    answer: ReplayAnswer
    stock: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which failures to replay; everything left out means any."""

    ids: Sequence[int] = ()
    reason: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What failures are about: keys to replay, lists to try again, kept rows, and all other.

    unseen: those of the keys that a channel has not come to show, with the revision that it lacks.
    """

    keys: Sequence[Key]
    lists: Sequence[int]
    others: Sequence[Failure]
    rows: Sequence[Failure] = ()
    unseen: Mapping[Key, int] = field(default_factory=dict)


def choose(connection: Connection, choice: Choice) -> Chosen:
    """Look up what a choice means; numbers may name closed failures, all else means open ones."""
    found = (
        failures.numbered(connection, choice.ids)
        if choice.ids
        else failures.open_ones(connection, source=choice.source, reason=choice.reason)
    )
    items = [failure for failure in found if can_go_again(failure)]
    unknown = _crowd(connection, [f for f in items if f.reason == UNKNOWN_PRODUCT])
    unseen = _crowd(connection, [f for f in items if f.kind == FailureKind.CHANNEL])
    single = [f for f in items if f.kind == FailureKind.ITEM and f.reason != UNKNOWN_PRODUCT]
    named = {Key(f.stock_list, f.sku) for f in single if f.stock_list and f.sku is not None}
    return Chosen(
        keys=sorted(named.union(unknown, unseen)),
        lists=sorted({f.stock_list for f in single if f.stock_list and f.sku is None}),
        others=[f for f in found if f.kind != FailureKind.ROW and not can_go_again(f)],
        rows=[failure for failure in found if failure.kind == FailureKind.ROW],
        unseen=unseen,
    )


def _crowd(connection: Connection, found: Iterable[Failure]) -> dict[Key, int]:
    """The keys that failures stand for, with their revisions."""
    return {
        level.key: level.revision
        for failure in found
        for level in crowds.levels_of(connection, failure)
    }


def keys_of_failures(connection: Connection, choice: Choice) -> list[Key]:
    """The keys that the chosen open failures are about."""
    return list(choose(connection, choice).keys)


def keys_of_batch(connection: Connection, batch_id: int) -> list[Key]:
    """The keys of a batch that were parked or wait."""
    unsent = {LineOutcome.PARKED, LineOutcome.WAITING, None}
    lines = batches.lines_of(connection, batch_id)
    return [Key(line.stock_list, line.sku) for line in lines if line.outcome in unsent]


def replay(  # noqa: PLR0913 - what to replay, who, and how, all by name
    ledger: Ledger,
    keys: Iterable[Key],
    *,
    actor: str,
    subject: str | Subject,
    stock_lists: Iterable[int] = (),
    unseen: Mapping[Key, int] | None = None,
    revisions: Mapping[Key, int] | None = None,
    dry_run: bool = False,
) -> list[Replayed]:
    """Make parked levels of ``keys`` due again, with the value that the ERP states today.

    revisions: what the caller saw of each key (a batch); a newer one has moved on. stock_lists:
    lists that stand still, to be tried again. unseen: keys that go again if that revision was sent
    last, since a channel has not come to show it. Twice changes nothing, so more than a page of
    keys, which takes several transactions, may be interrupted and replayed once more. Nothing that
    was stored as a payload is ever sent.
    """
    wanted = sorted(set(keys))
    judge = _Judge(revisions=revisions or {}, unseen=unseen or {})
    if dry_run:
        with ledger.read() as connection:
            return judge.answers(levels.by_keys(connection, wanted), wanted)
    rank = _rank(ledger, wanted, judge)
    answers: list[Replayed] = []
    for page in [*bulk.paged(wanted)] or [[]]:
        done, last = len(answers), not page or page[-1] == wanted[-1]

        def work(
            connection: Connection,
            page: Sequence[Key] = page,
            done: int = done,
            *,
            last: bool = last,
        ) -> None:
            answers[done:] = _replay_page(connection, page, judge, rank, ledger.now(connection))
            if last:
                lists.go_on(connection, {key.stock_list for key in wanted} | set(stock_lists))
                _note(connection, actor, subject, answers, ledger.now(connection))

        ledger.write(work)
    return answers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """Says what becomes of each key, by what the caller saw of it."""

    revisions: Mapping[Key, int]
    unseen: Mapping[Key, int]

    def answers(self, there: Mapping[Key, Level], wanted: Iterable[Key]) -> list[Replayed]:
        return [self._answer(key, there.get(key)) for key in wanted]

    def _answer(self, key: Key, level: Level | None) -> Replayed:
        if level is None:
            return Replayed(key=key, answer=ReplayAnswer.MOVED_ON, stock=None)
        return Replayed(key=key, answer=self._of(level), stock=level.shown.stock)

    def _of(self, level: Level) -> ReplayAnswer:
        if level.park_reason == MISSING_IN_SOURCE:  # whatever Omnitron had against it before
            return ReplayAnswer.MOVED_ON
        if level.park_reason is not None:
            return ReplayAnswer.REPLAYED
        if level.revision > self.revisions.get(level.key, level.revision):
            return ReplayAnswer.MOVED_ON
        if level.must_go:
            return ReplayAnswer.WAITING
        lacks = self.unseen.get(level.key, 0) >= level.revision and not level.retired
        return ReplayAnswer.REPLAYED if lacks else ReplayAnswer.ALREADY_SENT


def _rank(ledger: Ledger, wanted: Sequence[Key], judge: _Judge) -> Rank | None:
    """More than `BULK` levels go after today's changes; else each keeps its rank."""
    if len(wanted) <= BULK:
        return None
    with ledger.read() as connection:
        answers = judge.answers(levels.by_keys(connection, wanted), wanted)
    again = sum(answer.answer is ReplayAnswer.REPLAYED for answer in answers)
    return Rank.BACKFILL if again > BULK else None


def _replay_page(
    connection: Connection, page: Sequence[Key], judge: _Judge, rank: Rank | None, now: float
) -> list[Replayed]:
    there = levels.by_keys(connection, page, lock=True)
    answers = judge.answers(there, page)
    again = [there[a.key] for a in answers if a.answer is ReplayAnswer.REPLAYED]
    levels.save(connection, [_ranked(_again(level, now), rank) for level in again])
    return answers


def _again(level: Level, now: float) -> Level:
    """A parked level goes as it is; one that was sent, as another revision of the same value."""
    return replayed(level) if level.park_reason is not None else resent(level, now=now)


def _ranked(level: Level, rank: Rank | None) -> Level:
    return level if rank is None or level.pinned else level._replace(rank=rank)


def _note(
    connection: Connection,
    actor: str,
    subject: str | Subject,
    answers: Sequence[Replayed],
    now: float,
) -> None:
    counts = {a.value: sum(r.answer is a for r in answers) for a in ReplayAnswer}
    events.record(connection, actor=actor, action="replay", subject=subject, now=now, **counts)


def can_go_again(failure: Failure) -> bool:
    """Whether what a failure is about can be sent again; a rejected row is judged again instead."""
    if failure.kind == FailureKind.CHANNEL:
        return failure.reason == ConfirmState.UNCONFIRMED
    return failure.kind == FailureKind.ITEM and failure.reason != MISSING_IN_SOURCE
