"""What every source connector offers and what the pull step may rely on.

A connector turns a source into *offers*: one offer is one file, or one run of a query. Reading an
offer yields chunks of rows and rejects, in a stream; an offer that was read to its end knows the
checkpoint that stands for "everything up to here". Nothing outside is changed by reading. When the
ledger has decided what becomes of an offer, the connector is told (`settle`) and may tidy up.

The conformance suite in ``tests/connectors`` holds every connector to this page.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

Checkpoint = Mapping[str, Any]
"""Where reading goes on; JSON, made and understood by one connector only, opaque to others."""

Position = Mapping[str, Any]
"""Which offer this is (file and hash, cursor range); JSON, kept with the pull, for `settle`.

``sha256``, where there is one, is of the whole content: two offers that share it say the same.
Empty is that of a pull for which nothing was read of the source.
"""


class Kind(enum.StrEnum):
    """What an offer says about keys that it does not state."""

    DELTA = "delta"  # nothing
    SNAPSHOT = "snapshot"  # that they are gone


class Verdict(enum.StrEnum):
    """What the connector knows of an offer before it is read."""

    READ = "read"  # new: read and weigh it
    UNCHANGED = "unchanged"  # the content that was applied last, once more
    SUPERSEDED = "superseded"  # a newer offer says it all, or a later one was already applied


class Settlement(enum.StrEnum):
    """What became of an offer in the ledger."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    SUPERSEDED = "superseded"
    FAILED = "failed"  # unreadable: to the failed folder, with the reason
    DISCARDED = "discarded"  # by a person: to the failed folder, with the reason


class Row(NamedTuple):
    """One well-formed row, as the source states it; no rule has been applied yet.

    quantity: canonical decimal text (``-?digits[.digits]``, no exponent, no leading or trailing
        zeros, ``0`` never negative, at most 40 digits), so equal numbers are equal texts.
    unit: as written, "" where the source has no unit.
    warehouse: as written, "" where the source has no warehouse column.
    sold: canonical digits of ``sold_quantity_unreported``, or None where there is no such column.
    extra: canonical JSON object text of ``extra_field``, or None where there is no such column.
    place: line number of a file (1-based, of the row's first line) or row number of a result.
    cells: the raw cells, for reports about the row.
    """

    sku: str
    warehouse: str
    quantity: str
    unit: str
    sold: str | None
    extra: str | None
    place: int
    cells: Sequence[object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One row that must not be applied, with everything a person needs to mend it.

    sku and warehouse are None where the key itself could not be read; such a reject forbids a
    snapshot to declare anything missing. ``reason`` is a short stable word (``not_a_number``,
    ``missing_sku``, ``short_row`` …); ``message`` and ``remedy`` are sentences.
    """

    place: int
    column: str
    value: str
    reason: str
    message: str
    remedy: str
    raw: str
    sku: str | None = None
    warehouse: str | None = None


class Chunk(NamedTuple):
    """A few thousand rows at most, so that memory does not grow with the source.

    skipped: how many rows were passed over because the configuration says so.
    """

    rows: Sequence[Row]
    rejects: Sequence[Reject]
    skipped: int = 0


class Mends(NamedTuple):
    """Whose rejected rows an offer brings back, mended: those of a pull, of the offer ``label``.

    pull: None where the offer does not say it any more. whole: it may be all of them.
    """

    pull: int | None
    label: str
    whole: bool = True


class KeptRow(NamedTuple):
    """A rejected row as it was kept (`Reject.raw`), why it was rejected, and where it stood."""

    raw: str
    reason: str
    place: int


class Offer(Protocol):
    """One thing to read: a file, or one run of a query."""

    @property
    def label(self) -> str:
        """Name for people: a file name, ``query`` or ``full_query``."""

    @property
    def kind(self) -> Kind:
        """Delta or snapshot."""

    @property
    def verdict(self) -> Verdict:
        """READ, or why it need not be read."""

    @property
    def position(self) -> Position:
        """Identifies this offer for `Connector.settle`, today or after a restart."""

    @property
    def remark(self) -> str:
        """Why the verdict is not READ, a sentence; else ""."""

    def chunks(self) -> Iterator[Chunk]:
        """Read it once, in a stream.

        Raises SourceUnreachable (nothing may be applied, read again later) or SourceUnreadable
        (nothing may be applied, a person is needed).
        """

    def checkpoint(self) -> Checkpoint:
        """Where to go on once this offer is decided; valid after `chunks` ended, or if not READ."""


@runtime_checkable
class MendableOffer(Protocol):
    """An offer whose rejected rows can be set aside for a person, mended, and come back."""

    @property
    def mends(self) -> Mends | None:
        """None for what the source itself said. What comes back is always a delta."""

    def set_aside(self, rows: Iterable[tuple[int, str]], *, pull: int) -> None:
        """Write the rejected rows where a person finds them; before the offer is settled.

        rows: place and reason, in the order of places. pull: whose rows they are.
        Raises SourceUnreachable or SourceUnreadable.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `check`: good (`ok`), worth a look (`warning`), or in the way (`error`)."""

    level: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something the connector sees but does not offer yet: a file that is not ready, say.

    alarm: it will not heal by itself; a person has to look. ready_in: seconds after which it is
    offered if nothing writes to it any more; None: time alone does not make it ready.
    """

    label: str
    reason: str
    alarm: bool = False
    ready_in: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a look at the source found: offers in the order they must be taken, and the rest."""

    offers: Sequence[Offer]
    waiting: Sequence[Waiting] = field(default=())


class Connector(Protocol):
    """One configured source."""

    def look(
        self, checkpoint: Checkpoint | None, *, full: bool, held: Position | None = None
    ) -> Listing:
        """Find what there is to read after ``checkpoint`` (None: nothing was ever applied).

        The checkpoint may be older than what was settled, where a copy of the ledger was put back:
        deltas that came since are offered again, as long as the source has them.

        full: a snapshot is wanted, and what looks unchanged is to be read all the same (rules may
        have changed). A SQL source offers its ``full_query`` if it has one; a file source ignores
        the shortcut for equal content.
        held: the position of a pull that waits for a person; it is not offered again. While one is
        held, delta offers rest (they are listed as waiting) and newer snapshots are offered.

        Raises SourceUnreachable or SourceMisconfigured.
        """

    def settle(self, position: Position, settlement: Settlement, reason: str = "") -> None:
        """Tidy up after a decision: move the file. Idempotent; a source gone meanwhile is fine.

        Raises SourceUnreachable if the tidying must be tried again; the ledger stays decided.
        """

    def checkpoint_at(self, cursor: str, checkpoint: Checkpoint | None = None) -> Checkpoint:
        """Build the checkpoint to go on from a place as a person writes it (`sources rewind`).

        cursor: a file name, a moment, a number. checkpoint: the present one.
        Raises SourceMisconfigured for what is no such place.
        """

    def expire(self, seconds: float) -> int:
        """Delete what was put away for people longer ago than this; returns how many files.

        Raises SourceUnreachable.
        """

    def accepting(self, checkpoint: Checkpoint) -> Checkpoint:
        """Build the checkpoint without what the connector lets nobody change unnoticed.

        For `sources accept`: the columns of the files, say. Equal to ``checkpoint`` where there is
        no such thing.
        """

    def reread(self, kept: KeptRow, checkpoint: Checkpoint | None) -> Chunk | None:
        """Read a row that this connector rejected once more, as it is configured today.

        checkpoint: of the pull that read it; its columns may stand elsewhere today. None where
        the row was cut, or its columns are not known.
        """

    def check(self) -> Sequence[Finding]:
        """Try the source without side effects; never raises for what it is there to find out."""

    @property
    def has_full(self) -> bool:
        """Whether `look(full=True)` can see keys that are gone."""
