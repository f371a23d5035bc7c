"""What a person configures of a drop folder, as frozen values. Reads nothing."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.contract import Kind

Column = str | int
"""A header text, or a 1-based position."""


class Ready(enum.StrEnum):
    """How a file shows that it is complete."""

    STABLE = "stable"  # it was not written to for `stable_for`
    MARKER = "marker"  # ``<name>.ok`` (or ``<stem>.ok``) lies beside it
    TRAILER = "trailer"  # its last line says so; see `connectors.csv_drop.trailer`


class FinalNewline(enum.StrEnum):
    """Whether a last line without a line end keeps a file from being ready."""

    REQUIRED = "required"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFormat:
    """How the text of a file is to be understood; never guessed.

    encoding: a Python codec name. A byte order mark is dropped; ``utf-16`` must have one.
    thousands: "" where numbers have no such mark.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    header: bool = True
    decimal: str = "."
    thousands: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvColumns:
    """Which columns hold what; None: the source has no such column."""

    sku: Column
    stock: Column
    warehouse: Column | None = None
    unit_type: Column | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvOptions:
    """One drop folder.

    pattern: glob of file names, case does not matter. stable_for: seconds.
    final_newline: None: required under ``ready = stable``, optional otherwise.
    """

    path: Path
    columns: CsvColumns
    mode: Kind
    pattern: str = "*.csv"
    ready: Ready = Ready.STABLE
    stable_for: float = 5.0
    final_newline: FinalNewline | None = None
    format: CsvFormat = CsvFormat()

    @property
    def wants_final_newline(self) -> bool:
        """Whether a last line without a line end makes a file not ready."""
        if self.final_newline is None:
            return self.ready is Ready.STABLE
        return self.final_newline is FinalNewline.REQUIRED
