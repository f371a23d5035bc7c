"""What it means that the rules of a source have changed, by the part that did. Pure."""

from __future__ import annotations

from typing import NamedTuple

from worker.model import Fingerprint


class Consequence(NamedTuple):
    """What changed rules mean, and what a person may do; NAME stands for the source."""

    message: str
    remedy: str


OF_LEVELS = Consequence(
    "its rules are not those of its last pull; the next one puts them to every level, from what is"
    " known of it, and the guard weighs that",
    "see what that changes: stocksync pull NAME --dry-run",
)
OF_READING = Consequence(
    "how its rows are read and judged has changed; that counts for what is read from now on",
    "let it be read again: the file applied last is not skipped if it is dropped once more, and a"
    " query is run from its start",
)
OF_SKUS = Consequence(
    "its sku_rules have changed; levels of SKUs that it states no more follow `missing` in a"
    " snapshot, and stay as they are where files or queries state only what changed",
    'let it state everything anew: a snapshot with missing = "zero" takes the old SKUs to zero, as'
    " does a new name for the source and: stocksync sources retire NAME --zero",
)


def parse(text: str) -> Fingerprint:
    """Read what `Fingerprint` wrote."""
    reading, _, rest = text.partition("/")
    skus, _, levels = rest.partition("/")
    return Fingerprint(reading, skus, levels)


def recomputes(before: str | None, today: str) -> bool:
    """Whether levels may differ by today's rules, although nothing is read anew; None: no rules."""
    return before is not None and parse(before).levels != parse(today).levels


def recomputed(before: str | None, today: str) -> str:
    """The fingerprint once levels were made by today's rules of what was read by those before."""
    return today if before is None else str(parse(before)._replace(levels=parse(today).levels))


def consequences(before: str | None, today: str) -> list[Consequence]:
    """What it means that rules have changed; nothing where they have not."""
    if before is None or before == today:
        return []
    pairs = zip(parse(before), parse(today), (OF_READING, OF_SKUS, OF_LEVELS), strict=True)
    return [meaning for was, now, meaning in pairs if was != now]
