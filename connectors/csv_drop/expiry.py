"""Which files in our own folders are ours, told by their names. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from connectors.csv_drop.folder import matches
from connectors.csv_drop.markers import MARKER
from connectors.csv_drop.reasons import is_mended

if TYPE_CHECKING:
    from connectors.csv_drop.options import CsvOptions

_NUMBER = re.compile(r"\.\d+(?=\.[^.]+\Z)")
_NOTE = re.compile(r"[0-9a-f]{16}\.json")


def without_number(name: str) -> str:
    """The name of a file without the number that it got where its name was taken."""
    return _NUMBER.sub("", name)


def is_ours(name: str, options: CsvOptions) -> bool:
    """Whether a file of this name was moved or written there by this source.

    That is one that the source reads, with a number where its name was taken, its marker, what was
    written beside it, a file of rejected rows, or what a crash left of one; and a note.
    """
    if name.startswith(".") and name.endswith(".tmp"):
        return is_mended(name[1:].removesuffix(".tmp").rpartition(".")[0])
    if _NOTE.fullmatch(name):
        return True
    base = name.removesuffix(".reason.txt").removesuffix(MARKER)
    plain = without_number(base)
    return is_mended(base) or matches(base, *options.patterns) or matches(plain, *options.patterns)
