"""The scene of the model test: a ledger, a source, two workers, a channel, and Omnitron played."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from connectors.contract import Kind
from connectors.csv_drop import CsvColumns, CsvDrop, CsvOptions
from tests.integration.ledgers import HandClock
from tests.integration.mortal import Killed, Mortal
from tests.integration.played import Line, Omnitron
from tests.integration.promises import Look, a_revision_has_one_value, look
from tests.integration.pulling import PLAN
from tests.integration.scenes import open_failures, register, source_of
from tests.integration.truth import LIST_OF, Truth
from worker.confirm import Watcher
from worker.deliver import Courier
from worker.deliver.claiming import Rest
from worker.deliver.sending import Sending
from worker.deliver.slip import Answered
from worker.ledger import Ledger, channels, levels, pulls
from worker.model import ChannelPlan, Expect, FirstPull, Guard, Key, Missing, Rules, TargetPlan
from worker.planning.delivery import Watch
from worker.planning.levels import survived
from worker.pull import Turn, approve, discard, pull_source
from worker.pull.lease import SourceBusy, SourcePaused
from worker.replay import Choice, choose, replay

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.played import Fate
    from worker.confirm import Confirmed
    from worker.ledger.failures import Failure
    from worker.ledger.pulls import Pull
    from worker.model import Value
    from worker.planning.levels import Level

ME = "a person"
KEYS = [Key(1, "A"), Key(1, "B"), Key(1, "C"), Key(2, "A"), Key(2, "D")]
CHANNEL = ChannelPlan(id=5, stock_lists=(1, 2), expect=Expect.ALL, poll=15.0, confirm_within=600.0)
TARGET = TargetPlan(
    base_url="http://omnitron.example",
    writes=True,
    timeout=5.0,
    settle=10.0,
    max_in_flight=4,
    rate=4.0,
)
GUARD = Guard(
    first_pull=FirstPull.APPLY,
    max_change_ratio=0.6,
    ignore_below=2,
    max_zero_ratio=1.0,
    min_row_ratio=0.3,
)


@dataclass(kw_only=True)
class Worker:
    """One worker process: it holds a claim, or a claim with its answers, or nothing."""

    courier: Courier
    line: Line
    batch: Answered | None = None
    lease_until: float = 0.0
    has_sent: bool = False

    @property
    def keys(self) -> set[Key]:
        """What it has claimed."""
        return {line.key for line in self.batch.slip.lines} if self.batch else set()

    def forget(self) -> None:
        """As after its record, or at its death."""
        self.batch, self.has_sent = None, False


class Stage:
    """Everything that acts, and what one may look at."""

    def __init__(self, url: str, folder: Path, missing: Missing) -> None:
        self.clock = HandClock()
        self.ledger = Ledger(url, clock=self.clock)
        register(self.ledger)
        self.ledger.write(lambda tx: channels.register(tx, [CHANNEL.id]))
        self.truth = Truth(folder=folder, missing=missing)
        self.plan = replace(
            PLAN,
            stock_list=None,
            stock_lists=LIST_OF,
            guard=GUARD,
            rules=Rules(missing=missing, max_reject_ratio=1.0),
        )
        columns = CsvColumns(sku="sku", stock="stock", warehouse="wh")
        self.connector = CsvDrop(
            CsvOptions(
                path=folder,
                mode=Kind.DELTA,
                full_pattern="full_*.csv",
                columns=columns,
                stable_for=0,
            )
        )
        self.omnitron = Omnitron(clock=self.clock)
        self.workers = [self._worker(), self._worker()]
        self.wrong: list[str] = []
        self.values: dict[tuple[Key, int], Value] = {}
        self._runner = asyncio.Runner()

    def _worker(self) -> Worker:
        line = Line(omnitron=self.omnitron, arriving=self.arriving, waits=self.wait)
        courier: Any = Courier(ledger=self.ledger, client=line, plan=TARGET, channels=[CHANNEL])
        return Worker(courier=courier, line=line)

    def close(self) -> None:
        self._runner.close()
        self.ledger.close()

    def pull(self, *, writes: int = 1_000, commits: bool = True) -> None:
        """A turn of the source, whose process dies at one of its writes if it has so many."""
        ledger: Any = Mortal(self.ledger, writes=writes, commits=commits)
        with contextlib.suppress(Killed, SourceBusy, SourcePaused):
            pull_source(Turn(ledger=ledger, connector=self.connector, plan=self.plan))
        self.truth.follow(self.history())

    def approve(self, held: Pull) -> None:
        try:
            approve(self.ledger, self.connector, self.plan, pull_id=held.id, actor=ME)
        except SourceBusy:
            return
        self.truth.follow(self.history())

    def discard(self, held: Pull) -> None:
        try:
            discard(self.ledger, self.connector, self.plan, pull_id=held.id, actor=ME)
        except SourceBusy:
            return
        self.truth.dropped.add(held.label)

    def claim(self, worker: Worker) -> float | None:
        """Let a worker claim; returns how long there is nothing to do, None: nothing is left."""
        a_revision_has_one_value(self.values, self.look())
        claimed = worker.courier.claim()
        if isinstance(claimed, Rest):
            return claimed.wait
        for line in claimed.lines:
            assert self.values[line.key, line.revision] == line.value
            for other in self.workers:
                is_live = other is not worker and self.clock.now < other.lease_until
                assert not (is_live and line.key in other.keys), "two live claims of one key"
        # how requests are spaced is no matter of the model, and takes real time
        slip = replace(claimed, first_slot=0.0, interval=0.0)
        worker.batch = Answered(slip=slip, watch=Watch())
        worker.lease_until = self.clock.now + worker.courier.lease
        return 0.0

    def send(self, worker: Worker, fates: list[Fate]) -> None:
        assert worker.batch is not None
        worker.line.slip, worker.line.fates = worker.batch.slip, iter(fates)
        sending = Sending(client=worker.courier.client, stopped=lambda: False, batch=worker.batch)
        self._runner.run(sending.run(senders=TARGET.max_in_flight))
        worker.has_sent = True
        assert self.wrong == []

    def arriving(self, line: Line, key: Key, value: Value, revision: int) -> None:
        """A request reaches Omnitron. The courier takes any error for a defect of the item."""
        (worker,) = [one for one in self.workers if one.line is line]
        earlier = [w.revision for w in self.omnitron.journal if w.key == key and not w.late]
        rested = self.clock.now - self.omnitron.doubted_at.get(key, 0.0)
        wrong = {
            "sent without a lease": self.clock.now >= worker.lease_until,
            "not the value of its revision": self.values.get((key, revision)) != value,
            "an older revision after a newer one": revision < max(earlier, default=0),
            "sent again before it settled": rested < TARGET.settle,
        }
        self.wrong += [f"{key}: {what}" for what, is_so in wrong.items() if is_so]

    def record(self, worker: Worker) -> None:
        batch = worker.batch
        assert batch is not None
        before = self.levels()
        ours = {key for key, level in before.items() if level.claim_token == batch.slip.token}
        self.ledger.write(lambda tx: worker.courier._record(tx, batch))
        after = self.levels()
        for key, level in before.items():
            # all that a worker may say of what it lost: that its own death was none
            free = {level} if level.claim_token else {level, survived(level)}
            assert key in ours or after[key] in free, "a stale token changed a level"
        assert not any(after[key].claim_token for key in ours)
        worker.forget()

    def deliver(self, worker: Worker, fates: list[Fate]) -> float | None:
        """A whole batch, or how long there is nothing to do."""
        if worker.batch is None:
            wait = self.claim(worker)
            if worker.batch is None:
                return wait
        if not worker.has_sent:
            self.send(worker, fates)
        self.record(worker)
        return 0.0

    def wait(self, seconds: float) -> None:
        """Let time go by, for the ledger and for the workers alike."""
        self.clock.forward(seconds)
        for worker in self.workers:
            if worker.batch is not None:
                slip = worker.batch.slip
                slip = replace(slip, start_until=slip.start_until - seconds)
                worker.batch = replace(worker.batch, slip=slip)
        self.omnitron.forget()

    def confirm(self) -> Confirmed:
        client: Any = self.workers[0].line
        watcher = Watcher(ledger=self.ledger, client=client, plan=TARGET)
        found = self._runner.run(watcher.poll(CHANNEL, force=True))
        assert found is not None
        return found

    def replay(self) -> None:
        with self.ledger.read() as connection:
            chosen = choose(connection, Choice())
        replay(self.ledger, chosen.keys, actor=ME, subject="all", stock_lists=chosen.lists)

    def look(self) -> Look:
        return look(self.ledger, KEYS)

    def levels(self) -> dict[Key, Level]:
        with self.ledger.read() as connection:
            return levels.by_keys(connection, KEYS)

    def history(self) -> list[Pull]:
        """All pulls, oldest first."""
        with self.ledger.read() as connection:
            return pulls.latest(connection, limit=1_000)[::-1]

    @property
    def held(self) -> Pull | None:
        number = source_of(self.ledger).held_pull_id
        return next((pull for pull in self.history() if pull.id == number), None)

    def failures(self) -> list[Failure]:
        return open_failures(self.ledger)
