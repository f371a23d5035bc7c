"""The trailer: a last line by which a file says that it is complete.

Which line that is may be configured, as a literal text; ``{rows}`` in it stands for the number of
rows. Otherwise its first cell is one of `TRAILER_WORDS`, in any case and perhaps after ``#``. In
both, a cell behind it may be the number of rows, without header and trailer:

    EOF          END;1069          #TRAILER;1069          ### SON ###          SON 1069 SATIR
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.csv_drop.dialect import csv_reader, within_borders
from connectors.errors import SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.csv_drop.dialect import NumberedCells
    from connectors.csv_drop.options import CsvFormat, CsvOptions

TRAILER_WORDS = frozenset({"EOF", "END", "TRAILER"})
ROWS = "{rows}"


def is_trailer(cells: Sequence[str]) -> bool:
    """Whether a row begins with one of the words; only the last one of a file is a trailer."""
    return bool(cells) and cells[0].strip().removeprefix("#").strip().upper() in TRAILER_WORDS


class Trailer:
    """What the last line of a file must look like under ``ready = trailer``."""

    def __init__(self, options: CsvOptions) -> None:
        self._form = options.format
        self._text = options.trailer
        text = (options.trailer or "").rstrip(f"{options.format.delimiter} ")
        self._shapes = [_shape(cell) for cell in _cells_of(text, options.format)]

    @property
    def wanted(self) -> str:
        """What is waited for, for people."""
        return " or ".join(sorted(TRAILER_WORDS)) if self._text is None else repr(self._text)

    @property
    def is_literal(self) -> bool:
        """Whether the line is configured, so that no row of stock can look like it."""
        return self._text is not None

    def ends(self, tail: str) -> bool:
        """Whether the last line that is not blank in the last part of a file is the trailer."""
        return self.count_in(_last_row(tail, self._form)) is not None

    def count_in(self, cells: Sequence[str]) -> str | None:
        """Read the number of rows that a trailer gives, "" for none; None: it is no trailer."""
        if self._text is None:
            return "".join(cells[1:2]).strip() if is_trailer(cells) else None
        found = [shape.fullmatch(cell.strip()) for shape, cell in zip(self._shapes, cells)]  # noqa: B905 - the first says no to nearly all rows
        if len(found) < len(self._shapes) or None in found:
            return None
        counts = [match[1] for match in found if match is not None and match.re.groups]
        behind = [cell.strip() for cell in cells[len(found) :] if cell.strip()]
        if len(counts + behind) > 1 or not all(cell.isdecimal() for cell in behind):
            return None
        return "".join(counts + behind)


def without_trailer(
    rows: Iterator[NumberedCells], trailer: Trailer, *, place: str
) -> Iterator[NumberedCells]:
    """Pass on all rows but the trailer, which is the last one, and compare its row count.

    Raises SourceUnreadable if there is no trailer, if it counts other than we did, or if a
    configured one stands before the last line.
    """
    count = 0
    last: NumberedCells | None = None
    for row in rows:
        if last is not None:
            if trailer.is_literal and trailer.count_in(last[1]) is not None:
                raise _too_early(last[0], place=place)
            count += 1
            yield last
        last = row
    stated = None if last is None else trailer.count_in(last[1])
    if last is None or stated is None:
        raise SourceUnreadable(
            f"The last line is no trailer ({trailer.wanted}).",
            remedy='Let the ERP write the file anew; or is `ready = "trailer"` not meant?',
            place=place,
        )
    _compare(stated, count, line=last[0], place=place)


def _shape(cell: str) -> re.Pattern[str]:
    """Make what one cell of a configured trailer must look like."""
    return re.compile("([0-9]+)".join(re.escape(part) for part in cell.strip().split(ROWS)))


def _last_row(tail: str, form: CsvFormat) -> Sequence[str]:
    """Cut the last line that holds anything into cells; a line of dashes under a list is none."""
    lines = tail.replace("\r", "\n").split("\n")
    rows = (_cells_of(line, form) for line in reversed(lines) if line.strip("\0 \t"))
    return next((row for row in rows if row), ())


def _cells_of(line: str, form: CsvFormat) -> Sequence[str]:
    """Cut one line into cells, as it is when it is read; without any: a line of dashes."""
    try:
        rows = [(0, cells) for cells in csv_reader([line], form)]
    except csv.Error:  # the quotes of a row are not of one line
        return [line]
    behind_header = replace(form, header=False)  # where a line without borders is no title
    numbered = within_borders(iter(rows), behind_header) if form.bordered else iter(rows)
    return next((cells for _, cells in numbered), ())


def _too_early(line: int, *, place: str) -> SourceUnreadable:
    """Say that rows follow the line that ends a file."""
    return SourceUnreadable(
        f"Line {line} is the trailer, but rows follow it.",
        remedy="Two exports may be in one file: let the ERP write it anew.",
        place=f"{place} line {line}",
    )


def _compare(stated: str, count: int, *, line: int, place: str) -> None:
    """Compare the row count of a trailer that gives one."""
    if stated and (stated.lstrip("0") or "0") != str(count):
        raise SourceUnreadable(
            f"The trailer in line {line} counts {stated[:40]!r} rows, but there are {count}.",
            remedy="Rows are missing or doubled: let the ERP write the file anew.",
            place=f"{place} line {line}",
        )
