"""An advisory lock beside a SQLite ledger: one writer at a time, in turn, over all processes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from worker.errors import LedgerUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WAIT_SECONDS = 30.0
_FIRST_NAP, _LAST_NAP = 0.0005, 0.02


@contextlib.contextmanager
def exclusive(path: Path, *, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock file at ``path``; the system frees it with the process, however that ends.

    Raises LedgerUnreachable after ``wait`` seconds, naming the holder.
    """
    descriptor = _opened(path)
    try:
        _acquire(descriptor, path, wait=wait)
        sign(descriptor)
        yield
    finally:
        os.close(descriptor)


def sign(descriptor: int) -> None:
    """Write who holds a lock into its file, for people; a full disk leaves it out."""
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, f"{os.getpid():<10}".encode(), 0)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerUnreachable(
            f"the ledger's lock file {path} cannot be opened: {error.strerror}",
            remedy="make its folder writable for the user that stocksync runs as",
        ) from error


def _acquire(descriptor: int, path: Path, *, wait: float) -> None:
    nap, deadline = _FIRST_NAP, time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise _busy(descriptor, path, wait=wait) from None
            time.sleep(nap)
            nap = min(nap * 2, _LAST_NAP)
        else:
            return


def _busy(descriptor: int, path: Path, *, wait: float) -> LedgerUnreachable:
    holder = os.pread(descriptor, 10, 0).decode(errors="replace").strip() or "unknown"
    return LedgerUnreachable(
        f"process {holder} has held the ledger's write lock {path} for {wait:g} s",
        remedy=f"look at process {holder}: it may be stopped (SIGSTOP); end it if it hangs",
    )
