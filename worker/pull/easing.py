"""What a held pull may do before a person decides: sink levels that do not reach zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.ledger import pulls
from worker.model import PullStatus, WhileHeld
from worker.planning.fingerprints import recomputes
from worker.pull.applying import Applier

if TYPE_CHECKING:
    from worker.ledger import Ledger
    from worker.ledger.pulls import Pull
    from worker.model import SourcePlan
    from worker.pull.lease import Lease


def ease(ledger: Ledger, lease: Lease, plan: SourcePlan, pull_id: int | None) -> int:
    """Let the decreases of a held pull through, where the source is told so; how many may pass.

    Taken up again where it was interrupted. What it lowers is remembered with the level, so that
    the guard goes on to weigh against the stock of before. Raises LeaseLost.
    """
    if plan.guard.while_held is not WhileHeld.DECREASES or pull_id is None:
        return 0
    with ledger.read() as connection:
        held = pulls.numbered(connection, pull_id)
    if held is None or held.status != PullStatus.HELD or _other_rules(held, plan):
        return 0
    if not held.counts.passing or held.pages_applied == held.pages:
        return 0
    Applier(ledger=ledger, lease=lease, plan=plan, pull=held, easing=True).run()
    return held.counts.passing


def _other_rules(held: Pull, plan: SourcePlan) -> bool:
    """Whether it was weighed by other rules than today's."""
    if held.position:
        return held.fingerprint != plan.fingerprint
    return recomputes(held.fingerprint, plan.fingerprint)
