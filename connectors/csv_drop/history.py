"""What was applied before, and what a file is worth against it. Pure.

Files are taken in their order (`ordering`), files of one name by modification time, so that a fixed
name that is dropped again and again works. An older file never overwrites a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from connectors.contract import Checkpoint, Kind, Verdict
from connectors.csv_drop.known_layout import KnownLayout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.csv_drop.ordering import Order, Ordering

WATCHED = 10
"""Applied files that are watched for having grown since."""

REMEMBERED = 50
"""Applied files that the checkpoint keeps, to recognise those that could not be moved away."""


class Version(NamedTuple):
    """One content at one place in the order."""

    order: Order
    sha256: str


class Left(NamedTuple):
    """An applied file as it was then, by which it is found where it was put away."""

    inode: int
    size: int
    sha256: str


class Candidate(NamedTuple):
    """A ready file: which version, of which kind, where it lies, and by what it is known on disk.

    forgotten: it was applied, and the ledger is an older copy that does not know of it.
    """

    version: Version
    kind: Kind
    place: str
    left: Left
    forgotten: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and, unless it is READ, the sentence that explains it."""

    verdict: Verdict
    remark: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """The files applied last, oldest first; empty: nothing was ever applied.

    through_ns: the latest change of a file that was decided, where files are kept in the folder.
    device: on which the folder was; None: not known. layout: of the files that were applied.
    lineage: name of this life of the source; "" where it needs none.
    """

    applied: tuple[Version, ...] = ()
    through_ns: int = 0
    device: int | None = None
    layout: KnownLayout = field(default_factory=KnownLayout)
    left: tuple[Left, ...] = ()
    lineage: str = ""

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint | None, ordering: Ordering) -> History:
        """Read the JSON of `to_checkpoint`; None is an empty history."""
        if checkpoint is None:
            return cls()
        return cls(
            tuple(
                Version(ordering.recall(name, mtime_ns), digest)
                for name, mtime_ns, digest in checkpoint["applied"]
            ),
            checkpoint.get("through_ns", 0),
            checkpoint.get("device"),
            KnownLayout.from_json(checkpoint.get("layout")),
            tuple(Left(*line) for line in checkpoint.get("left", ())),
            checkpoint.get("lineage", ""),
        )

    def to_checkpoint(self) -> Checkpoint:
        """Write the history as JSON; ``file`` is there for people."""
        return {
            "file": self.applied[-1].order.name if self.applied else None,
            "applied": [
                [version.order.name, version.order.mtime_ns, version.sha256]
                for version in self.applied
            ],
            "through_ns": self.through_ns,
            "device": self.device,
            "layout": self.layout.to_json(),
            "left": [list(left) for left in self.left],
            "lineage": self.lineage,
        }

    @property
    def last(self) -> Version | None:
        """The file applied last."""
        return self.applied[-1] if self.applied else None

    def without_habits(self) -> History:
        """Forget what may not change unnoticed: the folder's device and the layout of files."""
        return replace(self, device=None, layout=KnownLayout())

    def after(self, version: Version) -> History:
        """Add a version that was just applied; the order never moves backwards."""
        if self.last is not None and self.last.order > version.order:
            version = Version(self.last.order, version.sha256)
        others = [known for known in self.applied if known.sha256 != version.sha256]
        return replace(self, applied=(*others, version)[-REMEMBERED:])

    def leaving(self, left: Left) -> History:
        """Add how the file just applied looks on disk."""
        others = [known for known in self.left if known.inode != left.inode]
        return replace(self, left=(*others, left)[-WATCHED:])

    def seen(self, *, through_ns: int, device: int | None) -> History:
        """Add what a look found of the folder itself."""
        return replace(self, through_ns=max(through_ns, self.through_ns), device=device)

    def lineage_of(self, candidate: Candidate) -> str:
        """The lineage in which a file is noted as the one applied last, once it is.

        "" for one that others were noted after: it stayed in the folder, or was forgotten.
        """
        behind = candidate.version in self.applied and candidate.version != self.last
        return "" if behind or candidate.forgotten else self.lineage

    def upto(self, name: str) -> History | None:
        """The history as it was when the file ``name`` was applied last; None: it never was.

        Of a new lineage: a person who goes back wants nothing again but what is dropped again.
        """
        places = [n for n, known in enumerate(self.applied) if known.order.name == name]
        return History(self.applied[: places[-1] + 1], layout=self.layout) if places else None

    def judge(self, version: Version, *, full: bool = False) -> Judgement:
        """Say what one file is worth; full: an unchanged file is to be read all the same."""
        if self.last is None:
            return Judgement(verdict=Verdict.READ)
        if version.sha256 == self.last.sha256:
            return _same_as_last(self.last, full=full)
        if version in self.applied:
            return Judgement(
                verdict=Verdict.UNCHANGED,
                remark="This file was applied before, but is still in the folder.",
            )
        if version.order < self.last.order:
            return Judgement(verdict=Verdict.SUPERSEDED, remark=_too_late(self.last))
        return Judgement(verdict=Verdict.READ)


def judge_all(
    candidates: Sequence[Candidate], history: History, *, full: bool, was: Kind | None
) -> list[Judgement]:
    """Judge the ready files of one look, which are given in their order.

    was: what the file applied last was; the same rows say more in a snapshot than in a delta.

    Before the newest snapshot nothing counts. Of the deltas after it each does; once one file is to
    be read, everything after it is read too, since it may differ from that one even where it equals
    the last applied.
    """
    kinds = [candidate.kind for candidate in candidates]
    newest = max((n for n, kind in enumerate(kinds) if kind is Kind.SNAPSHOT), default=0)
    versions = [candidate.version for candidate in candidates]
    return [
        *_judge_outdone(versions[:newest], history, by=versions[newest] if versions else None),
        *_judge_in_turn(candidates[newest:], history, full=full, was=was),
    ]


def _judge_outdone(
    versions: Sequence[Version], history: History, *, by: Version | None
) -> Iterator[Judgement]:
    """Judge what is older than a ready snapshot."""
    for version in versions:
        judgement = history.judge(version)
        if judgement.verdict is Verdict.READ and by is not None:
            name = by.order.name
            remark = f"The newer file {name!r} was ready too, and a snapshot says everything."
            judgement = Judgement(verdict=Verdict.SUPERSEDED, remark=remark)
        yield judgement


def _judge_in_turn(
    candidates: Sequence[Candidate], history: History, *, full: bool, was: Kind | None
) -> Iterator[Judgement]:
    """Judge each by itself until one is to be read."""
    reading = False
    for candidate in candidates:
        unlike = candidate.kind is not was
        judgement = history.judge(candidate.version, full=full or unlike)
        if reading and judgement.verdict is Verdict.UNCHANGED:
            judgement = Judgement(verdict=Verdict.READ)
        reading = reading or judgement.verdict is Verdict.READ
        yield judgement


def _same_as_last(last: Version, *, full: bool) -> Judgement:
    """Judge a file whose content is that of the file applied last."""
    if full:
        return Judgement(verdict=Verdict.READ)
    remark = f"Its content is that of {last.order.name!r}, which was applied last."
    return Judgement(verdict=Verdict.UNCHANGED, remark=remark)


def _too_late(last: Version) -> str:
    """Explain why a file may not overwrite what is known."""
    return (
        f"The later file {last.order.name!r} was applied already, and an older file never "
        "overwrites a newer one. If this one is newer, drop it once more as one that is later by "
        "the configured order (name, time in the name, or modification time)."
    )
