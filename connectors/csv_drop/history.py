"""What was applied before, and what a file is worth against it. Pure.

Files are ordered by name (by code point, which is the byte order of UTF-8), files of one name by
modification time, so that a fixed name that is dropped again and again works. An older file never
overwrites a newer one (`contract.md`, Files).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from connectors.contract import Checkpoint, Kind, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REMEMBERED = 50
"""Applied files that the checkpoint keeps, to recognise those that could not be moved away."""


class Order(NamedTuple):
    """Where a file stands in its source: by name, then by modification time."""

    name: str
    mtime_ns: int


class Version(NamedTuple):
    """One content at one place in the order."""

    order: Order
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict and, unless it is READ, the sentence that explains it."""

    verdict: Verdict
    remark: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """The files applied last, oldest first; empty: nothing was ever applied."""

    applied: tuple[Version, ...] = ()

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint | None) -> History:
        """Read the JSON of `to_checkpoint`; None is an empty history."""
        lines = checkpoint["applied"] if checkpoint else ()
        return cls(tuple(Version(Order(name, mtime), digest) for name, mtime, digest in lines))

    def to_checkpoint(self) -> Checkpoint:
        """Write the history as JSON; ``file`` is there for people."""
        return {
            "file": self.applied[-1].order.name if self.applied else None,
            "applied": [[*version.order, version.sha256] for version in self.applied],
        }

    @property
    def last(self) -> Version | None:
        """The file applied last."""
        return self.applied[-1] if self.applied else None

    def after(self, version: Version) -> History:
        """Add a version that was just applied; the order never moves backwards."""
        if self.last is not None and self.last.order > version.order:
            version = Version(self.last.order, version.sha256)
        others = [known for known in self.applied if known.sha256 != version.sha256]
        return History((*others, version)[-REMEMBERED:])

    def upto(self, name: str) -> History | None:
        """The history as it was when the file ``name`` was applied last; None: it never was."""
        places = [n for n, known in enumerate(self.applied) if known.order.name == name]
        return History(self.applied[: places[-1] + 1]) if places else None

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
    versions: Sequence[Version], history: History, *, kind: Kind, full: bool
) -> list[Judgement]:
    """Judge the ready files of one look, which are given in their order.

    Of snapshots only the newest counts. Of deltas each counts; once one is to be read, everything
    after it is read too, since it may differ from that one even where it equals the last applied.
    """
    if kind is Kind.SNAPSHOT:
        return list(_judge_snapshots(versions, history, full=full))
    return list(_judge_deltas(versions, history, full=full))


def _judge_snapshots(
    versions: Sequence[Version], history: History, *, full: bool
) -> Iterator[Judgement]:
    """Judge the newest by its content, the rest as superseded by it."""
    for version in versions[:-1]:
        judgement = history.judge(version)
        if judgement.verdict is Verdict.READ:
            name = versions[-1].order.name
            remark = f"The newer file {name!r} was ready too, and a snapshot says everything."
            judgement = Judgement(verdict=Verdict.SUPERSEDED, remark=remark)
        yield judgement
    if versions:
        yield history.judge(versions[-1], full=full)


def _judge_deltas(
    versions: Sequence[Version], history: History, *, full: bool
) -> Iterator[Judgement]:
    """Judge each by itself until one is to be read."""
    reading = False
    for version in versions:
        judgement = history.judge(version, full=full)
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
        f"The later file {last.order.name!r} was applied already, and files are taken in the order "
        "of their names. If this one is newer, give it a name that sorts after it."
    )
