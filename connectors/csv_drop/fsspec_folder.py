"""A drop folder behind any protocol that fsspec speaks: FTP, S3, SMB and others.

What a protocol promises differs, and nothing is taken for granted: a file is known by its size, the
time of its last change and its tag, as far as the server tells them, and always by its content. A
file is transferred as a whole before it is looked into.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ftplib
import os
import re
import secrets
import stat
import tempfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from fsspec.spec import AbstractFileSystem

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
from connectors.csv_drop.fsspec_session import Server
from connectors.errors import SourceMisconfigured
from connectors.fault import Point, point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.csv_drop.places import FsspecPlace

Info = dict[str, Any]

_TIMES = ("mtime", "LastModified", "last_modified", "modified", "modify", "updated", "created")
"""Where the packages for the protocols put the time of the last change, the best first."""

_TAGS = ("ETag", "etag", "generation", "md5Hash", "content_md5")
_FTP_TIME = re.compile(r"[0-9]{14}(\.|\Z)")
_KINDS = {"file": stat.S_IFREG, "directory": stat.S_IFDIR}


class FsspecFolder:
    """One drop folder on another machine; implements `connectors.csv_drop.folder.Folder`.

    It connects when it is first used, and again after something went wrong.
    """

    def __init__(self, place: FsspecPlace) -> None:
        self._place = place
        self._server: Server | None = None
        self._lent: dict[int, str] = {}

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return str(self._place)

    def is_writable(self) -> bool:
        """Whether files can be moved away, as far as the server tells its rights: FTP does."""
        with self._asked("be looked at") as server:
            rights = server.files.info(server.root).get("perm")
        return rights is None or "c" in rights

    def list(self, *patterns: str) -> Contents:
        """List the files that match one; what matches but is no regular file is told apart.

        Raises SourceUnreachable or SourceMisconfigured.
        """
        with self._asked("be listed") as server:
            entries = _entries(server, "")
            if not entries:
                self._require_folder(server)
        files, misfits = [], []
        for name in sorted(name for name in entries if matches(name, *patterns)):
            info = entries[name]
            reason, written = misfit(name, _mode(info)), float(_written(info))
            if reason:
                changed = None if info["type"] == "directory" else written
                misfits.append(Misfit(label=ascii(name)[1:-1], reason=reason, changed=changed))
            else:
                files.append(_found(name, info))
        return Contents(
            files=tuple(files), misfits=tuple(misfits), names=frozenset(entries), device=None
        )

    def changed(self, name: str) -> float:
        """When a file was last written to, in seconds; 0 where nobody tells. Raises OSError."""
        with self._asked("be searched") as server:
            info = _info(server, name)
        if info is None:
            raise FileNotFoundError(name)
        return float(_written(info))

    def holds(self, name: str) -> bool:
        """Whether there is a folder of this name in this one."""
        with self._asked("be searched") as server:
            info = _info(server, name)
        return info is not None and info["type"] == "directory"

    def numbered(self, _folder: str, _inodes: frozenset[int]) -> tuple[Found, ...]:
        """Find nothing: there are no inodes."""
        return ()

    def within(self, folder: str) -> tuple[Found, ...]:
        """Find the regular files of a subfolder, by the names that they have there.

        Raises SourceUnreachable.
        """
        with self._asked(f"show what is in {folder!r}") as server:
            entries = _entries(server, folder) if self.holds(folder) else {}
        return tuple(
            _found(name, info, folder)
            for name, info in entries.items()
            if not misfit(name, _mode(info))
        )

    @contextlib.contextmanager
    def open(self, place: str) -> Iterator[tuple[BinaryIO, Stamp]]:
        """Transfer a regular file, lend the copy and stamp the file.

        Raises FileNotFoundError, NotThisFile or another OSError.
        """
        with tempfile.NamedTemporaryFile(prefix="stocksync-") as copy:
            passing = (FileNotFoundError, NotThisFile)
            with self._asked("be read from", passing=passing) as server:
                stamp = _transferred(server, place, copy.name)
            with open(copy.name, "rb", buffering=0) as stream:  # noqa: PTH123 - a file of ours
                self._lent[stream.fileno()] = place
                yield cast("BinaryIO", stream), stamp

    def restamp(self, stream: BinaryIO) -> Stamp:
        """Stamp a file once more that `open` lent."""
        name = self._lent[stream.fileno()]
        with self._asked("be searched") as server:
            info = _info(server, name)
        if info is None:
            raise FileNotFoundError(name)
        return _stamp(info)

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
        with self._asked(f"give up {place!r} to {into!r}") as server:
            if _stamp_at(server, place) != stamp:
                return
            _make(server, into)
            target = _free(server, into, name or PurePosixPath(place).name)
            point(Point.MOVING)
            if reason is not None:
                _write(server, f"{target}.reason.txt", reason)
                point(Point.REASON)
            with contextlib.suppress(FileNotFoundError):
                _moved(server, place, stamp, target)
        point(Point.MOVED)

    def rename(self, name: str, stamp: Stamp, other: str) -> None:
        """Give a file that is as ``stamp`` says another name, in place of what has that name.

        Raises SourceUnreachable if the folder does not let us.
        """
        with self._asked(f"rename {name!r}") as server, contextlib.suppress(FileNotFoundError):
            if _stamp_at(server, name) == stamp:
                point(Point.MOVING)
                _moved(server, name, stamp, other)
        point(Point.MOVED)

    def delete(self, name: str, stamp: Stamp) -> None:
        """Delete a file that is as ``stamp`` says; one that is gone, or another, is left alone.

        Raises SourceUnreachable if the folder does not let us.
        """
        with self._asked(f"lose {name!r}") as server, contextlib.suppress(FileNotFoundError):
            if _stamp_at(server, name) == stamp:
                point(Point.MOVING)
                server.files.rm_file(_at(server, name))

    @contextlib.contextmanager
    def create(self, into: str, name: str) -> Iterator[BinaryIO]:
        """Write a file into a subfolder; it appears when whole, under a free name, or never.

        It is written here first, and transferred when the block has ended well.

        Raises SourceUnreachable if the folder does not let us.
        """
        with tempfile.NamedTemporaryFile(prefix="stocksync-") as copy:
            yield cast("BinaryIO", copy)
            copy.flush()
            with self._asked(f"take {name!r} into {into!r}") as server:
                _make(server, into)
                temporary = f"{into}/.{name}.{secrets.token_hex(4)}.tmp"
                server.files.put_file(copy.name, _at(server, temporary))
                point(Point.ASIDE)
                written = _stamp_at(server, temporary) or Stamp(0, 0, 0)
                _moved(server, temporary, written, _free(server, into, name))

    def note(self, into: str, name: str, text: str) -> None:
        """Write a small file into a subfolder, in place of the one of that name.

        Raises SourceUnreachable if the folder does not let us.
        """
        with self._asked(f"take {name!r} into {into!r}") as server:
            _make(server, into)
            _write(server, f"{into}/{name}", text)

    def expire(self, folder: str, *, before: float, ours: Callable[[str], bool]) -> int:
        """Delete the regular files of a subfolder that were written before a moment, in seconds.

        Those of which nobody tells when they were written stay.

        Raises SourceUnreachable if the folder does not let us.
        """
        with self._asked(f"lose old files of {folder!r}") as server:
            if not self.holds(folder):
                return 0
            old = [
                name
                for name, info in _entries(server, folder).items()
                if not misfit(name, _mode(info)) and 0 < _written(info) < before and ours(name)
            ]
            for name in old:
                server.files.rm_file(_at(server, folder, name))
        return len(old)

    def _require_folder(self, server: Server) -> None:
        """Raise FileNotFoundError for a folder that is not there, instead of an empty listing."""
        if server.files.info(server.root)["type"] != "directory":
            raise SourceMisconfigured(
                f"{self.place} is not a folder.",
                remedy="Let `path` name the folder that the ERP writes to.",
                place=self.place,
            )

    @contextlib.contextmanager
    def _asked(self, what: str, *, passing: tuple[type[Exception], ...] = ()) -> Iterator[Server]:
        """Lend the server for one deed; whatever it raises, but for ``passing``, is an outage."""
        server = self._server or Server(self._place)
        self._server = server
        try:
            yield server
        except passing:
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise what they like
            self._server = None
            raise server.translated(self._place, what, error) from None


def _at(server: Server, *names: str) -> str:
    return "/".join([server.root, *(name for name in names if name)]) or "/"


def _entries(server: Server, folder: str) -> dict[str, Info]:
    """List a folder by names; some servers list the folder itself in it."""
    path = _at(server, folder)
    listed: list[Info] = server.files.ls(path, detail=True)
    return {
        info["name"].rstrip("/").rpartition("/")[2]: info
        for info in listed
        if info["name"].strip("/") != path.strip("/")
    }


def _info(server: Server, name: str) -> Info | None:
    """Ask what a name stands for; None: nothing."""
    try:
        return cast("Info", server.files.info(_at(server, name)))
    except FileNotFoundError:
        return None


def _mode(info: Info) -> int:
    """Say of what kind an entry is, as `stat` does; what nobody knows is no regular file."""
    if info.get("islink"):
        return stat.S_IFLNK
    return _KINDS.get(info["type"], stat.S_IFLNK if "link" in info["type"] else stat.S_IFIFO)


def _found(name: str, info: Info, folder: str = "") -> Found:
    """Describe a regular file of the folder, or of one of ours in it."""
    place, written = f"{folder}/{name}" if folder else name, float(_written(info))
    return Found(name=name, place=place, stamp=_stamp(info), mtime=written, ctime=written)


def _stamp(info: Info) -> Stamp:
    """Take what tells versions apart: a tag where there is one, size, time of writing."""
    tag = next((str(info[key]) for key in _TAGS if info.get(key)), "")
    return Stamp(
        zlib.crc32(tag.encode()), int(info.get("size") or 0), _written(info) * 1_000_000_000
    )


def _stamp_at(server: Server, name: str) -> Stamp | None:
    """Stamp what a name stands for; None: nothing."""
    info = _info(server, name)
    return None if info is None else _stamp(info)


def _written(info: Info) -> int:
    """When a file was last written to, in seconds; 0 where nobody tells.

    In whole ones: what a listing tells and what is told of one file differ in the rest.
    """
    told = next((info[key] for key in _TIMES if info.get(key)), None)
    if isinstance(told, int | float):
        return int(told)
    moment = told if isinstance(told, dt.datetime) else _moment(str(told))
    if moment is None:
        return 0
    return int((moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment).timestamp())


def _moment(text: str) -> dt.datetime | None:
    """Read a time as FTP writes it, or as most others do; None: it is none."""
    try:
        if _FTP_TIME.match(text):
            return dt.datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC)
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None


def _transferred(server: Server, name: str, copy: str) -> Stamp:
    """Copy a file whole to a path of ours, and stamp it. Raises FileNotFoundError, NotThisFile."""
    info = _info(server, name)
    if info is None:
        raise FileNotFoundError(name)
    if not stat.S_ISREG(_mode(info)):
        raise NotThisFile("It is not a regular file.")
    try:
        server.files.get_file(_at(server, name), copy)
    except (PermissionError, ftplib.error_perm) as error:
        raise NotThisFile(f"It cannot be opened ({error}).") from error
    stamp = _stamp(info)
    if stamp != _stamp_at(server, name) or stamp.size != os.path.getsize(copy):  # noqa: PTH202 - a name
        raise NotThisFile("It was written to or replaced in this moment, or came only in part.")
    return stamp


def _make(server: Server, into: str) -> None:
    """Make one of our own folders where there are folders at all."""
    server.files.makedirs(_at(server, into), exist_ok=True)


def _write(server: Server, name: str, text: str) -> None:
    """Write a small text file, over what is there."""
    server.files.pipe_file(_at(server, name), text.rstrip("\n").encode() + b"\n")


def _free(server: Server, into: str, name: str) -> str:
    """Find a path in a subfolder that is not taken."""
    free = free_name(name, taken=lambda name: _info(server, f"{into}/{name}") is not None)
    return f"{into}/{free}"


def _moved(server: Server, name: str, stamp: Stamp, target: str) -> None:
    """Move a file; what came in its place in this very moment was never read, and stays."""
    files, source, goal = server.files, _at(server, name), _at(server, target)
    if type(files).mv is not AbstractFileSystem.mv:
        files.mv(source, goal)
        if _stamp_at(server, target) != stamp and _stamp_at(server, name) is None:
            files.mv(goal, source)
        return
    files.cp_file(source, goal)  # there is no renaming
    files.rm_file(source if _stamp_at(server, name) == stamp else goal)
