"""The real programs, as a person would start them: each a child process of the demo."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from worker import lifeline
from worker.demo.waiting import DemoFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

GRACE_SECONDS = 60.0
"""The service's own grace is shorter: it ends its workers, and the broker last."""

_COMMAND_SECONDS = 120.0
_TAIL_LINES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended."""

    words: str
    code: int
    out: str
    err: str

    def document(self) -> Any:
        """What a command wrote under --json. Raises DemoFailed where it is no JSON."""
        try:
            return orjson.loads(self.out)
        except orjson.JSONDecodeError as error:
            told = (self.err or self.out).strip()[-500:]
            raise DemoFailed(f"`{self.words}` ended with {self.code}: {told}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """How to run `stocksync` in the demo's folder with its own environment."""

    folder: Path
    environment: Mapping[str, str]

    def command(self, *words: str) -> Finished:
        """Run one command to its end. Raises DemoFailed where it does not come to one."""
        shown = f"stocksync {' '.join(words)}"
        try:
            ended = self._run(words)
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"`{shown}` did not end in {_COMMAND_SECONDS:g} s") from error
        return Finished(words=shown, code=ended.returncode, out=ended.stdout, err=ended.stderr)

    def _run(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own program, no shell
            _line(words),
            cwd=self.folder,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=_COMMAND_SECONDS,
            process_group=0,  # Ctrl-C is for the demo, which then ends everything in order
            check=False,
        )

    def start(self, name: str, *words: str) -> Program:
        """Start a command that stays; what it writes goes to ``name``.log in the folder."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            child = subprocess.Popen(  # noqa: S603 - our own program, no shell
                lifeline.command(_line(words)),
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        return Program(name=name, log=log, child=child)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A command that stays until it is stopped."""

    name: str
    log: Path
    child: subprocess.Popen[bytes]

    def require(self) -> None:
        """Raise DemoFailed where it has ended by itself."""
        if self.child.poll() is not None:
            raise DemoFailed(
                f"the {self.name} ended by itself with {self.child.returncode}; its last lines:\n"
                + self.tail()
            )

    def tail(self) -> str:
        """The last lines that it wrote."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])

    def stop(self) -> int:
        """End it in order, by force after the grace; returns its exit code."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()


def environment(inherited: Mapping[str, str], *, config: Path, scratch: Path) -> dict[str, str]:
    """The demo's configuration and nothing of the person's own: no address, no secret of theirs.

    scratch: the folder for temporary files, the broker's socket among them.
    """
    kept = {name: text for name, text in inherited.items() if not name.startswith("STOCKSYNC_")}
    return {
        **kept,
        "STOCKSYNC_CONFIG": str(config),
        "STOCKSYNC_ACTOR": "demo",
        "STOCKSYNC_LOG__FORMAT": "console",
        "TMPDIR": str(scratch),
        "XDG_RUNTIME_DIR": "",
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "PYTHONIOENCODING": "utf-8",
        "NO_COLOR": "1",
    }


def _line(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "worker.cli", *words]
