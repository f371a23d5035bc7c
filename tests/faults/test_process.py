"""What may happen to the processes of the service (P3, P11 to P17): real processes, real signals.

Judged from outside by `oracle`. The crash points between two effects (P1 to P9) have tests of their
own too; `docs/faults.md` says which test shows what.
"""

from __future__ import annotations

import contextlib
import os
import signal
import textwrap
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.services import stocks
from tests.databases import fresh_database
from tests.faults.stage import LONG, Stage, family, kill_all, launched, stage
from tests.processes import STOCKSYNC, children, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import Server
    from tests.processes import Running

pytestmark = pytest.mark.thorough


@pytest.fixture(params=["sqlite", "postgresql"])
def on(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A stage, once on each database."""
    ledger, more = "", ""
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        ledger, more = fresh_database(server), f'database_username = "{server.user}"'
    with stage(tmp_path, ledger=ledger, more=more) as made:
        yield made


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Stage]:
    """A stage on SQLite."""
    with stage(tmp_path) as made:
        yield made


def slow(on: Stage, after: float = 0.5) -> int:
    """Let Omnitron take its time for each answer."""
    return on.at.sandbox.order("delay", method="POST", path="*product_stock*", after=after)


def claimed(on: Stage) -> int:
    return on.at.count("claim_token IS NOT NULL")


# --- P3: it dies beside the bell


@pytest.mark.parametrize("point", ["bell.ringing", "bell.rung"])
def test_p3_a_child_of_a_worker_that_dies_beside_the_bell_costs_no_work(
    on: Stage, point: str
) -> None:
    passages = on.at.folder / "passages"
    dies = {"STOCKSYNC_FAULT": f"{point}:1@{passages}"}
    with (
        on.run("worker", "--queue", "pull", environment=dies) as worker,
        on.run("worker", "--queue", "deliver"),
        on.run("worker", "--queue", "confirm"),
        on.run("beat"),
    ):
        on.says("a.csv", stocks("A", 50))
        on.judge(minimum=50)
        assert f"{point}\nkilled\n" in passages.read_text()
        on.says("b.csv", stocks("B", 50))
        on.judge(minimum=100)
        assert worker.process.poll() is None


# --- P11: all of it is killed


def test_p11_a_worker_killed_with_all_its_children_loses_nothing(on: Stage) -> None:
    number = slow(on)
    on.says("a.csv", stocks("A", 100))
    with on.run("beat"):
        for _ in range(2):
            with on.run("worker") as worker:
                until(lambda: claimed(on), seconds=LONG)
                kill_all(worker.process.pid)
                on.says("b.csv", stocks("A", 120))
        on.at.sandbox.lift(number)
        with on.run("worker"):
            on.judge(extra_posts=2, minimum=120)


# --- P12: it is told to end


def test_p12_a_child_that_cannot_end_is_killed_and_its_levels_go_when_their_lease_is_over(
    alone: Stage,
) -> None:
    number = slow(alone)
    alone.says("a.csv", stocks("A", 100))
    with alone.run("run") as service:
        until(lambda: claimed(alone), seconds=LONG)
        deliver = service.pid_of("deliver")
        stuck = [deliver, *children(deliver)]
        for pid in stuck:
            os.kill(pid, signal.SIGSTOP)
        assert service.end() == 128 + signal.SIGTERM
        assert "deliver" in [event["program"] for event in service.events("killed")]
    assert claimed(alone)
    alone.at.sandbox.lift(number)
    with alone.run("run"):
        alone.judge(extra_posts=1, minimum=100)


def test_p12_sigterm_to_all_at_once_leaves_nothing_claimed(on: Stage) -> None:
    slow(on)
    on.says("a.csv", stocks("A", 300))
    with on.run("beat") as beat, on.run("worker") as worker:
        until(lambda: claimed(on), seconds=LONG)
        for pid in [*family(beat.process.pid), *family(worker.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        assert worker.process.wait(LONG) == 128 + signal.SIGTERM
        assert not worker.events("killed")
    assert not claimed(on)
    assert not on.at.count("status = 'sending'", "batch")
    on.at.sandbox.lift()
    with on.run("beat"), on.run("worker"):
        on.judge(minimum=300)


# --- P13: one after the other is restarted, under load


def test_p13_restarts_again_and_again_under_load_lose_and_repeat_nothing(on: Stage) -> None:
    with ExitStack() as stack, on.run("beat"):
        for queue in ("pull", "confirm"):
            stack.enter_context(on.run("worker", "--queue", queue))
        old: Running | None = None
        for turn in range(4):
            for number in range(3):
                on.says("a.csv", stocks(f"{turn}{number}", 40))
            new = stack.enter_context(on.run("worker", "--queue", "deliver"))
            until(lambda new=new: new.events("worker_ready"), seconds=LONG)
            if old is not None:
                assert old.end() == 128 + signal.SIGTERM
            old = new
        on.judge(minimum=4 * 3 * 40)


# --- P14: it stands still, and wakes up


def test_p14_a_worker_that_wakes_after_its_lease_records_and_starts_nothing(on: Stage) -> None:
    number = slow(on)
    on.says("a.csv", stocks("A", 100))
    with (
        on.run("worker", "--queue", "pull"),
        on.run("beat"),
        on.run("worker", "--queue", "deliver") as zombie,
    ):
        until(lambda: claimed(on), seconds=LONG)
        asleep = family(zombie.process.pid)
        for pid in asleep:
            os.kill(pid, signal.SIGSTOP)
        on.says("b.csv", {sku: stock + 1 for sku, stock in stocks("A", 100).items()})
        on.at.sandbox.lift(number)
        with on.run("worker", "--queue", "deliver"), on.run("worker", "--queue", "confirm"):
            until(
                lambda: on.at.shown({sku: n for (_, sku), n in on.truth.now.items()}),
                seconds=LONG,
            )
            for pid in reversed(asleep):
                os.kill(pid, signal.SIGCONT)
            on.judge(extra_posts=1, minimum=100)
            assert zombie.end() == 128 + signal.SIGTERM


# --- P15: beats


def test_p15_two_beats_and_one_that_dies_again_and_again_do_nothing_twice(on: Stage) -> None:
    with on.run("worker"), on.run("beat"):
        for turn in range(3):
            with on.run("beat") as second:
                on.says("a.csv", stocks(f"A{turn}", 50))
                until(lambda second=second: second.events("beat_ready"), seconds=LONG)
                second.end(signal.SIGKILL)
        on.judge(minimum=150)


def test_p15_while_no_beat_rings_health_is_red_and_its_first_tick_finds_everything(
    alone: Stage,
) -> None:
    with alone.run("worker") as worker:
        with alone.run("beat") as beat:
            alone.says("a.csv", stocks("A", 20))
            alone.judge()
            assert alone.healthy()
            beat.end(signal.SIGKILL)
        until(lambda: not alone.healthy(), seconds=LONG)
        alone.says("b.csv", stocks("B", 20))
        alone.says("c.csv", stocks("B", 30))
        with alone.run("beat"):
            alone.judge(minimum=50)
            assert alone.healthy()
        assert worker.process.poll() is None


# --- P16: clocks that step

STEPPED = textwrap.dedent("""
    import os, pathlib, time
    path, real, real_ns = pathlib.Path("offset"), time.time, time.time_ns
    time.time = lambda: real() + float(path.read_text())
    time.time_ns = lambda: real_ns() + int(float(path.read_text()) * 1e9)
""")
"""Lets a process read a wall clock that is off by what stands in a file."""

HOUR, YEAR = 3_600.0, 366 * 86_400.0


def steps(on: Stage, seconds: float) -> None:
    """Let the wall clock step."""
    hidden = on.at.folder / ".offset"
    hidden.write_text(str(seconds))
    hidden.rename(on.at.folder / "offset")


def test_p16_steps_of_the_wall_clock_steal_no_lease_and_stop_nothing(on: Stage) -> None:
    steps(on, 0)
    number = slow(on)
    stepped = launched(STEPPED)
    with (
        running(*stepped, "worker", "--queue", "deliver", folder=on.at.folder),
        running(*stepped, "worker", "--queue", "deliver", folder=on.at.folder),
        running(*stepped, "beat", folder=on.at.folder),
        on.run("worker", "--queue", "pull"),
        on.run("worker", "--queue", "confirm"),
    ):
        for turn, step in enumerate((-HOUR, HOUR, YEAR, -YEAR)):
            on.says("a.csv", stocks(f"A{turn}", 60))
            until(lambda: claimed(on), seconds=LONG)
            steps(on, step)
            until(lambda turn=turn: on.at.shown(stocks(f"A{turn}", 60)), seconds=LONG)
            assert on.healthy()
        on.at.sandbox.lift(number)
        on.judge(minimum=240)


def test_p16_processes_whose_wall_clocks_differ_agree_on_every_lease(on: Stage) -> None:
    number = slow(on)
    with ExitStack() as stack:
        for off in (-HOUR, 0.0, YEAR):
            text = f"import time; real = time.time; time.time = lambda: real() + {off}"
            command = [*launched(text), "worker", "--queue", "deliver"]
            stack.enter_context(running(*command, folder=on.at.folder))
        for words in (("worker", "--queue", "pull"), ("worker", "--queue", "confirm"), ("beat",)):
            stack.enter_context(on.run(*words))
        on.says("a.csv", stocks("A", 200))
        until(lambda: claimed(on), seconds=LONG)
        on.says("b.csv", stocks("A", 220))
        on.at.sandbox.lift(number)
        on.judge(minimum=220)


# --- P17: alive, and of no use


def test_p17_a_worker_that_takes_nothing_is_red_and_goes_on_when_it_can(alone: Stage) -> None:
    with alone.run("worker") as worker, alone.run("beat"):
        alone.says("a.csv", stocks("A", 20))
        alone.judge()
        deliver = worker.pid_of("deliver")
        os.kill(deliver, signal.SIGSTOP)
        try:
            alone.says("b.csv", stocks("B", 20))
            until(lambda: not alone.healthy(), seconds=LONG)
        finally:
            os.kill(deliver, signal.SIGCONT)
        alone.judge(minimum=40)
        until(alone.healthy)


def test_p17_a_restart_heals_a_worker_that_takes_nothing(alone: Stage) -> None:
    with alone.run("beat"):
        with alone.run("worker", "--queue", "pull"):
            alone.says("a.csv", stocks("A", 20))
            until(lambda: alone.at.count("sku LIKE 'A%'") == 20, seconds=LONG)
        assert not alone.healthy()
        with running(*STOCKSYNC, "worker", folder=alone.at.folder):
            alone.judge(minimum=20)
            assert alone.healthy()
