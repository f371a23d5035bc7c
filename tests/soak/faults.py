"""What can be done to the service while it works, by family. Each returns what it did, in words."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import psycopg
import pysqlite3 as sqlite3
import redis

from tests.processes import alive, children, socket_of, until
from tests.soak.service import LEASE, QUEUES, SETTLE, TIMEOUT

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from tests.soak.service import Service
    from worker.sandbox import RunningSandbox

WRITES = "*product_stock*"
CHANNELS = "*/sales_channel*"


class Pause(NamedTuple):
    """A stretch in which a process stood still for longer than its lease; epoch seconds."""

    since: float
    until: float


@dataclass
class Target:
    """What there is to hurt. server: the pid of PostgreSQL, None: the ledger is SQLite."""

    service: Service
    sandbox: RunningSandbox
    folder: Path
    ledger: str
    erp: str
    server: int | None
    dice: random.Random
    long: bool = True
    pauses: list[Pause] = field(default_factory=list)

    def one_of(self, *roles: str) -> int | None:
        """A living process that does one of these."""
        found = self.service.roles()
        pids = [pid for role in roles for pid in found.get(role, ()) if alive(pid)]
        return self.dice.choice(pids) if pids else None


def kill_child(target: Target) -> str:
    """What the kernel does to a process that takes too much memory."""
    return _killed(target, *(f"{role} child" for role in QUEUES))


def kill_worker(target: Target) -> str:
    """A parent dies; its children must not outlive it."""
    return _killed(target, *QUEUES)


def kill_beat(target: Target) -> str:
    """The clock that rings dies."""
    return _killed(target, "beat")


def kill_broker(target: Target) -> str:
    """All messages are gone."""
    return _killed(target, "broker")


def _killed(target: Target, *roles: str) -> str:
    pid = target.one_of(*roles)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return f"killed {pid} of {', '.join(roles)}"


def kill_everything(target: Target) -> str:
    """The power goes, and comes back."""
    target.service.kill()
    time.sleep(target.dice.uniform(0, 3))
    target.service.start()
    _until_it_works(target)
    return "killed all processes at once"


def deploy(target: Target) -> str:
    """A restart in order."""
    target.service.restart()
    _until_it_works(target)
    return "restarted in order"


def _until_it_works(target: Target) -> None:
    """Faults that meet nobody prove nothing."""
    with contextlib.suppress(AssertionError):
        until(target.service.ready)


def freeze(target: Target) -> str:
    """A process stands still for a moment."""
    return _frozen(target, target.dice.uniform(1, 5))


def freeze_for_long(target: Target) -> str:
    """A worker stands still for longer than its lease, and others take over."""
    if not target.long:
        return freeze(target)
    since, words = time.time(), _frozen(target, LEASE + target.dice.uniform(1, 4))
    target.pauses.append(Pause(since, time.time()))
    return words


def _frozen(target: Target, seconds: float) -> str:
    pid = target.one_of(*QUEUES, *(f"{role} child" for role in QUEUES), "broker", "beat")
    if pid is None:
        return "nobody to freeze"
    family = [pid, *children(pid)]
    _signalled(family, signal.SIGSTOP)
    time.sleep(seconds)
    _signalled(family, signal.SIGCONT)
    return f"froze {pid} for {seconds:.1f} s"


def _signalled(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def flush_broker(target: Target) -> str:
    """Somebody empties the broker again and again."""

    def flush(client: redis.Redis) -> None:
        for _ in range(20):
            client.flushall()
            time.sleep(0.05)

    return f"flushed the broker 20 times: {_at_the_broker(target, flush)}"


def push_garbage(target: Target) -> str:
    """Messages that nobody sent."""

    def push(client: redis.Redis) -> None:
        for queue in QUEUES:
            client.lpush(f"soak.{queue}", b"\x80\x05garbage", b"{}", b'{"body": 1}')

    return f"pushed garbage into the queues: {_at_the_broker(target, push)}"


def _at_the_broker(target: Target, work: Callable[[redis.Redis], None]) -> str:
    pid = target.one_of("broker")
    try:
        assert pid, "there is none"
        with redis.Redis(unix_socket_path=str(socket_of(pid)), socket_timeout=2) as client:
            work(client)
    except (AssertionError, OSError, redis.RedisError) as error:  # it may just have been killed
        return str(error) or type(error).__name__
    return "done"


def lock_database(target: Target) -> str:
    """Another program holds the ledger, or ends every session of it."""
    if target.server is not None:
        return _sessions_ended(target.ledger)
    seconds = target.dice.uniform(1, 6)
    path = target.ledger.removeprefix("sqlite:///")
    _held(path, seconds)
    return f"held the ledger for {seconds:.1f} s"


def _held(path: str, seconds: float) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        time.sleep(seconds)
        database.execute("ROLLBACK")


def _sessions_ended(url: str) -> str:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as session:
        ended = session.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    return f"ended {ended and ended[0]} sessions of PostgreSQL"


def freeze_database(target: Target) -> str:
    """PostgreSQL stands still."""
    if target.server is None:
        return lock_database(target)
    family = [target.server, *children(target.server)]
    seconds = target.dice.uniform(1, 6)
    _signalled(family, signal.SIGSTOP)
    time.sleep(seconds)
    _signalled(family, signal.SIGCONT)
    return f"froze PostgreSQL for {seconds:.1f} s"


_REFUSALS = (500, 502, 503, 504, 429, 403, 302, 404)


def refuse(target: Target) -> str:
    """Omnitron answers with errors, some with a web page or a time to wait."""
    status = target.dice.choice(_REFUSALS)
    headers = {"Retry-After": target.dice.choice(["1", "2", "-5", "soon", "0"])}
    body = "<h1>sorry</h1>" if target.dice.random() < 0.5 else {"detail": "sorry"}
    fault = {"status": status, "headers": headers, "body": body}
    return _strike(target, "status", path="*", probability=0.6, **fault)


def answer_oddly(target: Target) -> str:
    """Omnitron takes the write, and its answer proves nothing."""
    kinds = ("html", "invalid_json", "empty", "truncated_json", "wrong_echo", "reset_answer")
    return _strike(target, target.dice.choice(kinds), method="POST", path=WRITES, probability=0.3)


def cut(target: Target) -> str:
    """Connections break before or after the write."""
    kind = target.dice.choice(["reset", "reset_unread"])
    return _strike(target, kind, path="*", probability=0.3)


def answer_late(target: Target) -> str:
    """The write takes effect, its answer comes when nobody waits any more."""
    late = TIMEOUT + target.dice.uniform(0.2, 2)
    return _strike(target, "delay", method="POST", path=WRITES, probability=0.05, after=late)


def apply_late(target: Target) -> str:
    """The write takes effect when a newer one may long be there."""
    late = TIMEOUT + SETTLE + target.dice.uniform(0.5, 4)
    return _strike(target, "delay", method="POST", path=WRITES, probability=0.05, before=late)


def lose(target: Target) -> str:
    """Omnitron says that it has a write, and has not; or no channel sees it."""
    kind = target.dice.choice(["lost", "unpropagated"])
    return _strike(target, kind, method="POST", path=WRITES, probability=0.1)


def hide_channels(target: Target) -> str:
    """The channels' pages are errors, nonsense, or without end."""
    kind = target.dice.choice(["html", "invalid_json", "same_page", "foreign_next", "reset"])
    return _strike(target, kind, method="GET", path=CHANNELS, probability=0.7)


def revoke_tokens(target: Target) -> str:
    """All tokens are worth nothing."""
    return f"revoked {target.sandbox.revoke_tokens()} tokens"


def _strike(target: Target, kind: str, **fields: object) -> str:
    seconds = target.dice.uniform(2, 8)
    number = target.sandbox.order(kind, **fields)
    time.sleep(seconds)
    (struck,) = [each["struck"] for each in target.sandbox.faults() if each["id"] == number] or [0]
    target.sandbox.lift(number)
    told = {name: value for name, value in fields.items() if name not in {"path", "method", "body"}}
    return f"{kind} {told} for {seconds:.1f} s, struck {struck} times"


def hide_folder(target: Target) -> str:
    """The share with the files is not mounted."""
    folder = target.folder / target.dice.choice(["changes", "everything"])
    aside = folder.with_name(f"{folder.name}.away")
    folder.rename(aside)
    time.sleep(target.dice.uniform(0.5, 3))
    aside.rename(folder)
    return f"took {folder.name} away"


def lock_erp(target: Target) -> str:
    """The ERP's database cannot be read."""
    if target.server is not None:
        return _sessions_ended(target.erp)
    _held(target.erp.removeprefix("sqlite:///"), target.dice.uniform(0.5, 3))
    return "held the ERP's database"


def replay_all(target: Target) -> str:
    """Somebody replays everything."""
    answer = target.service.command("failures", "replay", "--all", "--yes")
    return f"replayed all failures: {answer and answer.get('replayed')} go again"


def pause_target(target: Target) -> str:
    """A person stops delivery for a moment."""
    raises = ["--raises"] if target.dice.random() < 0.5 else []
    target.service.command("target", "pause", *raises, "--for", "3s")
    return f"paused the target {' '.join(raises)}"


def pause_source(target: Target) -> str:
    """A person stops a source for a moment."""
    name = target.dice.choice(["changes", "everything", "erp"])
    target.service.command("sources", "pause", name, "--for", "3s")
    return f"paused the source {name}"


Fault = Callable[[Target], str]

FAMILIES: dict[str, tuple[Fault, ...]] = {
    "process": (
        *(kill_child, kill_child, kill_worker, kill_beat, kill_everything),
        *(deploy, freeze, freeze_for_long),
    ),
    "broker": (kill_broker, flush_broker, push_garbage),
    "database": (lock_database, freeze_database),
    "omnitron": (
        *(refuse, refuse, answer_oddly, cut, answer_late, apply_late, lose),
        *(hide_channels, revoke_tokens),
    ),
    "source": (hide_folder, lock_erp),
    "people": (replay_all, pause_target, pause_source),
}
