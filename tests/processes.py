"""Real processes for tests: in a group of their own, looked at through /proc, ended by id."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from worker.broker import Broker, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")
PATIENCE = 40.0
STOCKSYNC = (sys.executable, "-m", "worker.cli")


def until(
    look: Callable[[], T], *, seconds: float = PATIENCE, told: Callable[[], object] = str
) -> T:
    """Wait until something is the case; returns it. told: what there is to say if it is not."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"it did not come to be in time {told()}"
        time.sleep(0.05)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs, zombies not counted."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def children(pid: int) -> list[int]:
    """The processes that a process has forked."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(path.parent.name))
    return sorted(found)


@contextmanager
def standing_still(*pids: int) -> Iterator[None]:
    """Stop processes, and let them go on afterwards."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True, slots=True)
class Running:
    """A command that runs; its output is in a file."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        """All that it wrote so far."""
        return self.log.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events of this name in its log."""
        found = []
        for line in self.text.splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line))
        return [event for event in found if event.get("event") == name]

    def pid_of(self, program: str) -> int:
        """The process that a supervisor started last under this name."""
        return int([e for e in self.events("started") if e["program"] == program][-1]["pid"])

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextmanager
def running(
    *command: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """Run a command in a folder; it and its group are gone afterwards."""
    log = folder / f"{len(list(folder.glob('*.log')))}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Running(process, log)
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)


@contextmanager
def broker_server(folder: Path) -> Iterator[tuple[Broker, Running]]:
    """The bundled Valkey on a socket of its own."""
    broker = prepare()
    try:
        with running(*broker.command(), folder=folder) as server:
            until(broker.answers)
            yield broker, server
    finally:
        broker.remove()


def socket_of(server: int) -> Path:
    """The socket of a running Valkey, as its process title tells."""
    title = Path(f"/proc/{server}/cmdline").read_text()
    found = re.search(r"unixsocket:(\S+?)\0", title)
    assert found, title
    return Path(found[1])
