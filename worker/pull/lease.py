"""The right to pull a source: one holder at a time, prolonged while it works."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from connectors.fault import Point, point
from worker.errors import StocksyncError, UsageError
from worker.ledger import holders, sources
from worker.ledger.clock import boottime

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.model import SourcePlan

T = TypeVar("T")
SECONDS = 120.0
_RENEW_AFTER = 20.0


class SourceBusy(UsageError):  # noqa: N818 - named by what happened
    """Another process pulls this source at the moment."""

    kind = "busy"


class SourcePaused(StocksyncError):  # noqa: N818 - named by what happened
    """A person paused this source; it ends by itself, or by `sources resume` (exit 1)."""

    kind = "paused"


def require_running(ledger: Ledger, plan: SourcePlan) -> None:
    """Raise SourcePaused while a person has paused the source."""
    with ledger.read() as connection:
        source = sources.named(connection, plan.name)
        paused = source is not None and source.paused(ledger.now(connection))
    if source is None or source.paused_until is None or not paused:
        return
    until = datetime.fromtimestamp(source.paused_until, ZoneInfo(plan.timezone))
    raise SourcePaused(
        f"source {plan.name!r} is paused until {until.isoformat(sep=' ', timespec='seconds')}",
        remedy=f"to let it go on now: stocksync sources resume {plan.name}",
    )


class LeaseLost(SourceBusy):
    """Somebody else pulls this source now: nothing more may be written."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"source {name!r} has been taken over by another process, for this one stood still"
            f" for {SECONDS:.0f} s",
            remedy="nothing is lost: the other process goes on",
        )


class Lease:
    """Held from `take` to `end`; every write of a pull goes through `write`."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._ledger = ledger
        self._name = name
        self._token = holders.token()
        self._source_id = 0
        self._renewed = 0.0

    def take(self) -> None:
        """Raises SourceBusy while somebody else holds it."""

        def work(connection: Connection) -> int | None:
            now = self._ledger.now(connection)
            if not sources.lease(
                connection, self._name, token=self._token, now=now, seconds=SECONDS
            ):
                return None
            source = sources.named(connection, self._name)
            return None if source is None else source.id

        source_id = self._ledger.write(work)
        if source_id is None:
            raise SourceBusy(
                f"source {self._name!r} is being pulled by another process",
                remedy="wait until it is done; the turn of one that died on another machine ends by"
                f" itself after {SECONDS:.0f} s",
            )
        self._source_id = source_id
        self._renewed = boottime()

    def write(self, work: Callable[[Connection], T]) -> T:
        """A write transaction that fails with LeaseLost unless the lease is still ours."""

        def guarded(connection: Connection) -> T:
            until = self._ledger.now(connection) + SECONDS
            if not sources.keep_lease(connection, self._source_id, token=self._token, until=until):
                raise LeaseLost(self._name)
            return work(connection)

        result = self._ledger.write(guarded)
        self._renewed = boottime()
        return result

    def stay(self) -> None:
        """Prolong it if the last write is a while ago; cheap enough to call for every chunk."""
        if boottime() - self._renewed > _RENEW_AFTER:
            self.write(lambda _connection: None)

    def end(self) -> None:
        """Let others pull; harmless when the lease was lost."""
        point(Point.ENDING)
        self._ledger.write(
            lambda connection: sources.end_lease(connection, self._source_id, token=self._token)
        )
