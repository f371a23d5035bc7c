"""A sound file as a stream of chunks: header, line numbers, trailer, rows.

Memory holds one chunk, whatever the size of the file.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from itertools import chain, islice
from typing import TYPE_CHECKING, BinaryIO, TextIO

from connectors.contract import Chunk
from connectors.csv_drop.dialect import csv_reader, within_borders
from connectors.csv_drop.layout import Layout, by_header, by_position
from connectors.csv_drop.options import CsvFormat, CsvOptions, Ready
from connectors.csv_drop.reasons import without_reasons
from connectors.csv_drop.rows import RowReader
from connectors.csv_drop.trailer import Trailer, without_trailer
from connectors.errors import SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.csv_drop.dialect import NumberedCells

CHUNK_ROWS = 5_000
MOST_ROWS = 50_000_000
"""Rows of the longest file that is believed."""

_EMPTY = Chunk([], [])

_SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


@contextlib.contextmanager
def decoded(stream: BinaryIO, codec: str) -> Iterator[TextIO]:
    """Lend a stream as text whose lines end at LF; the stream stays open, and its owner's."""
    text = io.TextIOWrapper(stream, encoding=codec, newline="\n")
    try:
        yield text
    finally:
        text.detach()


def read_table(
    text: TextIO, options: CsvOptions, *, place: str, mended: bool = False
) -> Iterator[Chunk]:
    """Read a text that was found sound; mended: rejected rows come back, with their reasons.

    Raises SourceUnreadable or SourceMisconfigured.
    """
    layout, rows = open_table(text, options, place=place, mended=mended)
    if layout is None:
        return
    if options.ready is Ready.TRAILER:
        rows = without_trailer(rows, Trailer(options), place=place)
    read = RowReader(layout, options).read
    batch = max(1, CHUNK_ROWS // len(layout.stocks))
    total = 0
    while (chunk := read(islice(rows, batch))) != _EMPTY:
        total += len(chunk.rows) + len(chunk.rejects)
        if total > MOST_ROWS:
            raise _too_many(place)
        yield chunk


def open_table(
    text: TextIO, options: CsvOptions, *, place: str, mended: bool = False
) -> tuple[Layout | None, Iterator[NumberedCells]]:
    """Find the layout of a text and the rows after its header; None: there is not one row.

    Raises SourceUnreadable or SourceMisconfigured.
    """
    rows = numbered_rows(text, options.format, place=place)
    if mended:
        rows = without_reasons(rows, header=options.format.header)
    first = next(rows, None)
    if options.format.header:
        if first is None:
            raise _headless(place)
        line, header = first
        return by_header(options, header, place=f"{place} line {line}"), rows
    if first is None:
        return None, rows
    return by_position(options, first[1]), chain([first], rows)


def first_row(text: TextIO, options: CsvOptions, *, place: str) -> NumberedCells | None:
    """Read the header, or the first row of a file without one; None: there is not one row.

    Raises SourceUnreadable.
    """
    first = next(numbered_rows(text, options.format, place=place), None)
    if first is None or options.format.header or options.ready is not Ready.TRAILER:
        return first
    return first if Trailer(options).count_in(first[1]) is None else None


def numbered_rows(text: TextIO, form: CsvFormat, *, place: str) -> Iterator[NumberedCells]:
    """Give each row that is not blank the number of the line in which it starts.

    Raises SourceUnreadable.
    """
    rows = _rows(text, form, place=place)
    return within_borders(rows, form) if form.bordered else rows


def _rows(text: TextIO, form: CsvFormat, *, place: str) -> Iterator[NumberedCells]:
    """Number the rows with whatever borders they have."""
    lines, line = _without_sep_line(text, form.delimiter, place=place)
    skipped = line
    reader = csv_reader(lines, form)
    try:
        for cells in reader:
            start, line = line + 1, skipped + reader.line_num
            if any(cells) and (len(cells) > 1 or cells[0].strip()):
                yield start, cells
    except csv.Error as error:
        raise _broken(error, line + 1, skipped + reader.line_num, place=place) from error


def is_sep_line(line: str) -> bool:
    """Whether a first line only tells a spreadsheet the delimiter."""
    return _SEP_LINE.fullmatch(line) is not None


def _without_sep_line(text: TextIO, delimiter: str, *, place: str) -> tuple[Iterator[str], int]:
    """Drop a first line ``sep=;``, which is meant for a spreadsheet; count what was dropped."""
    first = text.readline()
    match = _SEP_LINE.fullmatch(first)
    if match is None:
        return chain([first] if first else [], text), 0
    if match[1] != delimiter:
        raise SourceUnreadable(
            f"Line 1 says that {match[1]!r} divides the cells, configured is {delimiter!r}.",
            remedy=f"Set `format.delimiter = {match[1]!r}`, or let the ERP write {delimiter!r}.",
            place=f"{place} line 1",
        )
    return text, 1


def _headless(place: str) -> SourceUnreadable:
    """Say that a file is empty."""
    return SourceUnreadable(
        "The file is empty; not even a header is there.",
        remedy="Let the ERP write the header even where it has no rows.",
        place=place,
    )


def _too_many(place: str) -> SourceUnreadable:
    """Say that a file is longer than any stock."""
    return SourceUnreadable(
        f"The file has more than {MOST_ROWS} rows.",
        remedy="Let the ERP write fewer rows, or several files that state only what changed.",
        place=place,
    )


def _broken(error: csv.Error, start: int, line: int, *, place: str) -> SourceUnreadable:
    """Say what the CSV reader stumbled over, in the row that starts in line ``start``."""
    if "new-line character" in str(error):
        fault = f"Line {line} holds a CR that no LF follows."
        remedy = "Let the ERP end each line by LF or CR LF."
    elif "field limit" in str(error):
        fault = f"A cell of the row in line {start} is longer than {csv.field_size_limit()} signs."
        remedy = "A quote is probably opened and never closed; let the ERP double inner quotes."
    else:
        fault = f"The quotes of the row in line {start} do not match (seen in line {line})."
        remedy = (
            "Let the ERP put cells with quotes in quotes and double the inner ones; where a quote "
            "is a sign like any other, set `format.quoted = false`."
        )
    return SourceUnreadable(fault, remedy=remedy, place=f"{place} line {start}")
