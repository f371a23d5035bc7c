"""Text encodings: which there are, what marks them at the start of a file, what ends a line."""

from __future__ import annotations

import codecs
import io
import re

from connectors.errors import SourceMisconfigured, SourceUnreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
LONGEST_MARK = 4
_WIDE = re.compile(r"(utf-(?:16|32))(?:-[lb]e)?")
_REMEDY = 'Set `format.encoding` to what the ERP writes: "utf-8", "cp1254", "iso8859-9", "utf-16" …'


def codec(encoding: str) -> str:
    """Normalise the name of a text encoding.

    Raises SourceMisconfigured if there is none of this name.
    """
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        return codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        message = f"There is no text encoding {encoding!r}."
        raise SourceMisconfigured(message, remedy=_REMEDY, place="format.encoding") from error


def ends_line(tail: bytes) -> bool:
    r"""Whether the last bytes of a file end a line, in any encoding; a lone CR counts.

    After ``…1200\r`` of a CRLF file only the LF is missing, and nothing of the row.
    """
    return tail.rstrip(b"\0").endswith((b"\n", b"\r"))


def reading_codec(encoding: str, head: bytes, *, place: str) -> str:
    """Name the codec that reads a file that starts with ``head``, without its byte order mark.

    Raises SourceMisconfigured for an unknown encoding, SourceUnreadable if the mark of another
    encoding stands there, or none where ``utf-16`` needs one.
    """
    name = codec(encoding)
    marked = next((label for mark, label in _MARKS if head.startswith(mark)), None)
    wide = _WIDE.fullmatch(name)
    family = wide[1] if wide else name
    if marked is None and name in {"utf-16", "utf-32"} and head:
        raise SourceUnreadable(
            f"The file has no byte order mark, so {name} does not say which order it is in.",
            remedy=f'Set `format.encoding` to "{name}-le" or "{name}-be".',
            place=place,
        )
    if marked is not None and marked != family.removesuffix("-sig"):
        raise SourceUnreadable(
            f"The file starts with the byte order mark of {marked}, configured is {encoding}.",
            remedy=f'Set `format.encoding` to "{marked}", or let the ERP write {encoding}.',
            place=place,
        )
    if marked is None:
        return name
    return "utf-8-sig" if marked == "utf-8" else marked


def middle_codec(encoding: str, head: bytes) -> str:
    """Name the codec that reads the same file from somewhere in the middle."""
    name = codec(encoding)
    if name not in {"utf-16", "utf-32"}:
        return name
    return (
        f"{name}-be"
        if head.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE))
        else f"{name}-le"
    )
