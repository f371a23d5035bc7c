"""Compressed files: gzip, or zip with one file in it, known by how they begin, not by name."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import tempfile
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from connectors.csv_drop.folder import blocks
from connectors.errors import SourceUnreachable, SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

GZIP = b"\x1f\x8b"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_MEGABYTE = 1_000_000
_MARK = 4
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1
_DAMAGED = (
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    ValueError,
)
"""What the modules for gzip and zip raise for bytes that nobody compressed so."""


class NotUnpacked(Exception):  # noqa: N818 - named by what happened
    """The content of a compressed file cannot be had; the text is a sentence that says why."""


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is compressed; no text in any encoding begins so."""
    return head.startswith((GZIP, *ZIP))


@contextlib.contextmanager
def opened(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Lend the content of a file as it streams, decompressed where it is compressed.

    Raises NotUnpacked, from within the context too, for what is damaged, cut off or of a kind that
    is not read.
    """
    stream.seek(0)
    head = stream.read(_MARK)
    stream.seek(0)
    if not is_packed(head):
        yield stream
        return
    try:
        with _packed(stream, head) as content:
            yield content
    except EOFError as error:
        raise NotUnpacked("It is compressed, and its end is missing.") from error
    except _DAMAGED as error:
        raise NotUnpacked(f"It is compressed, and damaged ({error}).") from error


@contextlib.contextmanager
def unpacked(stream: BinaryIO, *, most: int, place: str) -> Iterator[BinaryIO]:
    """Lend the whole content of a file, rewound; a compressed one as an unlinked temporary file.

    most: bytes of the content at most.

    Raises SourceUnreadable for content that is longer, or cannot be had; SourceUnreachable if there
    is no room for it.
    """
    with contextlib.ExitStack() as stack:
        if is_packed(stream.read(_MARK)):
            copy = stack.enter_context(tempfile.TemporaryFile(prefix="stocksync-"))
            _unpack(stream, copy, most=most, place=place)
            stream = cast("BinaryIO", copy)
        elif stream.seek(0, io.SEEK_END) > most:
            raise _too_long(most, place=place)
        stream.seek(0)
        yield stream


def _unpack(stream: BinaryIO, copy: BinaryIO, *, most: int, place: str) -> None:
    """Decompress block by block, up to the limit."""
    size = 0
    try:
        with opened(stream) as content:
            for block in blocks(content):
                size += len(block)
                if size > most:
                    raise _too_long(most, place=place)
                copy.write(block)
    except NotUnpacked as error:
        remedy = "Let the ERP write the file anew, as gzip or as zip with one file in it."
        raise SourceUnreadable(str(error), remedy=remedy, place=place) from error
    except OSError as error:
        raise SourceUnreachable(
            f"The content of {place!r} could not be unpacked: {error.strerror or error}.",
            remedy="Keep the folder for temporary files (TMPDIR) from running full.",
            place=place,
        ) from error


@contextlib.contextmanager
def _packed(stream: BinaryIO, head: bytes) -> Iterator[BinaryIO]:
    """Open the content of a gzip or zip file."""
    if head.startswith(GZIP):
        with gzip.GzipFile(fileobj=stream) as content:
            yield cast("BinaryIO", content)
        return
    with zipfile.ZipFile(stream) as archive, archive.open(_member(archive)) as member:
        yield cast("BinaryIO", member)


def _member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """Choose the one file of a zip file; its name does not matter and is never used."""
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise NotUnpacked(f"It is a zip file with {len(members)} files in it, not one.")
    if members[0].flag_bits & _ENCRYPTED:
        raise NotUnpacked("It is a zip file with a password.")
    if members[0].compress_type not in _METHODS:
        raise NotUnpacked("It is a zip file of a rare kind of compression; deflate is read.")
    return members[0]


def _too_long(most: int, *, place: str) -> SourceUnreadable:
    """Say that a file has more content than is believed."""
    return SourceUnreadable(
        f"The file has more than {most / _MEGABYTE:g} MB of text.",
        remedy="Let the ERP write less, or raise `format.max_bytes`.",
        place=place,
    )
