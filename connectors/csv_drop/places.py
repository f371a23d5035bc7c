"""Where a drop folder is: on this machine, or behind SFTP or fsspec, which need extras."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.csv_drop.local_folder import LocalFolder
from connectors.errors import SourceMisconfigured

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connectors.csv_drop.folder import Folder

SSH_PORT = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class SftpPlace:
    """A folder on another machine, and who asks for it. path: absolute.

    password: of the user, or beside a key_file of that key. known_hosts: a file with the keys of
    trusted hosts; None: ``~/.ssh/known_hosts``. As text it is an address without secrets.
    """

    host: str
    path: str
    username: str
    port: int = SSH_PORT
    password: Callable[[], str] | None = field(default=None, repr=False)
    key_file: Path | None = None
    known_hosts: Path | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == SSH_PORT else f":{self.port}"
        return f"sftp://{host}{port}{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FsspecPlace:
    """A folder behind a protocol that fsspec knows, and who asks for it. url: without secrets.

    options: what the package for the protocol is told beside it, by its own names.
    """

    url: str
    username: str = ""
    password: Callable[[], str] | None = field(default=None, repr=False)
    options: Mapping[str, str | int | bool] = field(default_factory=dict, hash=False)

    @property
    def protocol(self) -> str:
        """What stands before ``://``."""
        return self.url.partition("://")[0].lower()

    def __str__(self) -> str:
        return self.url


Place = Path | SftpPlace | FsspecPlace
"""Where a drop folder can be."""


def folder_at(place: Place) -> Folder:
    """Make the folder of a place; nothing is opened yet.

    Raises SourceMisconfigured where the packages that it needs are not installed.
    """
    if isinstance(place, Path):
        return LocalFolder(place)
    try:
        if isinstance(place, SftpPlace):
            from connectors.csv_drop.sftp_folder import SftpFolder  # noqa: PLC0415 - an extra

            return SftpFolder(place)
        from connectors.csv_drop.fsspec_folder import FsspecFolder  # noqa: PLC0415 - an extra

        return FsspecFolder(place)
    except ModuleNotFoundError as error:
        extra, way = (
            ("sftp", "by SFTP") if isinstance(place, SftpPlace) else ("remote", "by fsspec")
        )
        raise SourceMisconfigured(
            f"The folder {place} is read {way}, and the package {error.name} is not installed.",
            remedy=f"Run: pip install 'stocksync[{extra}]'",
            place=str(place),
        ) from error
