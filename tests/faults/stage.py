"""The processes of the service apart, on a broker that can be hurt, for the fault suite."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import redis

from tests.acceptance.services import Place, place
from tests.faults.cutting import Relay, relaying
from tests.faults.oracle import Scene, Truth, check, unrest
from tests.processes import STOCKSYNC, Running, children, running, until
from worker.bootstrap import build
from worker.broker import Broker, prepare
from worker.sandbox import RunningSandbox
from worker.tasks import application

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from celery import Celery

LONG = 120.0
"""Seconds for what takes a lease, a rest and a reconnect, on a busy machine."""


@dataclass
class Bell:
    """A real Valkey that can be killed, stopped and started again at the same address."""

    broker: Broker
    folder: Path
    more: Sequence[str] = ()
    _stack: ExitStack = field(default_factory=ExitStack)
    _server: Running | None = None

    def start(self) -> None:
        """Start it, with nothing in it."""
        self.broker.socket.unlink(missing_ok=True)
        command = [*self.broker.command(), *self.more]
        self._server = self._stack.enter_context(running(*command, folder=self.folder))
        until(self.listens)

    def listens(self) -> bool:
        """Whether it takes connections."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.broker.socket))
            return True
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._server is not None
        self._server.process.send_signal(number)

    def kill(self) -> None:
        """End it at once; what it held is gone."""
        assert self._server is not None
        self._server.end(signal.SIGKILL)

    def connect(self) -> socket.socket:
        """A connection to it."""
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self.broker.socket))
        except OSError:
            connection.close()
            raise
        return connection

    def client(self, password: str | None = None) -> redis.Redis:
        """A client to look into it with."""
        return redis.Redis(unix_socket_path=str(self.broker.socket), password=password)

    def close(self) -> None:
        """End it and leave nothing."""
        self._stack.close()
        self.broker.remove()


@dataclass
class Stage:
    """A place with a broker, a relay before it, and the truth that the ERP has told."""

    at: Place
    bell: Bell
    relay: Relay
    truth: Truth = field(default_factory=Truth)

    def says(self, name: str, stocks: Mapping[str, int]) -> None:
        """Let the ERP export a file."""
        self.at.drop(name, stocks)
        self.truth.says(stocks)

    def run(self, *words: str, environment: Mapping[str, str] | None = None) -> _Run:
        """A command of the service, as a process with its own group."""
        return running(*STOCKSYNC, *words, folder=self.at.folder, environment=environment)

    def app(self) -> Celery:
        """The application as a process that rings has it."""
        service = build(self.at.folder / "stocksync.toml")
        service.ready_ledger()
        url = service.loaded.settings.broker_url
        assert url is not None
        return application(service, broker_url=url.reveal())

    def healthy(self, max_age: str = "15s") -> bool:
        """What `stocksync health` says."""
        command = [*STOCKSYNC, "health", "--max-age", max_age]
        done = subprocess.run(command, cwd=self.at.folder, capture_output=True, check=False)
        assert done.returncode in {0, 1}, done.stderr
        return done.returncode == 0

    @property
    def scene(self) -> Scene:
        """Where the oracle looks."""
        url = self.at.ledger.url.render_as_string(hide_password=False)
        return Scene(
            ledger=url,
            sandbox=self.at.sandbox.url,
            logs=sorted(self.at.folder.glob("*.log")),
            canaries=("canary",),
        )

    def judge(self, *, extra_posts: int = 0, minimum: int = 1) -> None:
        """Wait until all is quiet, and hold the service to every rule."""
        scene = self.scene
        wanted = {sku: stock for (_, sku), stock in self.truth.now.items()}
        until(
            lambda: self.at.shown(wanted) and not unrest(scene),
            seconds=LONG,
            told=lambda: unrest(scene),
        )
        found = check(scene, self.truth, extra_posts=extra_posts, minimum=minimum)
        assert found == [], "\n".join(found[:20])


_Run = contextlib.AbstractContextManager[Running]


@contextmanager
def stage(folder: Path, *, ledger: str = "", more: str = "") -> Iterator[Stage]:
    """A stage whose broker is up; no process of the service runs yet."""
    with ExitStack() as stack:
        bell = Bell(prepare(), folder)
        stack.callback(bell.close)
        bell.start()
        relay = stack.enter_context(relaying(bell.connect))
        sandbox = stack.enter_context(RunningSandbox())
        text = f'broker_url = "redis://127.0.0.1:{relay.port}/0"\n{more}'
        at = place(folder, sandbox, ledger=ledger, more=text)
        _give_time(folder / "stocksync.toml")
        stack.callback(at.ledger.close)
        yield Stage(at, bell, relay)


def _give_time(configuration: Path) -> None:
    """A busy machine answers late, and a late answer is a second POST that no fault explains."""
    text = configuration.read_text()
    configuration.write_text(text.replace("timeout_seconds = 1", "timeout_seconds = 4"))


def family(pid: int) -> list[int]:
    """A process and all that it has started, the youngest last."""
    found = [pid]
    for each in found:
        found += children(each)
    return found


def kill_all(*pids: int) -> None:
    """SIGKILL to processes and all that they have started, before any of them can react."""
    for each in [member for pid in pids for member in family(pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def launched(text: str) -> list[str]:
    """The program after some lines of Python, for what only its own process can suffer."""
    return [sys.executable, "-P", "-c", f"{text}\nfrom worker.cli import main\nmain()"]
