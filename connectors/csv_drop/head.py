"""The first part of a file as text: enough to see its header, whatever its size."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, BinaryIO, TextIO

from connectors.csv_drop.soundness import sound_codec
from connectors.csv_drop.table import decoded
from connectors.csv_drop.unpacking import NotUnpacked, opened
from connectors.errors import SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.csv_drop.options import CsvFormat

BYTES = 1 << 17
_LONGEST = 1 << 22


@contextlib.contextmanager
def head_of(stream: BinaryIO, form: CsvFormat, *, place: str) -> Iterator[TextIO]:
    """Lend the first part of a file as text, decompressed where it is compressed.

    Raises SourceUnreadable or SourceMisconfigured, for what stands in this part only, or OSError.
    """
    try:
        with opened(stream) as content:
            head, whole = _first(content)
    except NotUnpacked as error:
        remedy = "Let the ERP write the file anew, as gzip or as zip with one file in it."
        raise SourceUnreadable(str(error), remedy=remedy, place=place) from error
    codec = sound_codec(io.BytesIO(head), form.encoding, place=place, whole=whole)
    with decoded(io.BytesIO(head), codec) as text:
        yield text


def _first(content: BinaryIO) -> tuple[bytes, bool]:
    """Read the first bytes, with the first line end among them; say whether that is all."""
    head = b""
    while len(head) < BYTES or (b"\n" not in head and len(head) < _LONGEST):
        more = content.read(BYTES)
        if not more:
            return head, True
        head += more
    return head, False
