"""A second reading of a CSV file, which shares nothing with the connector: slow, short, strict.

The fuzz tests hold the connector to it. It knows files whose columns are named ``sku, wh, stock,
um``, in this spelling, or stand in this order where there is no header.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

COLUMNS = ("sku", "wh", "stock", "um")
MOST_DIGITS = 40
LONGEST_SKU = 255

_MARKS = {"utf-8": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}


class Refused(Exception):  # noqa: N818 - named by what becomes of the file
    """The file as a whole cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a file is written. encoding: ``utf-8``, ``utf-16`` or one with a byte a letter."""

    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: str = "."
    thousands: str = ""
    header: bool = True


class Stated(NamedTuple):
    """What one row states. sku None: it has no key; quantity None: it must be rejected."""

    sku: str | None
    warehouse: str | None
    quantity: Fraction | None


def read_strictly(content: bytes, dialect: Dialect) -> dict[int, Stated]:
    """What each row states, by the number of its first line. Raises Refused."""
    text = _text(content, dialect.encoding)
    hint = re.match(r'"?sep=(.)"?\s*?(\n|\Z)', text, re.IGNORECASE)
    if hint and hint[1] != dialect.delimiter:
        raise Refused("sep")
    skipped = 1 if hint else 0
    rows = _rows(text[hint.end() :] if hint else text, dialect.delimiter)
    places, width = _layout(rows, header=dialect.header)
    first = len(rows[0][1]) if rows else width
    if dialect.header:
        rows = rows[1:]
    whole = [len(cells) for _, cells in rows if len(cells) >= width]
    widest = max(first, min(whole) if len(whole) > 1 else first)
    return {
        line + skipped: Stated(None, None, None)
        if len(cells) > widest
        else _stated(cells, places, width, dialect)
        for line, cells in rows
    }


def number(text: str, dialect: Dialect) -> Fraction | None:
    """The number that a text is in this dialect; None: it is none."""
    text = text.strip(" \t")
    digits = text.removeprefix("-")
    whole, mark, fraction = digits.partition(dialect.decimal)
    if mark and not fraction:
        return None
    if dialect.thousands and dialect.thousands in whole:
        first, *others = whole.split(dialect.thousands)
        if not 1 <= len(first) <= 3 or first[0] == "0" or any(len(other) != 3 for other in others):
            return None
        whole = "".join([first, *others])
    if not whole or any(sign not in "0123456789" for sign in whole + fraction):
        return None
    if len(whole.lstrip("0")) + len(fraction.rstrip("0")) > MOST_DIGITS:
        return None
    value = Fraction(int(whole + fraction), 10 ** len(fraction))
    return -value if text.startswith("-") else value


def _text(content: bytes, encoding: str) -> str:
    """Decode, by the mark at the start where the encoding needs one. Raises Refused."""
    marked = next((name for name, mark in _MARKS.items() if content.startswith(mark)), None)
    if content and (marked or "").startswith("utf-16") != (encoding == "utf-16"):
        raise Refused("mark")
    if marked == "utf-8" and encoding != "utf-8":
        raise Refused("mark")
    try:
        text = content.removeprefix(_MARKS.get(marked or "", b"")).decode(marked or encoding)
    except UnicodeDecodeError as error:
        raise Refused("encoding") from error
    if "\0" in text:
        raise Refused("NUL")
    return text


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """Cut a text into rows (RFC 4180), with the line each starts in; blank ones are none."""
    cell = re.compile(
        rf'"((?:[^"]|"")*)"|([^"{re.escape(delimiter)}\r\n][^{re.escape(delimiter)}\r\n]*)?'
    )
    end_of_row = re.compile(r"\r*(?:\n|\Z)")
    rows: list[tuple[int, list[str]]] = []
    at, cells = 0, list[str]()
    start = 1
    while at < len(text) or cells:
        found = cell.match(text, at)
        assert found is not None
        quoted, bare = found.groups()
        cells.append(bare or "" if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if text.startswith(delimiter, at):
            at += 1
            continue
        end = end_of_row.match(text, at)
        if end is None:
            raise Refused("quotes")
        at = end.end()
        if any(cells) and (len(cells) > 1 or cells[0].strip()):
            rows.append((start, cells))
        cells, start = [], text.count("\n", 0, at) + 1
    return rows


def _layout(rows: list[tuple[int, list[str]]], *, header: bool) -> tuple[list[int], int]:
    """Where the columns stand, and how many cells a row needs. Raises Refused."""
    if not rows:
        if header:
            raise Refused("empty")
        return list(range(len(COLUMNS))), len(COLUMNS)
    first = rows[0][1]
    filled = max((n for n, cell in enumerate(first, start=1) if cell.strip()), default=0)
    if not header:
        return list(range(len(COLUMNS))), max(len(COLUMNS), filled)
    names = [unicodedata.normalize("NFC", cell.strip()).casefold() for cell in first]
    if any(names.count(name) != 1 for name in COLUMNS):
        raise Refused("header")
    places = [names.index(name) for name in COLUMNS]
    return places, max(filled, *(place + 1 for place in places))


def _stated(cells: list[str], places: list[int], width: int, dialect: Dialect) -> Stated:
    """What one row states."""
    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
        return Stated(None, None, None)
    sku, warehouse = cells[places[0]].strip(), cells[places[1]].strip()
    categories = {unicodedata.category(sign) for sign in sku}
    if not sku or len(sku) > LONGEST_SKU or categories & {"Cc", "Zl", "Zp"}:
        return Stated(None, None, None)
    return Stated(sku, warehouse, number(cells[places[2]], dialect))
