"""The whole service as one group of real processes, that can be hurt, ended and started again."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.processes import STOCKSYNC, alive, children, until

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIGURATION = """
instance = "soak"
database_url = "{ledger}"
[omnitron]
base_url = "{omnitron}"
username = "erp"
timeout_seconds = {timeout}
settle_seconds = {settle}
requests_per_second = 200
[[channels]]
id = 5
stock_lists = [1]
poll = "1s"
confirm_within = "8s"
[[sources]]
name = "changes"
type = "csv"
path = "changes"
mode = "delta"
stock_list = 1
stable_for = 1
every = "1s"
guard = {{ first_pull = "apply" }}
columns = {{ sku = "sku", stock = "stock" }}
[[sources]]
name = "everything"
type = "csv"
path = "everything"
mode = "snapshot"
stock_list = 1
stable_for = 1
every = "1s"
guard = {{ first_pull = "apply", max_zero_ratio = 1 }}
columns = {{ sku = "sku", stock = "stock" }}
[[sources]]
name = "erp"
type = "sql"
url = "{erp}"
query = "SELECT sku, qty AS stock, changed AS cursor_value FROM stock WHERE changed >= :cursor"
cursor_type = "integer"
overlap = 5000000
full_query = "SELECT sku, qty AS stock FROM stock"
full_schedule = "* * * * *"
stock_list = 1
every = "1s"
guard = {{ first_pull = "apply" }}
[log]
format = "json"
"""

TIMEOUT, SETTLE = 2, 1
LEASE = 3 * TIMEOUT + 11
"""Seconds that a claim holds."""

PASSWORD = "soak-canary-8Q7"
GRACE = 60.0


QUEUES = ("pull", "deliver", "confirm")
_USERNAMES = ("STOCKSYNC_DATABASE_USERNAME", "STOCKSYNC_SOURCES__ERP__USERNAME")


@dataclass
class Service:
    """`stocksync run` in a folder; every process that it ever had ends with it.

    user: of the databases, where they want one.
    """

    folder: Path
    user: str = ""
    _process: subprocess.Popen[bytes] | None = None
    _logs: int = 0
    _pids: set[int] = field(default_factory=set)
    crashes: list[str] = field(default_factory=list)

    @property
    def pid(self) -> int:
        """The supervisor."""
        assert self._process
        return self._process.pid

    @property
    def logs(self) -> Sequence[Path]:
        """What all its lives wrote."""
        return sorted(self.folder.glob("run-*.log"))

    def start(self) -> None:
        """Start it; it takes over what an earlier life left."""
        self._logs += 1
        with (self.folder / f"run-{self._logs:03}.log").open("wb") as log:
            self._process = subprocess.Popen(
                [*STOCKSYNC, "run"],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ready(self) -> bool:
        """Whether every queue has a child that works on it."""
        return {f"{queue} child" for queue in QUEUES} <= self.roles().keys()

    def revive(self) -> None:
        """Start it where it has ended by itself, which it must not."""
        assert self._process
        code = self._process.poll()
        if code is not None:
            self.crashes.append(f"the supervisor ended with {code}: {self.logs[-1].name}")
            self.start()

    def restart(self) -> None:
        """End it in order, as a deployment does, and start it."""
        assert self._process
        self._process.terminate()
        code = self._process.wait(GRACE)
        if code not in {0, 143, -signal.SIGTERM}:  # the last: before it had begun
            self.crashes.append(f"SIGTERM ended it with {code}: {self.logs[-1].name}")
        self.start()

    def kill(self) -> None:
        """Kill every process of it at once, as a power cut does."""
        assert self._process
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(GRACE)

    def end(self) -> None:
        """End it and see that nothing is left."""
        assert self._process
        family = self.family()
        self._process.terminate()
        self._process.wait(GRACE)
        until(lambda: not any(map(alive, family)), seconds=GRACE)

    def family(self) -> list[int]:
        """The supervisor and all below it."""
        found, todo = [], [self.pid]
        while todo:
            found.append(todo.pop())
            todo += children(found[-1])
        return found

    def roles(self) -> dict[str, list[int]]:
        """Processes by what they do: supervisor, broker, beat, each queue's parent and children."""
        found: dict[str, list[int]] = {"supervisor": [self.pid]}
        for program in children(self.pid):
            title = _quietly(Path(f"/proc/{program}/cmdline")).replace(b"\0", b" ").decode()
            role = next((word for word in _ROLES if re.search(_ROLES[word], title)), "other")
            found.setdefault(role, []).append(program)
            for child in children(program):
                found.setdefault(f"{role} child", []).append(child)
        return found

    def command(self, *arguments: str) -> Any:
        """Run a command as a person would; returns its document, None where it has none."""
        done = subprocess.run(
            [*STOCKSYNC, *arguments, "--json"],
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            timeout=120,
            check=False,
        )
        if done.returncode == 70 or b"Traceback" in done.stderr:
            self.crashes.append(
                f"{arguments} ended with {done.returncode}: {done.stderr[-2000:]!r}"
            )
        with contextlib.suppress(ValueError):
            return json.loads(done.stdout)
        return None

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "STOCKSYNC_ACTOR": "soak",
            "STOCKSYNC_OMNITRON__PASSWORD_FILE": str(self.folder / "password"),
            **{name: self.user for name in _USERNAMES if self.user},
        }


_ROLES = {
    "broker": r"valkey",
    "beat": r"\bbeat\b",
    "pull": r"--queue pull",
    "deliver": r"--queue deliver",
    "confirm": r"--queue confirm",
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the processes of one role held at one time: bytes and open files of the largest."""

    at: float
    role: str
    memory: int
    files: int


def samples(service: Service) -> list[Sample]:
    """Look at all processes of the service."""
    now = time.monotonic()
    return [
        Sample(at=now, role=role, memory=_memory(pid), files=_files(pid))
        for role, pids in service.roles().items()
        for pid in pids
    ]


def _memory(pid: int) -> int:
    found = re.search(rb"VmRSS:\s+(\d+) kB", _quietly(Path(f"/proc/{pid}/status")))
    return int(found[1]) * 1024 if found else 0


def _files(pid: int) -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - names only
    return 0


def _quietly(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b""
