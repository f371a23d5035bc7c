"""A file of rejected rows that a person mended and dropped again, as an offer.

It is always a delta, whatever the folder is, and never moves the order of the folder: it carries
the order of the file that its rows come from, by the number of the pull that rejected them.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from connectors.contract import Checkpoint, Chunk, Kind, Mends, Position, Verdict
from connectors.csv_drop.aside import set_aside
from connectors.csv_drop.content import Placed, text_of
from connectors.csv_drop.encodings import reading_codec
from connectors.csv_drop.folder import matches
from connectors.csv_drop.options import CsvOptions, FinalNewline, Ready
from connectors.csv_drop.reasons import TITLE, is_mended, mends_of, stem_of
from connectors.csv_drop.table import first_row, read_table
from connectors.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from connectors.csv_drop.folder import Folder, Found
    from connectors.csv_drop.history import Version

_HEAD = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class MendedFile:
    """One offer. standing: makes the checkpoint of the folder as it stands."""

    version: Version
    mends: Mends
    folder: Folder = field(repr=False)
    options: CsvOptions = field(repr=False)
    standing: Callable[[], Checkpoint] = field(repr=False)
    kind: Kind = Kind.DELTA
    verdict: Verdict = Verdict.READ
    remark: str = ""

    @property
    def label(self) -> str:
        """The name of the file."""
        return self.version.order.name

    @property
    def position(self) -> Position:
        """Name, content and stamp of the file, and that it is a mended one."""
        order = self.version.order
        place = {"file": order.name, "mtime_ns": order.mtime_ns, "sha256": self.version.sha256}
        return {**place, "mended": True}

    def chunks(self) -> Iterator[Chunk]:
        """Read a private copy of the file, without the column of reasons.

        Raises SourceUnreachable, SourceUnreadable or SourceMisconfigured.
        """
        with text_of(self._placed, self.options.format) as (text, _):
            options = mending(self.options)
            yield from read_table(text, options, place=self.label, mended=True)

    def checkpoint(self) -> Checkpoint:
        """Where the folder stands already."""
        return self.standing()

    def set_aside(self, rows: Iterable[tuple[int, str]], *, pull: int) -> None:
        """Write what is rejected once more; it stays a part of the file that it came from."""
        mends = self.mends._replace(pull=pull)
        set_aside(self._placed, self.options.format, rows=rows, mends=mends)

    @property
    def _placed(self) -> Placed:
        return Placed(self.folder, self.label, self.version)


def mending(options: CsvOptions) -> CsvOptions:
    """How a mended file is told to be complete: a person writes neither marker nor trailer."""
    if options.ready is Ready.STABLE:
        return options
    return replace(options, ready=Ready.STABLE, final_newline=FinalNewline.REQUIRED)


def mends(folder: Folder, file: Found, options: CsvOptions) -> Mends | None:
    """Whose rejected rows a file holds; None: it is no such file, or of another source.

    A file that was renamed is known by its title, one that lost the title by its name.
    Raises OSError or NotThisFile if it cannot be looked into.
    """
    told = _told(folder, file.place, options)
    if told is not None:
        ours = matches(told.label, *options.patterns) or matches(file.name, *options.patterns)
        return told if ours else None
    if is_mended(file.name) and matches(file.name, *options.patterns):
        return Mends(pull=None, label=stem_of(file.name))
    return None


def _told(folder: Folder, place: str, options: CsvOptions) -> Mends | None:
    """Read the title in the first row of a file."""
    with folder.open(place) as (stream, _):
        head = stream.read(_HEAD)
    try:
        codec = reading_codec(options.format.encoding, head, place=place)
        text = head.decode(codec, errors="replace")
        if TITLE not in text:
            return None
        first = first_row(io.StringIO(text, newline="\n"), options, place=place)
    except ConnectorError:
        return None  # reading it says what is wrong
    return None if first is None else mends_of(first[1])
