"""Kept rejected rows judged once more, under today's rules, as a pull that is as old as they are.

So everything that holds for a pull holds for them: the lease, the guard, one transaction that
decides, pages that are taken up again after a crash. A part that a later pull has stated stays.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from worker.ledger import events, failures, levels, lists, parts, sources
from worker.model import Key, PullStatus, ReplayAnswer
from worker.pull.keeping import KeptRows
from worker.pull.lease import SourceBusy, SourcePaused
from worker.pull.mending import outdone
from worker.pull.recalling import recalled
from worker.pull.step import pull_offers
from worker.pull.weighing import Scale

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from worker.ledger.events import Subject
    from worker.ledger.failures import Failure
    from worker.ledger.sources import Source
    from worker.pull.recalling import Case
    from worker.pull.report import PullReport, Turn

_HELD = "a pull of its source is held"
_DONE = {PullStatus.APPLIED, PullStatus.UNCHANGED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged:
    """What became of one kept row; answer None: it could not be judged, ``why`` says the reason."""

    failure: Failure
    answer: ReplayAnswer | None
    key: Key | None = None
    stock: int | None = None
    why: str = ""


def rejudge(
    turn: Turn, chosen: Sequence[Failure], *, subject: str | Subject, dry_run: bool = False
) -> list[Rejudged]:
    """Judge what rejected rows of one source said by today's rules, and apply what is good.

    chosen: failures of kind ``row`` of this source. Twice changes nothing. Raises
    LedgerUnreachable.
    """
    with turn.ledger.read() as connection:
        source = sources.named(connection, turn.plan.name)
        codes = {**lists.by_code(connection), **turn.plan.stock_lists}
        if source is None:
            return [_unfit(failure, "its source has not been read yet") for failure in chosen]
        found = [
            (failure, recalled(connection, turn, source, failure))
            for failure in chosen
            if failure.closed_at is None
        ]
    judge = _Judge(turn=turn, source=source, codes=codes, dry_run=dry_run)
    answers = judge.all([case for _, case in found if not isinstance(case, str)])
    answers += [_unfit(failure, why) for failure, why in found if isinstance(why, str)]
    if answers and not dry_run:
        _note(turn, subject, answers)
    return answers + judge.over([failure for failure in chosen if failure.closed_at is not None])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """Judges rows of one source. codes: warehouse -> stock list, as rows are read today."""

    turn: Turn
    source: Source
    codes: Mapping[str, int]
    dry_run: bool

    def all(self, cases: Sequence[Case]) -> list[Rejudged]:
        groups: dict[int, list[Case]] = defaultdict(list)
        for case in cases:
            groups[case.as_of].append(case)
        return [one for as_of in sorted(groups) for one in self._of_pull(as_of, groups[as_of])]

    def over(self, closed: Sequence[Failure]) -> list[Rejudged]:
        """What was over before: its level goes, or went, by itself."""
        return [self._by_level(failure, self._key(failure)) for failure in closed]

    def _of_pull(self, as_of: int, cases: Sequence[Case]) -> Iterator[Rejudged]:
        """Judge the rows of one pull together."""
        later = self._outdated(as_of, cases)
        gone = [case for case in cases if case.failure.id in later]
        self._close(gone)
        for case in gone:
            yield self._answer(case, ReplayAnswer.MOVED_ON)
        fresh = [case for case in cases if case.failure.id not in later]
        if fresh:
            offer = KeptRows.of([case.chunk for case in fresh], self.source, as_of, fresh[0].label)
            yield from self._foretold(offer, fresh) if self.dry_run else self._applied(offer, fresh)

    def _outdated(self, as_of: int, cases: Sequence[Case]) -> set[int]:
        """Failures whose rows count no more: a later pull has stated what they are about."""
        if outdone(self.source, as_of):
            return {case.failure.id for case in cases}
        named = {case.failure.id: self._parts(case) for case in cases}
        keys = {Key(*name[:2]) for names in named.values() for name in names}
        with self.turn.ledger.read() as connection:
            known = parts.by_keys(connection, self.source.id, keys)
        later = {part[:3] for of in known.values() for part in of if part.pull_id > as_of}
        return {number for number, names in named.items() if later.intersection(names)}

    def _parts(self, case: Case) -> list[tuple[int, str, str]]:
        return [(self._list(row.warehouse), row.sku, row.warehouse) for row in case.chunk.rows]

    def _list(self, warehouse: str) -> int:
        fixed = self.turn.plan.stock_list
        return fixed if fixed is not None else self.codes.get(warehouse, 0)

    def _close(self, gone: Sequence[Case]) -> None:
        ids, why = [case.failure.id for case in gone], "a later pull has stated it"
        if ids and not self.dry_run:
            self.turn.ledger.write(
                lambda tx: failures.close(tx, ids, why=why, now=self.turn.ledger.now(tx))
            )

    def _applied(self, offer: KeptRows, cases: Sequence[Case]) -> Iterator[Rejudged]:
        why = self._pulled(offer)
        with self.turn.ledger.read() as connection:
            after = failures.numbered(connection, [case.failure.id for case in cases])
        closed = {failure.id: failure.closed_at is not None for failure in after}
        messages = {failure.id: failure.message for failure in after}
        for case in cases:
            number = case.failure.id
            if why is not None:
                yield self._answer(case, ReplayAnswer.WAITING, why=why)
            elif closed.get(number, True):
                yield self._sent(case)
            else:
                yield self._answer(case, ReplayAnswer.REJECTED, why=messages[number])

    def _pulled(self, offer: KeptRows) -> str | None:
        """Apply the rows; returns why they wait, None: they were judged."""
        turn = replace(self.turn, plan=replace(self.turn.plan, sku_rules=()))
        try:
            reports: list[PullReport] = pull_offers(turn, [offer])
        except (SourceBusy, SourcePaused) as error:
            return error.message
        if not reports:
            return _HELD
        return None if reports[-1].status in _DONE else reports[-1].reason or reports[-1].status

    def _foretold(self, offer: KeptRows, cases: Sequence[Case]) -> Iterator[Rejudged]:
        """What would become of them; nothing is written."""
        weighed = Scale(
            ledger=self.turn.ledger,
            plan=replace(self.turn.plan, sku_rules=()),
            source=self.source,
            on_chunk=lambda _rows: None,
            stage=lambda _rows: None,
            unstage=lambda: None,
            as_of=offer.mends.pull,
        ).weigh(offer)
        why = _HELD if self.source.held_pull_id is not None else "; ".join(weighed.reasons)
        for case in cases:
            if why:
                yield self._answer(case, ReplayAnswer.WAITING, why=why)
            elif case.failure.id in weighed.found.good_again:
                yield self._answer(case, ReplayAnswer.REPLAYED)
            else:
                yield self._answer(case, ReplayAnswer.REJECTED, why=case.failure.message)

    def _sent(self, case: Case) -> Rejudged:
        """A row that was applied: whether its level must go for it."""
        found = self._by_level(case.failure, self._key(case.failure, case))
        waits = found.answer is ReplayAnswer.WAITING
        return replace(found, answer=ReplayAnswer.REPLAYED) if waits else found

    def _by_level(self, failure: Failure, key: Key | None) -> Rejudged:
        with self.turn.ledger.read() as connection:
            level = levels.by_keys(connection, [key]).get(key) if key is not None else None
        if level is None:
            return Rejudged(failure=failure, answer=ReplayAnswer.MOVED_ON, key=key)
        answer = ReplayAnswer.WAITING if level.must_go else ReplayAnswer.ALREADY_SENT
        return Rejudged(failure=failure, answer=answer, key=key, stock=level.shown.stock)

    def _answer(self, case: Case, answer: ReplayAnswer, *, why: str = "") -> Rejudged:
        key = self._key(case.failure, case)
        return Rejudged(failure=case.failure, answer=answer, key=key, why=why)

    def _key(self, failure: Failure, case: Case | None = None) -> Key | None:
        """What a row is about, as far as it says so."""
        if case is not None and case.chunk.rows:
            return Key(*self._parts(case)[0][:2])
        stock_list = failure.stock_list or self._list(failure.warehouse or "")
        return Key(stock_list, failure.sku) if stock_list and failure.sku else None


def _note(turn: Turn, subject: str | Subject, answers: Sequence[Rejudged]) -> None:
    """Write down who had it done, and what came of it."""
    counts = {a.value: sum(one.answer is a for one in answers) for a in ReplayAnswer}

    def work(connection: Connection) -> None:
        events.record(
            connection,
            actor=turn.actor or "",
            action="replay rows",
            subject=subject,
            now=turn.ledger.now(connection),
            source=turn.plan.name,
            **counts,
        )

    turn.ledger.write(work)


def _unfit(failure: Failure, why: str) -> Rejudged:
    return Rejudged(failure=failure, answer=None, why=why)
