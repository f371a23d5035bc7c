"""The report at the end: numbers that add up, and what is wrong where something is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from worker.demo.drop import BROKEN_CELLS, BROKEN_LINE
from worker.demo.remote import PROPAGATION_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from worker.demo.comparison import Comparison
    from worker.demo.scene import Facts
    from worker.demo.timing import Timing
    from worker.demo.watch import Glance, Reading
    from worker.ledger.failures import Failure
    from worker.model import Delivered

_ENDED_BY_SIGTERM = 143
_DIFFERENCES_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one performance came to. accepted: writes in the sandbox's journal; sent: the ledger's.

    at_once: the most requests that were under way for one key. folder: None where it is gone.
    """

    seconds: float
    folder: Path | None
    transactions: int
    readings: Sequence[Reading]
    rejected: Sequence[Failure]
    accepted: int
    sent: Delivered
    at_once: int
    glance: Glance
    timing: Timing
    comparison: Comparison
    facts: Facts

    @property
    def recorded(self) -> int:
        """Accepted values as the ledger counts them."""
        return self.sent.sent + self.sent.superseded

    def problems(self) -> list[str]:
        """Everything that is not as it should be, a sentence each; empty: all is well."""
        return [*self._of_stock(), *self._of_story()]

    def _of_stock(self) -> Iterator[str]:
        differences = self.comparison.differences
        yield from differences[:_DIFFERENCES_SHOWN]
        if len(differences) > _DIFFERENCES_SHOWN:
            yield f"… and {len(differences) - _DIFFERENCES_SHOWN} keys more differ"
        if not self.glance.settled:
            yield "not every level is in sync and confirmed"
        if self.glance.confirmed != self.comparison.keys:
            yield f"{self.glance.confirmed} confirmations for {self.comparison.keys} keys"
        if self.at_once > 1:
            yield f"{self.at_once} requests were under way for one key at once"
        if self.timing.missing:
            yield f"{self.timing.missing} changes of the ERP never reached the channel"
        if not self.timing.seconds:
            yield "the ERP changed nothing that could be timed"

    def _of_story(self) -> Iterator[str]:
        if len(self.rejected) != 1:
            yield f"{len(self.rejected)} rows are rejected, one is broken"
        elif (found := self.rejected[0]).line != BROKEN_LINE or found.value != BROKEN_CELLS[2]:
            yield f"the rejected row is not the broken one: {found.message}"
        if self.facts.service_code not in {0, _ENDED_BY_SIGTERM}:
            yield f"the service ended with {self.facts.service_code}"

    def document(self) -> dict[str, Any]:
        """The report for scripts."""
        approval, replay = self.facts.approval, self.facts.replay
        return {
            "ok": not self.problems(),
            "problems": self.problems(),
            "seconds": round(self.seconds, 1),
            "folder": None if self.folder is None else str(self.folder),
            "erp_transactions": self.transactions,
            "read": [asdict(reading) for reading in self.readings],
            "approved": {"pull": approval.pull_id, "changed": approval.changed},
            "replayed": {"failure": replay.failure_id, "sku": replay.sku, "answer": replay.answer},
            "rejected": [_rejected(failure) for failure in self.rejected],
            "accepted": self.accepted,
            "recorded": {"sent": self.sent.sent, "superseded": self.sent.superseded},
            "confirmed": self.glance.confirmed,
            "latency": {
                "p50": self._seconds(0.5),
                "p95": self._seconds(0.95),
                "samples": len(self.timing.seconds),
                "undone": self.timing.undone,
                "missing": self.timing.missing,
            },
            "keys": {"compared": self.comparison.keys, "equal": self.comparison.equal},
        }

    def _seconds(self, share: float) -> float | None:
        return round(self.timing.percentile(share), 3) if self.timing.seconds else None

    def lines(self) -> Iterator[tuple[str, str]]:
        """The report for people: a name and what it was, in the order to be read."""
        for reading in self.readings:
            yield f"read {reading.source}", _read(reading)
        yield (
            "approved",
            (
                f"pull {self.facts.approval.pull_id} with {self.facts.approval.changed:,} levels;"
                f" it was held: {self.facts.approval.reason}"
            ),
        )
        yield "replayed", f"{self.facts.replay.sku}: {self.facts.replay.message}"
        for failure in self.rejected:
            yield "rejected", failure.message
            yield "  remedy", failure.remedy
        yield "sent", self._sent()
        yield (
            "confirmed",
            f"{self.glance.confirmed:,} of {self.comparison.keys:,} keys in channel 5",
        )
        yield "ERP to channel", self._latency()

    def _sent(self) -> str:
        return (
            f"{self.recorded:,} values recorded as accepted, {self.accepted:,} in Omnitron's own"
            f" journal; {self.sent.parked:,} refused;"
            f" at most {self.at_once} request at a time for one key"
        )

    def _latency(self) -> str:
        timing = self.timing
        if not timing.seconds:
            return "nothing to time"
        return (
            f"p50 {timing.percentile(0.5):.1f} s, p95 {timing.percentile(0.95):.1f} s over"
            f" {len(timing.seconds):,} changes, {PROPAGATION_SECONDS:g} s of it the sandbox's own"
            " delay"
            + (f"; {timing.undone} more were undone before they were read" if timing.undone else "")
        )


def _read(reading: Reading) -> str:
    return (
        f"{reading.pulls:,} pulls, {reading.rows:,} rows, {reading.changed:,} changes of levels,"
        f" {reading.rejected:,} rejected"
    )


def _rejected(failure: Failure) -> dict[str, Any]:
    names = ("file", "line", "column", "value", "reason", "message", "remedy", "attempts")
    return {name: getattr(failure, name) for name in names}
