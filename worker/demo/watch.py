"""What the ledger holds while the service works on it; read only, in this process."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from worker.bootstrap import build
from worker.errors import LedgerUnreachable
from worker.ledger import batches, failures, pulls, sources
from worker.ledger.status import standing
from worker.model import ConfirmState, Delivered, FailureKind, PullStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from worker.ledger.failures import Failure
    from worker.ledger.pulls import Pull

T = TypeVar("T")

EVERYTHING = 100_000
"""More pulls or batches than a demo can have."""


class Glance(NamedTuple):
    """The ledger at one moment. oldest_due: seconds, None where nothing is due."""

    total: int
    in_sync: int
    due: int
    in_flight: int
    waiting: int
    parked: int
    oldest_due: float | None
    accepted: int
    confirmed: int
    unconfirmed: int
    failures: int
    held: int

    @property
    def settled(self) -> bool:
        """Whether Omnitron has every level and every channel shows it."""
        return self.total > 0 and self.in_sync == self.total and not self.unconfirmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one source's pulls came to."""

    source: str
    pulls: int
    applied: int
    rows: int
    changed: int
    rejected: int


class Watch:
    """The ledger of the demo, once it is there."""

    def __init__(self, config: Path) -> None:
        """config: the demo's configuration; the person's own environment counts for nothing."""
        self._service = build(config, environ={})
        self._ledger = self._service.ledger
        self._last: Glance | None = None

    def glance(self) -> Glance | None:
        """The ledger now, or what it was at the last look where it cannot be read at once."""
        with suppress(LedgerUnreachable):
            self._last = self._read(self._glance)
        return self._last

    def moment(self) -> float:
        """The ledger's clock."""
        return self._read(self._ledger.now)

    def held(self) -> Pull | None:
        """The first pull that waits for a person."""
        return self._first_pull(lambda pull: pull.status == PullStatus.HELD)

    def applied(self, label: str) -> Pull | None:
        """The pull that applied the file ``label``."""
        return self._first_pull(
            lambda pull: pull.label == label and pull.status == PullStatus.APPLIED
        )

    def refused(self) -> Failure | None:
        """An open failure about an item that Omnitron refused."""
        found = self._failures(FailureKind.ITEM)
        return found[0] if found else None

    def rejected(self) -> Sequence[Failure]:
        """The open failures about rows."""
        return self._failures(FailureKind.ROW)

    def successes(self) -> dict[str, float]:
        """When each source was last read to its end; 0 for never."""
        rows = self._read(sources.every)
        return {row.name: row.last_success_at or 0.0 for row in rows}

    def readings(self) -> list[Reading]:
        """What was read, source by source."""
        names = self._read(sources.names_by_id)
        everything = self._pulls()
        return [
            _reading(name, [pull for pull in everything if pull.source_id == number])
            for number, name in sorted(names.items(), key=lambda item: item[1])
        ]

    def sent(self) -> Delivered:
        """What was sent, over all batches, in levels."""
        return self._read(_delivered)

    def close(self) -> None:
        """Give the database back."""
        self._service.close()

    def _read(self, question: Callable[[Connection], T]) -> T:
        with self._ledger.read() as connection:
            return question(connection)

    def _pulls(self) -> list[Pull]:
        return self._read(lambda connection: pulls.latest(connection, limit=EVERYTHING))

    def _first_pull(self, wanted: Callable[[Pull], bool]) -> Pull | None:
        return next(filter(wanted, reversed(self._pulls())), None)

    def _failures(self, kind: FailureKind) -> list[Failure]:
        return self._read(lambda connection: failures.open_ones(connection, kind=kind))

    def _glance(self, connection: Connection) -> Glance:
        now = self._ledger.now(connection)
        found = standing(connection, {}, plan=self._service.target, now=now)
        delivered = _delivered(connection)
        seen = dict(found.confirmations)
        confirmed = seen.pop(ConfirmState.CONFIRMED)
        oldest = found.oldest_due_at
        return Glance(
            total=found.levels.total,
            in_sync=found.levels.in_sync,
            due=found.levels.due,
            in_flight=found.levels.in_flight,
            waiting=found.levels.waiting,
            parked=found.levels.parked,
            oldest_due=None if oldest is None else max(now - oldest, 0.0),
            accepted=delivered.sent + delivered.superseded,
            confirmed=confirmed,
            unconfirmed=sum(seen.values()),
            failures=found.open_failures,
            held=pulls.held_count(connection),
        )


def _delivered(connection: Connection) -> Delivered:
    ended = batches.latest(connection, limit=EVERYTHING)
    return Delivered(
        sent=sum(batch.sent for batch in ended),
        superseded=sum(batch.superseded for batch in ended),
        parked=sum(batch.parked for batch in ended),
        waiting=sum(batch.waiting for batch in ended),
    )


def _reading(name: str, found: Sequence[Pull]) -> Reading:
    return Reading(
        source=name,
        pulls=len(found),
        applied=sum(pull.status == PullStatus.APPLIED for pull in found),
        rows=sum(pull.read for pull in found),
        changed=sum(pull.changed for pull in found if pull.status == PullStatus.APPLIED),
        rejected=sum(pull.rejected for pull in found),
    )
