"""What may happen in the model test, in any order: to the ERP, workers, Omnitron and people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.integration.erp import Part
from tests.integration.played import Fate
from tests.integration.stage import CROWD, ME, PARTS
from worker.model import FailureKind
from worker.operating import dismiss, pause_source, pause_target, resume_source, resume_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.integration.ending import About
    from tests.integration.stage import Stage

STOCKS = st.sampled_from(["0", "1", "2", "3", "3", "-1", "many"])
ROWS = st.dictionaries(st.sampled_from(PARTS), STOCKS, min_size=1, max_size=3)
ALL_ROWS = st.dictionaries(st.sampled_from(PARTS), STOCKS, max_size=len(PARTS))
FATES = st.lists(st.sampled_from([*Fate, Fate.LATE, Fate.LATE, *[Fate.ACCEPTED] * 6]), max_size=4)
TIMES = st.sampled_from([1.0, 4.0, 12.0, 12.0, 30.0, 130.0, 400.0, 1_000.0])
WORKERS = st.integers(0, 1)
DEATHS = {"writes": st.integers(1, 12), "commits": st.booleans()}


class Happening(RuleBasedStateMachine):
    """One run. dismissed: what a person wants to hear no more of."""

    stage: Stage

    def __init__(self) -> None:
        super().__init__()
        self.dismissed: set[About] = set()


class Speaking(Happening):
    """What the ERP says, and how its source is pulled."""

    @rule(rows=ROWS, is_heard=st.booleans())
    def the_erp_says(self, rows: Mapping[Part, str], *, is_heard: bool) -> None:
        self.stage.erp.say(rows, is_all=False)
        if is_heard:
            self.stage.pull()

    @rule(rows=ALL_ROWS, is_heard=st.booleans())
    def the_erp_says_everything(self, rows: Mapping[Part, str], *, is_heard: bool) -> None:
        crowd = {part: "3" for part in CROWD if part in self.stage.truth.said}
        self.stage.erp.say({**rows, **crowd}, is_all=True)
        if is_heard:
            self.stage.pull()

    @rule()
    def pull(self) -> None:
        self.stage.pull()

    @rule(**DEATHS)
    def pull_and_die(self, writes: int, *, commits: bool) -> None:
        self.stage.pull(writes=writes, commits=commits)

    @rule(takes_negative=st.booleans())
    def the_rules_are_changed(self, *, takes_negative: bool) -> None:
        self.stage.rule(takes_negative=takes_negative)


class Delivering(Happening):
    """What workers and Omnitron do."""

    @rule(number=WORKERS)
    def claim(self, number: int) -> None:
        worker = self.stage.crew.workers[number]
        if worker.batch is None:
            self.stage.crew.claim(worker)

    @rule(number=WORKERS, fates=FATES)
    def send(self, number: int, fates: list[Fate]) -> None:
        worker = self.stage.crew.workers[number]
        if worker.batch is not None and not worker.has_sent:
            self.stage.crew.send(worker, fates)

    @rule(number=WORKERS)
    def record(self, number: int) -> None:
        worker = self.stage.crew.workers[number]
        if worker.has_sent:
            self.stage.crew.record(worker)

    @rule(batches=st.lists(st.tuples(WORKERS, FATES), min_size=1, max_size=4))
    def deliver(self, batches: list[tuple[int, list[Fate]]]) -> None:
        for number, fates in batches:
            self.stage.crew.deliver(self.stage.crew.workers[number], fates)

    @rule(number=WORKERS, fates=FATES, rows=ROWS)
    def the_erp_says_more_of_what_is_in_flight(
        self, number: int, fates: list[Fate], rows: Mapping[Part, str]
    ) -> None:
        self.claim(number)
        self.stage.erp.say(rows, is_all=False)
        self.stage.pull()
        self.stage.crew.deliver(self.stage.crew.workers[number], fates)

    @rule(number=WORKERS, fates=FATES, seconds=st.sampled_from([12.0, 130.0]))
    def a_worker_is_slow_while_another_claims(
        self, number: int, fates: list[Fate], seconds: float
    ) -> None:
        self.claim(number)
        self.send(number, fates)
        self.stage.wait(seconds)
        self.claim(1 - number)
        self.record(number)

    @rule(number=WORKERS, rows=ROWS)
    def the_erp_says_more_while_increases_are_paused(
        self, number: int, rows: Mapping[Part, str]
    ) -> None:
        pause_target(self.stage.ledger, seconds=30.0, actor=ME, raises_only=True)
        self.stage.erp.say(rows, is_all=False)
        self.stage.pull()
        self.deliver([(number, []), (number, [])])

    @rule(number=WORKERS)
    def die(self, number: int) -> None:
        self.stage.crew.workers[number].forget()

    @rule(seconds=TIMES)
    def time_goes_by(self, seconds: float) -> None:
        self.stage.wait(seconds)

    @rule(stock_list=st.integers(1, 2), how=st.sampled_from([Fate.LIST_STOPPED, Fate.FORBIDDEN]))
    def a_list_refuses_or_no_more(self, stock_list: int, how: Fate) -> None:
        refusing = self.stage.omnitron.refusing
        if refusing.pop(stock_list, None) is None:
            refusing[stock_list] = how

    @precondition(lambda self: CROWD[0] not in self.stage.truth.said)
    @rule(stock=st.sampled_from(["0", "3"]), batches=st.lists(WORKERS, min_size=6, max_size=8))
    def a_crowd_is_forbidden_to_us(self, stock: str, batches: list[int]) -> None:
        self.stage.erp.say(dict.fromkeys(CROWD, stock), is_all=False)
        self.stage.pull()
        self.stage.omnitron.refusing[2] = Fate.FORBIDDEN
        self.deliver([(number, []) for number in batches])

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


class Governing(Happening):
    """What people decide."""

    @precondition(lambda self: self.stage.held)
    @rule()
    def approve(self) -> None:
        self.stage.approve(self.stage.held)

    @precondition(lambda self: self.stage.held)
    @rule()
    def discard(self) -> None:
        self.stage.discard(self.stage.held)

    @rule()
    def replay(self) -> None:
        self.stage.replay()

    @precondition(lambda self: self.stage.truth.kept)
    @rule(**DEATHS)
    def replay_and_die(self, writes: int, *, commits: bool) -> None:
        self.stage.replay(writes=writes, commits=commits)

    @precondition(lambda self: self.stage.failures())
    @rule(data=st.data())
    def dismiss(self, data: st.DataObject) -> None:
        failure = data.draw(st.sampled_from(self.stage.failures()))
        dismiss(self.stage.ledger, failure.id, why="it is known", actor=ME)
        if failure.kind == FailureKind.ITEM:
            self.dismissed.add((failure.stock_list, failure.sku))
        if failure.kind == FailureKind.ROW:
            row = Part(failure.warehouse, failure.sku), failure.value
            self.stage.truth.kept.pop(row, None)

    @precondition(lambda self: self.stage.truth.stocks)
    @rule(data=st.data(), stock=st.integers(0, 4), seconds=st.sampled_from([20.0, 200.0, 1e5]))
    def override(self, data: st.DataObject, stock: int, seconds: float) -> None:
        key = data.draw(st.sampled_from(sorted(self.stage.truth.stocks)))
        self.stage.pin(key, stock, seconds)

    @precondition(lambda self: self.stage.truth.pins)
    @rule(data=st.data())
    def clear_an_override(self, data: st.DataObject) -> None:
        self.stage.unpin(data.draw(st.sampled_from(sorted(self.stage.truth.pins))))

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
