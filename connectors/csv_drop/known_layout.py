"""The layout that the files of a source have had: what must not change without a person's word.

A column that is missing, renamed, doubled or moved gives wrong numbers that look right, so such a
file is held back until somebody accepts its layout. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from connectors.csv_drop.layout import fold, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.csv_drop.options import Column, CsvOptions

ACCEPT = (
    "If that is meant, correct `columns`, or accept it by `stocksync sources accept NAME`; if not, "
    "let the ERP write the columns as before."
)
"""What to do about an objection, as a sentence."""

_FAULTS_SHOWN = 3


class Seen(NamedTuple):
    """A column as it was configured, and as it was found: header text, 1-based position."""

    configured: Column
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class KnownLayout:
    """The required columns of the files applied so far; without any: nothing is known.

    cells: how many a row had, where files have no header; else None. others: the headers of all
    other columns of a pivot table; None: not known.
    """

    columns: Mapping[str, Seen] = field(default_factory=dict)
    cells: int | None = None
    others: tuple[str, ...] | None = None

    @classmethod
    def from_json(cls, written: Mapping[str, Any] | None) -> KnownLayout:
        """Read the JSON of `to_json`; None: nothing is known."""
        if not written:
            return cls()
        columns = {key: Seen(*seen) for key, seen in written["columns"].items()}
        others = written.get("others")
        return cls(columns, written["cells"], None if others is None else tuple(others))

    def to_json(self) -> Mapping[str, Any]:
        """Write what is known, for the checkpoint."""
        columns = {key: list(seen) for key, seen in self.columns.items()}
        others = {} if self.others is None else {"others": list(self.others)}
        return {"columns": columns, "cells": self.cells, **others} if columns else {}

    def fits(self, options: CsvOptions) -> bool:
        """Whether this was learnt with the columns that are configured now."""
        configured = {key: seen.configured for key, seen in self.columns.items()}
        return configured == options.required and (self.cells is None) == options.format.header

    def learnt(self, options: CsvOptions, first: Sequence[str]) -> KnownLayout:
        """Keep what is known, or learn from the first row of a file that was read.

        Without a header the first row is one of stock, and only its number of cells is learnt.
        """
        if self.fits(options):
            return self
        header = options.format.header
        columns = {
            key: _seen(column, first if header else ()) for key, column in options.required.items()
        }
        others = tuple(unread_columns(options, first)) if self.others is None else self.others
        return KnownLayout(
            columns, None if header else len(first), others if options.columns.warehouses else None
        )

    def unknown(self, options: CsvOptions, first: Sequence[str]) -> list[str]:
        """Name the columns of a pivot table that are not read and were not there before.

        Each may be a warehouse that nobody has configured yet.
        """
        known = {fold(text) for text in self.others or ()}
        new = unread_columns(options, first) if self.others is not None else []
        return [text for text in new if fold(text) not in known]

    def objection(self, options: CsvOptions, first: Sequence[str]) -> str:
        """Say, in a sentence, what is not as before in the first row of a file; "": nothing."""
        if not self.fits(options):
            return ""
        if self.cells is not None:
            return _other_width(self.cells, len(first))
        folded = [fold(cell) for cell in first]
        faults = list(dict.fromkeys(self._faults(folded, first)))
        if not faults:
            return ""
        more = "; …" if len(faults) > _FAULTS_SHOWN else ""
        return (
            f"Its columns are not as before: {'; '.join(faults[:_FAULTS_SHOWN])}{more}. "
            f"The header has {shown(first)}."
        )

    def _faults(self, folded: Sequence[str], header: Sequence[str]) -> Iterator[str]:
        """Name what is not as before, each as a clause."""
        for configured, text, position in self.columns.values():
            if isinstance(configured, int):
                found = header[configured - 1].strip() if configured <= len(header) else ""
                if fold(found) != fold(text):
                    yield f"column {configured} was {text!r} and is {found!r}"
                continue
            places = [n for n, cell in enumerate(folded, start=1) if cell == fold(configured)]
            if places != [position]:
                yield _misplaced(configured, position, places, header)


def unread_columns(options: CsvOptions, header: Sequence[str]) -> list[str]:
    """Name the columns of a pivot table that no key reads; those without a name are none."""
    if not options.columns.warehouses:
        return []
    required = options.required.values()
    at = {column - 1 for column in required if isinstance(column, int)}
    read = {fold(column) for column in required if isinstance(column, str)}
    named = ((n, cell.strip()) for n, cell in enumerate(header))
    return [text for n, text in named if text and n not in at and fold(text) not in read]


def _seen(column: Column, header: Sequence[str]) -> Seen:
    """Learn one column from a header in which it was found; from none only what is configured."""
    if isinstance(column, int):
        return Seen(column, header[column - 1].strip() if header else "", column)
    at = [fold(cell) for cell in header].index(fold(column))
    return Seen(column, header[at].strip(), at + 1)


def _misplaced(name: str, before: int, places: Sequence[int], header: Sequence[str]) -> str:
    """Say where a column is that does not stand, once, where it did."""
    if not places:
        there = header[before - 1].strip() if before <= len(header) else ""
        instead = f", where now {there!r} is" if there else ""
        return f"{name!r} is gone (it was column {before}{instead})"
    if len(places) > 1:
        return f"{name!r} is there {len(places)} times"
    return f"{name!r} was column {before} and is column {places[0]}"


def _other_width(before: int, now: int) -> str:
    """Compare the number of cells of files without header."""
    if before == now:
        return ""
    return f"Its first row has {now} cells, those of the files before had {before}."
