"""Who holds a lease, so that the one of a process that is gone is over at once.

A token names its process: this boot, this namespace of process ids, the id, and when it began. Only
a process of the same machine can tell that it is gone; elsewhere, and where the system does not
say, the lease ends by its time. Each write of a holder asks for its token all the same.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

from worker.ledger.clock import boot_id

_PROC = Path("/proc")


def token() -> str:
    """A new token of this process."""
    return f"{uuid.uuid4().hex} {_machine()} {os.getpid()} {_began(os.getpid())}"


def is_gone(token: str | None) -> bool:
    """Whether the process that a token names has certainly ended."""
    if token is None or token.count(" ") != 3:  # noqa: PLR2004 - as `token` writes it
        return False
    _, machine, number, began = token.split(" ")
    return bool(machine) and machine == _machine() and not _lives(int(number), began)


def _machine() -> str:
    """This boot and the namespace that process ids count in; "" where the system does not say."""
    try:
        names = f"{boot_id()} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""
    return hashlib.blake2s(names.encode(), digest_size=8).hexdigest() if boot_id() else ""


def _lives(number: int, began: str) -> bool:
    """Whether the process of this number may be the one that began then."""
    now = _began(number)
    return now == began or (not now and _is_hidden(number))


def _began(number: int) -> str:
    """When a process began, in ticks since the boot; "" where it cannot be seen, or has ended."""
    try:
        state, *fields = (_PROC / f"{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]


def _is_hidden(number: int) -> bool:
    """Whether somebody else's process has this number, and may be looked at by its user only."""
    try:
        os.kill(number, 0)  # asks, and does nothing
    except PermissionError:
        return True
    except ProcessLookupError:
        pass
    return False
