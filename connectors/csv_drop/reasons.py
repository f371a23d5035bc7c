"""The column of reasons in a file of rejected rows: how it is written, found and left out. Pure.

Its title says which rows these are, ``stocksync reason (pull 12 of STOK_1.csv)``, so that the file
may be renamed; in a file without header each reason starts with it. A person may keep the column,
or let a spreadsheet move or drop it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from connectors.contract import Mends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.csv_drop.dialect import NumberedCells

TITLE = "stocksync reason"
PATTERNS = ("*.mended.csv", "*.mended.*.csv")
_MARK = "stocksync: "
_NAME = re.compile(r"(?P<stem>.+)\.mended(?:\.\d+)?\.csv", re.IGNORECASE)
_TITLE = re.compile(rf"{TITLE} \(pull (\d{{1,18}}) of (.+?)\)(?:: .*)?", re.DOTALL)
_PACKED = (".gz", ".zip")


def is_mended(name: str) -> bool:
    """Whether a file of this name holds rejected rows that come back."""
    return _NAME.fullmatch(name) is not None


def mended_name(label: str) -> str:
    """Name the file that the rejected rows of the file ``label`` go to."""
    return f"{stem_of(label)}.mended.csv"


def stem_of(label: str) -> str:
    """The name of a file without what tells its kind; of a mended one, that of what it mends."""
    mended = _NAME.fullmatch(label)
    if mended is not None:
        return mended["stem"]
    stem, extension = os.path.splitext(label)  # noqa: PTH122 - a name, not a path
    if extension.casefold() in _PACKED:
        stem, extension = os.path.splitext(stem)  # noqa: PTH122 - a name, not a path
    return stem or label


def title_of(mends: Mends) -> str:
    """Write the title of the column."""
    return f"{TITLE} (pull {mends.pull} of {mends.label})"


def reason_of(why: str, *, title: str, header: bool) -> str:
    """Write the cell of one row."""
    return f"{_MARK}{why}" if header else f"{title}: {why}"


def mends_of(cells: Sequence[str]) -> Mends | None:
    """Read from the first row of a file whose rejected rows it brings back; None: of none."""
    for cell in cells:
        found = _TITLE.fullmatch(cell.strip())
        if found is not None:
            return Mends(pull=int(found[1]), label=found[2])
    return None


def without_reasons(rows: Iterator[NumberedCells], *, header: bool) -> Iterator[NumberedCells]:
    """Leave the column of reasons out of each row, wherever it is by now."""
    at: int | None = None
    for number, (place, cells) in enumerate(rows):
        if header and number == 0:
            at = next((n for n, cell in enumerate(cells) if cell.strip().startswith(TITLE)), None)
            yield place, cells if at is None else _without(cells, at)
        else:
            yield place, _without_reason(cells, at)


def _without_reason(cells: list[str], at: int | None) -> list[str]:
    """Leave the reason out of one row: the cell that looks like one, else the one in its place."""
    marked = (n for n in range(len(cells) - 1, -1, -1) if cells[n].startswith((_MARK, TITLE)))
    found = next(marked, at)
    return cells if found is None or found >= len(cells) else _without(cells, found)


def _without(cells: list[str], at: int) -> list[str]:
    return cells[:at] + cells[at + 1 :]
