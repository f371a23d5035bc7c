"""Rejected rows, written for a person to mend: the same dialect, and a column with the reasons.

The cells are exactly what they were; nothing is made harmless for a spreadsheet, since the file is
read again.
"""

from __future__ import annotations

import csv
import io
from itertools import chain
from typing import TYPE_CHECKING, TextIO

from connectors.csv_drop.content import text_of
from connectors.csv_drop.folder import REJECTED
from connectors.csv_drop.reasons import mended_name, reason_of, title_of, without_reasons
from connectors.csv_drop.table import is_sep_line, numbered_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from connectors.contract import Mends
    from connectors.csv_drop.content import Placed
    from connectors.csv_drop.dialect import NumberedCells
    from connectors.csv_drop.options import CsvFormat


def set_aside(
    file: Placed,
    form: CsvFormat,
    *,
    rows: Iterable[tuple[int, str]],
    mends: Mends,
) -> None:
    """Write the rows of a file that start in these lines to ``.rejected``, under a free name.

    rows: line and reason, in the order of the file; memory stays flat. mends: whose rows they are.
    Raises what `text_of` raises, and SourceUnreachable if the folder does not let us.
    """
    with text_of(file, form) as (text, codec):
        first_line = text.readline()
        text.seek(0)
        header, body = _parted(text, form, place=mends.label)
        wanted = _wanted(body, rows)
        first = next(wanted, None)
        if first is None:
            return  # what was rejected is no row
        with file.folder.create(REJECTED, mended_name(file.version.order.name)) as stream:
            written = io.TextIOWrapper(stream, encoding=codec, newline="")
            lines = _Lines(written, form, codec, first_line)
            _copy(header, chain([first], wanted), lines, mends)
            written.flush()
            written.detach()


class _Lines:
    """Writes lines in the dialect of the file that they come from."""

    def __init__(self, out: TextIO, form: CsvFormat, codec: str, first: str) -> None:
        self._out = out
        self._codec = codec
        self.form = form
        self._end = "\r\n" if first.endswith("\r\n") else "\n"
        all_quoted = first.startswith('"') and first.rstrip("\r\n").endswith('"')
        self._writer = csv.writer(
            out,
            delimiter=form.delimiter,
            quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL,
            lineterminator=self._end,
        )
        if is_sep_line(first):
            out.write(first)

    def write(self, cells: Sequence[str], reason: str, *, width: int) -> None:
        """Write a row of at least ``width`` cells and behind them a reason."""
        whole = [*cells, *[""] * (width - len(cells)), self._writable(reason)]
        bordered = ["", *whole, ""] if self.form.bordered else whole
        if self.form.quoted:
            self._writer.writerow(bordered)
        else:
            self._out.write(self.form.delimiter.join(bordered) + self._end)

    def _writable(self, reason: str) -> str:
        """Make a reason fit the encoding, and where there are no quotes the delimiter."""
        known = reason.encode(self._codec, "replace").decode(self._codec)
        one_line = " ".join(known.split())
        return one_line if self.form.quoted else one_line.replace(self.form.delimiter, " ")


def _parted(
    text: TextIO, form: CsvFormat, *, place: str
) -> tuple[list[str], Iterator[NumberedCells]]:
    """Part the first row, which is the header or as wide as one, from the rows of stock."""
    found = without_reasons(numbered_rows(text, form, place=place), header=form.header)
    first = next(found, None)
    if first is None:
        return [], found
    return first[1], found if form.header else chain([first], found)


def _copy(
    header: list[str], rows: Iterable[tuple[list[str], str]], lines: _Lines, mends: Mends
) -> None:
    """Write the header, where there is one, and the rows with their reasons."""
    title, width = title_of(mends), len(header)
    if lines.form.header:
        lines.write(header, title, width=width)
    for cells, why in rows:
        lines.write(cells, reason_of(why, title=title, header=lines.form.header), width=width)


def _wanted(
    found: Iterator[NumberedCells], rows: Iterable[tuple[int, str]]
) -> Iterator[tuple[list[str], str]]:
    """Walk both in step; a line that has several reasons comes once."""
    wanted = iter(rows)
    place, why = next(wanted, (0, ""))
    for at, cells in found:
        whys: list[str] = []
        while place and place <= at:
            if place == at and why not in whys:
                whys.append(why)
            place, why = next(wanted, (0, ""))
        if whys:
            yield cells, "; ".join(whys)
