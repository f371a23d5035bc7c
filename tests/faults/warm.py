"""A warm interpreter: the service is imported once, and every command runs in a fork of it.

Starting a command costs most of a second, forking one a hundredth. The process that forks has one
thread and opens nothing, so a fork is as good as a fresh start. Killing a fork is killing the
command.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parents[2]
_WARMED = (
    *("worker.sync", "worker.bootstrap", "worker.operating", "worker.pull", "worker.replay"),
    *("worker.cli.app", "worker.cli.reports", "worker.cli.replaying"),
    *("worker.tasks", "worker.broker"),
    *("rich.console", "rich.table", "uvloop", "psycopg", "pysqlite3", "pymysql"),
)


@dataclass(frozen=True, slots=True)
class Fork:
    """A command that runs in a fork; `wait` for how it ended, minus the signal if by one."""

    pid: int
    _answers: IO[str]

    def wait(self) -> int:
        return int(json.loads(self._answers.readline())["code"])


@dataclass(frozen=True, slots=True)
class Warm:
    """The interpreter. One fork at a time."""

    process: subprocess.Popen[str]

    def start(
        self, *command: str, folder: Path, log: Path, environment: Mapping[str, str] | None = None
    ) -> Fork:
        """Run ``stocksync`` with these arguments, or ``module:function`` with the rest."""
        assert self.process.stdin
        assert self.process.stdout
        order = {
            "command": command,
            "folder": str(folder),
            "log": str(log),
            "environment": dict(environment or {}),
        }
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return Fork(json.loads(self.process.stdout.readline())["pid"], self.process.stdout)


@contextlib.contextmanager
def warm_interpreter() -> Iterator[Warm]:
    """One of them, gone afterwards."""
    environment = {name: value for name, value in os.environ.items() if "STOCKSYNC" not in name}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.warm"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Warm(process)
        finally:
            assert process.stdin
            process.stdin.close()


def _serve() -> None:
    for name in _WARMED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            _run(order)
        _tell(pid=pid)
        _, status = os.waitpid(pid, 0)
        _tell(code=os.waitstatus_to_exitcode(status))


def _tell(**answer: int) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _run(order: dict[str, Any]) -> NoReturn:
    code = 99
    try:
        os.chdir(order["folder"])
        os.environ.update(order["environment"])
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((nothing, log, log)):
            os.dup2(descriptor, number)
        code = _called(order["command"])
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _called(command: list[str]) -> int:
    module, _, function = command[0].partition(":")
    if function:
        return int(getattr(importlib.import_module(module), function)(*command[1:]) or 0)
    from worker.cli import main  # noqa: PLC0415 - imported already, but not by those who only ask

    try:
        main(command)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    _serve()
