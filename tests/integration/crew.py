"""Two workers of the model test, whose claims, requests and records interleave as they may."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.integration import promises
from tests.integration.played import Line, Omnitron
from worker.deliver import Courier
from worker.deliver.claiming import Rest
from worker.deliver.sending import Sending
from worker.deliver.slip import Answered
from worker.ledger import batches
from worker.model import Key, TargetPlan
from worker.planning.delivery import Watch
from worker.planning.levels import replayed, survived

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.ledgers import HandClock
    from tests.integration.played import Fate
    from tests.integration.promises import Look
    from tests.integration.truth import Truth
    from worker.ledger import Ledger
    from worker.model import ChannelPlan, Value
    from worker.planning.levels import Level

TARGET = TargetPlan(
    base_url="http://omnitron.example",
    writes=True,
    timeout=5.0,
    settle=10.0,
    max_in_flight=4,
    rate=4.0,
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

    def age(self, seconds: float) -> None:
        """Let the time that goes by be real for its deadline."""
        if self.batch is not None:
            slip = self.batch.slip
            slip = replace(slip, start_until=slip.start_until - seconds)
            self.batch = replace(self.batch, slip=slip)


class Crew:
    """The workers of one ledger. values: what every revision of a key was seen to be."""

    def __init__(
        self,
        ledger: Ledger,
        omnitron: Omnitron,
        channel: ChannelPlan,
        truth: Truth,
        *,
        look: Callable[[], Look],
        waits: Callable[[float], None],
    ) -> None:
        self.ledger = ledger
        self.omnitron = omnitron
        self.truth = truth
        self.clock: HandClock = omnitron.clock
        self.look = look
        self.values: dict[tuple[Key, int], Value] = {}
        self.wrong: list[str] = []
        self.runner = asyncio.Runner()
        self.workers = [self._worker(channel, waits) for _ in range(2)]

    def _worker(self, channel: ChannelPlan, waits: Callable[[float], None]) -> Worker:
        line = Line(omnitron=self.omnitron, arriving=self._arriving, waits=waits)
        courier: Any = Courier(ledger=self.ledger, client=line, plan=TARGET, channels=[channel])
        return Worker(courier=courier, line=line)

    def claim(self, worker: Worker) -> float | None:
        """Let a worker claim; returns how long there is nothing to do, None: nothing is left."""
        claimed = worker.courier.claim()
        self.truth.end_pins(self.clock.now)
        seen = self.look()
        promises.a_revision_has_one_value(self.values, seen)
        if isinstance(claimed, Rest):
            return claimed.wait
        promises.what_is_pinned_goes_first(claimed.lines, seen)
        promises.nothing_rises_against_a_pause(claimed.lines, seen)
        for line in claimed.lines:
            assert self.values[line.key, line.revision] == line.value
            for other in self.workers:
                is_live = other is not worker and self.clock.now < other.lease_until
                assert not (is_live and line.key in other.keys), "two live claims of one key"
        # how requests are spaced is no matter of the model, and takes real time
        slip = replace(claimed, first_slot=0.0, interval=0.0)
        worker.batch = Answered(slip=slip, watch=Watch(after=worker.courier._streak()))
        worker.lease_until = self.clock.now + worker.courier.lease
        return 0.0

    def send(self, worker: Worker, fates: list[Fate]) -> None:
        """Let it send what it has claimed."""
        assert worker.batch is not None
        worker.line.slip, worker.line.fates = worker.batch.slip, iter(fates)
        sending = Sending(client=worker.courier.client, stopped=lambda: False, batch=worker.batch)
        self.runner.run(sending.run(senders=TARGET.max_in_flight))
        worker.has_sent = True
        assert self.wrong == []

    def _arriving(self, line: Line, key: Key, value: Value, revision: int) -> None:
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
        """Let it write down what it was answered."""
        batch = worker.batch
        assert batch is not None
        before = self.look()
        ours = {k for k, level in before.levels.items() if level.claim_token == batch.slip.token}
        self.ledger.write(lambda tx: worker.courier._record(tx, batch))
        after = self.look()
        for key, level in before.levels.items():
            assert key in ours or after.levels[key] in _untouched(level), "a stale token counted"
        assert not any(after.levels[key].claim_token for key in ours)
        if ours:
            promises.a_refusing_list_stops_alone(batch.answers, before, after)
        with self.ledger.read() as connection:
            promises.a_batch_adds_up(connection, batches.numbered(connection, batch.slip.batch_id))
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


def _untouched(level: Level) -> set[Level]:
    """What a record may leave of a level that its worker has not, or no longer, claimed."""
    free = {level}
    if level.park_reason == "forbidden":  # its list takes something again
        free.add(replayed(level))
    if level.claim_token is None:  # it was lost, and that was no death: its worker lives
        free.add(survived(level))
    return free
