"""One turn of a source while it holds the lease: what all of its pieces work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from connectors.errors import (
    ConnectorError,
)
from worker.errors import UsageError
from worker.ledger import pulls, sources
from worker.model import PullStatus
from worker.pull.report import PullReport
from worker.pull.stored import settle
from worker.pull.waiting import stuck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from connectors.contract import Connector, Offer, Settlement, Waiting
    from worker.ledger import Ledger
    from worker.ledger.sources import Source
    from worker.model import SourcePlan
    from worker.pull.lease import Lease
    from worker.pull.report import Turn

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A turn with its lease, and the source, pulls and connector that it is about.

    stuck: what could not be tidied up at the source.
    """

    turn: Turn
    lease: Lease
    stuck: list[Waiting] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        """Where it is written down."""
        return self.turn.ledger

    @property
    def plan(self) -> SourcePlan:
        """Of the source."""
        return self.turn.plan

    @property
    def connector(self) -> Connector:
        """Of the source."""
        return self.turn.connector

    def settle(
        self, position: Mapping[str, object], settlement: Settlement, reason: str = ""
    ) -> None:
        """Tidy up; what cannot be tidied now is recognised and tidied at the next look."""
        try:
            settle(self.connector, position, settlement, reason)
        except ConnectorError as error:
            log.warning("settle_failed", source=self.plan.name, reason=error.message)
            self.stuck.append(stuck(position, error))

    def held_position(self, source: Source) -> Mapping[str, object] | None:
        """Where the pull stands that is held; None: none is."""
        if source.held_pull_id is None:
            return None
        with self.ledger.read() as connection:
            held = pulls.numbered(connection, source.held_pull_id)
        return None if held is None else held.position

    def progress(self, offer: Offer, rows: int) -> None:
        """Keep the lease, and tell how far it is."""
        self.lease.stay()
        self.turn.on_progress(offer.label, rows)

    def source(self) -> Source:
        """The source as it is now."""
        with self.ledger.read() as connection:
            return self.named(connection)

    @property
    def source_id(self) -> int:
        """Number of the source."""
        return self.source().id

    def named(self, connection: Connection) -> Source:
        """The source, within a transaction. Raises UsageError where the ledger has none."""
        source = sources.named(connection, self.plan.name)
        if source is None:
            raise UsageError(
                f"there is no source {self.plan.name!r} in the ledger",
                remedy="name one of the configured sources: stocksync sources",
            )
        return source

    def begin(self, connection: Connection, offer: Offer) -> int:
        """Number a pull that starts now."""
        source = self.named(connection)
        return pulls.begin(
            connection,
            source.id,
            now=self.ledger.now(connection),
            label=offer.label,
            kind=offer.kind.value,
            status=PullStatus.RUNNING,
            position=dict(offer.position),
            first=not pulls.ever_applied(connection, source.id),
            actor=self.turn.actor,
        )

    def give_up(self, pull_id: int, reason: str) -> None:
        """End a pull that nothing came of."""

        def work(connection: Connection) -> None:
            pulls.forget_rows(connection, pull_id)
            now = self.ledger.now(connection)
            pulls.change(connection, pull_id, status=PullStatus.FAILED, reason=reason, ended_at=now)
            sources.change(connection, self.source_id, last_pull_id=pull_id)

        self.lease.write(work)

    def report(
        self, offer: Offer, pull_id: int, status: PullStatus, reason: str | None
    ) -> PullReport:
        """How a pull ended, without what was read."""
        return PullReport(
            source=self.plan.name,
            label=offer.label,
            status=status.value,
            pull_id=pull_id,
            reason=reason,
        )
