"""How lines become cells and cells a line again: delimiter, quotes, borders. Knows no column."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _csv import Reader as CsvReader
    from collections.abc import Iterable, Iterator, Sequence

    from connectors.csv_drop.options import CsvFormat

NumberedCells = tuple[int, list[str]]
"""A line number and the cells of the row that starts there."""

_RULE = frozenset("-=+_ \t\r")


def csv_reader(lines: Iterable[str], form: CsvFormat) -> CsvReader:
    """Open a strict reader of the cells of each row; borders are still on. Raises csv.Error."""
    if form.quoted:
        return csv.reader(lines, delimiter=form.delimiter, strict=True)
    return csv.reader(lines, delimiter=form.delimiter, quoting=csv.QUOTE_NONE, strict=True)


def line_of(cells: Sequence[str], form: CsvFormat) -> str:
    """Write the cells of a row as a line of the file again, without its line end."""
    bordered = ["", *cells, ""] if form.bordered else cells
    if not form.quoted:
        return form.delimiter.join(bordered)
    line = io.StringIO()
    csv.writer(line, delimiter=form.delimiter, lineterminator="").writerow(bordered)
    return line.getvalue()


def within_borders(rows: Iterator[NumberedCells], form: CsvFormat) -> Iterator[NumberedCells]:
    """Take the borders off each row and pass over lines of dashes.

    A line without borders stays as one cell, which is no whole row; above a header it is a title
    and passed over.
    """
    titles = form.header
    for place, cells in rows:
        if all(_RULE.issuperset(cell) for cell in cells):
            continue
        bordered = len(cells) > 1 and not cells[0].strip() and not cells[-1].strip()
        if bordered:
            titles = False
            yield place, cells[1:-1]
        elif not titles:
            yield place, [form.delimiter.join(cells)]
