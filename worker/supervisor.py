"""Keeps child processes running under one roof: starts, restarts, merges logs, ends in order.

Knows programs as command lines, and nothing of what they do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from worker import lifeline
from worker.ledger.clock import boottime

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
STEADY_SECONDS = 30.0
"""A program that lived for so long starts anew with the shortest pause."""

READY_SECONDS = 15.0
CHUNK = 65_536
LONGEST_LINE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A child process. grace: seconds from SIGTERM to SIGKILL.

    stage: programs end stage by stage, the lowest first; the highest stage starts first.
    ready: whether it can be used; those of the stages below start after that.
    said: takes a line of a foreign program's log apart, into a level (of `logging`) and its text;
    None: it writes our log.
    """

    name: str
    command: Sequence[str]
    stage: int = 0
    grace: float = 20.0
    ready: Callable[[], bool] = lambda: True
    said: Callable[[str], tuple[int, str]] | None = None


def pause_after(failures: int) -> float:
    """Seconds to wait before the next start, after so many short lives in a row."""
    return float(min(FIRST_PAUSE * 2.0 ** min(failures, 10), LONGEST_PAUSE))


@dataclass(kw_only=True)
class Supervisor:
    """Runs programs until a signal comes. environment: what they get beside ours.

    prefix: whether each line of theirs is shown behind the program's name.
    """

    programs: Sequence[Program]
    environment: Mapping[str, str] = field(default_factory=dict)
    prefix: bool = True
    ended_by: int = 0
    _keepers: list[_Keeper] = field(default_factory=list)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT; returns the signal. A second one hurries the end."""
        asyncio.run(self._run())
        return self.ended_by

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._heard, number)
        try:
            await self._start()
            await self._stopping.wait()
        finally:
            await self._end()

    def _heard(self, number: int) -> None:
        if self.ended_by:
            self._hurry.set()
        self.ended_by = self.ended_by or number
        self._stopping.set()

    async def _start(self) -> None:
        for stage in self._stages(reverse=True):
            keepers = [
                _Keeper(program, self.environment, prefix=self.prefix)
                for program in self.programs
                if program.stage == stage
            ]
            self._keepers += keepers
            for keeper in keepers:
                keeper.begin()
            await asyncio.gather(*(self._ready(keeper) for keeper in keepers))
            if self._stopping.is_set():
                return

    async def _ready(self, keeper: _Keeper) -> None:
        until = boottime() + READY_SECONDS
        while not keeper.program.ready() and not self._stopping.is_set():
            if boottime() > until:
                log.warning("slow_to_start", program=keeper.program.name)
                return
            await asyncio.sleep(0.05)

    async def _end(self) -> None:
        for stage in self._stages():
            keepers = [keeper for keeper in self._keepers if keeper.program.stage == stage]
            await asyncio.gather(*(keeper.end(self._hurry) for keeper in keepers))

    def _stages(self, *, reverse: bool = False) -> list[int]:
        return sorted({program.stage for program in self.programs}, reverse=reverse)


class _Keeper:
    """One program: starts it, starts it again, passes on what it writes."""

    def __init__(self, program: Program, environment: Mapping[str, str], *, prefix: bool) -> None:
        self.program = program
        self._environment = {**os.environ, **environment}
        self._prefix = f"{program.name:<8}| ".encode() if prefix else b""
        self._ending = False
        self._child: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Keep it running from now on."""
        self._task = asyncio.create_task(self._keep())

    async def end(self, hurry: asyncio.Event) -> None:
        """SIGTERM, its grace, then SIGKILL; at once where somebody hurries."""
        self._ending = True
        task = self._task
        if task is None:
            return
        if self._child is None:
            task.cancel()  # it only waits to start anew
        else:
            self._signal(signal.SIGTERM)
            await self._patience(task, hurry)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _patience(self, task: asyncio.Task[None], hurry: asyncio.Event) -> None:
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait(
            (task, hurried), timeout=self.program.grace, return_when=asyncio.FIRST_COMPLETED
        )
        hurried.cancel()
        if not task.done():
            log.warning("killed", program=self.program.name, after=self.program.grace)
            self._kill_group()

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)

    def _kill_group(self) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)

    async def _keep(self) -> None:
        failures = 0
        while True:
            began = boottime()
            code = await self._live()
            if self._ending:
                return
            failures = 0 if boottime() - began > STEADY_SECONDS else failures + 1
            pause = pause_after(failures)
            log.warning("restarted", program=self.program.name, exit_code=code, pause=pause)
            await asyncio.sleep(pause)

    async def _live(self) -> int:
        child = await asyncio.create_subprocess_exec(
            *lifeline.command(self.program.command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # so that Ctrl-C reaches the supervisor alone
            env=self._environment,
        )
        self._child = child
        log.info("started", program=self.program.name, pid=child.pid)
        reading = asyncio.create_task(self._pass_on(child.stdout))
        try:
            code = await child.wait()
            self._kill_group()  # children of a killed parent
            await asyncio.wait((reading,), timeout=1.0)
        finally:
            self._child = None
            reading.cancel()
        return code

    async def _pass_on(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None  # noqa: S101 - for the type checker: it is a pipe
        rest = b""
        while chunk := await stream.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            self._write(lines)
        self._write([rest] if rest else [])

    def _write(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            if not line.strip():
                continue
            if self._is_ours(line):
                _put(self._prefix + line)
            else:
                level, text = self._said(line.decode(errors="replace"))
                log.log(level, "output", program=self.program.name, line=text)

    def _is_ours(self, line: bytes) -> bool:
        """Whether a line can stand in the merged log as it is."""
        if self.program.said is not None:
            return False
        return bool(self._prefix) or _is_event(line)

    def _said(self, line: str) -> tuple[int, str]:
        """Level and text of what stands in no log of ours: mostly why a program cannot start."""
        return self.program.said(line) if self.program.said else (logging.ERROR, line)


def _is_event(line: bytes) -> bool:
    """Whether a line is an event of our JSON log."""
    try:
        event = json.loads(line)
    except ValueError:
        return False
    return isinstance(event, dict) and {"timestamp", "level"} <= event.keys()


def _put(line: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):  # nobody reads our log: go on working
        sys.stderr.buffer.write(line + b"\n")
        sys.stderr.buffer.flush()
