"""Where a drop folder is: on this machine, or behind SFTP, which needs a package of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.csv_drop.local_folder import LocalFolder
from connectors.errors import SourceMisconfigured

if TYPE_CHECKING:
    from collections.abc import Callable

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


def folder_at(place: Path | SftpPlace) -> Folder:
    """Make the folder of a place; nothing is opened yet.

    Raises SourceMisconfigured where what SFTP needs is not installed.
    """
    if isinstance(place, Path):
        return LocalFolder(place)
    try:
        from connectors.csv_drop.sftp_folder import SftpFolder  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise SourceMisconfigured(
            f"The folder {place} is read by SFTP, and the package {error.name} is not installed.",
            remedy="Run: pip install 'stocksync[sftp]'",
            place=str(place),
        ) from error
    return SftpFolder(place)
