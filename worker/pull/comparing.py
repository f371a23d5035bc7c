"""Compare what was read with the ledger, page by page, and stage what would change."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from worker.ledger import levels, lines, parts
from worker.ledger.lines import stated as read_line
from worker.model import PAGE_ROWS
from worker.pull.carrying import CARRIED
from worker.pull.comparison import Comparison
from worker.pull.differing import all_keys, differing_keys, restated
from worker.pull.garbage import collected_rarely
from worker.pull.judging import KeyJudge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from worker.ledger import Ledger
    from worker.ledger.pulls import PullRow
    from worker.ledger.scratch import Scratch
    from worker.model import Key
    from worker.pull.comparison import Scope

    Row = tuple[Any, ...]

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
        after: Key | None = None
        for page in scratch.pages(whole=lines.key_of):
            upto = lines.key(lines.key_of(page[-1]))
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

    def _look_up(self, page: list[str]) -> None:
        keys = map(lines.key, all_keys(page))
        with self._ledger.read() as connection:
            known = parts.lines_of(connection, self._scope.source.id, keys)
        self._plan_page(page, known)

    def _merge(self, page: list[str], after: Key | None, upto: Key | None) -> None:
        """Walk the known keys in (after, upto] beside the page, never too many at a time."""
        known = self._known(after, upto)
        while len(known) == _KNOWN_ROWS:
            last = lines.key_of(known[-1])  # there may be more of it
            whole, page_end = known[: bisect_left(known, last)], bisect_left(page, last)
            self._plan_page(page[:page_end], whole)
            page = page[page_end:]
            known = self._known(lines.key(lines.key_of(whole[-1])), upto)
        self._plan_page(page, known)

    def _known(self, after: Key | None, upto: Key | None) -> list[str]:
        with self._ledger.read() as connection:
            return parts.lines_between(
                connection, self._scope.source.id, after=after, upto=upto, limit=_KNOWN_ROWS
            )

    def _plan_page(self, page: list[str], known: list[str]) -> None:
        self._note_good(page)
        both = {
            lines.key(beginning): (_rows(page, beginning), _rows(known, beginning))
            for beginning in sorted(self._candidates(page, known))
        }
        if not both:
            return
        with self._ledger.read() as connection:
            there = levels.by_keys(connection, both)
            if self._scope.resemblance is not None:
                new = both.keys() - there.keys()
                self._judge.note_known_twins(self._scope.resemblance.twins(connection, new))
            absent = self._absences(connection, both)
        for key, (stated, before) in both.items():
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

    def _candidates(self, page: list[str], known: list[str]) -> set[str]:
        """Keys that differ in any way, and those whose level could not be made so far."""
        watched = self._scope.watched
        if self._scope.recompute or self._scope.restates or watched.crowded:
            return all_keys(page, known)
        keys = differing_keys(page, known, absences=self._scope.everything)
        if watched.by_key:
            keys |= all_keys(page, known) & set(map(lines.beginning, watched.by_key))
        return keys

    def _not_outdated(self, page: list[str]) -> list[str]:
        """Of rows that come back mended, those of which no later pull has said anything."""
        as_of = self._scope.as_of
        if as_of is None:
            return page
        with self._ledger.read() as connection:
            keys = map(lines.key, all_keys(page))
            found = parts.by_keys(connection, self._scope.source.id, keys)
        known = itertools.chain.from_iterable(found.values())
        later = {part[:3] for part in known if part.pull_id > as_of}
        rows = {line: read_line(line) for line in page}
        fresh = [line for line, row in rows.items() if row.place == CARRIED or row[:3] not in later]
        self.found.outdated += len(page) - len(fresh)
        return fresh

    def _note_good(self, page: list[str]) -> None:
        if not self._scope.watched.by_row:
            return
        for row in map(read_line, page):
            if row.quantity is not None and row.place != CARRIED:
                self.found.good_again.update(self._scope.watched.about(row.sku, row.warehouse))

    def _absences(
        self, connection: Any, both: Mapping[Key, tuple[list[Row], list[Row]]]
    ) -> dict[tuple[Any, ...], int]:
        """How often in a row a part was absent before, for the parts that are absent now."""
        scope = self._scope
        if not scope.missing or scope.repeated or scope.plan.absences < 2:  # noqa: PLR2004
            return {}
        gone = {
            key
            for key, (stated, before) in both.items()
            if {row[2] for row in before} - {row[2] for row in stated}
        }
        last = scope.source.snapshot_pull_id
        found = parts.by_keys(connection, scope.source.id, gone)
        return {
            part[:3]: 1
            for part in itertools.chain.from_iterable(found.values())
            if part.absent_pull_id is not None and part.absent_pull_id == last
        }


def _rows(page: Sequence[str], beginning: str) -> list[Row]:
    return list(map(read_line, lines.of_key(page, beginning)))
