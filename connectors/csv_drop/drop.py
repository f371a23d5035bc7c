"""The connector of a drop folder: what it offers, reads and tidies up."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.contract import (
    Checkpoint,
    Chunk,
    Finding,
    Kind,
    Listing,
    Position,
    Settlement,
    Verdict,
    Waiting,
)
from connectors.csv_drop.checking import check_folder
from connectors.csv_drop.encodings import codec
from connectors.csv_drop.folder import (
    DONE,
    FAILED,
    Contents,
    Folder,
    Found,
    NotThisFile,
    Stamp,
    sha256_of,
)
from connectors.csv_drop.history import History, Judgement, Order, Version, judge_all
from connectors.csv_drop.options import CsvOptions, Ready
from connectors.csv_drop.readiness import is_marker, marker_of, why_waiting
from connectors.csv_drop.soundness import sound_codec
from connectors.csv_drop.staging import Changed, content_hash, staged
from connectors.csv_drop.table import decoded, read_table
from connectors.errors import ConnectorError, SourceMisconfigured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_HELD = "A pull of this source is held; this file is taken once that is approved or discarded."
_INTO_FAILED = frozenset({Settlement.FAILED, Settlement.DISCARDED})


def to_position(version: Version) -> Position:
    """Write a version as JSON, for `CsvDrop.settle` and for the held pull of `CsvDrop.look`."""
    return {
        "file": version.order.name,
        "mtime_ns": version.order.mtime_ns,
        "sha256": version.sha256,
    }


def from_position(position: Position) -> Version:
    """Read the JSON of `to_position`."""
    return Version(Order(position["file"], position["mtime_ns"]), position["sha256"])


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedFile:
    """One offer: a ready file and what it is worth."""

    version: Version
    judgement: Judgement
    folder: Folder = field(repr=False)
    options: CsvOptions = field(repr=False)
    history: History = field(repr=False)

    @property
    def label(self) -> str:
        """The name of the file."""
        return self.version.order.name

    @property
    def kind(self) -> Kind:
        """What the source is configured as."""
        return self.options.mode

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
        """Name, content and stamp of the file."""
        return to_position(self.version)

    def chunks(self) -> Iterator[Chunk]:
        """Read a private copy of the file.

        Raises SourceUnreachable if the file is not what it was when it was listed,
        SourceUnreadable or SourceMisconfigured if it does not fit what is configured.
        """
        with staged(self.folder, self.label, self.version.sha256) as copy:
            name = sound_codec(copy, self.options.format.encoding, place=self.label)
            with decoded(copy, name) as text:
                yield from read_table(text, self.options, place=self.label)

    def checkpoint(self) -> Checkpoint:
        """Add this file to the history, unless a newer one says it all."""
        if self.verdict is Verdict.SUPERSEDED:
            return self.history.to_checkpoint()
        return self.history.after(self.version).to_checkpoint()


class CsvDrop:
    """A folder into which an ERP drops CSV files; implements `connectors.contract.Connector`.

    now: epoch seconds of this machine's clock.
    """

    def __init__(self, options: CsvOptions, *, now: Callable[[], float] = time.time) -> None:
        self._options = options
        self._folder = Folder(options.path)
        self._now = now

    @property
    def has_full(self) -> bool:
        """Whether the files say which keys are gone."""
        return self._options.mode is Kind.SNAPSHOT

    def look(
        self, checkpoint: Checkpoint | None, *, full: bool, held: Position | None = None
    ) -> Listing:
        """List the ready files in their order, each with its verdict, and those that wait.

        While a pull is held, only snapshots that are newer than the held one are offered, and one
        that equals the content applied last is to be read, since it supersedes the held one.

        Raises SourceUnreachable or SourceMisconfigured.
        """
        codec(self._options.format.encoding)
        ready, waiting = self._sort_out(self._folder.list(self._options.pattern))
        if held is not None:
            ready, resting = _beside_held(ready, from_position(held), self._options.mode)
            waiting += resting
        return Listing(
            offers=self._offers(
                ready, History.from_checkpoint(checkpoint), full=full or held is not None
            ),
            waiting=waiting,
        )

    def settle(self, position: Position, settlement: Settlement, reason: str = "") -> None:
        """Move a decided file to ``.done`` or ``.failed``, its marker first.

        The marker goes first, so that one left behind never vouches for the next file of its name.

        Raises SourceUnreachable if the folder does not let us.
        """
        version = from_position(position)
        stamp = self._stamp_if_same(version)
        if stamp is None:
            return
        failed = settlement in _INTO_FAILED
        if self._options.ready is Ready.MARKER:
            self._move_marker(version.order.name, FAILED if failed else DONE)
        self._folder.move(
            version.order.name,
            stamp,
            FAILED if failed else DONE,
            reason=f"{settlement}: {reason}" if failed else None,
        )

    def checkpoint_at(self, cursor: str, checkpoint: Checkpoint | None = None) -> Checkpoint:
        """Build the checkpoint after which the file named ``cursor`` counts as applied last.

        Raises SourceMisconfigured unless that file is among those applied.
        """
        history = History.from_checkpoint(checkpoint)
        rewound = history.upto(cursor)
        if rewound is None:
            known = ", ".join(version.order.name for version in history.applied[-5:]) or "none"
            raise SourceMisconfigured(
                f"No applied file is named {cursor[:200]!r}.",
                remedy=f'Name one of the files applied last ({known}), or "" to forget them all.',
                place="cursor",
            )
        return rewound.to_checkpoint()

    def check(self) -> Sequence[Finding]:
        """Look at the folder and at its newest ready file, changing nothing."""
        try:
            listing = self.look(None, full=True)
        except ConnectorError as error:
            return [Finding(level="error", message=error.message, remedy=error.remedy)]
        newest = listing.offers[-1].label if listing.offers else None
        return check_folder(self._folder, self._options, listing.waiting, newest)

    def _offers(
        self, ready: Sequence[Version], history: History, *, full: bool
    ) -> list[DroppedFile]:
        """Judge the ready files and offer each with its verdict."""
        judgements = judge_all(ready, history, kind=self._options.mode, full=full)
        return [
            DroppedFile(
                version=version,
                judgement=judgement,
                folder=self._folder,
                options=self._options,
                history=history,
            )
            for version, judgement in zip(ready, judgements, strict=True)
        ]

    def _sort_out(self, contents: Contents) -> tuple[list[Version], list[Waiting]]:
        """Part the files that are ready, in their order, from those that wait."""
        ready: list[Version] = []
        waiting = list(contents.others)
        for found in contents.files:
            if is_marker(found.name, self._options):
                continue
            try:
                outcome = self._examine(found, contents)
            except FileNotFoundError:
                continue
            except (NotThisFile, OSError) as error:
                outcome = str(error)
            if isinstance(outcome, Version):
                ready.append(outcome)
            else:
                waiting.append(Waiting(label=found.name, reason=outcome))
        return sorted(ready), waiting

    def _examine(self, found: Found, contents: Contents) -> Version | str:
        """Give the version of a ready file, or the sentence that says why it waits."""
        now = self._now()
        reason = why_waiting(found, self._folder, self._options, names=contents.names, now=now)
        if reason:
            return reason
        try:
            digest = content_hash(self._folder, found.name, found.stamp)
        except Changed:
            return "It was written to while it was looked at."
        believed = min(found.stamp.mtime_ns, int(now * 1_000_000_000))
        return Version(Order(found.name, believed), digest)

    def _stamp_if_same(self, version: Version) -> Stamp | None:
        """Stamp the file of a version; None if it is gone, or another by now."""
        try:
            with self._folder.open(version.order.name) as (stream, stamp):
                return stamp if sha256_of(stream) == version.sha256 else None
        except (FileNotFoundError, NotThisFile):
            return None

    def _move_marker(self, name: str, into: str) -> None:
        """Move the marker of a file, if it has one."""
        marker = marker_of(name, self._folder.list(self._options.pattern).names)
        if marker is None:
            return
        with (
            contextlib.suppress(FileNotFoundError, NotThisFile),
            self._folder.open(marker) as (_, stamp),
        ):
            self._folder.move(marker, stamp, into)


def _beside_held(
    ready: Sequence[Version], held: Version, kind: Kind
) -> tuple[list[Version], list[Waiting]]:
    """Part the files that may be weighed beside a held pull from those that rest."""
    newer = [
        version
        for version in ready
        if kind is Kind.SNAPSHOT and version != held and version.order >= held.order
    ]
    resting = [
        Waiting(label=version.order.name, reason=_HELD) for version in ready if version not in newer
    ]
    return newer, resting
