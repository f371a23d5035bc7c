"""The scene of the model test: a ledger, a source, two workers, a channel, and Omnitron played."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors.contract import Kind
from connectors.csv_drop import CsvColumns, CsvDrop, CsvOptions
from tests.integration.crew import TARGET, Crew
from tests.integration.erp import LIST_OF, Erp, Part
from tests.integration.ledgers import HandClock
from tests.integration.mortal import Killed, Mortal
from tests.integration.played import Omnitron
from tests.integration.promises import Look, look
from tests.integration.pulling import PLAN
from tests.integration.scenes import open_failures, register, source_of
from tests.integration.truth import Pin, Truth
from worker import overriding
from worker.confirm import Watcher
from worker.errors import UsageError
from worker.ledger import Ledger, channels, pulls
from worker.model import (
    ChannelPlan,
    Expect,
    FailureKind,
    Fingerprint,
    FirstPull,
    Guard,
    Key,
    Missing,
    Negative,
    Rules,
)
from worker.pull import Turn, approve, discard, pull_source, rejudge
from worker.pull.lease import SourceBusy, SourcePaused
from worker.replay import Choice, choose, replay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from worker.confirm import Confirmed
    from worker.ledger.failures import Failure
    from worker.ledger.pulls import Pull

ME = "a person"
PARTS = [
    *(Part("MAIN", "A"), Part("ANNEX", "A"), Part("OUTLET", "A")),
    *(Part("MAIN", "B"), Part("ANNEX", "B"), Part("MAIN", "C"), Part("OUTLET", "D")),
]
CROWD = [Part("OUTLET", f"E{number:02}") for number in range(20)]
"""As many as make Omnitron's refusals no longer the items' fault."""

KEYS = sorted({part.key for part in (*PARTS, *CROWD)})
CHANNEL = ChannelPlan(id=5, stock_lists=(1, 2), expect=Expect.ALL, poll=15.0, confirm_within=600.0)
GUARD = Guard(
    first_pull=FirstPull.APPLY,
    max_change_ratio=0.6,
    ignore_below=2,
    max_zero_ratio=1.0,
    min_row_ratio=0.3,
    expires=900.0,
)


class Stage:
    """Everything that acts, and what one may look at."""

    def __init__(self, url: str, folder: Path, missing: Missing) -> None:
        self.clock = HandClock()
        self.ledger = Ledger(url, clock=self.clock)
        register(self.ledger)
        self.ledger.write(lambda tx: channels.register(tx, [CHANNEL.id]))
        self.erp = Erp(folder=folder)
        self.truth = Truth(missing=missing)
        self.plan = replace(PLAN, stock_list=None, stock_lists=LIST_OF, guard=GUARD)
        self.rule(takes_negative=False)
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
        self.crew = Crew(
            self.ledger, self.omnitron, CHANNEL, self.truth, look=self.look, waits=self.wait
        )

    def close(self) -> None:
        self.crew.runner.close()
        self.ledger.close()

    def rule(self, *, takes_negative: bool) -> None:
        """Read rows by these rules from now on."""
        negative = Negative.ZERO if takes_negative else Negative.REJECT
        rules = Rules(missing=self.truth.missing, max_reject_ratio=1.0, negative=negative)
        fingerprint = str(Fingerprint(reading=negative.value, skus="", levels=""))
        self.plan = replace(self.plan, rules=rules, fingerprint=fingerprint)
        self.truth.takes_negative = takes_negative

    @contextlib.contextmanager
    def _turn(self, writes: int, *, commits: bool) -> Iterator[Turn]:
        """A turn of the source, whose process dies at one of its writes if it has so many."""
        ledger: Any = Mortal(self.ledger, writes=writes, commits=commits)
        with contextlib.suppress(Killed, SourceBusy, SourcePaused):
            yield Turn(ledger=ledger, connector=self.connector, plan=self.plan, actor=ME)
        self._follow()

    def _follow(self) -> None:
        self.truth.follow(self.history(), self.erp.files)

    def pull(self, *, writes: int = 1_000, commits: bool = True) -> None:
        with self._turn(writes, commits=commits) as turn:
            pull_source(turn)

    def approve(self, held: Pull) -> None:
        """Unless the rules have changed since, or somebody has died at it just now."""
        with contextlib.suppress(SourceBusy, UsageError):
            approve(self.ledger, self.connector, self.plan, pull_id=held.id, actor=ME)
        self._follow()

    def discard(self, held: Pull) -> None:
        try:
            discard(self.ledger, self.connector, self.plan, pull_id=held.id, actor=ME)
        except SourceBusy:
            return
        if held.as_of is None:
            self.erp.dropped.add(held.label)

    def replay(self, *, writes: int = 1_000, commits: bool = True) -> None:
        """All that is open: levels go again, and kept rows are judged again."""
        with self.ledger.read() as connection:
            chosen = choose(connection, Choice())
        replay(self.ledger, chosen.keys, actor=ME, subject="all", stock_lists=chosen.lists)
        with self._turn(writes, commits=commits) as turn:
            rejudge(turn, chosen.rows, subject="all")

    def pin(self, key: Key, stock: int, seconds: float) -> None:
        overriding.override(
            self.ledger,
            key.sku,
            stock=stock,
            seconds=seconds,
            why="stocktaking",
            actor=ME,
            stock_list=key.stock_list,
        )
        self.truth.pin(key, Pin(stock, self.clock.now + seconds))

    def unpin(self, key: Key) -> None:
        overriding.clear(self.ledger, key.sku, actor=ME, stock_list=key.stock_list)
        del self.truth.pins[key]

    def wait(self, seconds: float) -> None:
        """Let time go by, for the ledger and for the workers alike."""
        self.clock.forward(seconds)
        for worker in self.crew.workers:
            worker.age(seconds)
        self.omnitron.forget()

    def confirm(self) -> Confirmed:
        self.wait(max(0.0, self.look().target.next_free - self.clock.now))  # else it really waits
        client: Any = self.crew.workers[0].line
        watcher = Watcher(ledger=self.ledger, client=client, plan=TARGET)
        found = self.crew.runner.run(watcher.poll(CHANNEL, force=True))
        assert found is not None
        return found

    def look(self) -> Look:
        return look(self.ledger, KEYS)

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

    def told_rows(self) -> set[tuple[Part, str]]:
        """Rejected rows that somebody is told of."""
        rows = [f for f in self.failures() if f.kind == FailureKind.ROW]
        return {(Part(f.warehouse or "", f.sku or ""), f.value or "") for f in rows}
