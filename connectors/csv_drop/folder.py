"""What a drop folder is to the rest: what lies in it, opening a file safely, moving it away.

Where it lies is the business of `local_folder`, `sftp_folder` and `fsspec_folder`; `places`
chooses. Knows nothing of CSV, readiness or order.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import stat
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

DONE = ".done"
FAILED = ".failed"
REJECTED = ".rejected"
NOTED = ".noted"
OURS = (DONE, FAILED, REJECTED, NOTED)
BLOCK = 1 << 18


class Stamp(NamedTuple):
    """What tells, without reading, that a file is still the same and was not written to."""

    inode: int
    size: int
    mtime_ns: int


class NotThisFile(Exception):  # noqa: N818 - named by what was found
    """A name does not lead to a readable regular file; the text says what is there instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A regular file as it was when it was listed. Times in seconds.

    name: as it was dropped. place: the path at which it lies, seen from the drop folder.
    """

    name: str
    place: str
    stamp: Stamp
    mtime: float
    ctime: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Something whose name matches, but that is never opened; label: the name made printable.

    changed: since when, in seconds; None for a folder, which nobody expects to be read.
    """

    label: str
    reason: str
    changed: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a listing of the folder found; names: of everything in it, matching or not.

    device: on which the folder is.
    """

    files: tuple[Found, ...]
    misfits: tuple[Misfit, ...]
    names: frozenset[str]
    device: int | None


def matches(name: str, *patterns: str) -> bool:
    """Whether a file of this name is ever read; hidden and ``.tmp`` files never are."""
    folded = name.casefold()
    if folded.startswith(".") or folded.endswith(".tmp"):
        return False
    return any(fnmatch.fnmatchcase(folded, pattern.casefold()) for pattern in patterns)


def blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Read a stream to its end in blocks of bounded size."""
    while block := stream.read(BLOCK):
        yield block


def sha256_of(stream: BinaryIO) -> str:
    """Hash a stream from where it stands to its end."""
    digest = hashlib.sha256()
    for block in blocks(stream):
        digest.update(block)
    return digest.hexdigest()


def misfit(name: str, mode: int) -> str:
    """Say why a name is never opened; "" for a regular file. mode: as stat gives it."""
    if not name.isprintable() or not _is_unicode(name):
        return "Its name is not printable UTF-8; rename it."
    if stat.S_ISLNK(mode):
        return "It is a symbolic link, and links are not followed; put the file itself there."
    return "" if stat.S_ISREG(mode) else "It is not a regular file."


def free_name(name: str, *, taken: Callable[[str], bool]) -> str:
    """Find a name that is not taken: the name itself, else with a number before its extension."""
    stem, extension = os.path.splitext(name)  # noqa: PTH122 - a name, not a path
    numbered = (f"{stem}.{number}{extension}" for number in count(2))
    return next(free for free in chain([name], numbered) if not taken(free))


def _is_unicode(name: str) -> bool:
    """Whether a file name is UTF-8; other bytes come as surrogates that no JSON takes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class Folder(Protocol):
    """One drop folder. Links are never followed, and nothing but regular files is opened."""

    @property
    def place(self) -> str:
        """Where it is, for people; never a secret."""

    def list(self, *patterns: str) -> Contents:
        """List the files that match one; what matches but is no regular file is told apart.

        Raises SourceUnreachable or SourceMisconfigured.
        """

    def changed(self, name: str) -> float:
        """When anything of a file was last changed, in seconds. Raises OSError."""

    def holds(self, name: str) -> bool:
        """Whether there is a folder of this name in this one."""

    def numbered(self, folder: str, inodes: frozenset[int]) -> tuple[Found, ...]:
        """Find the regular files of a subfolder by their inodes, if it knows any."""

    def within(self, folder: str) -> tuple[Found, ...]:
        """Find the regular files of a subfolder, by the names that they have there.

        Raises SourceUnreachable.
        """

    def open(self, place: str) -> AbstractContextManager[tuple[BinaryIO, Stamp]]:
        """Open a regular file for reading and stamp it.

        Raises FileNotFoundError, NotThisFile or another OSError.
        """

    def restamp(self, stream: BinaryIO) -> Stamp:
        """Stamp a file once more that `open` lent."""

    def move(
        self,
        place: str,
        stamp: Stamp,
        into: str,
        *,
        name: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Move a file that is as ``stamp`` says into a subfolder, under a free name.

        name: that it gets if it is free; None: its own. reason: written beside it. A file that is
        gone, there already, or another by now, is left alone.

        Raises SourceUnreachable if the folder does not let us.
        """

    def rename(self, name: str, stamp: Stamp, other: str) -> None:
        """Give a file that is as ``stamp`` says another name, in place of what has that name.

        Raises SourceUnreachable if the folder does not let us.
        """

    def delete(self, name: str, stamp: Stamp) -> None:
        """Delete a file that is as ``stamp`` says; one that is gone, or another, is left alone.

        Raises SourceUnreachable if the folder does not let us.
        """

    def create(self, into: str, name: str) -> AbstractContextManager[BinaryIO]:
        """Write a file into a subfolder; it appears when whole, under a free name, or never.

        Raises SourceUnreachable if the folder does not let us.
        """

    def note(self, into: str, name: str, text: str) -> None:
        """Write a small file into a subfolder, in place of the one of that name.

        Raises SourceUnreachable if the folder does not let us.
        """

    def expire(self, folder: str, *, before: float, ours: Callable[[str], bool]) -> int:
        """Delete the regular files of a subfolder that were put there before a moment, in seconds.

        ours: says by its name whether a file may be deleted.

        Raises SourceUnreachable if the folder does not let us.
        """

    def is_writable(self) -> bool:
        """Whether files can be moved away, as far as that can be told without trying."""
