"""A drop folder on disk: which files lie in it, opening one safely, and moving it away.

Links are never followed and nothing but regular files is opened, so neither a link out of the
folder nor a fifo can harm or block.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO

from connectors.csv_drop.folder import (
    Contents,
    Found,
    Misfit,
    NotThisFile,
    Stamp,
    free_name,
    matches,
    misfit,
)
from connectors.errors import SourceMisconfigured, SourceUnreachable
from connectors.fault import Point, point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_OPEN_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def stamp_of(status: os.stat_result) -> Stamp:
    """Take the stamp from the result of a stat call."""
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


class LocalFolder:
    """One drop folder on disk; implements `connectors.csv_drop.folder.Folder`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self.path)

    def is_writable(self) -> bool:
        """Whether files can be moved away."""
        return os.access(self.path, os.W_OK | os.X_OK)

    def list(self, *patterns: str) -> Contents:
        """List the files that match one; what matches but is no regular file is told apart.

        Raises SourceUnreachable or SourceMisconfigured.
        """
        try:
            with os.scandir(self.path) as entries:
                names = frozenset(entry.name for entry in entries)
            device = self.path.stat().st_dev
        except OSError as error:
            raise self._unlistable(error) from error
        files, misfits = [], []
        for name in sorted(name for name in names if matches(name, *patterns)):
            try:
                status = os.lstat(self.path / name)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise self._unreachable("be searched", error) from error
            reason = misfit(name, status.st_mode)
            if reason:
                files_only = None if stat.S_ISDIR(status.st_mode) else status.st_ctime
                misfits.append(Misfit(label=ascii(name)[1:-1], reason=reason, changed=files_only))
            else:
                files.append(_found(name, status))
        return Contents(files=tuple(files), misfits=tuple(misfits), names=names, device=device)

    def changed(self, name: str) -> float:
        """When anything of a file was last changed, in seconds. Raises OSError."""
        status = os.lstat(self.path / name)
        return max(status.st_mtime, status.st_ctime)

    def holds(self, name: str) -> bool:
        """Whether there is a folder of this name in this one."""
        return (self.path / name).is_dir()

    def numbered(self, folder: str, inodes: frozenset[int]) -> tuple[Found, ...]:
        """Find the regular files of a subfolder by their inodes."""
        try:
            return self._within(folder, inodes)
        except OSError:
            return ()

    def within(self, folder: str) -> tuple[Found, ...]:
        """Find the regular files of a subfolder, by the names that they have there.

        Raises SourceUnreachable.
        """
        try:
            return self._within(folder)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._unreachable(f"show what is in {folder!r}", error) from error

    @contextlib.contextmanager
    def open(self, place: str) -> Iterator[tuple[BinaryIO, Stamp]]:
        """Open a regular file for reading and stamp it.

        Raises FileNotFoundError, NotThisFile or another OSError.
        """
        try:
            descriptor = os.open(self.path / place, _OPEN_FLAGS)
        except OSError as error:
            if error.strerror and not isinstance(error, FileNotFoundError):
                raise NotThisFile(f"It cannot be opened ({error.strerror}).") from error
            raise
        with open(descriptor, "rb", buffering=0) as stream:  # noqa: PTH123 - a descriptor
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NotThisFile("It is not a regular file.")
            yield stream, stamp_of(status)

    def restamp(self, stream: BinaryIO) -> Stamp:
        """Stamp a file once more that `open` lent."""
        return stamp_of(os.fstat(stream.fileno()))

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
        if place.startswith(f"{into}/"):
            return
        point(Point.MOVING)
        try:
            self._move(place, stamp, into, name or PurePath(place).name, reason)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unreachable(f"give up {place!r} to {into!r}", error) from error
        point(Point.MOVED)

    def rename(self, name: str, stamp: Stamp, other: str) -> None:
        """Give a file that is as ``stamp`` says another name, in place of what has that name.

        Raises SourceUnreachable if the folder does not let us.
        """
        try:
            with contextlib.ExitStack() as stack:
                here = _descriptor(stack, self.path)
                if _stamp_at(name, here) == stamp:
                    point(Point.MOVING)
                    os.rename(name, other, src_dir_fd=here, dst_dir_fd=here)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unreachable(f"rename {name!r}", error) from error
        point(Point.MOVED)

    def delete(self, name: str, stamp: Stamp) -> None:
        """Delete a file that is as ``stamp`` says; one that is gone, or another, is left alone.

        Raises SourceUnreachable if the folder does not let us.
        """
        try:
            with contextlib.ExitStack() as stack:
                here = _descriptor(stack, self.path)
                if _stamp_at(name, here) == stamp:
                    point(Point.MOVING)
                    os.unlink(name, dir_fd=here)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unreachable(f"lose {name!r}", error) from error

    @contextlib.contextmanager
    def create(self, into: str, name: str) -> Iterator[BinaryIO]:
        """Write a file into a subfolder; it appears when whole, under a free name, or never.

        Raises SourceUnreachable if the folder does not let us.
        """
        try:
            with contextlib.ExitStack() as stack:
                there = self._subfolder(stack, into)
                temporary = f".{name}.{os.getpid()}.tmp"
                descriptor = os.open(temporary, _NEW_FLAGS, 0o644, dir_fd=there)
                stack.callback(_forget, temporary, there)
                with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor
                    yield stream
                    stream.flush()
                    os.fsync(descriptor)
                point(Point.ASIDE)
                free = free_name(name, taken=lambda free: _exists(free, there))
                os.rename(temporary, free, src_dir_fd=there, dst_dir_fd=there)
        except OSError as error:
            raise self._unreachable(f"take {name!r} into {into!r}", error) from error

    def note(self, into: str, name: str, text: str) -> None:
        """Write a small file into a subfolder, in place of the one of that name.

        Raises SourceUnreachable if the folder does not let us.
        """
        temporary = f".{name}.tmp"
        try:
            with contextlib.ExitStack() as stack:
                there = self._subfolder(stack, into)
                _write(temporary, text, dir_fd=there)
                os.rename(temporary, name, src_dir_fd=there, dst_dir_fd=there)
        except OSError as error:
            raise self._unreachable(f"take {name!r} into {into!r}", error) from error

    def expire(self, folder: str, *, before: float, ours: Callable[[str], bool]) -> int:
        """Delete the regular files of a subfolder that were put there before a moment, in seconds.

        ours: says by its name whether a file may be deleted.

        Raises SourceUnreachable if the folder does not let us.
        """
        try:
            with contextlib.ExitStack() as stack:
                there = _descriptor(stack, folder, dir_fd=_descriptor(stack, self.path))
                names = [name for name in os.listdir(there) if ours(name)]  # noqa: PTH208 - a descriptor
                old = [name for name in names if _is_older(name, there, before)]
                for name in old:
                    os.unlink(name, dir_fd=there)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._unreachable(f"lose old files of {folder!r}", error) from error
        return len(old)

    def _within(self, folder: str, inodes: frozenset[int] | None = None) -> tuple[Found, ...]:
        """Find the regular files of a subfolder, all or those of these inodes. Raises OSError."""
        if (self.path / folder).is_symlink():
            return ()
        with os.scandir(self.path / folder) as entries:
            names = [entry.name for entry in entries if inodes is None or entry.inode() in inodes]
        found = []
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(self.path / folder / name)
                if stat.S_ISREG(status.st_mode):
                    found.append(_found(name, status, folder))
        return tuple(found)

    def _subfolder(self, stack: contextlib.ExitStack, into: str) -> int:
        """Open one of our own folders, made where it is not there."""
        here = _descriptor(stack, self.path)
        with contextlib.suppress(FileExistsError):
            os.mkdir(into, dir_fd=here)
        return _descriptor(stack, into, dir_fd=here)

    def _move(self, place: str, stamp: Stamp, into: str, name: str, reason: str | None) -> None:
        """Rename within directory descriptors, so that no link is followed on the way."""
        with contextlib.ExitStack() as stack:
            here = _descriptor(stack, self.path)
            if _stamp_at(place, here) != stamp:
                return
            there = self._subfolder(stack, into)
            target = free_name(name, taken=lambda free: _exists(free, there))
            if reason is not None:
                _write(f"{target}.reason.txt", reason, dir_fd=there)
                point(Point.REASON)
            os.rename(place, target, src_dir_fd=here, dst_dir_fd=there)
            if _stamp_at(target, there) != stamp and not _exists(place, here):
                # The ERP replaced the file in this very moment: the new one was never read.
                os.rename(target, place, src_dir_fd=there, dst_dir_fd=here)

    def _unlistable(self, error: OSError) -> SourceUnreachable | SourceMisconfigured:
        """Translate why the folder could not be listed."""
        if not isinstance(error, NotADirectoryError):
            return self._unreachable("be listed", error)
        return SourceMisconfigured(
            f"{self.path} is not a folder.",
            remedy="Let `path` name the folder that the ERP writes to.",
            place=str(self.path),
        )

    def _unreachable(self, what: str, error: OSError) -> SourceUnreachable:
        """Translate what the folder refused."""
        return SourceUnreachable(
            f"The folder {self.path} cannot {what}: {error.strerror or error}.",
            remedy=(
                "See that the folder is there and mounted, has space left, holds no links in the "
                "place of our own folders, and that this service may read it and write to it."
            ),
            place=str(self.path),
        )


def _found(name: str, status: os.stat_result, folder: str = "") -> Found:
    """Describe a regular file of the folder, or of one of ours in it."""
    return Found(
        name=name,
        place=f"{folder}/{name}" if folder else name,
        stamp=stamp_of(status),
        mtime=status.st_mtime,
        ctime=status.st_ctime,
    )


def _stamp_at(name: str, folder: int) -> Stamp:
    """Stamp a name inside a folder without following it."""
    return stamp_of(os.stat(name, dir_fd=folder, follow_symlinks=False))


def _exists(name: str, folder: int) -> bool:
    """Whether a name inside a folder is taken, be it by a broken link."""
    try:
        _stamp_at(name, folder)
    except FileNotFoundError:
        return False
    return True


def _is_older(name: str, folder: int, before: float) -> bool:
    """Whether this is a regular file that nothing happened to since a moment."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return stat.S_ISREG(status.st_mode) and max(status.st_mtime, status.st_ctime) < before


def _forget(name: str, folder: int) -> None:
    """Delete a file that is ours alone, if it is still there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def _descriptor(stack: contextlib.ExitStack, path: Path | str, *, dir_fd: int | None = None) -> int:
    """Open a folder; one of ours inside the drop folder must not be a link."""
    flags = _FOLDER_FLAGS if dir_fd is None else _FOLDER_FLAGS | os.O_NOFOLLOW
    descriptor = os.open(path, flags, dir_fd=dir_fd)
    stack.callback(os.close, descriptor)
    return descriptor


def _write(name: str, text: str, *, dir_fd: int) -> None:
    """Write a small text file into a folder, never through a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o644, dir_fd=dir_fd)
    with open(descriptor, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
        stream.write(text.rstrip("\n") + "\n")
