"""The ledger among several processes, and when its database does not answer."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import text

from tests.integration.scenes import SOURCE, change, level_of, register, say, source_of
from worker.errors import ExitCode, LedgerUnreachable
from worker.ledger import Ledger, migrating, target
from worker.ledger.clock import boottime
from worker.ledger.database import sqlite_version, wal_is_safe
from worker.ledger.filelock import exclusive

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from tests.databases import Server

HOLD = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(descriptor, fcntl.LOCK_EX)
os.pwrite(descriptor, f"{os.getpid():<10}".encode(), 0)
print("held", flush=True)
sys.stdin.read()
"""


def in_child(work: Callable[[], str]) -> str:
    """What ``work`` returns in a forked child."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests' threads, from 3.12 on
        pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, work().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    os.waitpid(pid, 0)
    return said


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the write lock until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def let_go(process: subprocess.Popen[str]) -> None:
    process.communicate("")


def test_a_forked_child_connects_anew_and_its_parent_goes_on(ledger: Ledger) -> None:
    say(ledger, {"A": 5})
    engine = ledger.engine

    def work() -> str:
        say(ledger, {"A": 6})
        return f"{level_of(ledger, 'A').stock} {ledger.engine is not engine}"

    assert in_child(work) == "6 True"
    assert ledger.engine is engine
    assert level_of(ledger, "A").stock == 6


def test_a_forked_child_has_a_server_session_of_its_own(postgres_url: str) -> None:
    ledger = Ledger(postgres_url)

    def backend() -> str:
        with ledger.read() as connection:
            return str(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())

    ours = backend()
    assert in_child(backend) != ours
    assert backend() == ours
    ledger.close()


def test_a_write_waits_for_another_process_and_then_succeeds(sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url)
    register(ledger)
    assert ledger.lock_path is not None
    process = holder(ledger.lock_path)
    done = threading.Event()

    def work() -> None:
        say(ledger, {"A": 5})
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert not done.wait(0.1)
    let_go(process)
    thread.join(10)
    assert level_of(ledger, "A").stock == 5
    ledger.close()


def test_reading_does_not_wait_for_a_writer(sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url)
    say(ledger, {"A": 5})
    assert ledger.lock_path is not None
    process = holder(ledger.lock_path)
    assert level_of(ledger, "A").stock == 5
    let_go(process)
    ledger.close()


def test_a_lock_held_for_too_long_names_its_holder(tmp_path: Path) -> None:
    process = holder(tmp_path / "ledger.db.lock")
    with (
        pytest.raises(LedgerUnreachable) as caught,
        exclusive(tmp_path / "ledger.db.lock", wait=0.05),
    ):
        pytest.fail("the lock is somebody else's")
    let_go(process)
    assert f"process {process.pid} has held" in caught.value.message
    assert "0.05 s" in caught.value.message
    assert str(process.pid) in caught.value.remedy


def test_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    process = holder(tmp_path / "lock")
    process.kill()
    process.communicate()
    with exclusive(tmp_path / "lock", wait=5):
        pass


def test_a_lock_is_not_handed_down_to_programs_that_we_start(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock"):
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    descriptor = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
    child.communicate(b"")


def test_a_folder_that_may_not_be_written_to_is_told() -> None:
    with (
        pytest.raises(LedgerUnreachable, match="lock file /proc/nowhere/lock"),
        exclusive(Path("/proc/nowhere/lock")),
    ):
        pytest.fail("there is no such folder")


def test_the_shipped_sqlite_may_use_wal(sqlite_url: str) -> None:
    ledger = Ledger(sqlite_url)
    with ledger.read() as connection:
        mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
        synchronous = connection.execute(text("PRAGMA synchronous")).scalar_one()
    ledger.close()
    assert mode == ("wal" if wal_is_safe() else "delete")
    assert synchronous == 2
    assert wal_is_safe() is (sqlite_version() >= (3, 51, 3))


def test_ledger_time_neither_runs_backwards_nor_differs_between_processes(
    ledger_url: str,
) -> None:
    ledger = Ledger(ledger_url)

    def now() -> str:
        return repr(ledger.write(ledger.now))

    before, child, after = float(now()), float(in_child(now)), float(now())
    ledger.close()
    assert before <= child <= after


def test_the_first_write_after_a_reboot_fixes_the_clock_for_everybody(sqlite_url: str) -> None:
    ledger, other = Ledger(sqlite_url), Ledger(sqlite_url)

    def another_boot(connection: Connection) -> None:
        connection.execute(text("UPDATE target SET clock_id = 'another', clock_offset = 1e12"))

    ledger.write(another_boot)
    assert ledger.write(ledger.now) < 1e11
    with other.read() as connection:
        kept = connection.execute(text("SELECT clock_offset FROM target")).scalar_one()
        assert other.now(connection) - boottime() == pytest.approx(kept, abs=0.5)
    assert kept < 1e11
    for one in (ledger, other):
        one.close()


def test_what_fails_is_rolled_back(ledger: Ledger) -> None:
    def work(connection: Connection) -> None:
        target.bind(connection, "https://half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        ledger.write(work)
    with ledger.read() as connection:
        assert target.base_url(connection) is None


def test_a_session_that_the_server_ended_is_replaced(postgres: Server, postgres_url: str) -> None:
    ledger = Ledger(postgres_url)
    say(ledger, {"A": 5})
    end_sessions(postgres, postgres_url)
    assert level_of(ledger, "A").stock == 5
    end_sessions(postgres, postgres_url)
    say(ledger, {"A": 6})
    assert level_of(ledger, "A").stock == 6
    ledger.close()


def end_sessions(server: Server, url: str) -> None:
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user=server.user, dbname="postgres", autocommit=True
    ) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [url.rsplit("/", 1)[1]],
        )


def test_a_server_that_goes_in_the_middle_of_a_write_is_unreachable_and_leaves_nothing(
    postgres: Server, postgres_url: str
) -> None:
    ledger = Ledger(postgres_url)
    register(ledger)

    def work(connection: Connection) -> None:
        target.bind(connection, "https://half")
        end_sessions(postgres, postgres_url)
        target.bind(connection, "https://whole")

    with pytest.raises(LedgerUnreachable):
        ledger.write(work)
    with ledger.read() as connection:
        assert target.base_url(connection) is None
    ledger.close()


def test_a_deadlock_is_run_again(postgres_url: str) -> None:
    """Two writers that lock two rows crosswise: one is chosen to fail, and both succeed."""
    ledger = Ledger(postgres_url)
    say(ledger, {"A": 0, "B": 0})
    meeting = threading.Barrier(2)

    def writer(first: str, second: str) -> Callable[[], None]:
        met = False

        def work(connection: Connection) -> None:
            nonlocal met
            add_one(connection, first)
            if not met:
                met = True
                meeting.wait(10)
            add_one(connection, second)

        return lambda: ledger.write(work)

    threads = [threading.Thread(target=writer(*pair)) for pair in ("AB", "BA")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (level_of(ledger, "A").stock, level_of(ledger, "B").stock) == (2, 2)
    ledger.close()


def add_one(connection: Connection, sku: str) -> None:
    connection.execute(text("UPDATE level SET stock = stock + 1 WHERE sku = :sku"), {"sku": sku})


def test_a_serialization_failure_is_run_again(postgres_url: str) -> None:
    ledger = Ledger(postgres_url)
    say(ledger, {"A": 0})
    other = Ledger(postgres_url)
    runs = 0

    def work(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        connection.execute(text("SELECT stock FROM level")).all()
        if runs == 1:
            change(other, "A", stock=10)
        add_one(connection, "A")

    ledger.write(work)
    assert (runs, level_of(ledger, "A").stock) == (2, 11)
    for one in (ledger, other):
        one.close()


CANARY = "canary-password-4711"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://u:{CANARY}@127.0.0.1:1/none",
        "sqlite:////proc/nowhere/ledger.db",
    ],
    ids=["postgresql", "sqlite"],
)
def test_a_ledger_that_cannot_be_reached_says_so_without_its_password(url: str) -> None:
    ledger = Ledger(url)
    for attempt in (lambda: source_of(ledger), lambda: register(ledger)):
        with pytest.raises(LedgerUnreachable) as caught:
            attempt()
        said = f"{caught.value.message} {caught.value.remedy} {caught.value.place} {ledger!r}"
        assert ledger.place in said
        assert CANARY not in said
        assert CANARY not in str(caught.value.__cause__)
        assert caught.value.exit_code is ExitCode.UNREACHABLE


def test_a_wrong_password_is_not_shown(postgres: Server) -> None:
    ledger = Ledger(f"postgresql+psycopg://stranger:{CANARY}@127.0.0.1:{postgres.port}/postgres")
    with pytest.raises(LedgerUnreachable) as caught:
        migrating.found(ledger)
    assert "stranger" in caught.value.message
    assert CANARY not in caught.value.message


def test_registering_twice_keeps_sources_as_they_are(ledger: Ledger) -> None:
    register(ledger, SOURCE, "erp")
    before = source_of(ledger)
    register(ledger, SOURCE, "erp")
    assert source_of(ledger) == before


def test_levels_of_a_source_that_is_no_longer_configured_retire_and_come_back(
    ledger: Ledger,
) -> None:
    say(ledger, {"A": 5})
    register(ledger, "erp")
    assert level_of(ledger, "A").retired
    register(ledger, SOURCE)
    assert not level_of(ledger, "A").retired


def test_a_file_that_is_no_database_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"this is no ledger" * 1000)
    ledger = Ledger(f"sqlite:///{path}")
    with pytest.raises(LedgerUnreachable, match="cannot be used: file is not a database") as caught:
        migrating.require(ledger)
    ledger.close()
    assert caught.value.exit_code is ExitCode.UNREACHABLE
