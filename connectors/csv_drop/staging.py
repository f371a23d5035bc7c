"""Private copies: one consistent version of a file, however it is written to meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from typing import TYPE_CHECKING, BinaryIO

from connectors.csv_drop.folder import Folder, NotThisFile, Stamp, blocks, sha256_of
from connectors.errors import SourceUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator


class Changed(Exception):  # noqa: N818 - named by what happened
    """A file is not what it was a moment ago."""


def content_hash(folder: Folder, name: str, stamp: Stamp) -> str:
    """Hash a file that must still be as ``stamp`` says, before and after.

    Raises Changed, NotThisFile or OSError.
    """
    with folder.open(name) as (stream, opened):
        digest = sha256_of(stream)
        if not opened == stamp == folder.restamp(stream):
            raise Changed
    return digest


@contextlib.contextmanager
def staged(folder: Folder, name: str, sha256: str) -> Iterator[BinaryIO]:
    """Copy a file with this content to an unlinked temporary file and hand it out, rewound.

    Raises SourceUnreachable if the file is gone or its content is another by now, or if there is
    no room for the copy.
    """
    with contextlib.ExitStack() as stack:
        try:
            copy = stack.enter_context(tempfile.TemporaryFile(prefix="stocksync-"))
            digest = _copy(folder, name, copy)
        except (OSError, NotThisFile) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise _unreachable(name, reason) from error
        if digest != sha256:
            raise _unreachable(name, "it changed while it was being read")
        copy.seek(0)
        yield copy


def _copy(folder: Folder, name: str, copy: BinaryIO) -> str:
    """Copy a file block by block and hash what was copied."""
    digest = hashlib.sha256()
    with folder.open(name) as (stream, _):
        for block in blocks(stream):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def _unreachable(name: str, reason: str) -> SourceUnreachable:
    """Say that a file could not be read now, with nothing lost."""
    return SourceUnreachable(
        f"The file {name!r} could not be read: {reason.rstrip('.')}.",
        remedy=(
            "Nothing of it was applied and it is read again at the next pull. If that goes on: let "
            "the ERP write under another name and rename when done, and keep the folder for "
            "temporary files (TMPDIR) from running full."
        ),
        place=name,
    )
