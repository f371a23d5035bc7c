"""Files that were applied after an older copy of the ledger was made: offered again from ``.done``.

They are found by their place in the order, so what was superseded in between comes along, and is
judged as any file is. Nothing of it was told to the ledger that reads now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.csv_drop.expiry import without_number
from connectors.csv_drop.folder import DONE, NotThisFile, matches
from connectors.csv_drop.history import Candidate, Left, Version
from connectors.csv_drop.lineage import is_older
from connectors.csv_drop.mended import mends
from connectors.csv_drop.readiness import believed_mtime_ns
from connectors.csv_drop.staging import Changed, content_hash
from connectors.errors import SourceUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from connectors.csv_drop.options import CsvOptions
    from connectors.csv_drop.survey import Surveyor


def resurfacing(by: Surveyor) -> list[Candidate]:
    """Find what the ledger has forgotten; nothing, unless it is an older copy.

    Raises SourceUnreachable if one of these files cannot be read now: a newer one must not be
    taken before it.
    """
    if by.history.last is None or not is_older(by.folder, by.history, by.ordering):
        return []
    try:
        return list(_forgotten(by, after=by.history.last))
    except (OSError, NotThisFile, Changed) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceUnreachable(
            "The ledger is an older copy, and a file in .done that was applied since cannot be "
            f"read: {reason.rstrip('.')}.",
            remedy="Let this service read it; or delete it, if it is not to be read again.",
            place=by.folder.place,
        ) from error


def _forgotten(by: Surveyor, *, after: Version) -> Iterator[Candidate]:
    """Find the files in ``.done`` whose place is behind a version. Raises as opening them does."""
    files = by.folder.within(DONE)
    there = {file.name for file in files}
    for file in files:
        name = _dropped_as(file.name, there, by.options)
        if name is None:
            continue
        order = by.ordering.recall(name, believed_mtime_ns(file, now=by.now))
        if order <= after.order or mends(by.folder, file, by.options) is not None:
            continue
        digest = content_hash(by.folder, file.place, file.stamp)
        left = Left(file.stamp.inode, file.stamp.size, digest)
        version, kind = Version(order, digest), by.options.kind_of(name)
        yield Candidate(version, kind, file.place, left, forgotten=True)


def _dropped_as(name: str, there: AbstractSet[str], options: CsvOptions) -> str | None:
    """Tell the name under which a file was dropped; None: it is of no name that is read.

    there: all names in ``.done``. A number is one that we gave if the name without it is taken.
    """
    plain, reads = without_number(name), matches(name, *options.patterns)
    if plain != name and matches(plain, *options.patterns) and (plain in there or not reads):
        return plain
    return name if reads else None
