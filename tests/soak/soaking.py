"""One soak: a working service, an ERP that goes on, faults in two lanes; peace; judgement."""

from __future__ import annotations

import random
import re
import shutil
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.databases import fresh_database, postgres_server
from tests.faults.oracle import Scene, Truth, check, check_durable, unrest
from tests.processes import until
from tests.soak.faults import FAMILIES, Target
from tests.soak.feeding import Erp, Exports, Feeding
from tests.soak.judging import Excuses, Verdict, excuses, restless, steady, volume
from tests.soak.service import CONFIGURATION, PASSWORD, SETTLE, TIMEOUT, Sample, Service, samples
from worker.sandbox import RunningSandbox
from worker.sandbox.settings import SandboxConfig, SandboxUser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.soak.faults import Fault

LANES = (("omnitron", "source"), ("process", "broker", "database", "people"))
"""What strikes at the same time; within a lane one fault follows the other."""

PEACE = 240.0
"""Seconds after the last fault within which everything must be as the ERP says."""

WRITES_A_SECOND = 2.0
_LOOKS = 20


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do. seconds: of faults. long: also what takes longer than a lease."""

    seed: int
    seconds: float
    database: str = "sqlite"
    long: bool = True
    keep: str | None = None


@dataclass
class Soak:
    """One run while it lasts."""

    plan: Plan
    target: Target
    scene: Scene
    truth: Truth
    say: Callable[[str], None]
    struck: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)
    seen: list[Sample] = field(default_factory=list)
    approved: int = 0

    def suffer(self) -> None:
        """Let faults strike in all lanes until the time is over; an error of a lane is raised."""
        errors: list[BaseException] = []
        until = time.monotonic() + self.plan.seconds

        def lane(families: Sequence[str]) -> None:
            dice = random.Random(f"{self.plan.seed}{families}")
            faults = [(name, fault) for name in families for fault in FAMILIES[name]]
            try:
                while time.monotonic() < until and not errors:
                    self._strike(*dice.choice(faults))
                    time.sleep(dice.uniform(0.2, 3))
            except BaseException as error:  # noqa: BLE001 - raised by whoever waits
                errors.append(error)

        lanes = [threading.Thread(target=lane, args=(families,)) for families in LANES]
        for thread in lanes:
            thread.start()
        while any(thread.is_alive() for thread in lanes):
            self._look()
            time.sleep(1)
        if errors:
            raise errors[0]

    def _strike(self, family: str, fault: Fault) -> None:
        words = fault(self.target)
        self.struck[f"{family}: {fault.__name__}"] += 1
        self.say(f"{family:>9}  {words}")
        if family in LANES[1]:
            self.target.service.revive()

    def _look(self) -> None:
        self.seen += samples(self.target.service)
        self.found += check_durable(self.scene, self.truth)
        self._approve()

    def _approve(self) -> None:
        statement = "SELECT held_pull_id AS id FROM source WHERE held_pull_id IS NOT NULL"
        for held in self.scene.rows(statement):
            self.target.service.command("pulls", "approve", str(held["id"]))
            self.approved += 1

    def settle(self) -> float:
        """Wait until all is as the ERP says; returns after how many seconds (at most `PEACE`)."""
        self.target.sandbox.lift()
        start, replayed = time.monotonic(), 0.0
        while (passed := time.monotonic() - start) < PEACE:
            self.target.service.revive()
            self._approve()
            if not restless(self.scene, self.truth, self.target.folder) + unrest(self.scene):
                return passed
            if passed > replayed + 5:
                self.target.service.command("failures", "replay", "--all", "--yes")
                replayed = passed
            time.sleep(0.5)
        return passed

    def judge(self, settled: float) -> Verdict:
        """What an oracle outside the service says."""
        service, excused = self.target.service, excuses(self.scene, self.target.pauses)
        violations = [
            *dict.fromkeys(self.found),
            *self._checked(excused),
            *restless(self.scene, self.truth, self.target.folder),
            *(f"the service did what it must not: {words}" for words in service.crashes),
            *steady(self.seen),
        ]
        return Verdict(
            violations=violations,
            settled=settled,
            struck=self.struck,
            approved=self.approved,
            volume=volume(self.scene, self.truth),
            excused=len(excused.late),
            seen=self.seen,
        )

    def _checked(self, excused: Excuses) -> list[str]:
        """Ask the oracle between two pulls: each source is pulled every second."""
        violations: list[str] = []
        for _ in range(_LOOKS):
            violations = check(
                self.scene,
                self.truth,
                extra_posts=sum(self.struck.values()),
                may_revert=excused.late,
                overlaps=excused.overlaps,
                minimum=int(self.plan.seconds * WRITES_A_SECOND),
            )
            if not any("pulls are under way" in words for words in violations):
                break
            time.sleep(0.3)
        return violations


def soak(plan: Plan, *, say: Callable[[str], None] = lambda _line: None) -> Verdict:
    """Run one soak to its end."""
    say(f"{plan.database}, {plan.seconds:.0f} s of faults, seed {plan.seed}")
    with ExitStack() as stack:
        folder = stack.enter_context(_folder(plan))
        run = _prepared(plan, folder, stack, say)
        dice = random.Random(plan.seed)
        exports = Exports(folder=folder, truth=run.truth, dice=dice)
        erp = Erp(run.target.erp, run.truth, dice)
        stack.callback(erp.engine.dispose)
        feeding = Feeding(exports, erp, dice)
        service = run.target.service
        assert service.command("migrate"), "no ledger was made"
        service.start()
        stack.callback(service.kill)
        until(service.ready, seconds=PEACE)
        feeding.start()
        run.suffer()
        feeding.end()
        settled = run.settle()
        verdict = run.judge(settled)
        say(f"quiet after {settled:.0f} s")
        service.end()
        return verdict.of(plan.database, plan.seed, plan.seconds)


def _prepared(plan: Plan, folder: Path, stack: ExitStack, say: Callable[[str], None]) -> Soak:
    users = (SandboxUser(username="erp", password=PASSWORD),)
    sandbox = stack.enter_context(RunningSandbox(SandboxConfig(users=users, seed=plan.seed)))
    ledger, erp, server = _databases(plan, folder, stack)
    for name in ("changes", "everything"):
        (folder / name).mkdir()
    (folder / "password").write_text(f"{PASSWORD}\n")
    (folder / "password").chmod(0o600)
    (folder / "stocksync.toml").write_text(
        CONFIGURATION.format(
            ledger=_nameless(ledger),
            erp=_nameless(erp),
            omnitron=sandbox.url,
            timeout=TIMEOUT,
            settle=SETTLE,
        )
    )
    service = Service(folder, user="postgres" if server else "")
    scene = Scene(
        ledger=ledger,
        sandbox=sandbox.url,
        folders=[folder / "changes", folder / "everything"],
        canaries=[PASSWORD],
    )
    target = Target(
        service=service,
        sandbox=sandbox,
        folder=folder,
        ledger=ledger,
        erp=erp,
        server=server,
        dice=random.Random(plan.seed + 1),
        long=plan.long,
    )
    return Soak(plan=plan, target=target, scene=scene, truth=Truth(), say=say)


def _nameless(url: str) -> str:
    """A URL without its user, who comes by the environment."""
    return re.sub(r"//[^/@]*@", "//", url)


def _databases(plan: Plan, folder: Path, stack: ExitStack) -> tuple[str, str, int | None]:
    """URLs of the ledger and of the ERP, and the pid of their server."""
    if plan.database == "sqlite":
        return f"sqlite:///{folder / 'ledger.db'}", f"sqlite:///{folder / 'erp.db'}", None
    server = stack.enter_context(postgres_server())
    return fresh_database(server), fresh_database(server), server.pid


@contextmanager
def _folder(plan: Plan) -> Iterator[Path]:
    if plan.keep:
        folder = Path(plan.keep) / plan.database
        folder.mkdir(parents=True)
        yield folder
        return
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
