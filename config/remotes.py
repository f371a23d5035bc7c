"""What the keys of a drop folder on another machine say together. Looks at the bare tree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from config.problem import Complaint, KeyPath
from config.settings import CsvSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from config.settings import Source

Tree = dict[str, Any]

_OF_SFTP = ("key_file", "known_hosts")
_OF_OTHERS = ("storage_options",)
_OF_ALL = ("username", "password")
_SECRET_NAME = re.compile("pass|pwd|secret|token|key|credential|connection_string", re.IGNORECASE)


def remote_mistakes(source: Tree, path: KeyPath) -> Iterator[Complaint]:
    """Find keys that do not belong to this kind of folder, and those that it lacks."""
    place = source.get("path")
    if not isinstance(place, str):
        return
    if "://" not in place:
        remedy = "Take it out; it is for a path like sftp://host/dir."
        yield from _strays(source, path, (*_OF_ALL, *_OF_SFTP, *_OF_OTHERS), "a local", remedy)
    elif place.lower().startswith("sftp://"):
        yield from _strays(source, path, _OF_OTHERS, "an sftp://", "Take it out.")
        yield from _login(source, path)
    else:
        remedy = "Take it out; it is for a path like sftp://host/dir."
        yield from _strays(source, path, _OF_SFTP, "no sftp://", remedy)
        yield from _secrets(source, path)


def remote_remarks(source: Source, path: KeyPath) -> Iterator[Complaint]:
    """Find what is allowed but probably not meant."""
    if not isinstance(source, CsvSource) or not isinstance(source.path, str):
        return
    if source.path.lower().startswith("ftp://") and not source.storage_options.get("tls"):
        yield Complaint(
            (*path, "path"),
            "sends the password and the files unencrypted",
            "Set storage_options = { tls = true } where the server can, or use sftp://.",
        )


def _strays(
    source: Tree, path: KeyPath, keys: tuple[str, ...], kind: str, remedy: str
) -> Iterator[Complaint]:
    for key in keys:
        if key in source:
            yield Complaint((*path, key), f"stands beside {kind} folder", remedy)


def _login(source: Tree, path: KeyPath) -> Iterator[Complaint]:
    if "username" not in source:
        yield Complaint((*path, "username"), "is missing", "Set the user name on that host.")
    if "password" not in source and "key_file" not in source:
        remedy = "Set password (as a secret: password_file), or key_file."
        yield Complaint((*path, "password"), "is missing, and so is key_file", remedy)


def _secrets(source: Tree, path: KeyPath) -> Iterator[Complaint]:
    options = source.get("storage_options")
    for name in options if isinstance(options, dict) else ():
        if _SECRET_NAME.search(str(name)):
            remedy = "Set username and password instead, the password in the environment or a file."
            yield Complaint((*path, "storage_options", name), "may be a secret", remedy)
