"""Rejected rows set aside for a person, and whose rows they are when they come back mended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

from connectors.contract import MendableOffer
from connectors.errors import SourceUnreadable
from worker.ledger import pulls
from worker.ledger.scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from sqlalchemy import Connection

    from connectors.contract import Mends, Offer, Reject
    from worker.ledger.sources import Source
    from worker.pull.comparison import BrokenKey

_REMEDY = (
    "Keep the column of reasons as it was written, or let the ERP state these rows again; what was"
    " rejected is in .rejected and in: stocksync failures"
)


class Aside:
    """The places and reasons of everything that a pull rejects; memory stays flat."""

    def __init__(self) -> None:
        self._scratch = Scratch()
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scratch.__exit__(kind, error, trace)

    def note_row(self, reject: Reject) -> None:
        """Remember a rejected row."""
        self._note(reject.place, f"{reject.reason}: {reject.message}")

    def note_key(self, item: BrokenKey, places: list[int]) -> None:
        """Remember all rows of a key that cannot be applied."""
        for place in places:
            self._note(place, f"{item.broken.reason}: {item.broken.message}")

    def rows(self) -> Iterator[tuple[int, str]]:
        """Place and reason of each, in the order of places."""
        for page in self._scratch.pages():
            for place, _, why in (line.split("\x1f") for line in page):
                yield int(place), json.loads(why)

    def _note(self, place: int, why: str) -> None:
        self.count += 1
        self._scratch.add([f"{place:012}\x1f{self.count:012}\x1f{json.dumps(why)}"])


def origin(connection: Connection, source: Source, offer: Offer) -> int | None:
    """The pull whose rejected rows an offer brings back; None: it brings what the source says.

    Raises SourceUnreadable where that cannot be known for sure.
    """
    mends = mends_of(offer)
    if mends is None:
        return None
    if mends.pull is not None:
        return _confirmed(connection, source, mends, place=offer.label)
    candidates = pulls.of_stem(connection, source.id, mends.label)
    if len(candidates) != 1:
        raise SourceUnreadable(
            f"It lost the column of reasons, whose title says which rows it mends, and "
            f"{len(candidates) or 'none'} of the pulls known could be meant.",
            remedy=_REMEDY,
            place=offer.label,
        )
    return candidates[0]


def _confirmed(connection: Connection, source: Source, mends: Mends, *, place: str) -> int:
    found = pulls.numbered(connection, mends.pull or 0)
    if found is None or found.source_id != source.id or found.label != mends.label:
        raise SourceUnreadable(
            f"It says that it mends rows of pull {mends.pull}, {mends.label!r}, which this source "
            "has not made or which is too long ago.",
            remedy=_REMEDY,
            place=place,
        )
    return found.id


def mends_of(offer: Offer) -> Mends | None:
    """Whose rejected rows an offer brings back; None: it is the source's own word."""
    return offer.mends if isinstance(offer, MendableOffer) else None


def outdone(source: Source, as_of: int | None) -> str:
    """Why rows of an earlier pull count no more, a sentence; "" where they may."""
    later = source.snapshot_pull_id
    if as_of is None or later is None or later <= as_of:
        return ""
    return f"These are rows of pull {as_of}; pull {later}, a later snapshot, says everything."
