"""The text of one version of a file: a private copy, unpacked, found sound and decoded."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple, TextIO

from connectors.csv_drop.soundness import sound_codec
from connectors.csv_drop.staging import staged
from connectors.csv_drop.table import decoded
from connectors.csv_drop.unpacking import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.csv_drop.folder import Folder
    from connectors.csv_drop.history import Version
    from connectors.csv_drop.options import CsvFormat


class Placed(NamedTuple):
    """One version of a file, and where it lies in its folder."""

    folder: Folder
    place: str
    version: Version


@contextlib.contextmanager
def text_of(file: Placed, form: CsvFormat) -> Iterator[tuple[TextIO, str]]:
    """Lend the text of a file, and the name of the codec that reads it.

    Raises SourceUnreachable if the file is not what it was when it was listed, SourceUnreadable or
    SourceMisconfigured if it is no text as configured.
    """
    with (
        staged(file.folder, file.place, file.version.sha256) as copy,
        unpacked(copy, most=form.max_bytes, place=file.place) as content,
    ):
        codec = sound_codec(content, form.encoding, place=file.place)
        with decoded(content, codec) as text:
            yield text, codec
