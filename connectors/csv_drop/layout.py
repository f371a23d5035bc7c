"""Which cell of a row holds what: configured columns, found in the header or by position."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.errors import SourceMisconfigured, SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.csv_drop.options import Column, CsvColumns

_SHOWN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """0-based places of cells, and the names by which people know the columns.

    width: cells of a whole row; a row may have more if they are empty, never fewer.
    """

    sku: int
    stock: int
    warehouse: int | None
    unit_type: int | None
    sku_name: str
    stock_name: str
    width: int


def fold(text: str) -> str:
    """Fold a header text so that writings of one word are equal, in Turkish too.

    All four i's are one (``MİKTAR``, ``MIKTAR``, ``miktar``), since exports mix them up.
    """
    composed = unicodedata.normalize("NFC", text.strip())
    dotless = composed.translate({ord("İ"): "i", ord("I"): "i", ord("ı"): "i"})  # noqa: RUF001
    return dotless.casefold().replace("i\u0307", "i")


def by_header(columns: CsvColumns, header: Sequence[str], *, place: str) -> Layout:
    """Find the configured columns in the first line of a file.

    Raises SourceUnreadable if one is not there, or is there twice.
    """
    folded = [fold(cell) for cell in header]

    def find(column: Column) -> int:
        if isinstance(column, int):
            return _position(column, len(header), place=place)
        return _only(column, folded, header, place=place)

    return _layout(columns, find, header)


def by_position(columns: CsvColumns, first: Sequence[str]) -> Layout:
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

    return _layout(columns, find, first)


def _layout(columns: CsvColumns, find: Callable[[Column], int], cells: Sequence[str]) -> Layout:
    """Put the found places together."""
    optional = (columns.warehouse, columns.unit_type)
    warehouse, unit_type = (None if column is None else find(column) for column in optional)
    sku, stock = find(columns.sku), find(columns.stock)
    used = max(sku, stock, warehouse or 0, unit_type or 0)
    return Layout(
        sku=sku,
        stock=stock,
        warehouse=warehouse,
        unit_type=unit_type,
        sku_name=_name(columns.sku),
        stock_name=_name(columns.stock),
        width=max(used + 1, _filled(cells)),
    )


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
    seen = ", ".join(repr(cell.strip()) for cell in header)[:_SHOWN]
    fault = f"is there {count} times" if count else "is not there"
    raise SourceUnreadable(
        f"Column {column!r} {fault}; the header has {seen}.",
        remedy=(
            "Correct `columns` (a header text or a 1-based position); if the header looks torn or "
            "wrong in its letters, correct `format.delimiter` or `format.encoding`."
        ),
        place=place,
    )


def _name(column: Column) -> str:
    """Name a column for people."""
    return column if isinstance(column, str) else f"column {column}"


def _filled(cells: Sequence[str]) -> int:
    """Count cells up to the last that is not blank; many exports end each line in delimiters."""
    return max((number for number, cell in enumerate(cells, start=1) if cell.strip()), default=0)
