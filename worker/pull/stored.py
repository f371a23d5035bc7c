"""What a source has said so far, as an offer: read when its rules change and it offers nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.contract import Checkpoint, Chunk, Kind, Position, Verdict
from worker.planning.fingerprints import recomputes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.contract import Connector, Settlement
    from worker.ledger.sources import Source
    from worker.model import SourcePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredParts:
    """It states nothing new: levels are made anew from their parts. The checkpoint stays.

    Its position is empty, as nothing was read of the source and nothing is to be tidied up there.
    """

    stands_at: Checkpoint
    label: str = "changed rules"
    kind: Kind = Kind.DELTA
    verdict: Verdict = Verdict.READ
    remark: str = ""

    @property
    def position(self) -> Position:
        """Empty: no connector need know of it."""
        return {}

    def chunks(self) -> Iterator[Chunk]:
        """Nothing is stated."""
        yield from ()

    def checkpoint(self) -> Checkpoint:
        """Where the source stands."""
        return self.stands_at


def by_new_rules(source: Source, plan: SourcePlan) -> StoredParts | None:
    """What a source has said so far, if today's rules may make other levels of it."""
    if source.checkpoint is None or not recomputes(source.fingerprint, plan.fingerprint):
        return None
    return StoredParts(stands_at=source.checkpoint)


def settle(
    connector: Connector, position: Mapping[str, object], settlement: Settlement, reason: str = ""
) -> None:
    """Let the connector tidy up after a decision, where it was the one who offered it."""
    if position:
        connector.settle(position, settlement, reason)
