"""Whether the text of a file can be read at all, found out before its first row is believed.

One pass over the whole file decodes it and looks for what a CSV reader would swallow: bytes that
are not of the encoding, NUL characters, lines without end.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, BinaryIO

from connectors.csv_drop.encodings import LONGEST_MARK, reading_codec
from connectors.csv_drop.folder import blocks
from connectors.errors import SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_LINE = 1 << 20


def sound_codec(stream: BinaryIO, encoding: str, *, place: str, whole: bool = True) -> str:
    """Check a file from its start to its end; name the codec that reads it, leave it rewound.

    whole: False where only the first part of a file is given, which may end within a character.

    Raises SourceUnreadable, or SourceMisconfigured for an unknown encoding.
    """
    name = reading_codec(encoding, stream.read(LONGEST_MARK), place=place)
    stream.seek(0)
    line, unended = 1, 0
    for text in _decoded(stream, name, place=place, whole=whole):
        if "\0" in text:
            raise _nul(line + text[: text.index("\0")].count("\n"), place=place)
        first = text.find("\n")
        unended += len(text) if first < 0 else first
        if unended > LONGEST_LINE:
            raise _endless(line, text, place=place)
        if first >= 0:
            line += text.count("\n")
            unended = len(text) - text.rfind("\n") - 1
    stream.seek(0)
    return name


def _decoded(stream: BinaryIO, name: str, *, place: str, whole: bool) -> Iterator[str]:
    """Decode a stream block by block."""
    decoder = codecs.getincrementaldecoder(name)()
    line, taken = 1, 0
    try:
        for block in blocks(stream):
            taken += len(block)
            text = decoder.decode(block)
            line += text.count("\n")
            yield text
        decoder.decode(b"", final=whole)
    except UnicodeDecodeError as error:
        offset = taken - len(error.object) + error.start
        line += error.object[: error.start].count(b"\n")
        raise _undecodable(error, name, line, offset, place=place) from error


def _undecodable(
    error: UnicodeDecodeError, name: str, line: int, offset: int, *, place: str
) -> SourceUnreadable:
    """Name the first byte that is not of the encoding."""
    found = error.object[error.start : error.start + 1].hex().upper()
    return SourceUnreadable(
        f"Line {line} is not {name}: byte 0x{found} at offset {offset}.",
        remedy="Set `format.encoding` to what the ERP writes, or let it write the file anew.",
        place=f"{place} line {line}",
    )


def _nul(line: int, *, place: str) -> SourceUnreadable:
    """Name the line with a NUL."""
    return SourceUnreadable(
        f"Line {line} holds a NUL character.",
        remedy='Is it UTF-16? Then set `format.encoding = "utf-16"`; if not, the file is damaged.',
        place=f"{place} line {line}",
    )


def _endless(line: int, text: str, *, place: str) -> SourceUnreadable:
    """Name the line that does not end."""
    cause = "its lines end in CR alone" if "\r" in text else "it may be no text file"
    return SourceUnreadable(
        f"Line {line} is longer than {LONGEST_LINE} characters; {cause}.",
        remedy="Let the ERP write one row per line, each ended by LF or CR LF.",
        place=f"{place} line {line}",
    )
