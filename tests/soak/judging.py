"""What the oracle must know of a soak, and the rules that only a soak can try."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.soak.service import SETTLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.faults.oracle import Name, Scene, Truth
    from tests.soak.faults import Pause
    from tests.soak.service import Sample

_AFTER_A_PAUSE = 3.0
_MEMORY_GROWTH, _MEMORY_SLACK = 1.25, 20_000_000
_FILES_SLACK = 40  # as many connections as may be in flight, and some
_LEAST_SAMPLES = 20
_MEGA = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Excuses:
    """Keys of which the fault itself held a request back, and overlaps that a pause explains."""

    late: set[Name]
    overlaps: int


def excuses(scene: Scene, pauses: Sequence[Pause]) -> Excuses:
    """Requests held for longer than settle, or resumed after a stop longer than the lease."""
    late = {
        name
        for name, entries in scene.journal().items()
        for entry in entries
        if _was_held(entry) or _was_resumed(entry["received_at"], pauses)
    }
    overlaps = scene.ask("stats")["overlaps"]
    explained = sum(
        any(pause.since <= each["at"] <= pause.until + _AFTER_A_PAUSE for pause in pauses)
        for each in overlaps
    )
    return Excuses(late=late, overlaps=explained)


def _was_held(entry: Mapping[str, Any]) -> bool:
    applied = entry["applied_at"]
    return applied is not None and applied - entry["received_at"] > SETTLE


def _was_resumed(moment: float, pauses: Sequence[Pause]) -> bool:
    return any(pause.until - 1 <= moment <= pause.until + _AFTER_A_PAUSE for pause in pauses)


def restless(scene: Scene, truth: Truth, folder: Path) -> list[str]:
    """What is not yet as the ERP says, beyond what the ledger itself says that it must do."""
    waiting = [
        path.name for name in ("changes", "everything") for path in (folder / name).glob("*.csv")
    ]
    levels = {name: row["stock"] for name, row in scene.levels().items()}
    behind = [name for name, stock in truth.now.items() if levels.get(name) != stock]
    unproven = scene.rows("SELECT sku, state FROM confirmation WHERE state <> 'confirmed'")
    parked = scene.rows("SELECT sku, park_reason FROM level WHERE park_reason IS NOT NULL")
    facts = {
        "files wait": waiting,
        "levels are not what the ERP says": behind,
        "levels are not confirmed": unproven,
        "levels are parked, and nothing is wrong with them": parked,
    }
    return [f"J5 {len(which)} {what}: {which[:3]}" for what, which in facts.items() if which]


def steady(seen: Sequence[Sample]) -> Iterator[str]:
    """J8: no role's processes grow in memory or open files from the second quarter to the last."""
    by_role: dict[str, list[Sample]] = defaultdict(list)
    for sample in seen:
        by_role[sample.role].append(sample)
    for role, samples in by_role.items():
        if len(samples) < _LEAST_SAMPLES:
            continue
        quarter = len(samples) // 4
        before, after = samples[quarter : 2 * quarter], samples[-quarter:]
        memory = [max(each.memory for each in part) for part in (before, after)]
        files = [max(each.files for each in part) for part in (before, after)]
        if memory[1] > memory[0] * _MEMORY_GROWTH + _MEMORY_SLACK:
            yield f"J8 {role} grew from {memory[0] // _MEGA} to {memory[1] // _MEGA} MB"
        if files[1] > files[0] + _FILES_SLACK:
            yield f"J8 {role} had {files[0]} open files, and then {files[1]}"


def volume(scene: Scene, truth: Truth) -> dict[str, int]:
    """How much happened, in numbers for the report."""
    asked = {
        "pulls": "SELECT count(*) AS n FROM pull",
        "batches": "SELECT count(*) AS n FROM batch",
        "batches lost with their worker": "SELECT count(*) AS n FROM batch WHERE status = 'lost'",
        "lines sent": "SELECT count(*) AS n FROM batch_line WHERE outcome = 'sent'",
        "lines left waiting": "SELECT count(*) AS n FROM batch_line WHERE outcome = 'waiting'",
        "failures opened": "SELECT count(*) AS n FROM failure",
    }
    journal = scene.journal().values()
    return {
        "statements of the ERP": len(truth.said),
        "values stated": sum(len(truth.history(name)) for name in truth.now),
        "rows rejected": truth.rejected,
        "keys": len(truth.now),
        "writes accepted by Omnitron": sum(map(len, journal)),
        **{name: scene.rows(statement)[0]["n"] for name, statement in asked.items()},
    }


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a soak ended. settled: seconds from the last fault until all was quiet."""

    violations: Sequence[str]
    settled: float
    struck: Counter[str]
    approved: int
    volume: Mapping[str, int]
    excused: int
    seen: Sequence[Sample] = field(repr=False)
    title: str = ""

    @property
    def good(self) -> bool:
        """Whether every promise held."""
        return not self.violations

    def of(self, database: str, seed: int, seconds: float) -> Verdict:
        """The same with a title."""
        return replace(self, title=f"{database}, {seconds:.0f} s of faults, seed {seed}")

    @property
    def text(self) -> str:
        """The report for people."""
        peaks = {role: max(s.memory for s in self.seen if s.role == role) for role in self._roles}
        files = {role: max(s.files for s in self.seen if s.role == role) for role in self._roles}
        lines = [
            f"== {self.title}: {'good' if self.good else f'{len(self.violations)} VIOLATIONS'}",
            (
                f"   quiet {self.settled:.0f} s after the last fault; {self.approved} held pulls"
                f" approved; {self.excused} keys of which a fault held a request back"
            ),
            *(f"   {count:6,} {name}" for name, count in self.volume.items()),
            f"   {self.struck.total()} faults:",
            *(f"   {count:6} {name}" for name, count in sorted(self.struck.items())),
            "   most memory and open files:",
            *(f"   {peaks[r] // _MEGA:5} MB {files[r]:4} files  {r}" for r in self._roles),
            *(f"   VIOLATION {words}" for words in self.violations[:50]),
        ]
        return "\n".join(lines)

    @property
    def _roles(self) -> list[str]:
        return sorted({sample.role for sample in self.seen})
