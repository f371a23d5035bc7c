"""A dropped file as an offer: reading it, and the checkpoint that it leads to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from connectors.contract import Checkpoint, Chunk, Kind, Mends, Position, Reject, Verdict
from connectors.csv_drop.aside import set_aside
from connectors.csv_drop.content import Placed, text_of
from connectors.csv_drop.history import Candidate, History, Judgement, Version
from connectors.csv_drop.known_layout import ACCEPT
from connectors.csv_drop.refusals import unknown_warehouse_column
from connectors.csv_drop.table import first_row, read_table
from connectors.errors import SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from connectors.csv_drop.dialect import NumberedCells
    from connectors.csv_drop.folder import Folder
    from connectors.csv_drop.options import CsvOptions
    from connectors.csv_drop.ordering import Ordering


def to_position(version: Version) -> Position:
    """Write a version as JSON, for `CsvDrop.settle` and for the held pull of `CsvDrop.look`."""
    return {
        "file": version.order.name,
        "mtime_ns": version.order.mtime_ns,
        "sha256": version.sha256,
    }


def from_position(position: Position, ordering: Ordering) -> Version:
    """Read the JSON of `to_position`."""
    return Version(ordering.recall(position["file"], position["mtime_ns"]), position["sha256"])


@dataclass(slots=True)
class Course:
    """How far the offers of one look were read: what the next one's checkpoint builds on."""

    history: History


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedFile:
    """One offer: a ready file and what it is worth.

    lineage: in which it is noted as the file applied last; "" where it is not.
    """

    candidate: Candidate
    judgement: Judgement
    lineage: str
    folder: Folder = field(repr=False)
    options: CsvOptions = field(repr=False)
    course: Course = field(repr=False)

    @property
    def version(self) -> Version:
        """Its content and its place in the order."""
        return self.candidate.version

    @property
    def kind(self) -> Kind:
        """Delta or snapshot."""
        return self.candidate.kind

    @property
    def label(self) -> str:
        """The name of the file."""
        return self.version.order.name

    @property
    def verdict(self) -> Verdict:
        """READ, or why it need not be read."""
        return self.judgement.verdict

    @property
    def remark(self) -> str:
        """Why the verdict is not READ."""
        return self.judgement.remark

    @property
    def position(self) -> Position:
        """Name, content and stamp of the file, and where it lies if not in the folder itself.

        With the lineage where it is to be noted as the file applied last.
        """
        place = self.candidate.place
        aside = {} if place == self.label else {"place": place}
        noted = {"lineage": self.lineage} if self.lineage else {}
        return {**to_position(self.version), **aside, **noted}

    def chunks(self) -> Iterator[Chunk]:
        """Read a private copy of the file.

        Raises SourceUnreachable if the file is not what it was when it was listed,
        SourceUnreadable or SourceMisconfigured if it does not fit what is configured.
        """
        with text_of(self._placed, self.options.format) as (text, _):
            first = first_row(text, self.options, place=self.label)
            self._require_familiar(first)
            text.seek(0)
            if unknown := self._unknown_columns(first):
                yield Chunk([], unknown)
            yield from read_table(text, self.options, place=self.label)
        before = self.course.history
        layout = before.layout if first is None else before.layout.learnt(self.options, first[1])
        after = before.after(self.version).leaving(self.candidate.left)
        self.course.history = replace(after, layout=layout)

    def _require_familiar(self, first: NumberedCells | None) -> None:
        """Raise SourceUnreadable unless the first row is as in the file read before."""
        fault = first and self.course.history.layout.objection(self.options, first[1])
        if fault:
            raise SourceUnreadable(fault, remedy=ACCEPT, place=self.label)

    def _unknown_columns(self, first: NumberedCells | None) -> list[Reject]:
        """Reject the columns of a pivot table that were not there before and that nobody reads."""
        line, cells = first or (0, [])
        unknown = self.course.history.layout.unknown(self.options, cells)
        form = self.options.format
        return [unknown_warehouse_column(line, cells, name, form) for name in unknown]

    def checkpoint(self) -> Checkpoint:
        """Add this file to the history, unless it is there or a newer one says it all."""
        history = self.course.history
        known = self.verdict is Verdict.UNCHANGED and self.version in history.applied
        if self.verdict is Verdict.SUPERSEDED or known:
            return history.to_checkpoint()
        return history.after(self.version).to_checkpoint()

    @property
    def mends(self) -> Mends | None:
        """Nothing: this is what the ERP said."""
        return None

    def set_aside(self, rows: Iterable[tuple[int, str]], *, pull: int) -> None:
        """Write the rejected rows to ``.rejected``, for a person to mend."""
        mends = Mends(pull=pull, label=self.label)
        set_aside(self._placed, self.options.format, rows=rows, mends=mends)

    @property
    def _placed(self) -> Placed:
        return Placed(self.folder, self.candidate.place, self.version)
