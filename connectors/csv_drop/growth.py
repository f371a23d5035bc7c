"""Files that grew after they were applied and put away: their writer had not finished.

Such a file is seen again under its own name, as long as no later one was applied; otherwise a
person hears of it, unless a later snapshot says everything anyway.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.contract import Kind, Waiting
from connectors.csv_drop.folder import DONE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.csv_drop.folder import Contents, Folder, Found
    from connectors.csv_drop.history import History, Version
    from connectors.csv_drop.options import CsvOptions


def with_grown(
    folder: Folder, contents: Contents, history: History, options: CsvOptions
) -> tuple[Contents, list[Waiting]]:
    """Add the last applied file to a listing if it grew, and name older ones that did."""
    files, waiting = list(contents.files), []
    for file, version in _grown(folder, history):
        name = version.order.name
        if version == history.last and name not in contents.names:
            files.append(replace(file, name=name))
        elif not _outdone(version, history, options):
            waiting.append(Waiting(label=file.place, reason=_LATE, alarm=True))
    return replace(contents, files=tuple(files)), waiting


_LATE = (
    "It grew after it was applied, and later files were applied since. To have the rest of it "
    "applied, drop it once more as a later file; to leave it at that, take it out of the folder."
)


def _grown(folder: Folder, history: History) -> Iterator[tuple[Found, Version]]:
    """Find the files in ``.done`` that are longer than what was applied of them."""
    known = {left.inode: left for left in history.left}
    versions = {version.sha256: version for version in history.applied}
    for file in folder.numbered(DONE, frozenset(known)):
        left = known[file.stamp.inode]
        version = versions.get(left.sha256)
        if version is None or file.stamp.size <= left.size:
            continue
        if file.name.startswith(_stem(version)):  # else the number was used again
            yield file, version


def _stem(version: Version) -> str:
    """Take the part of a name that stays when it is moved under a free name."""
    return os.path.splitext(version.order.name)[0]  # noqa: PTH122 - a name, not a path


def _outdone(version: Version, history: History, options: CsvOptions) -> bool:
    """Whether a later snapshot was applied."""
    return any(
        later.order > version.order and options.kind_of(later.order.name) is Kind.SNAPSHOT
        for later in history.applied
    )
