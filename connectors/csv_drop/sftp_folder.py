"""A drop folder behind SFTP, with the promises of a local one as far as the protocol carries them.

SFTP knows no time of change and no inode, and times in whole seconds: a file that was replaced
within one second by another of the same size is told by its content alone, and one that grew after
it was put away is not noticed.
"""

from __future__ import annotations

import contextlib
import secrets
import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

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
from connectors.csv_drop.sftp_session import BROKEN, Session, connected, is_closed, lost
from connectors.errors import SourceUnreachable
from connectors.fault import Point, point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import paramiko

    from connectors.csv_drop.places import SftpPlace

SECONDS = 30.0
"""Longest wait for a connection, a log-in, or any one answer."""


class SftpFolder:
    """One drop folder on another machine; implements `connectors.csv_drop.folder.Folder`.

    It connects when it is first used, and again after a connection was lost.
    """

    def __init__(self, place: SftpPlace, *, seconds: float = SECONDS) -> None:
        self._place = place
        self._seconds = seconds
        self._session: Session | None = None

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self._place)

    def is_writable(self) -> bool:
        """Whether files can be moved away, by the mode of the folder; 0 says nothing."""
        with self._asked("be looked at") as sftp:
            mode = sftp.stat(self._place.path).st_mode
        return mode is None or bool(mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))

    def list(self, *patterns: str) -> Contents:
        """List the files that match one; what matches but is no regular file is told apart.

        Raises SourceUnreachable or SourceMisconfigured.
        """
        with self._asked("be listed") as sftp:
            entries = {entry.filename: entry for entry in sftp.entries(self._place.path)}
        files, misfits = [], []
        for name in sorted(name for name in entries if matches(name, *patterns)):
            entry = entries[name]
            reason = misfit(name, entry.st_mode or 0)
            written = float(entry.st_mtime or 0)
            if reason:
                changed = None if stat.S_ISDIR(entry.st_mode or 0) else written
                misfits.append(Misfit(label=ascii(name)[1:-1], reason=reason, changed=changed))
            else:
                files.append(_found(entry))
        return Contents(
            files=tuple(files), misfits=tuple(misfits), names=frozenset(entries), device=None
        )

    def changed(self, name: str) -> float:
        """When a file was last written to, in seconds. Raises OSError."""
        with self._connected() as sftp:
            return float(sftp.lstat(self._at(name)).st_mtime or 0)

    def holds(self, name: str) -> bool:
        """Whether there is a folder of this name in this one."""
        with self._asked("be searched") as sftp:
            return _mode_at(sftp, self._at(name), stat.S_ISDIR)

    def numbered(self, _folder: str, _inodes: frozenset[int]) -> tuple[Found, ...]:
        """Find nothing: SFTP knows no inodes."""
        return ()

    def within(self, folder: str) -> tuple[Found, ...]:
        """Find the regular files of a subfolder, by the names that they have there.

        Raises SourceUnreachable.
        """
        with self._asked(f"show what is in {folder!r}") as sftp:
            if not _mode_at(sftp, self._at(folder), stat.S_ISDIR):
                return ()
            entries = sftp.entries(self._at(folder))
        return tuple(
            _found(entry, folder)
            for entry in entries
            if not misfit(entry.filename, entry.st_mode or 0)
        )

    @contextlib.contextmanager
    def open(self, place: str) -> Iterator[tuple[BinaryIO, Stamp]]:
        """Open a regular file for reading and stamp it.

        Raises FileNotFoundError, NotThisFile or another OSError.
        """
        with self._connected() as sftp:
            stream, stamp = self._opened(sftp, place)
            with stream:
                yield cast("BinaryIO", stream), stamp

    def _opened(self, sftp: Session, place: str) -> tuple[paramiko.SFTPFile, Stamp]:
        """Open what is a regular file, and the same one when it is open; SFTP follows links."""
        try:
            seen = sftp.lstat(self._at(place))
            if not stat.S_ISREG(seen.st_mode or 0):
                raise NotThisFile("It is not a regular file.")
            stream = sftp.open(self._at(place), "rb")
            stamp = _stamp(stream.stat())
        except (FileNotFoundError, TimeoutError, ConnectionError):
            raise
        except OSError as error:
            if is_closed(error):
                raise
            reason = error.strerror or str(error)
            raise NotThisFile(f"It cannot be opened ({reason}).") from error
        if stamp != _stamp(seen):
            stream.close()
            raise NotThisFile("It was written to or replaced in this moment.")
        return stream, stamp

    def restamp(self, stream: BinaryIO) -> Stamp:
        """Stamp a file once more that `open` lent."""
        return _stamp(cast("paramiko.SFTPFile", stream).stat())

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

        Raises SourceUnreachable if the folder does not let us.
        """
        if place.startswith(f"{into}/"):
            return
        own, source = PurePosixPath(place).name, self._at(place)
        with self._asked(f"give up {place!r} to {into!r}") as sftp:
            if _stamp_at(sftp, source) != stamp:
                return
            self._make(sftp, into)
            target = self._at(into, free_name(name or own, taken=self._taken_in(sftp, into)))
            point(Point.MOVING)
            if reason is not None:
                _write(sftp, f"{target}.reason.txt", reason)
                point(Point.REASON)
            with contextlib.suppress(FileNotFoundError):
                sftp.rename(source, target)
                if _stamp_at(sftp, target) != stamp and _stamp_at(sftp, source) is None:
                    # The ERP replaced the file in this very moment: the new one was never read.
                    sftp.rename(target, source)
        point(Point.MOVED)

    def rename(self, name: str, stamp: Stamp, other: str) -> None:
        """Give a file that is as ``stamp`` says another name, in place of what has that name.

        Raises SourceUnreachable if the folder does not let us.
        """
        with self._asked(f"rename {name!r}") as sftp, contextlib.suppress(FileNotFoundError):
            if _stamp_at(sftp, self._at(name)) == stamp:
                point(Point.MOVING)
                _replace(sftp, self._at(name), self._at(other))
        point(Point.MOVED)

    def delete(self, name: str, stamp: Stamp) -> None:
        """Delete a file that is as ``stamp`` says; one that is gone, or another, is left alone.

        Raises SourceUnreachable if the folder does not let us.
        """
        with self._asked(f"lose {name!r}") as sftp, contextlib.suppress(FileNotFoundError):
            if _stamp_at(sftp, self._at(name)) == stamp:
                point(Point.MOVING)
                sftp.remove(self._at(name))

    @contextlib.contextmanager
    def create(self, into: str, name: str) -> Iterator[BinaryIO]:
        """Write a file into a subfolder; it appears when whole, under a free name, or never.

        Raises SourceUnreachable if the folder does not let us.
        """
        with self._asked(f"take {name!r} into {into!r}") as sftp:
            self._make(sftp, into)
            temporary = self._at(into, f".{name}.{secrets.token_hex(4)}.tmp")
            try:
                with sftp.open(temporary, "wbx") as stream:
                    yield cast("BinaryIO", stream)
                point(Point.ASIDE)
                free = free_name(name, taken=self._taken_in(sftp, into))
                sftp.rename(temporary, self._at(into, free))
            except BaseException:
                with contextlib.suppress(OSError):
                    sftp.remove(temporary)
                raise

    def note(self, into: str, name: str, text: str) -> None:
        """Write a small file into a subfolder, in place of the one of that name.

        Raises SourceUnreachable if the folder does not let us.
        """
        with self._asked(f"take {name!r} into {into!r}") as sftp:
            self._make(sftp, into)
            temporary = self._at(into, f".{name}.tmp")
            _write(sftp, temporary, text)
            _replace(sftp, temporary, self._at(into, name))

    def expire(self, folder: str, *, before: float, ours: Callable[[str], bool]) -> int:
        """Delete the regular files of a subfolder that were written before a moment, in seconds.

        Raises SourceUnreachable if the folder does not let us.
        """
        with self._asked(f"lose old files of {folder!r}") as sftp:
            if not _mode_at(sftp, self._at(folder), stat.S_ISDIR):
                return 0
            old = [
                entry.filename
                for entry in sftp.entries(self._at(folder))
                if not misfit(entry.filename, entry.st_mode or 0)
                and (entry.st_mtime or 0) < before
                and ours(entry.filename)
            ]
            for name in old:
                sftp.remove(self._at(folder, name))
        return len(old)

    def _at(self, *names: str) -> str:
        return "/".join([self._place.path.rstrip("/"), *names])

    def _taken_in(self, sftp: Session, into: str) -> Callable[[str], bool]:
        """Say whether a name is taken in a subfolder."""
        return lambda name: _stamp_at(sftp, self._at(into, name)) is not None

    def _make(self, sftp: Session, into: str) -> None:
        """Make one of our own folders where it is not there; it must not be a link."""
        with contextlib.suppress(OSError):
            sftp.mkdir(self._at(into))
        if not _mode_at(sftp, self._at(into), stat.S_ISDIR):
            raise NotADirectoryError(20, f"{into} is not a folder")

    @contextlib.contextmanager
    def _asked(self, what: str) -> Iterator[Session]:
        """Lend the session for one deed; what is refused is a source out of reach."""
        try:
            with self._connected() as sftp:
                yield sftp
        except OSError as error:
            raise SourceUnreachable(
                f"The folder {self.place} cannot {what}: {error.strerror or error}.",
                remedy="See that the folder is there and that this user may read and write it.",
                place=self.place,
            ) from error

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Session]:
        """Lend a session that works. Raises SourceUnreachable if it ends, OSError as it comes."""
        if self._session is None:
            self._session = connected(self._place, seconds=self._seconds)
        try:
            yield self._session
        except BROKEN as error:
            self._drop()
            raise lost(self._place, error) from error
        except OSError as error:
            if is_closed(error):
                self._drop()
                raise lost(self._place, error) from error
            raise

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _write(sftp: Session, path: str, text: str) -> None:
    """Write a small text file anew, never through a link."""
    with contextlib.suppress(FileNotFoundError):
        sftp.remove(path)
    with sftp.open(path, "wbx") as stream:
        stream.write(text.rstrip("\n").encode() + b"\n")


def _replace(sftp: Session, path: str, other: str) -> None:
    """Rename a file; the plain request would refuse a name that is taken."""
    with contextlib.suppress(FileNotFoundError):
        sftp.remove(other)
    sftp.rename(path, other)


def _found(entry: paramiko.SFTPAttributes, folder: str = "") -> Found:
    """Describe a regular file of the folder, or of one of ours in it."""
    name, written = entry.filename, float(entry.st_mtime or 0)
    place = f"{folder}/{name}" if folder else name
    return Found(name=name, place=place, stamp=_stamp(entry), mtime=written, ctime=written)


def _stamp(attributes: paramiko.SFTPAttributes) -> Stamp:
    """Size and second of writing; there is no inode."""
    return Stamp(0, attributes.st_size or 0, (attributes.st_mtime or 0) * 1_000_000_000)


def _stamp_at(sftp: Session, path: str) -> Stamp | None:
    """Stamp what a path names without following it; None: nothing."""
    try:
        return _stamp(sftp.lstat(path))
    except FileNotFoundError:
        return None


def _mode_at(sftp: Session, path: str, test: Callable[[int], bool]) -> bool:
    """Whether a path names something of a kind, without following it."""
    try:
        return test(sftp.lstat(path).st_mode or 0)
    except FileNotFoundError:
        return False
