"""What a person configures of a drop folder, as frozen values. Reads nothing."""

from __future__ import annotations

import enum
import fnmatch
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.contract import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.csv_drop.places import Place

Column = str | int
"""A header text, or a 1-based position."""


class Ready(enum.StrEnum):
    """How a file shows that it is complete."""

    STABLE = "stable"  # it was not written to for `stable_for`
    MARKER = "marker"  # ``<name>.ok`` (or ``<stem>.ok``) lies beside it
    TRAILER = "trailer"  # its last line says so; see `connectors.csv_drop.trailer`


class OrderBy(enum.StrEnum):
    """What orders the files of a source, where no `name_time` does."""

    NAME = "name"
    MTIME = "mtime"


class After(enum.StrEnum):
    """What becomes of a file that was applied or passed over; an unreadable one is moved."""

    MOVE = "move"  # to ``.done``
    KEEP = "keep"  # nothing
    DELETE = "delete"  # it is gone


class FinalNewline(enum.StrEnum):
    """Whether a last line without a line end keeps a file from being ready."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class Empty(enum.StrEnum):
    """What an empty cell means where a number is expected."""

    REJECT = "reject"  # a mistake: the row is rejected
    ZERO = "zero"  # 0
    ABSENT = "absent"  # nothing: as if the file had no such row


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFormat:
    """How the text of a file is to be understood; never guessed.

    encoding: a Python codec name. A byte order mark is dropped; ``utf-16`` must have one.
    quoted: False where a quote is a sign like any other, as in printed lists.
    bordered: each row begins and ends with the delimiter; lines of dashes divide it from others.
    thousands: "" where numbers have no such mark.
    trailing_minus: a minus may stand behind the digits.
    max_bytes: of a whole file, decompressed.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    quoted: bool = True
    bordered: bool = False
    header: bool = True
    decimal: str = "."
    thousands: str = ""
    trailing_minus: bool = False
    empty: Empty = Empty.REJECT
    max_bytes: int = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvColumns:
    """Which columns hold what; None: the source has no such column.

    Either `stock` is there, or `warehouses`: the headers of the columns (of a pivot table) that
    each hold the stock of the warehouse they are named after. extra_field: names and columns of
    what goes along as one JSON object of texts.
    """

    sku: Column
    stock: Column | None = None
    warehouse: Column | None = None
    warehouses: tuple[str, ...] = ()
    unit_type: Column | None = None
    sold_quantity_unreported: Column | None = None
    extra_field: Mapping[str, Column] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Rows that are no stock (a totals line): those whose cell in `column` is as said.

    Outer blanks of the cell do not count. matches: a regular expression for the whole cell.
    """

    column: Column
    equals: str | None = None
    matches: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvOptions:
    """One drop folder.

    pattern: glob of file names, case does not matter. full_pattern: of those that are snapshots
    whatever the mode; a name that fits both is one. stable_for: seconds. trailer: the last line
    under ``ready = trailer``; None: one of the usual words.
    final_newline: None: required under ``ready = stable``, optional otherwise.
    name_time: the form of a time within the names, which then orders the files; timezone: of it.
    """

    path: Place
    columns: CsvColumns
    mode: Kind
    pattern: str = "*.csv"
    ready: Ready = Ready.STABLE
    stable_for: float = 5.0
    trailer: str | None = None
    final_newline: FinalNewline | None = None
    format: CsvFormat = CsvFormat()
    skip_rows_where: tuple[Skip, ...] = ()
    full_pattern: str | None = None
    order: OrderBy = OrderBy.NAME
    name_time: str | None = None
    timezone: str = "UTC"
    after: After = After.MOVE

    @property
    def patterns(self) -> tuple[str, ...]:
        """Every pattern of a name that is read."""
        return (self.pattern,) if self.full_pattern is None else (self.full_pattern, self.pattern)

    def pattern_of(self, name: str) -> str:
        """Choose the pattern that a name fits; `full_pattern` before the other."""
        if self.full_pattern is None:
            return self.pattern
        full = fnmatch.fnmatchcase(name.casefold(), self.full_pattern.casefold())
        return self.full_pattern if full else self.pattern

    def kind_of(self, name: str) -> Kind:
        """Say what a file of this name is."""
        if self.full_pattern is not None and self.pattern_of(name) == self.full_pattern:
            return Kind.SNAPSHOT
        return self.mode

    @property
    def required(self) -> dict[str, Column]:
        """Every column that a file must have, by the key that names it."""
        columns = self.columns
        single = {
            "columns.sku": columns.sku,
            "columns.stock": columns.stock,
            "columns.warehouse": columns.warehouse,
            "columns.unit_type": columns.unit_type,
            "columns.sold_quantity_unreported": columns.sold_quantity_unreported,
        }
        several = {
            **{f"columns.warehouses.{name}": name for name in columns.warehouses},
            **{f"columns.extra_field.{name}": at for name, at in columns.extra_field.items()},
            **{f"skip_rows_where.{n}": skip.column for n, skip in enumerate(self.skip_rows_where)},
        }
        return {key: column for key, column in single.items() if column is not None} | several

    @property
    def wants_final_newline(self) -> bool:
        """Whether a last line without a line end makes a file not ready."""
        if self.final_newline is None:
            return self.ready is Ready.STABLE
        return self.final_newline is FinalNewline.REQUIRED
