"""The replay step: make parked levels due again, by keys, however these are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.ledger import batches, bulk, events, failures, levels, lists, sources
from worker.model import FailureKind, Key, LineOutcome, Rank, ReplayAnswer
from worker.planning.levels import MISSING_IN_SOURCE, UNKNOWN_PRODUCT, replayed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
    """What failures are about: keys to replay, lists to try again, kept rows, and all other."""

    keys: Sequence[Key]
    lists: Sequence[int]
    others: Sequence[Failure]
    rows: Sequence[Failure] = ()


def choose(connection: Connection, choice: Choice) -> Chosen:
    """Look up what a choice means; numbers may name closed failures, all else means open ones."""
    found = (
        failures.numbered(connection, choice.ids)
        if choice.ids
        else failures.open_ones(connection, source=choice.source, reason=choice.reason)
    )
    items = [failure for failure in found if _can_go_again(failure)]
    unknown = {one.key for failure in items for one in unknown_levels(connection, failure)}
    about_lists = [f for f in items if f.sku is None and f.reason != UNKNOWN_PRODUCT]
    return Chosen(
        keys=sorted(
            {Key(f.stock_list, f.sku) for f in items if f.stock_list and f.sku is not None}
            | unknown
        ),
        lists=sorted({f.stock_list for f in about_lists if f.stock_list}),
        others=[f for f in found if f.kind != FailureKind.ROW and not _can_go_again(f)],
        rows=[failure for failure in found if failure.kind == FailureKind.ROW],
    )


def unknown_levels(connection: Connection, failure: Failure) -> list[Level]:
    """The levels that a failure about unknown products stands for; none for any other failure."""
    if failure.reason != UNKNOWN_PRODUCT or failure.stock_list is None:
        return []
    source = sources.named(connection, failure.source)
    return [] if source is None else levels.unknown_ones(connection, source.id, failure.stock_list)


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
    revisions: dict[Key, int] | None = None,
    dry_run: bool = False,
) -> list[Replayed]:
    """Make parked levels of ``keys`` due again, with the value that the ERP states today.

    revisions: what the caller saw of each key (a batch); a newer one has moved on. stock_lists:
    lists that stand still, to be tried again. Twice changes nothing, so more than a page of keys,
    which takes several transactions, may be interrupted and replayed once more. Nothing that was
    stored as a payload is ever sent.
    """
    wanted, seen = sorted(set(keys)), revisions or {}
    if dry_run:
        with ledger.read() as connection:
            return _answers(connection, wanted, seen)
    rank = _rank(ledger, wanted)
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
            answers[done:] = _replay_page(connection, page, seen, rank)
            if last:
                lists.go_on(connection, {key.stock_list for key in wanted} | set(stock_lists))
                _note(connection, actor, subject, answers, ledger.now(connection))

        ledger.write(work)
    return answers


def _rank(ledger: Ledger, wanted: Sequence[Key]) -> Rank | None:
    """More than `BULK` parked levels go after today's changes; else each keeps its rank."""
    if len(wanted) <= BULK:
        return None
    with ledger.read() as connection:
        answers = _answers(connection, wanted, {})
    again = sum(answer.answer is ReplayAnswer.REPLAYED for answer in answers)
    return Rank.BACKFILL if again > BULK else None


def _replay_page(
    connection: Connection, page: Sequence[Key], seen: dict[Key, int], rank: Rank | None
) -> list[Replayed]:
    there = levels.by_keys(connection, page, lock=True)
    answers = [_answer(key, there.get(key), seen.get(key)) for key in page]
    again = [a.key for a in answers if a.answer is ReplayAnswer.REPLAYED]
    levels.save(connection, [_ranked(replayed(there[key]), rank) for key in again])
    return answers


def _answers(connection: Connection, wanted: Sequence[Key], seen: dict[Key, int]) -> list[Replayed]:
    there = levels.by_keys(connection, wanted)
    return [_answer(key, there.get(key), seen.get(key)) for key in wanted]


def _answer(key: Key, level: Level | None, seen: int | None) -> Replayed:
    if level is None:
        return Replayed(key=key, answer=ReplayAnswer.MOVED_ON, stock=None)
    if level.park_reason == MISSING_IN_SOURCE:  # whatever Omnitron had against it before
        answer = ReplayAnswer.MOVED_ON
    elif level.park_reason is not None:
        answer = ReplayAnswer.REPLAYED
    elif seen is not None and level.revision > seen:
        answer = ReplayAnswer.MOVED_ON
    elif level.must_go:
        answer = ReplayAnswer.WAITING
    else:
        answer = ReplayAnswer.ALREADY_SENT
    return Replayed(key=key, answer=answer, stock=level.shown.stock)


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


def _can_go_again(failure: Failure) -> bool:
    return failure.kind == FailureKind.ITEM and failure.reason != MISSING_IN_SOURCE
