"""The supervisor with real processes: it starts, restarts, merges, and ends in order."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tests.processes import Running, alive, running, until
from worker.broker import said
from worker.supervisor import FIRST_PAUSE, LONGEST_PAUSE, pause_after

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PATIENT = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PATIENT}"
SHORT = "print('short life', flush=True)"

ROOF = """
import json, sys
from config.logs import configure_logs
from worker.supervisor import Program, Supervisor
configure_logs(format="json")
programs = [
    Program(name=name, command=[sys.executable, "-c", text], stage=stage, grace=1.0)
    for name, text, stage in json.loads(sys.argv[1])
]
sys.exit(128 + Supervisor(programs=programs, prefix=sys.argv[2] == "prefix").run())
"""


def supervised(*programs: tuple[str, str, int], style: str = "json") -> Sequence[str]:
    return [sys.executable, "-c", ROOF, json.dumps(programs), style]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Running]:
    command = supervised(("first", PATIENT, 0), ("last", PATIENT, 1))
    with running(*command, folder=tmp_path) as roof:
        until(lambda: roof.text.count('"up"') == 2)
        yield roof


def test_sigterm_ends_all_and_tells_the_signal(two: Running) -> None:
    pids = [two.pid_of("first"), two.pid_of("last")]
    assert two.end() == 128 + signal.SIGTERM
    assert not any(map(alive, pids))


def test_what_dies_is_started_again(two: Running) -> None:
    old = two.pid_of("first")
    os.kill(old, signal.SIGKILL)
    until(lambda: two.pid_of("first") != old)
    assert two.events("restarted")[0]["exit_code"] == -signal.SIGKILL


def test_children_end_with_a_supervisor_that_is_killed(two: Running) -> None:
    pids = [two.pid_of("first"), two.pid_of("last")]
    two.process.kill()
    until(lambda: not any(map(alive, pids)))


def test_lines_that_are_no_json_become_json(two: Running) -> None:
    lines = [event["line"] for event in two.events("output")]
    assert lines == ["up", "up"]
    assert {event["level"] for event in two.events("output")} == {"error"}


@pytest.mark.parametrize(
    ("line", "heard"),
    [
        ("9:M 22 Nov 2026 00:10:10.415 * Ready to accept", (logging.INFO, "Ready to accept")),
        ("9:M 22 Nov 2026 00:10:10.415 # Out of memory", (logging.WARNING, "Out of memory")),
        ("9:signal-handler (17) Received SIGTERM", (logging.DEBUG, "Received SIGTERM")),
        ("*** FATAL CONFIG ***", (logging.WARNING, "*** FATAL CONFIG ***")),
    ],
)
def test_the_brokers_own_log_is_taken_apart(line: str, heard: tuple[int, str]) -> None:
    assert said(line) == heard


def test_on_a_console_each_line_stands_behind_its_programs_name(tmp_path: Path) -> None:
    command = supervised(("beat", PATIENT, 0), style="prefix")
    with running(*command, folder=tmp_path) as roof:
        assert until(lambda: "beat    | up\n" in roof.text)


def test_who_does_not_end_in_time_is_killed(tmp_path: Path) -> None:
    with running(*supervised(("deaf", STUBBORN, 0)), folder=tmp_path) as roof:
        until(lambda: '"up"' in roof.text)
        pid = roof.pid_of("deaf")
        roof.end()
        assert not alive(pid)
        assert roof.events("killed")


def test_it_can_be_ended_while_a_program_waits_to_start_anew(tmp_path: Path) -> None:
    with running(*supervised(("short", SHORT, 0)), folder=tmp_path) as roof:
        until(lambda: roof.events("restarted"))
        assert roof.end(signal.SIGINT) == 128 + signal.SIGINT


def test_the_pause_before_a_restart_grows_to_a_limit() -> None:
    pauses = [pause_after(failures) for failures in range(20)]
    assert pauses[0] == FIRST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
