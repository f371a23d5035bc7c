"""Pull, deliver, confirm and replay in any order, with two workers, against a simple model.

Real are the ledger and the four steps; Omnitron is played, and tells at random what becomes of a
request. After every step the ledger keeps its promises, and in the end Omnitron has what the ERP
said, or a person can see why not.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.fuzzing import fuzz
from tests.integration import ending, promises
from tests.integration.ledgers import copied_sqlite, emptied_postgres
from tests.integration.played import Fate
from tests.integration.stage import KEYS, ME, Stage
from tests.integration.truth import REJECT
from worker.model import FailureKind, Key, Missing
from worker.operating import dismiss, pause_source, pause_target, resume_source, resume_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.databases import Server

STOCKS = st.sampled_from([0, 1, 2, 3, 3, -1, REJECT])
ROWS = st.dictionaries(st.sampled_from(KEYS), STOCKS, min_size=1, max_size=2)
ALL_ROWS = st.dictionaries(st.sampled_from(KEYS), STOCKS, max_size=len(KEYS))
FATES = st.lists(st.sampled_from([*Fate, Fate.LATE, Fate.LATE, *[Fate.ACCEPTED] * 6]), max_size=4)
TIMES = st.sampled_from([1.0, 4.0, 12.0, 12.0, 30.0, 130.0, 400.0])
WORKERS = st.integers(0, 1)


class Service(RuleBasedStateMachine):
    """The rules are what may happen, the invariants what must hold whenever."""

    def __init__(self, new_ledger: Callable[[Path], str]) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="model-"))
        self.url = new_ledger(self.folder)
        self.dismissed: set[ending.About] = set()

    @initialize(missing=st.sampled_from(Missing), rows=ROWS)
    def a_first_day(self, missing: Missing, rows: dict[Key, int | None]) -> None:
        drop = self.folder / "drop"
        drop.mkdir()
        self.stage = Stage(self.url, drop, missing)
        self.stage.truth.say(rows, is_all=False)
        self.stage.pull()

    @rule(rows=ROWS, is_heard=st.booleans())
    def the_erp_says(self, rows: dict[Key, int | None], *, is_heard: bool) -> None:
        self.stage.truth.say(rows, is_all=False)
        if is_heard:
            self.stage.pull()

    @rule(rows=ALL_ROWS, is_heard=st.booleans())
    def the_erp_says_everything(self, rows: dict[Key, int | None], *, is_heard: bool) -> None:
        self.stage.truth.say(rows, is_all=True)
        if is_heard:
            self.stage.pull()

    @rule()
    def pull(self) -> None:
        self.stage.pull()

    @rule(writes=st.integers(1, 12), commits=st.booleans())
    def pull_and_die(self, writes: int, *, commits: bool) -> None:
        self.stage.pull(writes=writes, commits=commits)

    @precondition(lambda self: self.stage.held)
    @rule()
    def approve(self) -> None:
        self.stage.approve(self.stage.held)

    @precondition(lambda self: self.stage.held)
    @rule()
    def discard(self) -> None:
        self.stage.discard(self.stage.held)

    @rule(number=WORKERS)
    def claim(self, number: int) -> None:
        worker = self.stage.workers[number]
        if worker.batch is None:
            self.stage.claim(worker)

    @rule(number=WORKERS, fates=FATES)
    def send(self, number: int, fates: list[Fate]) -> None:
        worker = self.stage.workers[number]
        if worker.batch is not None and not worker.has_sent:
            self.stage.send(worker, fates)

    @rule(number=WORKERS)
    def record(self, number: int) -> None:
        worker = self.stage.workers[number]
        if worker.has_sent:
            self.stage.record(worker)

    @rule(batches=st.lists(st.tuples(WORKERS, FATES), min_size=1, max_size=4))
    def deliver(self, batches: list[tuple[int, list[Fate]]]) -> None:
        for number, fates in batches:
            self.stage.deliver(self.stage.workers[number], fates)

    @rule(number=WORKERS, fates=FATES, rows=ROWS)
    def the_erp_says_more_of_what_is_in_flight(
        self, number: int, fates: list[Fate], rows: dict[Key, int | None]
    ) -> None:
        self.claim(number)
        self.the_erp_says(rows, is_heard=True)
        self.stage.deliver(self.stage.workers[number], fates)

    @rule(number=WORKERS)
    def die(self, number: int) -> None:
        self.stage.workers[number].forget()

    @rule(seconds=TIMES)
    def time_goes_by(self, seconds: float) -> None:
        self.stage.wait(seconds)

    @precondition(lambda self: self.stage.omnitron.held)
    @rule(data=st.data())
    def a_request_lands_late(self, data: st.DataObject) -> None:
        held = self.stage.omnitron.held
        self.stage.omnitron.land(data.draw(st.integers(0, len(held) - 1)))

    @rule()
    def confirm(self) -> None:
        self.stage.confirm()

    @rule(lags=st.booleans())
    def the_channel_sees(self, *, lags: bool) -> None:
        if lags:
            self.stage.omnitron.lagging = True
        else:
            self.stage.omnitron.catch_up()

    @rule()
    def replay(self) -> None:
        self.stage.replay()

    @precondition(lambda self: self.stage.failures())
    @rule(data=st.data())
    def dismiss(self, data: st.DataObject) -> None:
        failure = data.draw(st.sampled_from(self.stage.failures()))
        dismiss(self.stage.ledger, failure.id, why="it is known", actor=ME)
        if failure.kind == FailureKind.ITEM:
            self.dismissed.add((failure.stock_list, failure.sku))

    @rule(what=st.sampled_from(["nothing", "raises", "all", "reading"]))
    def a_person_pauses(self, what: str) -> None:
        ledger, source = self.stage.ledger, self.stage.plan.name
        if what == "nothing":
            resume_target(ledger, actor=ME)
            resume_source(ledger, source, actor=ME)
        elif what == "reading":
            pause_source(ledger, source, seconds=60.0, actor=ME)
        else:
            pause_target(ledger, seconds=30.0, actor=ME, raises_only=what == "raises")

    @invariant()
    def every_promise_is_kept(self) -> None:
        seen = self.stage.look()
        promises.every_level_is_in_exactly_one_state(seen)
        promises.levels_are(self.stage.truth.stocks, seen)
        promises.a_revision_has_one_value(self.stage.values, seen)
        promises.the_checkpoint_is_not_ahead(seen)

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                ending.close(self.stage, dismissed=self.dismissed)
        finally:
            if hasattr(self, "stage"):
                self.stage.close()
            shutil.rmtree(self.folder)


def run(new_ledger: Callable[[Path], str]) -> None:
    chosen = settings(fuzz(4), stateful_step_count=40)
    run_state_machine_as_test(lambda: Service(new_ledger), settings=chosen)


def test_the_service_keeps_its_promises_on_sqlite(sqlite_template: Path) -> None:
    run(lambda folder: copied_sqlite(sqlite_template, folder))


def test_the_service_keeps_its_promises_on_postgresql(
    postgres: Server, postgres_ledger: str
) -> None:
    run(lambda _folder: emptied_postgres(postgres, postgres_ledger))
