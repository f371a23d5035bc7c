"""What the database may do to us (D1 to D9): real servers, real files, real processes.

`docs/faults.md` says which test shows what.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import event, text

from connectors.contract import Kind
from tests.acceptance.services import place
from tests.acceptance.services import stocks as some
from tests.databases import fresh_database, postgres_server
from tests.faults.cutting import relaying
from tests.integration.delivering import Desk, sent, stocks
from tests.integration.ledgers import HandClock, migrated
from tests.integration.pulling import Drop, Erp
from tests.integration.scenes import level_of, say, source_of
from tests.processes import STOCKSYNC, children, running, standing_still, until
from worker.errors import LedgerUnreachable
from worker.ledger import Ledger, levels, migrating, target
from worker.ledger.clock import boottime
from worker.model import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from tests.databases import Server
    from worker.sandbox import RunningSandbox

ROOT = Path(__file__).parents[2]
LOCK = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


# --- D1: another program locks the SQLite file


@contextmanager
def locked(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another program that holds the database until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOCK, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "locked\n"
    yield process
    process.communicate("")


@pytest.fixture
def hasty(sqlite_url: str) -> Iterator[Ledger]:
    """A ledger to which SQLite says at once that the database is locked."""
    ledger = Ledger(sqlite_url)
    event.listen(
        ledger.engine, "connect", lambda session, _: session.execute("PRAGMA busy_timeout=1")
    )
    yield ledger
    ledger.close()


def refusals(ledger: Ledger) -> list[str]:
    """What the database refuses from now on."""
    found: list[str] = []
    event.listen(ledger.engine, "handle_error", lambda context: found.append(str(context)))
    return found


def test_d1_a_locked_database_is_tried_again_until_it_is_free(hasty: Ledger) -> None:
    say(hasty, {"A": 5})
    assert hasty.path is not None
    refused = refusals(hasty)
    writer = threading.Thread(target=lambda: say(hasty, {"A": 6}))
    with locked(hasty.path):
        writer.start()
        until(lambda: refused)
    writer.join()
    assert level_of(hasty, "A").stock == 6


def test_d1_a_database_that_stays_locked_is_told_and_no_claim_is_lost(
    hasty: Ledger, sandbox: RunningSandbox
) -> None:
    desk = Desk(hasty, sandbox, HandClock())
    say(hasty, {"A": 5})
    slip = desk.courier().claim()
    assert hasty.path is not None
    with locked(hasty.path), pytest.raises(LedgerUnreachable, match="database is locked"):
        desk.courier().claim()
    assert desk.finish(slip) == Delivered(sent=1)
    desk.close()


# --- D2: two processes read, then write


def in_children(count: int, work: Callable[[], None]) -> list[str]:
    """Run ``work`` in so many forked processes at once; what went wrong in them."""
    reading, writing = os.pipe()
    pids = []
    for _ in range(count):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # other tests' threads, from 3.12
            pid = os.fork()
        if pid == 0:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - whatever it is, the parent tells it
                os.write(writing, f"{error!r}\n".encode())
            finally:
                os._exit(0)
        pids.append(pid)
    os.close(writing)
    with os.fdopen(reading) as said:
        complaints = said.read().splitlines()
    for pid in pids:
        os.waitpid(pid, 0)
    return complaints


def test_d2_processes_that_read_and_then_write_never_lose_a_change(ledger_url: str) -> None:
    ledger = Ledger(ledger_url)
    say(ledger, {"A": 0})
    ledger.close()

    def one_more(connection: Connection) -> None:
        (level,) = levels.by_keys(connection, [(1, "A")], lock=True).values()
        levels.save(connection, [level._replace(stock=level.stock + 1)])

    def work() -> None:
        for _ in range(25):
            ledger.write(one_more)

    assert in_children(4, work) == []
    assert level_of(ledger, "A").stock == 100
    ledger.close()


# --- D3: the disk is full


class Disk:
    """How large the database may become, as SQLite is told in each of its transactions."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._pages = 2**30
        event.listen(ledger.engine, "begin", self._limit)

    def _limit(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {self._pages}")

    def fill(self) -> None:
        with self._ledger.read() as connection:
            self._pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def clear(self) -> None:
        self._pages = 2**30


MANY = {f"{number:05}-{'x' * 30}": number % 90 + 1 for number in range(300)}


@pytest.fixture
def on_sqlite(sqlite_url: str, clock: HandClock, sandbox: RunningSandbox) -> Iterator[Desk]:
    ledger = Ledger(sqlite_url, clock=clock)
    desk = Desk(ledger, sandbox, clock)
    yield desk
    desk.close()
    ledger.close()


def test_d3_a_full_disk_stops_a_pull_whose_checkpoint_stays_until_there_is_room(
    on_sqlite: Desk, tmp_path: Path
) -> None:
    ledger = on_sqlite.ledger
    drop = Drop(ledger, tmp_path / "drop")
    drop.say(*(f"{sku},{stock}" for sku, stock in MANY.items()))
    disk = Disk(ledger)
    disk.fill()
    with pytest.raises(LedgerUnreachable, match="full") as caught:
        drop.pull()
    assert "its disk has room" in caught.value.remedy
    assert source_of(ledger).checkpoint is None
    disk.clear()
    on_sqlite.clock.forward(130)
    assert drop.one().status == "applied"
    assert drop.statuses() == ["failed", "applied"]


def test_d3_what_could_not_be_recorded_on_a_full_disk_goes_once_more(
    on_sqlite: Desk, sandbox: RunningSandbox
) -> None:
    say(on_sqlite.ledger, MANY)
    slip = on_sqlite.courier().claim()
    disk = Disk(on_sqlite.ledger)
    disk.fill()
    with pytest.raises(LedgerUnreachable, match="full"):
        on_sqlite.finish(slip)
    disk.clear()
    on_sqlite.clock.forward(on_sqlite.courier().lease + on_sqlite.plan.settle)
    on_sqlite.drain()
    assert stocks(sandbox) == MANY
    twice = {line.key.sku for line in slip.lines}
    assert {sku for sku in MANY if len(sent(sandbox, sku)) == 2} == twice
    assert max(len(sent(sandbox, sku)) for sku in MANY) == 2


# --- D4: PostgreSQL ends sessions, also in the middle of a commit


class Cut:
    """Cuts a session with PostgreSQL at a COMMIT: before it arrives, or after it was done."""

    def __init__(self, server: Server) -> None:
        self.port = server.port
        self.armed = False
        self.done = False
        self.skip = 0
        self._committing = False

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port))

    def __call__(self, way: str, _before: int, block: bytes) -> int | None:
        if way == "up" and self.armed and b"COMMIT\0" in block:
            if self.skip:
                self.skip -= 1
                return None
            self.armed, self._committing = False, self.done
            return None if self.done else 0
        if way == "down" and self._committing:
            self._committing = False
            return 0
        return None


@pytest.fixture
def cut(postgres: Server) -> Cut:
    return Cut(postgres)


@pytest.fixture
def cuttable(
    cut: Cut, postgres_url: str, clock: HandClock, sandbox: RunningSandbox
) -> Iterator[Desk]:
    """A desk whose ledger is behind a relay that cuts."""
    with relaying(cut.connect) as relay:
        relay.cut = cut
        url = postgres_url.replace(f":{cut.port}/", f":{relay.port}/")
        ledger = Ledger(url, clock=clock)
        desk = Desk(ledger, sandbox, clock)
        yield desk
        desk.close()
        ledger.close()


@pytest.mark.parametrize("done", [False, True], ids=["undone", "done"])
def test_d4_a_claim_whose_commit_has_no_answer_is_sent_after_its_rest(
    cuttable: Desk, cut: Cut, sandbox: RunningSandbox, *, done: bool
) -> None:
    say(cuttable.ledger, {"A": 5})
    cut.armed, cut.done = True, done
    with suppress_loss():
        cuttable.deliver()
    assert not cut.armed
    cuttable.clock.forward(cuttable.courier().lease)
    cuttable.drain()
    assert sent(sandbox, "A") == [5]


@pytest.mark.parametrize("done", [False, True], ids=["undone", "done"])
def test_d4_a_record_whose_commit_has_no_answer_costs_one_request_at_most(
    cuttable: Desk, cut: Cut, sandbox: RunningSandbox, *, done: bool
) -> None:
    say(cuttable.ledger, {"A": 5})
    slip = cuttable.courier().claim()
    cut.armed, cut.done = True, done
    with suppress_loss():
        cuttable.finish(slip)
    assert not cut.armed
    cuttable.clock.forward(cuttable.courier().lease)
    cuttable.drain()
    assert sent(sandbox, "A") in ([5], [5, 5])
    if done:
        assert sent(sandbox, "A") == [5]


def suppress_loss() -> contextlib.AbstractContextManager[None]:
    """A process may be told that the ledger is gone; it ends, and another goes on."""
    return contextlib.suppress(LedgerUnreachable)


@pytest.mark.thorough
@pytest.mark.parametrize("done", [False, True], ids=["undone", "done"])
def test_d4_a_cut_at_any_commit_loses_and_doubles_nothing(
    cuttable: Desk, cut: Cut, sandbox: RunningSandbox, tmp_path: Path, *, done: bool
) -> None:
    drop = Drop(cuttable.ledger, tmp_path / "drop")
    cut.done, stock, number = done, 0, 0
    while True:  # until a whole round went by without a cut
        number, stock = number + 1, stock + 1
        drop.say(f"A,{stock}", f"B,{stock + 1}")
        counted = Counting(cut, number)
        for step in (drop.pull, cuttable.drain, cuttable.poll):
            with suppress_loss():
                step()
        was_cut = counted.end()
        cuttable.clock.forward(130)
        drop.pull()
        cuttable.drain()
        cuttable.poll()
        assert stocks(sandbox) == {"A": stock, "B": stock + 1}
        assert sent(sandbox, "A").count(stock) <= 1 + was_cut
        if not was_cut:
            assert number > 10
            return


class Counting:
    """Arms a cut for the n-th COMMIT from now on."""

    def __init__(self, cut: Cut, number: int) -> None:
        self._cut = cut
        cut.skip, cut.armed = number - 1, True

    def end(self) -> bool:
        """Whether it was cut."""
        was_cut, self._cut.armed = not self._cut.armed, False
        return was_cut


@pytest.mark.thorough
def test_d4_a_server_that_starts_again_is_gone_for_a_moment_only(
    clock: HandClock, sandbox: RunningSandbox
) -> None:
    """A killed session makes PostgreSQL end all others and recover, as after a crash."""
    with postgres_server() as server:
        ledger = Ledger(migrated(fresh_database(server)), clock=clock)
        desk = Desk(ledger, sandbox, clock)
        say(ledger, {"A": 5})
        slip = desk.courier().claim()
        checkpoint(server)
        os.kill(session_of(ledger), signal.SIGKILL)
        until(lambda: answers(ledger))
        assert desk.finish(slip) == Delivered(sent=1)
        desk.close()
        ledger.close()


def checkpoint(server: Server) -> None:
    """Make durable what the servers of tests, which are fast, do not sync by themselves."""
    with psycopg.connect(
        host="127.0.0.1", port=server.port, user=server.user, dbname="postgres", autocommit=True
    ) as session:
        session.execute("CHECKPOINT")


def session_of(ledger: Ledger) -> int:
    with ledger.read() as connection:
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def answers(ledger: Ledger) -> bool:
    try:
        return session_of(ledger) > 0
    except LedgerUnreachable:
        return False


# --- D5: PostgreSQL stands still


def impatient(ledger: Ledger, seconds: float) -> None:
    """Let this ledger's sessions give up after so many seconds of silence."""

    def hurry(session: Any, _record: object) -> None:
        session.patience = seconds

    event.listen(ledger.engine, "connect", hurry)


@pytest.fixture
def short_tempered(postgres_url: str) -> Iterator[Ledger]:
    """A ledger that does not wait for its server for long."""
    ledger = Ledger(postgres_url)
    impatient(ledger, 0.5)
    yield ledger
    ledger.close()


def test_d5_a_session_that_stands_still_is_replaced(short_tempered: Ledger) -> None:
    say(short_tempered, {"A": 5})
    with standing_still(session_of(short_tempered)):
        say(short_tempered, {"A": 6})
    assert level_of(short_tempered, "A").stock == 6


def test_d5_a_server_that_stands_still_in_a_transaction_hangs_nobody(
    short_tempered: Ledger,
) -> None:
    say(short_tempered, {"A": 5})
    with contextlib.ExitStack() as stopped:

        def work(connection: Connection) -> None:
            target.bind(connection, "https://half")
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            stopped.enter_context(standing_still(pid))
            target.bind(connection, "https://whole")

        with pytest.raises(LedgerUnreachable, match="has not answered for"):
            short_tempered.write(work)
    with short_tempered.read() as connection:
        assert target.base_url(connection) is None


@pytest.mark.thorough
def test_d5_a_server_that_stands_still_for_longer_than_a_lease_doubles_no_flight(
    sandbox: RunningSandbox,
) -> None:
    with postgres_server() as server:
        url = migrated(fresh_database(server))
        ledger, other = Ledger(url), Ledger(url)
        impatient(other, 2.0)
        desk, second = (Desk(each, sandbox, HandClock()) for each in (ledger, other))
        for each in (desk, second):
            each.set(timeout=0.5, settle=1.0)
        say(ledger, {f"S{number}": 5 for number in range(20)})
        slip = desk.courier().claim()
        before = boottime()
        finishing = threading.Thread(target=lambda: desk.finish(slip))
        with standing_still(server.pid, *children(server.pid)):
            finishing.start()
            with pytest.raises(LedgerUnreachable):
                second.batch()
            until(lambda: boottime() > before + desk.courier().lease)
        finishing.join()
        assert second.batch() == Delivered()
        assert {len(sent(sandbox, f"S{number}")) for number in range(20)} == {1}
        assert sandbox.stats()["max_in_flight_per_key"] == 1
        for each in (desk, second):
            each.close()
        for each in (ledger, other):
            each.close()


# --- D7: the ledger is an older copy


class Copy:
    """An older copy of a ledger, kept by the database's own means."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self._ledger = ledger
        self._kept = folder / "older.db"
        self._name = f"older_{folder.name[-40:].lower()}".replace("-", "_")

    def keep(self) -> None:
        self._ledger.close()
        if self._ledger.path is not None:
            shutil.copy(self._ledger.path, self._kept)
        else:
            self._copy(str(self._ledger.url.database), self._name)

    def restore(self) -> None:
        self._ledger.close()
        if self._ledger.path is not None:
            shutil.copy(self._kept, self._ledger.path)
        else:
            self._copy(self._name, str(self._ledger.url.database))

    def _copy(self, source: str, name: str) -> None:
        url = self._ledger.url
        with psycopg.connect(
            host=url.host, port=url.port, user=url.username, dbname="postgres", autocommit=True
        ) as session:
            session.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            session.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')


def test_d7_with_an_older_copy_what_came_since_is_read_again(
    desk: Desk, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    erp = Erp(desk.ledger, f"sqlite:///{tmp_path / 'erp.db'}")
    copy = Copy(desk.ledger, tmp_path)
    erp.say(A=1, B=1, C=1)
    erp.pull()
    desk.drain()
    desk.courier().claim()
    copy.keep()
    erp.say(A=2, B=2)
    erp.pull()
    desk.drain()
    erp.say(B=3)
    erp.pull()
    copy.restore()
    erp.pull()
    desk.drain()
    desk.poll()
    assert stocks(sandbox) == {"A": 2, "B": 3, "C": 1}
    assert sent(sandbox, "A") == [1, 2, 2]
    assert desk.confirmed() == {"confirmed": 3}


def test_d7_with_an_older_copy_the_next_snapshot_puts_everything_right(
    desk: Desk, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    drop = Drop(desk.ledger, tmp_path / "drop")
    copy = Copy(desk.ledger, tmp_path)
    for number, line in enumerate(("A,1", "A,2", "A,2"), start=1):
        drop.say(line, f"B,{number}")
        drop.pull()
        desk.drain()
        if number == 1:
            copy.keep()
        if number == 2:
            copy.restore()
    assert stocks(sandbox) == {"A": 2, "B": 3}


def test_d7_with_an_older_copy_delta_files_are_read_again_before_newer_ones(
    desk: Desk, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    drop = Drop(desk.ledger, tmp_path / "drop", mode=Kind.DELTA)
    copy = Copy(desk.ledger, tmp_path)
    drop.say("A,1", "B,1", "C,1")
    drop.pull()
    desk.drain()
    copy.keep()
    for line in ("A,2", "A,3", "B,4"):
        drop.say(line)
        drop.pull()
        desk.drain()
    copy.restore()
    drop.say("B,5")
    again = drop.pull()
    desk.drain()
    assert [report.label for report in again] == [f"00{number}.csv" for number in (2, 3, 4, 5)]
    assert stocks(sandbox) == {"A": 3, "B": 5, "C": 1}
    assert sent(sandbox, "A") == [1, 2, 3, 3]
    assert drop.pull() == []
    assert drop.files(".done") == [f"00{number}.csv" for number in range(1, 6)]


# --- D8: an SQLite whose WAL can corrupt


OLDER = """
import sqlite3, sys
sys.modules["pysqlite3"] = None  # the newer SQLite is not installed
sqlite3.sqlite_version = "3.45.1"
from worker.cli import main
main()
"""


@pytest.mark.thorough
def test_d8_an_sqlite_with_the_wal_bug_keeps_a_rollback_journal_and_check_says_so(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    here = place(tmp_path, sandbox)
    here.drop("a.csv", {"A": 5})
    here.ledger.close()
    done = stocksync(here.folder, "sync", program=OLDER)
    assert done.returncode == 0, done.stderr
    assert journal_of(here.ledger) == "delete"
    assert stocks(sandbox) == {"A": 5}
    said = stocksync(here.folder, "check", program=OLDER).stdout
    assert "SQLite 3.45.1 with a rollback journal" in said


def journal_of(ledger: Ledger) -> str:
    """How the file itself says that it is written; our own SQLite is not asked."""
    assert ledger.path is not None
    return "wal" if ledger.path.read_bytes()[18] == 2 else "delete"  # SQLite's file format, 1.3


def stocksync(
    folder: Path, *words: str, program: str = "", environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder."""
    command = [sys.executable, "-c", program] if program else [*STOCKSYNC]
    return subprocess.run(
        [*command, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )


# --- D9: the ledger is migrated while workers run


@pytest.mark.thorough
def test_d9_workers_of_an_older_program_stop_when_the_ledger_is_migrated(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    here = place(tmp_path, sandbox)
    sandbox.order("delay", method="POST", path="*product_stock*", after=0.05)
    with running(*STOCKSYNC, "run", folder=here.folder) as old:
        here.drop("a.csv", some("A", 600))
        until(lambda: here.count("sent_revision > 0"))
        migrated_to(here.ledger, "9999")
        until(lambda: old.events("ledger"))
        until(lambda: not here.count("claim_token IS NOT NULL"))
        sent_by_old = len(sandbox.journal())
        here.drop("b.csv", some("B", 10))
        old.end()
    assert "was made by a newer stocksync" in old.text
    assert len(sandbox.journal()) == sent_by_old
    migrated_to(here.ledger, migrating.wanted())
    with running(*STOCKSYNC, "run", folder=here.folder):
        here.arrive(some("A", 600) | some("B", 10))
    assert {len(sent(sandbox, sku)) for sku in some("A", 600)} == {1}
    here.ledger.close()


def migrated_to(ledger: Ledger, number: str) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("UPDATE alembic_version SET version_num = :n"), {"n": number})

    ledger.write(work)
