"""What a ledger has applied last, noted beside the files, so that an older copy of it is noticed.

Each life of a source in a ledger is a *lineage* with a name of its own, which its checkpoint bears.
It begins where nothing was applied yet, and anew where a person rewinds the source. A copy of the
ledger bears the same name; if it does not know the file of the note, it is older than the note, and
what was applied since lies in ``.done``. Only deltas need that: a snapshot says everything.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.contract import Kind
from connectors.csv_drop.dropped_file import from_position, to_position
from connectors.csv_drop.folder import NOTED, NotThisFile
from connectors.csv_drop.options import After

if TYPE_CHECKING:
    from connectors.csv_drop.folder import Folder
    from connectors.csv_drop.history import History, Version
    from connectors.csv_drop.options import CsvOptions
    from connectors.csv_drop.ordering import Ordering

_MOST = 1 << 16


def named(history: History, options: CsvOptions) -> History:
    """Give a history its lineage if it has none and needs one."""
    if history.lineage or options.mode is not Kind.DELTA or options.after is not After.MOVE:
        return history
    return replace(history, lineage=secrets.token_hex(8))


def note(folder: Folder, lineage: str, version: Version) -> None:
    """Note that a file was applied. Raises SourceUnreachable if the folder does not let us."""
    folder.note(NOTED, f"{lineage}.json", json.dumps(to_position(version)))


def is_older(folder: Folder, history: History, ordering: Ordering) -> bool:
    """Whether the ledger does not know what it has applied last."""
    if not history.lineage or history.last is None:
        return False
    noted = _noted(folder, history.lineage, ordering)
    if noted is None or noted in history.applied:
        return False
    return noted.order > history.last.order


def _noted(folder: Folder, lineage: str, ordering: Ordering) -> Version | None:
    """Read a note; None: there is none, or it makes no sense."""
    try:
        with folder.open(f"{NOTED}/{lineage}.json") as (stream, _):
            return from_position(json.loads(stream.read(_MOST)), ordering)
    except (FileNotFoundError, NotThisFile, ValueError, LookupError, TypeError):
        return None
