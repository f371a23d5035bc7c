"""A look at one file: what its configuration seems to be, and how it would be read by that.

Only a proposal for a person: `propose` writes nothing, and no pull ever calls it. What it shows of
the rows comes out of the same reading as in a pull.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

from connectors.contract import Kind, Reject, Row
from connectors.csv_drop.dialect import csv_reader, within_borders
from connectors.csv_drop.encodings import LONGEST_MARK, middle_codec, reading_codec
from connectors.csv_drop.guesses import words
from connectors.csv_drop.guesses.columns import Roles, roles_of
from connectors.csv_drop.guesses.marks import Marks, marks_of
from connectors.csv_drop.guesses.spelling import encoding_of, spelling_of
from connectors.csv_drop.options import (
    CsvColumns,
    CsvFormat,
    CsvOptions,
    FinalNewline,
    Ready,
    Skip,
)
from connectors.csv_drop.soundness import sound_codec
from connectors.csv_drop.table import read_table
from connectors.csv_drop.trailer import is_trailer
from connectors.csv_drop.unpacking import is_packed, unpacked
from connectors.errors import ConnectorError, SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from connectors.csv_drop.options import Column

HEAD = 1 << 20
"""Bytes of the beginning that are looked at."""

TAIL = 1 << 16
"""Bytes of the end that are looked at."""

_MOST_BYTES = 2_000_000_000
_NAMED = 5
_FRACTIONS = (
    'Quantities have a fraction, and Omnitron takes whole numbers: rounding = "error" rejects '
    'them, or choose "floor" or "nearest"'
)
_NEGATIVES = 'Quantities are below zero: negative = "zero" takes them as 0, or choose "reject"'
_DUPLICATES = (
    "SKUs are stated several times for one warehouse with different stock: "
    'duplicates = "reject" rejects them, or choose "sum" or "last"'
)
_SEP_LINE = re.compile(r'"?sep=.{1}"?\s*\n', re.IGNORECASE)
_COUNTED = re.compile(r"(?<![0-9A-Za-z])[0-9]+(?:[-_.][0-9]+)*(?![0-9A-Za-z])|[0-9]{6,}")
"""What differs from file to file within a name: digits on their own, or many of them."""
_DELTA_WORDS = ("delta", "fark", "degis", "change", "incr", "partial")
_FULL_WORDS = ("full", "tam", "snapshot", "gesamt", "komplett", "all", "butun", "tum")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What was found, and what a person must confirm.

    rows, rejects: of the part that was looked at. whole: whether that part is the whole file.
    trouble: why nothing could be read by these options, with the remedy; else "".
    """

    options: CsvOptions
    doubts: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    rejects: tuple[Reject, ...] = ()
    trouble: str = ""
    whole: bool = True

    @property
    def warehouses(self) -> tuple[str, ...]:
        """Every warehouse that a row names."""
        return tuple(sorted({row.warehouse for row in self.rows if row.warehouse}))

    @property
    def units(self) -> tuple[str, ...]:
        """Every unit that a row names."""
        return tuple(sorted({row.unit for row in self.rows if row.unit}))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """The looked-at text of a file: its first lines, whole, and its last ones."""

    encoding: str
    first: str
    last: str
    whole: bool
    doubts: tuple[str, ...]


def propose(path: Path) -> Proposal:
    """Look at the first MiB and the last 64 KiB of a file, and propose how to configure it.

    Raises SourceUnreadable if there is no text in it to look at, OSError if it cannot be opened.
    """
    with path.open("rb") as stream:
        head = stream.read(LONGEST_MARK)
        stream.seek(0)
        with unpacked(stream, most=_MOST_BYTES, place=path.name) as content:
            text = _looked_at(content, path.name)
    options, doubts = _surmised(path, text)
    if is_packed(head):
        doubts = (*doubts, "It is compressed; `pattern` must fit its name.")
    return _previewed(options, text, doubts)


def _looked_at(stream: BinaryIO, place: str) -> _Text:
    """Decode the beginning and the end of a file. Raises SourceUnreadable."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    head = stream.read(HEAD)
    encoding, doubts = encoding_of(head)
    whole = size <= HEAD
    sound_codec(io.BytesIO(head), encoding, place=place, whole=whole)
    mark = head[:LONGEST_MARK]
    first = head.decode(reading_codec(encoding, mark, place=place), errors="ignore")
    if not first.strip():
        raise SourceUnreadable(
            "There is no text in it.", remedy="Take a file with a few rows.", place=place
        )
    if not whole:
        first = first[: first.rfind("\n") + 1]
    start = max(0, size - TAIL)
    stream.seek(start - start % 4)
    tail = stream.read(TAIL + 4).decode(middle_codec(encoding, mark), errors="ignore")
    last = tail if start == 0 else tail[tail.find("\n") + 1 :]
    return _Text(encoding=encoding, first=first, last=last, whole=whole, doubts=doubts)


def _surmised(path: Path, text: _Text) -> tuple[CsvOptions, tuple[str, ...]]:
    """Put the guesses together."""
    spelling = spelling_of(text.first, text.encoding)
    rows = _cells(text.first, spelling.form)
    ends = _cells(text.last, spelling.form)
    literal = _literal_trailer(ends)
    trailer = literal is not None or (bool(ends) and is_trailer(ends[-1]))
    roles = roles_of([row for row in rows if not is_trailer(row) and row[:1] != [literal]])
    marks = _marks(rows, roles)
    form = replace(
        spelling.form,
        header=roles.header,
        decimal=marks.decimal,
        thousands=marks.thousands,
        trailing_minus=marks.trailing_minus,
    )
    mode, mode_doubts = _mode(path.name)
    ended = text.last.endswith(("\n", "\r"))
    header = rows[0] if rows and roles.header else None
    options = CsvOptions(
        path=path.parent,
        pattern=_COUNTED.sub("*", path.name),
        mode=mode,
        ready=Ready.TRAILER if trailer else Ready.STABLE,
        trailer=literal,
        final_newline=None if ended or trailer else FinalNewline.OPTIONAL,
        format=form,
        columns=_columns(roles, header),
        skip_rows_where=_totals(ends, header),
    )
    doubts = (*text.doubts, *spelling.doubts, *roles.doubts, *marks.doubts, *mode_doubts)
    return options, (*doubts, *_end_doubts(options, ended=ended), *_absent(roles))


def _cells(text: str, form: CsvFormat) -> list[list[str]]:
    """Cut a text into rows as far as they can be read."""
    text = _SEP_LINE.sub("", text, count=1) if _SEP_LINE.match(text) else text
    reader = csv_reader(io.StringIO(text, newline="\n"), form)
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):  # what was read until there is enough to guess by
        rows.extend(row for row in reader if any(cell.strip() for cell in row))
    numbered = enumerate(rows)
    return [row for _, row in within_borders(numbered, form)] if form.bordered else rows


def _marks(rows: Sequence[Sequence[str]], roles: Roles) -> Marks:
    """Look at the numbers of the columns with stock."""
    places = roles.warehouses or tuple(at for at in [roles.stock] if at is not None)
    body = rows[1:] if roles.header else rows
    return marks_of(row[at] for row in body for at in places if at < len(row))


def _columns(roles: Roles, header: Sequence[str] | None) -> CsvColumns:
    """Name columns by their header, or by their position where that names several, or none."""

    def column(at: int | None) -> Column | None:
        if at is None:
            return None
        name = "" if header is None else header[at].strip()
        alone = header is not None and [cell.strip() for cell in header].count(name) == 1
        return name if name and alone else at + 1

    return CsvColumns(
        sku=column(roles.sku) or 1,
        stock=None if roles.warehouses else column(roles.stock) or 2,
        warehouse=column(roles.warehouse),
        warehouses=tuple(str(column(at)) for at in roles.warehouses),
        unit_type=column(roles.unit),
    )


def _literal_trailer(ends: Sequence[Sequence[str]]) -> str | None:
    """Find a last line of one text under rows of several cells; words that are known are none."""
    *above, last = ends or [[]]
    filled = [cell for cell in last if cell.strip()]
    torn = not above or len([cell for cell in above[-1] if cell.strip()]) <= 1
    if len(filled) != 1 or last[0] != filled[0] or torn or is_trailer(last):
        return None
    return None if words.plain(last[0]) in words.TOTALS else last[0]


def _totals(ends: Sequence[Sequence[str]], header: Sequence[str] | None) -> tuple[Skip, ...]:
    """Find a line of totals among the last rows, by the word in one of its cells."""
    for row in reversed(ends[-_NAMED:]):
        for at, cell in enumerate(row):
            if words.plain(cell) in words.TOTALS:
                name: Column = at + 1 if header is None or at >= len(header) else header[at].strip()
                return (Skip(column=name or at + 1, equals=cell.strip()),)
    return ()


def _mode(name: str) -> tuple[Kind, tuple[str, ...]]:
    """Take the mode from words within the name; without one, the harmless one."""
    parts = re.split(r"[^a-z]+", os.path.splitext(name)[0].casefold())  # noqa: PTH122 - a name
    for kind, known in ((Kind.DELTA, _DELTA_WORDS), (Kind.SNAPSHOT, _FULL_WORDS)):
        word = next((part for part in parts if part.startswith(known)), None)
        if word is not None:
            return kind, (f'mode = "{kind}" is taken from {word!r} in the name: is it so?',)
    doubt = (
        "Nothing says whether the file holds all stock (snapshot) or what changed (delta): delta "
        "is proposed, since it never declares a product gone."
    )
    return Kind.DELTA, (doubt,)


def _end_doubts(options: CsvOptions, *, ended: bool) -> tuple[str, ...]:
    """Say what the end of the file means."""
    if options.ready is Ready.TRAILER:
        return ("The last line looks like a trailer, which makes the file complete: is it one?",)
    if not ended:
        doubt = (
            "Its last line has no line end, so a cut file cannot be told from a whole one: let the "
            'ERP write one, or a marker file (ready = "marker").'
        )
        return (doubt,)
    if options.skip_rows_where:
        [skip] = options.skip_rows_where
        return (f"The row with {skip.equals!r} is taken for a line of totals and passed over.",)
    return ()


def _absent(roles: Roles) -> tuple[str, ...]:
    """Say what was not found."""
    found = {"SKU": roles.sku is not None, "stock": roles.stock is not None or roles.warehouses}
    return tuple(
        f"No column was found for the {what}: the one in the block is only a placeholder."
        for what, there in found.items()
        if not there
    )


def _previewed(options: CsvOptions, text: _Text, doubts: tuple[str, ...]) -> Proposal:
    """Read what was looked at by the proposed options, as a pull would."""
    proposal = Proposal(options=options, doubts=doubts, whole=text.whole)
    reading = options if text.whole else replace(options, ready=Ready.STABLE)
    stream = io.StringIO(text.first, newline="\n")
    try:
        chunks = list(read_table(stream, reading, place="the file"))
    except ConnectorError as error:
        return replace(proposal, trouble=f"{error.message} {error.remedy}")
    rows = tuple(row for chunk in chunks for row in chunk.rows)
    rejects = tuple(bad for chunk in chunks for bad in chunk.rejects)
    return replace(proposal, rows=rows, rejects=rejects, doubts=(*doubts, *_content_doubts(rows)))


def _content_doubts(rows: Sequence[Row]) -> tuple[str, ...]:
    """Say where the rules of the source need a decision."""
    stated: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        stated[row.sku, row.warehouse].add(row.quantity)
    broken = [row.sku for row in rows if "." in row.quantity]
    below = [row.sku for row in rows if row.quantity.startswith("-")]
    differing = [sku for (sku, _), quantities in stated.items() if len(quantities) > 1]
    findings = ((broken, _FRACTIONS), (below, _NEGATIVES), (differing, _DUPLICATES))
    return tuple(f"{what} ({_named(skus)})." for skus, what in findings if skus)


def _named(skus: Sequence[str]) -> str:
    """Name the first few of many, and how many there are."""
    named = list(dict.fromkeys(skus))
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
