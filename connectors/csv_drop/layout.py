"""Which cell of a row holds what: configured columns, found in the header or by position."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from connectors.errors import SourceMisconfigured, SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connectors.csv_drop.options import Column, CsvOptions

MOST_COLUMNS = 16_384
"""Columns of the widest header that is believed; a spreadsheet ends there."""

_SHOWN = 300


class Stock(NamedTuple):
    """A column with stock: its 0-based place, its name for people, and whose stock it is.

    warehouse: "" where a column of its own names it, or none does.
    """

    at: int
    name: str
    warehouse: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """0-based places of cells, and the names by which people know the columns.

    stocks: one, or one per warehouse of a pivot table. extra: names and places, by name.
    skips: the place that each of `CsvOptions.skip_rows_where` looks at.
    width: cells of a whole row; never fewer. widest: cells of the first row, its blank ends too; a
    row may have so many if those beyond `width` are blank.
    """

    sku: int
    sku_name: str
    stocks: tuple[Stock, ...]
    warehouse: int | None
    unit_type: int | None
    sold: int | None
    sold_name: str
    extra: tuple[tuple[str, int], ...]
    skips: tuple[int, ...]
    width: int
    widest: int


def fold(text: str) -> str:
    """Fold a header text so that writings of one word are equal, in Turkish too.

    All four i's are one (``MİKTAR``, ``MIKTAR``, ``miktar``), since exports mix them up.
    """
    composed = unicodedata.normalize("NFC", text.strip())
    dotless = composed.translate({ord("İ"): "i", ord("I"): "i", ord("ı"): "i"})  # noqa: RUF001
    return dotless.casefold().replace("i\u0307", "i")


def by_header(options: CsvOptions, header: Sequence[str], *, place: str) -> Layout:
    """Find the configured columns in the first line of a file.

    Raises SourceUnreadable if one is not there, or is there twice, or if there are too many.
    """
    if len(header) > MOST_COLUMNS:
        raise SourceUnreadable(
            f"The header has {len(header)} columns; {MOST_COLUMNS} are the most that are read.",
            remedy="Correct `format.delimiter`, or let the ERP write fewer columns.",
            place=place,
        )
    folded = [fold(cell) for cell in header]

    def find(column: Column) -> int:
        if isinstance(column, int):
            return _position(column, len(header), place=place)
        return _only(column, folded, header, place=place)

    return _layout(options, find, header)


def by_position(options: CsvOptions, first: Sequence[str]) -> Layout:
    """Take the configured positions for a file without header, whose first row is ``first``.

    Raises SourceMisconfigured if a column is configured by text.
    """

    def find(column: Column) -> int:
        if isinstance(column, int):
            return column - 1
        raise SourceMisconfigured(
            f"Column {column!r} is named by its header, but `format.header` is false.",
            remedy="Give its position, counted from 1, or set `format.header = true`.",
            place="columns",
        )

    return _layout(options, find, first)


def by_places(options: CsvOptions, places: Mapping[Column, int], cells: Sequence[str]) -> Layout:
    """Take the 1-based places where files before had the columns, for one row of whole cells."""
    return _layout(options, lambda column: places[column] - 1, cells)


def _layout(options: CsvOptions, find: Callable[[Column], int], cells: Sequence[str]) -> Layout:
    """Put the found places together."""
    columns = options.columns
    optional = (columns.warehouse, columns.unit_type, columns.sold_quantity_unreported)
    warehouse, unit_type, sold = (None if column is None else find(column) for column in optional)
    used = max(find(column) for column in options.required.values())
    width = max(used + 1, _filled(cells))
    return Layout(
        sku=find(columns.sku),
        sku_name=_name(columns.sku),
        stocks=_stocks(options, find),
        warehouse=warehouse,
        unit_type=unit_type,
        sold=sold,
        sold_name=_name(columns.sold_quantity_unreported or ""),
        extra=tuple((name, find(column)) for name, column in sorted(columns.extra_field.items())),
        skips=tuple(find(skip.column) for skip in options.skip_rows_where),
        width=width,
        widest=max(width, len(cells)),
    )


def _stocks(options: CsvOptions, find: Callable[[Column], int]) -> tuple[Stock, ...]:
    """Find the column with stock, or those of a pivot table."""
    columns = options.columns
    if columns.stock is not None:
        return (Stock(find(columns.stock), _name(columns.stock), ""),)
    return tuple(Stock(find(name), name, name.strip()) for name in columns.warehouses)


def _position(column: int, width: int, *, place: str) -> int:
    """Turn a 1-based position into a place that the header has."""
    if column <= width:
        return column - 1
    raise SourceUnreadable(
        f"Column {column} is configured, but the header has {width}.",
        remedy="Correct `columns`, or `format.delimiter` if the header should have more.",
        place=place,
    )


def _only(column: str, folded: Sequence[str], header: Sequence[str], *, place: str) -> int:
    """Find the one place of a header text."""
    wanted = fold(column)
    count = folded.count(wanted)
    if count == 1:
        return folded.index(wanted)
    fault = f"is there {count} times" if count else "is not there"
    raise SourceUnreadable(
        f"Column {column!r} {fault}; the header has {shown(header)}.",
        remedy=(
            "Correct `columns` (a header text or a 1-based position); if the header looks torn or "
            "wrong in its letters, correct `format.delimiter` or `format.encoding`."
        ),
        place=place,
    )


def shown(header: Sequence[str]) -> str:
    """Write the texts of a header for people, cut to what a message bears."""
    return ", ".join(repr(cell.strip()) for cell in header[:_SHOWN])[:_SHOWN]


def _name(column: Column) -> str:
    """Name a column for people."""
    return column if isinstance(column, str) else f"column {column}"


def _filled(cells: Sequence[str]) -> int:
    """Count cells up to the last that is not blank; many exports end each line in delimiters."""
    return max((number for number, cell in enumerate(cells, start=1) if cell.strip()), default=0)
