"""Files in a drop folder that no source reads: a pattern is wrong, or an ERP has a new name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from connectors.csv_drop.folder import matches
from connectors.csv_drop.markers import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def strays(path: Path, patterns: Iterable[str], *, markers: bool) -> list[str]:
    """Name the regular files of a folder that fit none of the patterns, in order, made printable.

    patterns: of all sources that read this folder. markers: whether one of them waits for markers,
    which are no strays then. Hidden and ``.tmp`` files are meant not to be read. A folder that
    cannot be listed has none.
    """
    wanted = (*patterns, f"*{MARKER}") if markers else tuple(patterns)
    try:
        with os.scandir(path) as entries:
            names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError:
        return []
    seen = (name for name in names if matches(name, "*") and not matches(name, *wanted))
    return [ascii(name)[1:-1] for name in seen]
