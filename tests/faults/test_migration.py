"""A migration that is killed, and one under workers of the older program (D9): real processes.

The ledger before is one of the first day, in which the older program has worked. That program is
this one without what came with the second revision; its files were replaced while it ran.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url, text

from tests.acceptance.services import stocks
from tests.databases import fresh_database
from tests.faults.oracle import Scene
from tests.faults.stage import LONG, Stage, launched, stage
from tests.faults.warm import Warm, warm_interpreter
from tests.integration.ledgers import created_at, differences
from tests.processes import running, until
from worker.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import Server
    from tests.processes import Running

pytestmark = pytest.mark.thorough

OLDER = """
from worker.ledger import migrating, waits
migrating.wanted = lambda: "0001"
waits.keep_pace = waits.follow = lambda *_: 0.0
"""
KEPT = ("pull", "pull_row", "part", "level", "batch", "batch_line", "confirmation", "failure")
QUEUES = ("pull", "deliver", "confirm")
KILLED = -signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Owner:
    """A person who runs the program on one of several ledgers."""

    on: Stage
    warm: Warm
    server: Server | None
    url: str = ""

    def begins(self, name: object) -> Owner:
        """Go to where no ledger is yet: a database of the server, or a file where there is none."""
        if self.server is None:
            return replace(self, url=f"sqlite:///{self.on.at.folder / f'{name}.db'}")
        return replace(self, url=fresh_database(self.server))

    def copies(self, name: object) -> Owner:
        """Go on with a copy of the ledger, by the database's own means."""
        old = str(make_url(self.url).database)
        if self.server is None:
            shutil.copy(old, self.on.at.folder / f"{name}.db")
            return self.begins(name)
        new = f"{old}_{name}"
        with psycopg.connect(self.server.url("postgres").replace("+psycopg", "")) as session:
            session.autocommit = True
            session.execute(f'CREATE DATABASE "{new}" TEMPLATE "{old}"')  # type: ignore[call-overload]
        return replace(self, url=self.server.url(new))

    def types(self, *words: str, fault: str = "") -> int:
        """Run a command; returns its exit code."""
        folder, log = self.on.at.folder, self.on.at.folder / "typed.log"
        environment = self._environment | {"STOCKSYNC_FAULT": fault}
        fork = self.warm.start(*words, folder=folder, log=log, environment=environment)
        code = fork.wait()
        assert code in {0, KILLED}, log.read_text()
        return code

    def types_into_older(self, *words: str) -> None:
        """Run a command of the older program."""
        command = [*launched(OLDER), *words]
        environment = os.environ | self._environment
        subprocess.run(command, cwd=self.on.at.folder, env=environment, check=True)

    @property
    def _environment(self) -> dict[str, str]:
        url = make_url(self.url)
        return {
            "STOCKSYNC_DATABASE_URL": url._replace(username=None).render_as_string(),
            "STOCKSYNC_DATABASE_USERNAME": url.username or "",
        }

    def migrates_and_dies(self, passage: int) -> bool:
        """Upgrade it, to be killed at this passage of whichever point; False: it lived."""
        return self.types("migrate", fault=f"any:{passage}") == KILLED

    def makes_it_good(self) -> None:
        """Migrate again; the ledger then is what the program takes it for."""
        self.types("migrate")
        ledger = Ledger(self.url)
        with ledger.read() as connection:
            assert differences(connection) == []
        ledger.close()

    def kept(self) -> dict[str, list[dict[str, Any]]]:
        """What nobody may lose, read without our program."""
        scene = Scene(ledger=self.url, sandbox="")
        return {table: scene.rows(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in KEPT}


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> Server | None:
    """Where ledgers are made; None: in files."""
    found: Server | None = (
        request.getfixturevalue("postgres") if request.param == "postgresql" else None
    )
    return found


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with warm_interpreter() as interpreter:
        yield interpreter


@pytest.fixture
def owner(on: Stage, warm: Warm, server: Server | None) -> Owner:
    return Owner(on, warm, server)


def of_the_first_day(url: str) -> None:
    """Make a ledger as the first version made it."""
    ledger = Ledger(url)
    created_at(ledger, "0001")
    ledger.write(
        lambda tx: tx.execute(text("INSERT INTO target (id, state, rate) VALUES (1, 'up', 0)"))
    )
    ledger.close()


def test_d9_a_first_migration_that_is_killed_is_simply_done_again(
    owner: Owner,
) -> None:
    for passage in count(1):
        owner = owner.begins(passage)
        died = owner.migrates_and_dies(passage)
        owner.makes_it_good()
        if not died:
            break
    assert passage > 4


def test_d9_an_upgrade_that_is_killed_loses_nothing_and_is_simply_done_again(
    owner: Owner,
) -> None:
    on, first = owner.on, owner.begins("first")
    of_the_first_day(first.url)
    on.says("a.csv", stocks("A", 100))
    first.types_into_older("sync")
    before = first.kept()
    assert len(before["level"]) == 100
    for passage in count(1):
        owner = first.copies(passage)
        died = owner.migrates_and_dies(passage)
        owner.makes_it_good()
        assert owner.kept() == before
        if not died:
            break
    assert passage > 4
    on.says("b.csv", stocks("A", 90) | stocks("B", 10))
    owner.types("sync")
    assert on.at.shown(stocks("A", 100) | stocks("B", 10))
    assert len(on.at.sandbox.journal()) == 110


@contextmanager
def older_workers(on: Stage) -> Iterator[list[Running]]:
    """The service by the older program, one worker a queue; yields the workers."""
    with ExitStack() as stack:

        def started(*words: str) -> Running:
            return stack.enter_context(running(*launched(OLDER), *words, folder=on.at.folder))

        started("beat")
        yield [started("worker", "--queue", queue) for queue in QUEUES]


def test_d9_older_workers_go_on_until_an_upgrade_is_through_and_then_begin_nothing_more(
    on: Stage, warm: Warm
) -> None:
    owner = Owner(on, warm, server=None, url=f"sqlite:///{begun_anew(on)}")
    of_the_first_day(owner.url)
    on.at.sandbox.order("delay", method="POST", path="*product_stock*", after=0.05)
    on.says("a.csv", stocks("A", 600))
    with older_workers(on) as workers:
        until(lambda: on.at.count("sent_revision > 0"), seconds=LONG)
        assert owner.migrates_and_dies(1)
        on.says("b.csv", stocks("B", 100))
        until(lambda: on.at.count("sku LIKE 'B%' AND sent_revision > 0"), seconds=LONG)
        assert owner.migrates_and_dies(2)
        until(lambda: all(worker.events("ledger") for worker in workers), seconds=LONG)
        until(lambda: not on.at.count("claim_token IS NOT NULL"), seconds=LONG)
        sent_by_older = len(on.at.sandbox.journal())
        on.says("c.csv", stocks("C", 50))
        assert {worker.end() for worker in workers} == {128 + signal.SIGTERM}
    for worker in workers:
        assert "was made by a newer stocksync" in worker.text
    assert len(on.at.sandbox.journal()) == sent_by_older
    owner.makes_it_good()
    with on.run("run"):
        on.judge(minimum=750)


def begun_anew(on: Stage) -> Path:
    """Where the ledger is to be; the one that was there is gone."""
    on.at.ledger.close()
    path = on.at.ledger.path
    assert path is not None
    for each in path.parent.glob(f"{path.name}*"):
        each.unlink()
    return path
