"""One claimed batch in the hands of its worker, and the answers that it got."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.planning import limiter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.model import Claimed, Outcome, TargetPlan
    from worker.planning.delivery import Watch

MARGIN = 5.0
"""Seconds between the latest end of a request and the end of the lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """One claimed batch: what to send, when the first slot is, and until when to start.

    claimed_at: ledger time; first_slot, start_until: on `boottime`; interval: seconds between two
    slots.
    """

    batch_id: int
    token: str
    lines: Sequence[Claimed]
    claimed_at: float
    first_slot: float
    interval: float
    start_until: float

    @property
    def only_unknown(self) -> bool:
        """Whether it only asks again for products that Omnitron did not know."""
        return all(line.unknown for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A batch after its requests; a line without an answer was never started."""

    slip: Slip
    watch: Watch
    answers: dict[Claimed, Outcome] = field(default_factory=dict)


def lease_of(plan: TargetPlan) -> float:
    """Seconds that a claim holds: a slice of sending, one request, and some air."""
    return 3 * plan.timeout + limiter.SLICE_SECONDS + 2 * MARGIN
