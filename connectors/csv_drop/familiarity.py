"""Which ready files look as those before, and which are held back until a person has looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Kind, Verdict, Waiting
from connectors.csv_drop.folder import Folder, NotThisFile
from connectors.csv_drop.head import head_of
from connectors.csv_drop.known_layout import ACCEPT
from connectors.csv_drop.table import first_row
from connectors.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.csv_drop.history import Candidate, History
    from connectors.csv_drop.options import CsvOptions

    Objection = Callable[[Candidate], str]


def part_strange(
    ready: Sequence[Candidate], history: History, objection: Objection
) -> tuple[list[Candidate], list[Waiting]]:
    """Part the files that may be read from those of another layout than before, in their order.

    A delta behind such a file waits with it, since it would make the older one obsolete; a snapshot
    does not, since it says everything.
    """
    taken: list[Candidate] = []
    held: list[Waiting] = []
    before = ""
    for candidate in ready:
        name = candidate.version.order.name
        if history.judge(candidate.version).verdict is not Verdict.READ:
            taken.append(candidate)
        elif reason := objection(candidate):
            held.append(Waiting(label=name, reason=reason, alarm=True))
            before = name
        elif before and candidate.kind is Kind.DELTA:
            held.append(Waiting(label=name, reason=f"It waits for {before!r}, which is older."))
        else:
            taken.append(candidate)
            before = ""
    return taken, held


def objection_in(folder: Folder, options: CsvOptions, history: History) -> Objection:
    """Make what looks into a file and says why its layout is not as before, or "".

    What cannot be seen is left to reading the file, which says what is wrong with it.
    """

    def look(candidate: Candidate) -> str:
        name = candidate.version.order.name
        if not history.layout.fits(options):
            return ""
        try:
            with (
                folder.open(name) as (stream, _),
                head_of(stream, options.format, place=name) as text,
            ):
                first = first_row(text, options, place=name)
        except (ConnectorError, OSError, NotThisFile):
            return ""
        fault = "" if first is None else history.layout.objection(options, first)
        return f"{fault} {ACCEPT}" if fault else ""

    return look
