"""A stream for logs that holds nobody up: what takes no more loses lines, never the work.

A pipe whose reader stands still, a terminal that was stopped with Ctrl-S or a hung log collector
would otherwise block whoever writes, and with him the delivery and even the end on SIGTERM.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
import stat
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 1.0
"""Seconds that a full sink is waited for; it is not waited for again until it takes something."""


class Sink(io.RawIOBase):
    """Takes whole lines for a file descriptor; never blocks for long, never raises OSError.

    told: is given the number of lines that were lost, as soon as the descriptor takes some again.
    """

    def __init__(self, descriptor: int, *, told: Callable[[int], object]) -> None:
        self._descriptor = descriptor
        self._write, self._release = _unblocked(descriptor)
        self._told = told
        self._lost = 0
        self._stuck = False
        self._rest = b""  # of a line that has begun, so that the next one does not stand in it

    def close(self) -> None:
        """Give back what was opened beside the descriptor, which stays open."""
        if not self.closed:
            self._release()
        super().close()

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def fileno(self) -> int:
        """Whose sink it is."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a person may be looking."""
        return os.isatty(self._descriptor)

    def write(self, line: bytes) -> int:  # type: ignore[override]  # of all buffers we get bytes
        """Write a line, or lose it; returns its length in any case."""
        left = self._pushed(self._rest + line)
        kept = len(left) < len(line) or not line
        self._rest = left if kept else left[: len(left) - len(line)]
        self._lost += not kept
        if self._lost and not left:
            lost, self._lost = self._lost, 0
            self._told(lost)
        return len(line)

    def _pushed(self, text: bytes) -> bytes:
        """Write what can be written; returns the rest."""
        while text:
            try:
                text = text[self._write(text) :]
                self._stuck = False
            except BlockingIOError:
                if not self._takes_more():
                    return text
            except OSError:  # nobody reads it any more, or its disk is full
                return text
        return text

    def _takes_more(self) -> bool:
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLOUT)
        self._stuck = self._stuck or not waiting.poll(PATIENCE * 1000)
        return not self._stuck


def unblocking(stream: TextIO, *, told: Callable[[int], object]) -> TextIO:
    """A stream that writes where ``stream`` does, and never blocks; `told` as for `Sink`.

    One in memory, which has no descriptor, is given back as it is.
    """
    try:
        sink = Sink(stream.fileno(), told=told)
    except io.UnsupportedOperation:
        return stream
    return io.TextIOWrapper(  # type: ignore[type-var]  # no buffer may stand between
        sink,
        encoding=stream.encoding,
        errors="backslashreplace",
        write_through=True,
    )


def _unblocked(descriptor: int) -> tuple[Callable[[bytes], int], Callable[[], object]]:
    """A write that raises BlockingIOError instead of blocking, where the system has one; its end.

    O_NONBLOCK on the descriptor itself would also hold for all who share it, such as the shell.
    """
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(kind):
        shared = socket.socket(fileno=os.dup(descriptor))
        return lambda text: shared.send(text, socket.MSG_DONTWAIT), shared.close
    if stat.S_ISFIFO(kind) or stat.S_ISCHR(kind):
        with contextlib.suppress(OSError):  # nobody reads it any more, or it is not ours to open
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
            own = os.open(f"/proc/self/fd/{descriptor}", flags)
            return lambda text: os.write(own, text), lambda: os.close(own)
    return lambda text: os.write(descriptor, text), lambda: None
