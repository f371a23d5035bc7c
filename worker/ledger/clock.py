"""The ledger's clock: PostgreSQL's own, or, with SQLite, this machine's clock since boot.

A wall clock may step; a lease must not care. SQLite lives on one machine, so CLOCK_BOOTTIME (which
counts on while the machine sleeps) is right, moved by an offset that is fixed once per boot and
kept in the target row: readings look like seconds since 1970 and never run backwards in one boot.
After a reboot they go on from the wall clock, and a lease of before is over or nearly so; one that
is further ahead than a lease can be counts as over too.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def boottime() -> float:
    """Seconds on a clock that never steps and counts through suspend, for deadlines."""
    return time.monotonic() if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)


def boot_id() -> str:
    """Name of this boot; "" where the system does not tell (then the wall clock is used)."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


class PostgresClock:
    """Asks the server."""

    def now(self, connection: Connection) -> float:
        """Seconds since 1970; moves on within a transaction."""
        query = text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")
        return float(connection.execute(query).scalar_one())


class SqliteClock:
    """Boot time plus the offset of this boot."""

    def __init__(self) -> None:
        self._boot = boot_id()
        self._offset: float | None = None

    def now(self, connection: Connection) -> float:
        """Seconds since 1970, fixed to one offset per boot."""
        if not self._boot:
            return time.time()
        if self._offset is None:
            if connection.get_execution_options().get("stocksync_write", False):
                self.anchor(connection)  # the first write after a reboot
            self._offset = self._kept(connection)
        offset = time.time() - boottime() if self._offset is None else self._offset
        return boottime() + offset

    def anchor(self, connection: Connection) -> None:
        """Keep this boot's offset if the target row still has another boot's; needs a write."""
        if self._boot and self._kept(connection) is None:
            offset = time.time() - boottime()
            connection.execute(
                text("UPDATE target SET clock_id = :boot, clock_offset = :offset"),
                {"boot": self._boot, "offset": offset},
            )

    def _kept(self, connection: Connection) -> float | None:
        row = connection.execute(text("SELECT clock_id, clock_offset FROM target")).first()
        return float(row[1]) if row is not None and row[0] == self._boot else None
