"""How a text seems to be written: encoding, delimiter, borders. Pure."""

from __future__ import annotations

import codecs
import collections
import contextlib
import csv
import re
from dataclasses import dataclass

from connectors.csv_drop.dialect import csv_reader
from connectors.csv_drop.options import CsvFormat

DELIMITERS = (";", "\t", ",", "|")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TURKISH = frozenset(b"\xd0\xdd\xde\xf0\xfd\xfe")
"""The six Turkish letters that western European code pages lack: they have Icelandic ones there."""
_WINDOWS_ONLY = frozenset(range(0x80, 0xA0))
_RULE_SIGNS = frozenset("-=+_| \t\r")
_HINT = re.compile(r'"?sep=([^\w\s"]|\t)"?\s*', re.IGNORECASE)
_LOOKED_AT = 200
_MOST_NULS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """How the cells of a file are divided, and what is uncertain of it."""

    form: CsvFormat
    doubts: tuple[str, ...] = ()


def encoding_of(head: bytes) -> tuple[str, tuple[str, ...]]:
    """Name the encoding of a file that begins so, and say what is uncertain of it."""
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if marked is not None:
        return marked, ()
    if head[1::2].count(0) > len(head) * _MOST_NULS:
        return "utf-16-le", ("Every other byte is 0, and no byte order mark is there: UTF-16?",)
    if head[::2].count(0) > len(head) * _MOST_NULS:
        return "utf-16-be", ("Every other byte is 0, and no byte order mark is there: UTF-16?",)
    if head.isascii():
        doubt = (
            "No letter beyond ASCII was seen, so any encoding reads what was looked at: ask what "
            "the ERP writes before the first ü, ß or ş comes."
        )
        return "utf-8", (doubt,)
    return ("utf-8", ()) if _is_utf_8(head) else _code_page(head)


def spelling_of(text: str, encoding: str) -> Spelling:
    """Find delimiter and borders by which most lines come apart into equally many cells."""
    lines = [line for line in text.split("\n", _LOOKED_AT)[:_LOOKED_AT] if line.strip()]
    hint = _HINT.fullmatch(lines[0]) if lines else None
    if hint:
        return Spelling(form=CsvFormat(encoding=encoding, delimiter=hint[1]))
    inner = [line for line in lines if not _RULE_SIGNS.issuperset(line)]
    bordered = [line for line in inner if line[:1] == "|" == line.rstrip()[-1:]]
    if inner and len(bordered) * 5 >= len(inner) * 4:
        form = CsvFormat(encoding=encoding, delimiter="|", bordered=True, quoted=False)
        return Spelling(form=form)
    return _divided(lines, encoding)


def _divided(lines: list[str], encoding: str) -> Spelling:
    """Choose the delimiter that divides best; say so where none does, or two do."""
    scores = {sign: _score(lines, CsvFormat(delimiter=sign)) for sign in DELIMITERS}
    best = max(DELIMITERS, key=lambda sign: scores[sign])
    form = CsvFormat(encoding=encoding, delimiter=best)
    if not scores[best][0]:
        return Spelling(
            form=form, doubts=("No delimiter divides the lines into cells: is this a CSV file?",)
        )
    rivals = [sign for sign in DELIMITERS if sign != best and scores[sign] == scores[best]]
    doubts = tuple(f"{sign!r} divides the lines as well as {best!r}: choose." for sign in rivals)
    return Spelling(form=form, doubts=doubts)


def _score(lines: list[str], form: CsvFormat) -> tuple[float, int]:
    """Share of rows that have as many cells as most (and the first) have, and that number."""
    widths: list[int] = []
    with contextlib.suppress(csv.Error):  # the rows until there are enough to compare
        widths.extend(len(row) for row in csv_reader(lines, form) if row)
    if not widths:
        return 0.0, 0
    width, count = collections.Counter(widths).most_common(1)[0]
    first_fits = widths[0] == width
    return (count / len(widths) if width > 1 and first_fits else 0.0), width


def _is_utf_8(head: bytes) -> bool:
    """Whether a beginning is UTF-8; its last letter may be cut."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _code_page(head: bytes) -> tuple[str, tuple[str, ...]]:
    """Choose among the code pages with a byte a letter, which nothing in a file tells apart."""
    used = frozenset(head)
    windows = bool(used & _WINDOWS_ONLY) or b"\r\n" in head
    if not used & _TURKISH:
        doubt = (
            "Read as western European (cp1252); cp1254 and iso8859-9 read what was looked at the "
            "same. If the ERP is Turkish, take cp1254, or its ğ, İ and ş become wrong letters."
        )
        return _decodable("cp1252", head), (doubt,)
    name, other = ("cp1254", "iso8859-9") if windows else ("iso8859-9", "cp1254")
    same = "" if used & _WINDOWS_ONLY else f" {other} reads what was looked at the same."
    doubt = f"Read as Turkish ({name}): see below that the letters are right.{same}"
    return _decodable(name, head), (doubt,)


def _decodable(name: str, head: bytes) -> str:
    """Keep a code page that has all these bytes; else the one that has every byte."""
    try:
        head.decode(name)
    except UnicodeDecodeError:
        return "iso8859-9"
    return name
