"""What the database may do to the whole service (D1, D3 to D5): real processes, judged by `oracle`.

`docs/faults.md` says which test shows what.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.services import stocks
from tests.databases import Cluster, fresh_database, postgres_cluster
from tests.faults.stage import LONG, Stage, family, stage
from tests.processes import STOCKSYNC, children, running, standing_still, until
from worker.errors import ExitCode
from worker.ledger.clock import boottime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.processes import Running

pytestmark = pytest.mark.thorough


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Stage]:
    """A stage on SQLite."""
    with stage(tmp_path) as made:
        yield made


def slow(on: Stage) -> int:
    """Let Omnitron take its time for each answer, so that batches are under way."""
    return on.at.sandbox.order("delay", method="POST", path="*product_stock*", after=0.5)


def claimed(on: Stage) -> int:
    return on.at.count("claim_token IS NOT NULL")


def told(service: Running, task: str) -> bool:
    """Whether its log says that a task could not use the ledger, and what to look for."""
    events = [event for event in service.events("ledger_unreachable") if event["task"] == task]
    assert all("disk has room" in event["remedy"] for event in events)
    return bool(events)


# --- D1: another program locks the SQLite file

LOCKS = {
    "the database": """
import sqlite3, sys
database = sqlite3.connect("ledger.db", isolation_level=None, timeout=60)
database.execute("BEGIN EXCLUSIVE")
""",
    "its lock file": """
import fcntl, sys
lock = open("ledger.db.lock", "a")
fcntl.flock(lock, fcntl.LOCK_EX)
""",
}


@contextmanager
def locked(folder: Path, program: str) -> Iterator[None]:
    """Another program that holds a lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"{program}\nprint('locked', flush=True)\nsys.stdin.read()"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    try:
        yield
    finally:
        process.communicate("")


@pytest.mark.parametrize("lock", LOCKS)
def test_d1_a_service_waits_for_whoever_locks_its_ledger_tells_it_and_goes_on(
    alone: Stage, lock: str
) -> None:
    number = slow(alone)
    alone.says("a.csv", stocks("A", 200))
    with alone.run("run") as service:
        until(lambda: claimed(alone), seconds=LONG)
        before = family(service.process.pid)
        with locked(alone.at.folder, LOCKS[lock]):
            alone.says("b.csv", stocks("B", 50))
            until(lambda: service.events("ledger_unreachable"), seconds=LONG)
        alone.at.sandbox.lift(number)
        alone.judge(extra_posts=1, minimum=250)
        assert family(service.process.pid) == before
        assert "write lock" in service.text


# --- D3: the disk is full

SMALL = 64 * 1024


def no_file_grows(pids: Sequence[int], beyond: int) -> None:
    """Let the system refuse these processes to write anything behind this place of a file.

    A full disk for them alone, where nobody may mount one: their writes fail, the space is there.
    """
    for pid in pids:
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (beyond, most))


@pytest.mark.parametrize("room", [0, SMALL])
def test_d3_a_service_without_room_for_its_ledger_tells_it_and_goes_on_when_there_is_room(
    alone: Stage, room: int
) -> None:
    with alone.run("run") as service:
        alone.says("a.csv", stocks("A", 600))
        alone.judge(minimum=600)
        number = slow(alone)
        alone.says("b.csv", stocks("B", 100))
        until(lambda: claimed(alone), seconds=LONG)
        workers = family(service.process.pid)[1:]
        no_file_grows(workers, beyond=room)
        until(lambda: told(service, "deliver"), seconds=LONG)
        alone.says("c.csv", stocks("C", 200))
        until(lambda: told(service, "pull"), seconds=LONG)
        assert not alone.at.count("sku LIKE 'C%'")
        assert alone.at.count("name = 'drop' AND checkpoint NOT LIKE '%c.csv%'", "source")
        no_file_grows(workers, beyond=resource.RLIM_INFINITY)
        alone.at.sandbox.lift(number)
        alone.judge(extra_posts=1, minimum=900)
        assert family(service.process.pid)[1:] == workers
        assert "Traceback" not in service.text


def test_d3_a_pull_whose_temporary_files_have_no_room_says_so_and_is_simply_done_again(
    alone: Stage,
) -> None:
    alone.says("a.csv", stocks("A", 60_000))
    little = ("sh", "-c", 'ulimit -f 1300; exec "$@"', "sh")
    with running(*little, *STOCKSYNC, "pull", "drop", folder=alone.at.folder) as pull:
        assert pull.process.wait(LONG) == ExitCode.UNREACHABLE
        assert "a temporary file in" in pull.text
    assert not alone.at.count("true")
    with alone.run("pull", "drop") as pull:
        assert pull.process.wait(LONG) == ExitCode.OK
    assert alone.at.count("true") == 60_000


# --- D4, D5: PostgreSQL starts again, or stands still


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with postgres_cluster() as made:
        yield made


@pytest.fixture
def on(cluster: Cluster, tmp_path: Path) -> Iterator[Stage]:
    server = cluster.server
    more = f'database_username = "{server.user}"'
    with stage(tmp_path, ledger=fresh_database(server), more=more) as made:
        yield made


def lease_of(on: Stage) -> float:
    """Seconds until the last claim is over."""
    ahead = "max(lease_until) - extract(epoch FROM clock_timestamp())"
    [row] = on.scene.rows(f"SELECT {ahead} AS seconds FROM batch")
    return float(row["seconds"])


def test_d4_a_service_whose_server_crashes_again_and_again_loses_nothing(
    on: Stage, cluster: Cluster
) -> None:
    number = slow(on)
    with on.run("run") as service:
        for turn in range(2):
            on.says("a.csv", stocks(f"A{turn}", 200))
            until(lambda: claimed(on), seconds=LONG)
            cluster.crash()
            until(lambda turn=turn: len(service.events("ledger_unreachable")) > turn, seconds=LONG)
            on.says("b.csv", stocks(f"B{turn}", 50))
            cluster.start()
        on.at.sandbox.lift(number)
        on.judge(extra_posts=2, minimum=500)
        assert {event["program"] for event in service.events("restarted")} == set()


def test_d5_a_service_whose_server_stands_still_for_longer_than_a_lease_doubles_no_flight(
    on: Stage, cluster: Cluster
) -> None:
    number = slow(on)
    pid = cluster.server.pid
    with on.run("run") as service:
        on.says("a.csv", stocks("A", 200))
        until(lambda: claimed(on), seconds=LONG)
        over = boottime() + lease_of(on)
        with standing_still(pid, *children(pid)):
            on.says("b.csv", stocks("B", 50))
            until(lambda: boottime() > over, seconds=LONG)
            until(lambda: service.events("ledger_unreachable"), seconds=2 * LONG)
        on.at.sandbox.lift(number)
        on.judge(extra_posts=1, minimum=250)
