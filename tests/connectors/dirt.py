"""Files as a bad day writes them: awkward rows in a dialect, then damaged bytes."""

from __future__ import annotations

import csv
import io

from hypothesis import strategies as st

from tests.connectors.strict import COLUMNS, Dialect

Row = list[str]

DIALECTS = (
    Dialect(),
    Dialect(encoding="cp1254", delimiter=";", decimal=",", thousands="."),
    Dialect(encoding="utf-16", delimiter="\t", decimal=","),
    Dialect(delimiter="|", header=False),
)
NUMBERS = (
    *("0", "7", "105", "1200", "-5", "007", "-0", "0.5", "2,75", "1.250", "1,250", "12.5000"),
    *("3.000.000,15", "1.25.000", "0.123", "3000000000", "9" * 40, "9" * 41, "0,", ",5", "1 000"),
    *(
        "5-",
        "--5",
        "+5",
        "(5)",
        "1e5",
        "NaN",
        "Infinity",
        "1_000",
        "0x10",
        "\u0661\u0662",
        "\u22125",
    ),
    *("\u00a05", " 5", "5\t", "", " ", "12x", "1'000", "\u00bd", "\uff15"),
)
SKUS = (
    *(
        "A",
        "B",
        "0001234",
        "1234",
        "1E5",
        "\u015e\u0130\u015eE",
        "a;b",
        'c"d',
        "e,f",
        "g|h",
        "i\tj",
    ),
    *("", " ", " A ", "x\ny", "x\r\ny", "x\ry", "k" * 256, "TOPLAM", "\u200b", "\u2028", "="),
)
SHREDS = (
    *(
        b'"',
        b'""',
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b",",
        b";",
        b"|",
        b"\t",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
    ),
    *(b"0", b"1", b"-", b".", b"\xa0", b"\xff", b"\x1a", b" ", b"\n\n", b'"\n'),
)

_SELDOM = st.integers(0, 9).map(lambda dice: dice == 9)
_SOUND_SKUS = st.from_regex(r"\A[A-E0-2]{1,3}\Z")
_SOUND_NUMBERS = st.from_regex(r"\A-?[0-9]{1,4}([.,][0-9]{1,3})?\Z")
_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
_WAREHOUSES = st.sampled_from(["MAIN", "ANNEX", " MAIN", "", "M\u0131"])
_UNITS = st.sampled_from(["AD", "", "KG"])


def _row(sku: st.SearchStrategy[str], number: st.SearchStrategy[str]) -> st.SearchStrategy[Row]:
    return st.tuples(sku, _WAREHOUSES, number, _UNITS).map(list)


_SOUND = _row(_SOUND_SKUS, _SOUND_NUMBERS)
_ODD = st.one_of(
    _row(_SOUND_SKUS, st.sampled_from(NUMBERS)),
    _row(st.sampled_from(SKUS) | _WORDS, _SOUND_NUMBERS),
    _SOUND.map(lambda row: row[:3]),
    _SOUND.map(lambda row: [*row, ""]),
    _SOUND.map(lambda row: [*row, "more"]),
    st.sampled_from([[], [""], [" "], ["", ""], ["", "", "", ""]]),
)
ROWS = st.lists(st.one_of(_SOUND, _SOUND, _ODD), min_size=2, max_size=9)


def written(rows: list[Row], dialect: Dialect, *, line_end: str = "\r\n") -> bytes:
    """A file of these rows; letters that the encoding lacks become question marks."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=dialect.delimiter, lineterminator=line_end)
    writer.writerows([COLUMNS, *rows] if dialect.header else rows)
    return text.getvalue().encode(dialect.encoding, errors="replace")


@st.composite
def damaged(draw: st.DrawFn, content: bytes, dialect: Dialect) -> bytes:
    """The content with a few wounds: something put in, taken out or doubled, perhaps cut off."""
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 4)))
        shred = draw(st.sampled_from(SHREDS))
        meant = (
            shred.decode("latin-1").encode(dialect.encoding, "replace").removeprefix(b"\xff\xfe")
        )
        piece = draw(st.sampled_from([meant, shred, b"", content[start:end] * 2]))
        content = content[:start] + piece + content[end:]
    return content[: draw(st.integers(0, len(content)))] if draw(_SELDOM) else content


@st.composite
def dirty_files(draw: st.DrawFn) -> tuple[Dialect, bytes]:
    """A dialect, and a file that was once written in it."""
    dialect = draw(st.sampled_from(DIALECTS))
    content = written(draw(ROWS), dialect, line_end=draw(st.sampled_from(["\r\n", "\n"])))
    if draw(_SELDOM):
        hint = draw(st.sampled_from(["sep=;\r\n", "sep=,\n", "SEP=|\n", '"sep=\t"\n']))
        content = hint.encode() + content
    return dialect, draw(damaged(content, dialect))


def noise() -> st.SearchStrategy[tuple[Dialect, bytes]]:
    """A dialect, and bytes that mean nothing."""
    pieces = st.lists(st.sampled_from(SHREDS) | st.binary(max_size=8), max_size=20).map(b"".join)
    return st.tuples(st.sampled_from(DIALECTS), pieces)
