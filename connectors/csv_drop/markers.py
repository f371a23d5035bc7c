"""The markers beside files: which one vouches for which file, and what becomes of it.

Before a file is put away, its marker is renamed after the content that it vouches for. So a process
that dies half-way leaves a file that is ready as before, and no marker that would vouch for the
next file of that name.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from connectors.csv_drop.options import CsvOptions, Ready
from connectors.csv_drop.staging import Changed, content_hash

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from connectors.csv_drop.folder import Folder, Found

MARKER = ".ok"
_SPENT = re.compile(r"\.(?P<marker>.+)\.(?P<content>[0-9a-f]{16})\.spent", re.DOTALL)


def marker_of(name: str, names: AbstractSet[str]) -> str | None:
    """Find the marker of a file among the names of its folder; case does not matter."""
    stem = os.path.splitext(name)[0]  # noqa: PTH122 - a name, not a path
    wanted = {f"{base}{MARKER}".casefold() for base in (name, stem)}
    return min((other for other in names if other.casefold() in wanted), default=None)


def is_marker(name: str, options: CsvOptions) -> bool:
    """Whether this is a marker and never a file to read, whatever the pattern says."""
    return options.ready is Ready.MARKER and name.casefold().endswith(MARKER)


def spent(marker: str, sha256: str) -> str:
    """Name a marker after the one content that it still vouches for."""
    return f".{marker}.{sha256[:16]}.spent"


def is_spent_on(file: Found, folder: Folder, names: AbstractSet[str]) -> bool:
    """Whether a marker of exactly this content was taken, when the file was to be put away.

    Raises OSError or NotThisFile if it cannot be looked into.
    """
    contents = {
        content
        for marker, content in _spent_ones(names).values()
        if marker_of(file.name, {marker}) is not None
    }
    if not contents:
        return False
    try:
        return content_hash(folder, file.place, file.stamp)[:16] in contents
    except Changed:
        return False


def widowed(names: AbstractSet[str]) -> dict[str, str]:
    """Find the spent markers whose file is gone, with the names that they had as markers."""
    files = [name for name in names if not name.casefold().endswith(MARKER)]
    return {
        name: marker
        for name, (marker, _) in _spent_ones(names).items()
        if not any(marker_of(file, {marker}) for file in files)
    }


def _spent_ones(names: AbstractSet[str]) -> dict[str, tuple[str, str]]:
    """Find the spent markers among the names of a folder: what they were, and their content."""
    found = ((name, _SPENT.fullmatch(name)) for name in names)
    return {name: (one["marker"], one["content"]) for name, one in found if one}
