"""Which ready files look as those before, and which are held back until a person has looked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Kind, Verdict, Waiting
from connectors.csv_drop.folder import Folder, NotThisFile
from connectors.csv_drop.head import head_of
from connectors.csv_drop.known_layout import ACCEPT, KnownLayout
from connectors.csv_drop.layout import by_header, by_position
from connectors.csv_drop.table import first_row
from connectors.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.csv_drop.history import Candidate, History
    from connectors.csv_drop.options import CsvOptions


def part_strange(
    folder: Folder, options: CsvOptions, history: History, ready: Sequence[Candidate]
) -> tuple[list[Candidate], list[Waiting]]:
    """Part the files that may be read from those of another layout than before, in their order.

    A delta behind such a file waits with it, since it would make the older one obsolete; a snapshot
    does not, since it says everything.
    """
    layout, start = _expected(folder, options, history, ready)
    taken = list(ready[:start])
    held: list[Waiting] = []
    before = ""
    for candidate in ready[start:]:
        name = candidate.version.order.name
        if _is_settled(candidate, history):
            taken.append(candidate)
        elif reason := _objection(folder, options, layout, candidate):
            held.append(Waiting(label=name, reason=reason, alarm=True))
            before = name
        elif before and candidate.kind is Kind.DELTA:
            held.append(Waiting(label=name, reason=f"It waits for {before!r}, which is older."))
        else:
            taken.append(candidate)
            before = ""
    return taken, held


def _is_settled(candidate: Candidate, history: History) -> bool:
    """Whether a file changes nothing, whatever becomes of those before it.

    One with the content applied last does, if another one comes in between: A, B, A.
    """
    superseded = history.judge(candidate.version).verdict is Verdict.SUPERSEDED
    return superseded or candidate.version in history.applied


def _expected(
    folder: Folder, options: CsvOptions, history: History, ready: Sequence[Candidate]
) -> tuple[KnownLayout, int]:
    """Take the layout of the files before, and from which file on it is looked for.

    Where none is known, the file that is read first sets it, so that files which arrive together
    before anything was ever applied are held to one layout too.
    """
    if history.layout.fits(options):
        return history.layout, 0
    kinds = [candidate.kind for candidate in ready]
    newest = max((n for n, kind in enumerate(kinds) if kind is Kind.SNAPSHOT), default=0)
    for number, candidate in enumerate(ready[newest:], start=newest):
        first = _first_row(folder, options, candidate)
        if first is not None and _has_columns(options, first):
            return KnownLayout().learnt(options, first), number
    return KnownLayout(), len(ready)


def _objection(
    folder: Folder, options: CsvOptions, layout: KnownLayout, candidate: Candidate
) -> str:
    """Look into a file and say why its layout is not the expected one, or "".

    What cannot be seen is left to reading the file, which says what is wrong with it.
    """
    first = _first_row(folder, options, candidate) if layout.fits(options) else None
    fault = "" if first is None else layout.objection(options, first)
    return f"{fault} {ACCEPT}" if fault else ""


def _first_row(folder: Folder, options: CsvOptions, candidate: Candidate) -> list[str] | None:
    """Read the header of a file, or its first row without one; None: it cannot be seen."""
    place = candidate.place
    try:
        with (
            folder.open(place) as (stream, _),
            head_of(stream, options.format, place=place) as text,
        ):
            first = first_row(text, options, place=place)
    except (ConnectorError, OSError, NotThisFile):
        return None
    return None if first is None else first[1]


def _has_columns(options: CsvOptions, first: Sequence[str]) -> bool:
    """Whether a first row can be learnt from; reading says what is wrong with another."""
    try:
        if options.format.header:
            by_header(options, first, place="")
        else:
            by_position(options, first)
    except ConnectorError:
        return False
    return True
