"""The trailer: a last line by which a file says that it is complete.

Its first cell is one of `TRAILER_WORDS`, in any case and perhaps after ``#``; its second, where it
is not empty, is the number of rows, without header and trailer:

    EOF          END;1069          #TRAILER;1069
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from connectors.errors import SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.csv_drop.dialect import NumberedCells

TRAILER_WORDS = frozenset({"EOF", "END", "TRAILER"})


def is_trailer(cells: Sequence[str]) -> bool:
    """Whether a row has the shape of a trailer; only the last one of a file is one."""
    return bool(cells) and cells[0].strip().removeprefix("#").strip().upper() in TRAILER_WORDS


def has_trailer(tail: str, *, delimiter: str) -> bool:
    """Whether the last line that is not blank in the last part of a file is a trailer."""
    lines = tail.replace("\r", "\n").split("\n")
    last = next((line for line in reversed(lines) if line.strip("\0 \t")), "")
    rows = csv.reader([last], delimiter=delimiter)
    return any(is_trailer(row) for row in rows)


def without_trailer(rows: Iterator[NumberedCells], *, place: str) -> Iterator[NumberedCells]:
    """Pass on all rows but the trailer, which is the last one, and compare its row count.

    Raises SourceUnreadable if there is no trailer, or if it counts other than we did.
    """
    count = 0
    last: NumberedCells | None = None
    for row in rows:
        if last is not None:
            count += 1
            yield last
        last = row
    if last is None or not is_trailer(last[1]):
        raise SourceUnreadable(
            "The last line is no trailer.",
            remedy='Let the ERP write the file anew; or is `ready = "trailer"` not meant?',
            place=place,
        )
    _compare(last, count, place=place)


def _compare(trailer: NumberedCells, count: int, *, place: str) -> None:
    """Compare the row count of a trailer that gives one."""
    line, cells = trailer
    stated = cells[1].strip() if len(cells) > 1 else ""
    if stated and stated != str(count):
        raise SourceUnreadable(
            f"The trailer in line {line} counts {stated[:40]!r} rows, but there are {count}.",
            remedy="Rows are missing or doubled: let the ERP write the file anew.",
            place=f"{place} line {line}",
        )
