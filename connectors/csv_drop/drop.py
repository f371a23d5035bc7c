"""The connector of a drop folder: what it offers, reads and tidies up."""

from __future__ import annotations

import time
from functools import cached_property, partial
from typing import TYPE_CHECKING

from connectors.contract import (
    Checkpoint,
    Chunk,
    Finding,
    KeptRow,
    Kind,
    Listing,
    Mends,
    Position,
    Settlement,
    Waiting,
)
from connectors.csv_drop.checking import check_folder
from connectors.csv_drop.dropped_file import Course, DroppedFile, from_position
from connectors.csv_drop.encodings import codec
from connectors.csv_drop.expiry import is_ours
from connectors.csv_drop.familiarity import part_strange
from connectors.csv_drop.folder import (
    DONE,
    OURS,
    Contents,
    Folder,
)
from connectors.csv_drop.growth import with_grown
from connectors.csv_drop.history import Candidate, History, Version, judge_all
from connectors.csv_drop.lineage import named
from connectors.csv_drop.mended import MendedFile
from connectors.csv_drop.options import After, CsvOptions
from connectors.csv_drop.ordering import Ordering
from connectors.csv_drop.places import folder_at
from connectors.csv_drop.reasons import PATTERNS
from connectors.csv_drop.rereading import reread
from connectors.csv_drop.resurfacing import resurfacing
from connectors.csv_drop.settling import Settler
from connectors.csv_drop.survey import Surveyor
from connectors.errors import ConnectorError, SourceMisconfigured, SourceUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HELD = "A pull of this source is held; this file is taken once that is approved or discarded."


class CsvDrop:
    """A folder into which an ERP drops CSV files; implements `connectors.contract.Connector`.

    now: epoch seconds of this machine's clock.
    """

    def __init__(self, options: CsvOptions, *, now: Callable[[], float] = time.time) -> None:
        self._options = options
        self._ordering = Ordering(options)
        self._now = now

    @cached_property
    def _folder(self) -> Folder:
        """Where the files are; a remote one may not be usable here: SourceMisconfigured."""
        return folder_at(self._options.path)

    @property
    def options(self) -> CsvOptions:
        """What is configured of the folder."""
        return self._options

    @property
    def has_full(self) -> bool:
        """Whether the files say which keys are gone."""
        return self._options.mode is Kind.SNAPSHOT or self._options.full_pattern is not None

    def look(
        self, checkpoint: Checkpoint | None, *, full: bool, held: Position | None = None
    ) -> Listing:
        """List the ready files in their order, each with its verdict, and those that wait.

        While a pull is held, only snapshots that are newer than the held one are offered, and one
        that equals the content applied last is to be read, since it supersedes the held one.

        Raises SourceUnreachable or SourceMisconfigured.
        """
        codec(self._options.format.encoding)
        history = named(History.from_checkpoint(checkpoint, self._ordering), self._options)
        contents = self._folder.list(*self._options.patterns, *PATTERNS)
        self._require_same_place(contents, history)
        contents, grown = with_grown(self._folder, contents, history, self._options)
        surveyor = self._surveyor(history, full=full)
        found = surveyor.survey(contents)
        by_place = {one.place: one for one in [*resurfacing(surveyor), *found.ready]}
        every = sorted(by_place.values(), key=lambda one: one.version)
        ready, strange = part_strange(self._folder, self._options, history, every)
        mended, waiting = found.mended, found.waiting + strange
        if held is not None:
            ready, resting = _beside_held(ready, self._held(held))
            waiting = waiting + resting + [_rests(version) for version, _ in mended]
            mended = []
        through_ns = found.through_ns if self._options.after is After.KEEP else 0
        known = history.seen(through_ns=through_ns, device=contents.device)
        course = Course(known)
        offers = self._offers(ready, course, full=full or held is not None)
        waiting = waiting + grown
        return Listing(offers=[*self._mended(mended, course), *offers], waiting=waiting)

    def settle(self, position: Position, settlement: Settlement, reason: str = "") -> None:
        """Do with a decided file what is configured; one that failed moves to ``.failed``.

        Its marker goes along, and at no moment vouches for the next file of its name.

        Raises SourceUnreachable if the folder does not let us.
        """
        if "file" not in position:
            return  # rows that were kept, of no file
        settler = Settler(
            folder=self._folder,
            options=self._options,
            version=from_position(position, self._ordering),
            settlement=settlement,
        )
        settler.settle(position, reason)

    def checkpoint_at(self, cursor: str, checkpoint: Checkpoint | None = None) -> Checkpoint:
        """Build the checkpoint after which the file named ``cursor`` counts as applied last.

        Raises SourceMisconfigured unless that file is among those applied.
        """
        history = History.from_checkpoint(checkpoint, self._ordering)
        rewound = history.upto(cursor)
        if rewound is None:
            known = ", ".join(version.order.name for version in history.applied[-5:]) or "none"
            raise SourceMisconfigured(
                f"No applied file is named {cursor[:200]!r}.",
                remedy=f'Name one of the files applied last ({known}), or "" to forget them all.',
                place="cursor",
            )
        return rewound.to_checkpoint()

    def accepting(self, checkpoint: Checkpoint) -> Checkpoint:
        """Forget the layout of the files and the device of the folder; the next file sets both."""
        return History.from_checkpoint(checkpoint, self._ordering).without_habits().to_checkpoint()

    def reread(self, kept: KeptRow, checkpoint: Checkpoint | None) -> Chunk | None:
        """Read a kept line again; its columns are where its own file had them."""
        history = History.from_checkpoint(checkpoint, self._ordering)
        return reread(kept, history.layout, self._options)

    def expire(self, seconds: float) -> int:
        """Delete what was moved to our own folders longer ago than this.

        Raises SourceUnreachable if the folder does not let us.
        """
        before, ours = self._now() - seconds, partial(is_ours, options=self._options)
        return sum(self._folder.expire(name, before=before, ours=ours) for name in OURS)

    def check(self) -> Sequence[Finding]:
        """Look at the folder and at its newest ready file, changing nothing."""
        try:
            listing = self.look(None, full=True)
            newest = listing.offers[-1].label if listing.offers else None
            return check_folder(self._folder, self._options, listing.waiting, newest)
        except ConnectorError as error:
            return [Finding(level="error", message=error.message, remedy=error.remedy)]

    def _surveyor(self, history: History, *, full: bool) -> Surveyor:
        """Make what looks at the files, as of now."""
        return Surveyor(
            folder=self._folder,
            options=self._options,
            ordering=self._ordering,
            history=history,
            full=full,
            now=self._now(),
        )

    def _require_same_place(self, contents: Contents, history: History) -> None:
        """Raise SourceUnreachable for another folder under the same path, as without its mount.

        Device numbers may change at a restart; a folder that holds our own is the one we know.
        """
        devices = {contents.device, history.device} - {None}
        if len(devices) > 1 and not self._folder.holds(DONE):
            raise SourceUnreachable(
                f"The folder {self._folder.place} lies on another device than last time, and "
                "nothing in it is known.",
                remedy=(
                    "Is it not mounted? If it is meant to lie there from now on: "
                    "stocksync sources accept NAME."
                ),
                place=self._folder.place,
            )

    def _offers(
        self, ready: Sequence[Candidate], course: Course, *, full: bool
    ) -> list[DroppedFile]:
        """Judge the ready files and offer each with its verdict."""
        last = course.history.last
        was = None if last is None else self._options.kind_of(last.order.name)
        judgements = judge_all(ready, course.history, full=full, was=was)
        return [
            DroppedFile(
                candidate=candidate,
                judgement=judgement,
                lineage=course.history.lineage_of(candidate),
                folder=self._folder,
                options=self._options,
                course=course,
            )
            for candidate, judgement in zip(ready, judgements, strict=True)
        ]

    def _mended(self, mended: Sequence[tuple[Version, Mends]], course: Course) -> list[MendedFile]:
        """Offer what comes back before everything newer; the folder stays where it stands."""

        def standing() -> Checkpoint:
            return course.history.to_checkpoint()  # as it is by then

        return [
            MendedFile(
                version=version,
                mends=mends,
                folder=self._folder,
                options=self._options,
                standing=standing,
            )
            for version, mends in mended
        ]

    def _held(self, position: Position) -> Version | None:
        """The version of a held pull; None: no file, or a mended one; all snapshots are newer."""
        if not position or position.get("mended"):
            return None
        return from_position(position, self._ordering)


def _beside_held(
    ready: Sequence[Candidate], held: Version | None
) -> tuple[list[Candidate], list[Waiting]]:
    """Part the files that may be weighed beside a held pull from those that rest."""
    newer = [
        candidate
        for candidate in ready
        if candidate.kind is Kind.SNAPSHOT
        and candidate.version != held
        and (held is None or candidate.version.order >= held.order)
    ]
    resting = [_rests(candidate.version) for candidate in ready if candidate not in newer]
    return newer, resting


def _rests(version: Version) -> Waiting:
    """Make an entry of a file that comes after what is held."""
    return Waiting(label=version.order.name, reason=_HELD)
