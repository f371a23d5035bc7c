"""Compare what was read with the ledger, page by page, and stage what would change."""

from __future__ import annotations

import itertools
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from worker.ledger import levels, parts
from worker.model import PAGE_ROWS, Key
from worker.pull.carrying import CARRIED
from worker.pull.comparison import Comparison
from worker.pull.differing import all_keys, differing_keys, restated, rows_of
from worker.pull.garbage import collected_rarely
from worker.pull.judging import KeyJudge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from worker.ledger import Ledger
    from worker.ledger.pulls import PullRow
    from worker.ledger.scratch import Scratch
    from worker.pull.comparison import Scope

_KNOWN_ROWS = 4 * PAGE_ROWS


class Comparer:
    """One pull's walk over the sorted statements."""

    def __init__(
        self, ledger: Ledger, scope: Scope, stage: Callable[[int, list[PullRow]], None]
    ) -> None:
        self._ledger = ledger
        self._scope = scope
        self._stage = stage
        self._page: list[PullRow] = []
        self.found = Comparison()
        self._judge = KeyJudge(scope, self.found)

    @collected_rarely()
    def walk(self, scratch: Scratch) -> Comparison:
        """Compare every page; calls ``stage`` with what each page would change."""
        after: tuple[int, str] | None = None
        for page in scratch.pages():
            upto = (page[-1][0], page[-1][1])
            page = self._not_outdated(page)  # noqa: PLW2901 - the rest of it is no statement
            if self._scope.everything:
                self._merge(page, after, upto)
            else:
                self._look_up(page)
            after = upto
        if self._scope.everything:
            self._merge([], after, None)
        self._stage_page()
        return self.found

    def _look_up(self, page: list[tuple[Any, ...]]) -> None:
        keys = {row[:2] for row in page}
        with self._ledger.read() as connection:
            known = parts.contents_of(connection, self._scope.source.id, keys)
        self._plan_page(page, sorted(known, key=itemgetter(0, 1, 2)))

    def _merge(
        self,
        page: list[tuple[Any, ...]],
        after: tuple[int, str] | None,
        upto: tuple[int, str] | None,
    ) -> None:
        """Walk the known keys in (after, upto] beside the page, never too many at a time."""
        known = self._known(after, upto)
        while len(known) == _KNOWN_ROWS:
            last = known[-1][:2]
            whole = [row for row in known if row[:2] < last]
            self._plan_page([row for row in page if row[:2] < last], whole)
            page = [row for row in page if row[:2] >= last]
            known = self._known(whole[-1][:2], upto)
        self._plan_page(page, known)

    def _known(
        self, after: tuple[int, str] | None, upto: tuple[int, str] | None
    ) -> list[tuple[Any, ...]]:
        with self._ledger.read() as connection:
            return parts.contents_between(
                connection, self._scope.source.id, after=after, upto=upto, limit=_KNOWN_ROWS
            )

    def _plan_page(self, page: list[tuple[Any, ...]], known: list[tuple[Any, ...]]) -> None:
        self._note_good(page)
        keys = self._candidates(page, known)
        if not keys:
            return
        with self._ledger.read() as connection:
            there = levels.by_keys(connection, keys)
            absent = self._absences(connection, keys, page, known)
        for key in sorted(keys):
            stated, before = rows_of(page, key), rows_of(known, key)
            rows = self._judge.rows(key, stated, before, there.get(key), absent)
            self.found.changes += len(rows)
            if self._scope.restates:
                rows += restated(stated, before, {row.warehouse for row in rows})
            self._add(rows)

    def _add(self, rows: list[PullRow]) -> None:
        """Put the rows of one key on the page; a key is never cut in two."""
        if self._page and len(self._page) + len(rows) > PAGE_ROWS:
            self._stage_page()
        self._page += rows

    def _stage_page(self) -> None:
        rows, self._page = self._page, []
        if rows:
            self.found.pages += 1
            page = self.found.pages
            self._stage(page, [row._replace(page=page, n=n) for n, row in enumerate(rows)])

    def _candidates(self, page: list[tuple[Any, ...]], known: list[tuple[Any, ...]]) -> set[Key]:
        """Keys that differ in any way, and those whose level could not be made so far."""
        watched = self._scope.watched
        if self._scope.recompute or self._scope.restates or watched.crowded:
            return all_keys(page, known)
        keys = differing_keys(page, known, absences=self._scope.everything)
        if watched.by_key:
            keys |= {key for key in all_keys(page, known) if key in watched.by_key}
        return keys

    def _not_outdated(self, page: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Of rows that come back mended, those of which no later pull has said anything."""
        as_of = self._scope.as_of
        if as_of is None:
            return page
        with self._ledger.read() as connection:
            keys = {row[:2] for row in page}
            found = parts.by_keys(connection, self._scope.source.id, keys)
        known = itertools.chain.from_iterable(found.values())
        later = {part[:3] for part in known if part.pull_id > as_of}
        fresh = [row for row in page if row[7] == CARRIED or row[:3] not in later]
        self.found.outdated += len(page) - len(fresh)
        return fresh

    def _note_good(self, page: list[tuple[Any, ...]]) -> None:
        if not self._scope.watched.by_row:
            return
        for row in page:
            if row[3] is not None:
                self.found.good_again.update(self._scope.watched.about(row[1], row[2]))

    def _absences(
        self,
        connection: Any,
        keys: Iterable[Key],
        page: list[tuple[Any, ...]],
        known: list[tuple[Any, ...]],
    ) -> dict[tuple[Any, ...], int]:
        """How often in a row a part was absent before, for the parts that are absent now."""
        if not self._scope.missing or self._scope.plan.absences < 2:  # noqa: PLR2004
            return {}
        gone = {
            key
            for key in keys
            if {row[:3] for row in rows_of(known, key)} - {row[:3] for row in rows_of(page, key)}
        }
        last = self._scope.source.snapshot_pull_id
        found = parts.by_keys(connection, self._scope.source.id, gone)
        return {
            part[:3]: 1
            for part in itertools.chain.from_iterable(found.values())
            if part.absent_pull_id is not None and part.absent_pull_id == last
        }
