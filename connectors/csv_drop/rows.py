"""One row out of its cells: a `Row`, or a `Reject` that says how to mend it.

This is the hot path of a large file; a bounded table keeps the numbers seen, since quantities
repeat. Knows no file and no encoding.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from typing import TYPE_CHECKING

from connectors.contract import Chunk, Reject, Row
from connectors.numbers import NotANumber, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connectors.csv_drop.layout import Layout
    from connectors.csv_drop.options import CsvFormat
    from connectors.csv_drop.trailer import NumberedCells

LONGEST_SKU = 255
RAW_BYTES = 2_048

_VALUE_SIGNS = 500
_NUMBERS_KEPT = 1 << 16
_LONGEST_KEPT = 64
_CONTROLS = frozenset({"Cc", "Zl", "Zp"})


class _Numbers(dict[str, str]):
    """Canonical text by written text; raises NotANumber like `canonical`."""

    def __init__(self, decimal: str, thousands: str) -> None:
        super().__init__()
        self._decimal = decimal
        self._thousands = thousands

    def __missing__(self, text: str) -> str:
        number = canonical(text, decimal=self._decimal, thousands=self._thousands)
        if len(self) >= _NUMBERS_KEPT:
            self.clear()
        if len(text) <= _LONGEST_KEPT:
            self[text] = number
        return number


class RowReader:
    """Judges the rows of one file."""

    def __init__(self, layout: Layout, form: CsvFormat) -> None:
        self._layout = layout
        self._form = form
        self._numbers = _Numbers(form.decimal, form.thousands)

    def read(self, batch: Iterable[NumberedCells]) -> Chunk:
        """Turn the cells of a few thousand rows into rows and rejects.

        Rows that have nothing odd about them are made right here: a call per row, and the checks
        of a named tuple's own constructor, would double the time of a large file.
        """
        layout, numbers, form_row = self._layout, self._numbers, tuple.__new__
        at_sku, at_stock, width = layout.sku, layout.stock, layout.width
        at_warehouse, at_unit = layout.warehouse, layout.unit_type
        rows: list[Row] = []
        rejects: list[Reject] = []
        for place, cells in batch:
            if len(cells) != width and _is_misshapen(cells, width):
                rejects.append(self._misshapen(place, cells))
                continue
            sku = cells[at_sku].strip()
            if not sku or len(sku) > LONGEST_SKU or (not sku.isprintable() and _has_controls(sku)):
                rejects.append(self._bad_sku(place, cells, sku))
                continue
            warehouse = "" if at_warehouse is None else cells[at_warehouse].strip()
            unit = "" if at_unit is None else cells[at_unit].strip()
            try:
                quantity = numbers[cells[at_stock]]
            except NotANumber as error:
                key = (sku, warehouse)
                rejects.append(self._not_a_number(place, cells, error.reason, key=key))
                continue
            rows.append(form_row(Row, (sku, warehouse, quantity, unit, None, None, place, cells)))
        return Chunk(rows, rejects)

    def _misshapen(self, place: int, cells: list[str]) -> Reject:
        """Reject a row of which no cell can be trusted to stand in its column."""
        wanted, found = self._layout.width, len(cells)
        return Reject(
            place=place,
            column="",
            value="",
            reason="short_row" if found < wanted else "long_row",
            message=f"Line {place} has {found} cells where {wanted} are expected.",
            remedy=(
                f"Write all cells of the row, divided by {self._form.delimiter!r}; a cell that "
                "holds this sign or a quote goes in quotes."
            ),
            raw=self._raw(cells),
        )

    def _bad_sku(self, place: int, cells: list[str], sku: str) -> Reject:
        """Reject a row whose SKU is missing, too long, or holds control characters."""
        name = self._layout.sku_name
        reason, fault = _sku_fault(sku)
        return Reject(
            place=place,
            column=name,
            value=_clip(sku),
            reason=reason,
            message=f"The SKU in {name!r}, line {place}, {fault}.",
            remedy="Correct the code in the ERP, or leave the row out if it is no article.",
            raw=self._raw(cells),
        )

    def _not_a_number(
        self, place: int, cells: list[str], why: str, *, key: tuple[str, str]
    ) -> Reject:
        """Reject a row whose quantity is not written as configured."""
        name, value = self._layout.stock_name, _clip(cells[self._layout.stock])
        decimal, thousands = self._form.decimal, self._form.thousands
        grouping = f"thousands {thousands!r}" if thousands else "no thousands mark"
        return Reject(
            place=place,
            column=name,
            value=value,
            reason="not_a_number",
            message=f"{value[:60]!r} in {name!r}, line {place}, is not a number: {why}.",
            remedy=(
                f"Numbers are expected with decimal {decimal!r} and {grouping}: correct the row, "
                "or `format.decimal` and `format.thousands` if all rows are written so."
            ),
            raw=self._raw(cells),
            sku=key[0],
            warehouse=key[1],
        )

    def _raw(self, cells: Sequence[str]) -> str:
        """Write the cells as a line of the file again, cut to `RAW_BYTES`."""
        line = io.StringIO()
        csv.writer(line, delimiter=self._form.delimiter, lineterminator="").writerow(cells)
        return line.getvalue().encode()[:RAW_BYTES].decode(errors="ignore")


def _is_misshapen(cells: Sequence[str], width: int) -> bool:
    """Whether a row lacks cells, or has more that are not blank."""
    return len(cells) < width or any(cell.strip() for cell in cells[width:])


def _has_controls(text: str) -> bool:
    """Whether a text holds control characters or line separators."""
    return any(unicodedata.category(sign) in _CONTROLS for sign in text)


def _sku_fault(sku: str) -> tuple[str, str]:
    """Name what is wrong with a SKU, as a stable word and as a clause."""
    if not sku:
        return "missing_sku", "is empty"
    if len(sku) > LONGEST_SKU:
        return "sku_too_long", f"is longer than {LONGEST_SKU} characters"
    return "sku_control_character", "holds a line end or another control character"


def _clip(text: str) -> str:
    """Cut a cell to what a report needs."""
    return text[:_VALUE_SIGNS]
