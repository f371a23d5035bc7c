"""Rejected rows: what is wrong with each, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Reject
from connectors.csv_drop.dialect import line_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.csv_drop.layout import Layout, Stock
    from connectors.csv_drop.options import CsvFormat

LONGEST_SKU = 255
RAW_BYTES = 2_048
LONGEST_EXTRA = 8_192
MOST_SOLD = 2_147_483_647

_VALUE_SIGNS = 500


class Refusals:
    """Makes the rejects of one file."""

    def __init__(self, layout: Layout, form: CsvFormat) -> None:
        self._layout = layout
        self._form = form

    def misshapen(self, place: int, cells: list[str]) -> Reject:
        """Reject a row of which no cell can be trusted to stand in its column."""
        wanted, found = self._layout.width, len(cells)
        form = self._form
        border = f", begin and end it with {form.delimiter!r}" if form.bordered else ""
        quotes = "with this sign or a quote goes in quotes" if form.quoted else "may not hold it"
        return Reject(
            place=place,
            column="",
            value="",
            reason="short_row" if found < wanted else "long_row",
            message=f"Line {place} has {found} cells where {wanted} are expected.",
            remedy=(
                f"Write all cells of the row, divided by {form.delimiter!r}{border}; "
                f"a cell {quotes}."
            ),
            raw=self._raw(cells),
        )

    def bad_sku(self, place: int, cells: list[str], sku: str) -> Reject:
        """Reject a row whose SKU is missing, too long, or holds control characters."""
        name = self._layout.sku_name
        reason, fault = _sku_fault(sku)
        return Reject(
            place=place,
            column=name,
            value=_clip(sku),
            reason=reason,
            message=f"The SKU in {name!r}, line {place}, {fault}.",
            remedy=(
                "Correct the code in the ERP, or leave the row out if it is no article "
                "(`skip_rows_where`)."
            ),
            raw=self._raw(cells),
        )

    def bad_stock(
        self, place: int, cells: list[str], why: str, *, stock: Stock, key: tuple[str, str]
    ) -> Reject:
        """Reject a quantity that is empty or not written as configured."""
        value = _clip(cells[stock.at])
        reason, remedy = self._number_fault(value)
        return Reject(
            place=place,
            column=stock.name,
            value=value,
            reason=reason,
            message=f"{value[:60]!r} in {stock.name!r}, line {place}, is not a number: {why}.",
            remedy=remedy,
            raw=self._raw(cells),
            sku=key[0],
            warehouse=key[1],
        )

    def bad_sold(self, place: int, cells: list[str], why: str, *, key: tuple[str, str]) -> Reject:
        """Reject a row whose unreported sales are no count."""
        name, value = self._layout.sold_name, _clip(cells[self._layout.sold or 0])
        return Reject(
            place=place,
            column=name,
            value=value,
            reason="bad_sold_quantity",
            message=f"{value[:60]!r} in {name!r}, line {place}, is no count of pieces: {why}.",
            remedy=f"Write a whole number from 0 to {MOST_SOLD}.",
            raw=self._raw(cells),
            sku=key[0],
            warehouse=key[1],
        )

    def long_extra(self, place: int, cells: list[str], *, key: tuple[str, str]) -> Reject:
        """Reject a row whose extra fields are too long."""
        names = ", ".join(name for name, _ in self._layout.extra)
        return Reject(
            place=place,
            column="extra_field",
            value="",
            reason="extra_field_too_long",
            message=(
                f"The extra fields ({names[:200]}) of line {place} have more than {LONGEST_EXTRA} "
                "characters together."
            ),
            remedy="Shorten them in the ERP, or take one out of `columns.extra_field`.",
            raw=self._raw(cells),
            sku=key[0],
            warehouse=key[1],
        )

    def _number_fault(self, value: str) -> tuple[str, str]:
        """Tell an empty cell from a wrong number: the reason as a word, and the remedy."""
        if not value.strip():
            return "empty_stock", (
                "Write the number; or say by `format.empty` what an empty cell means: "
                '"zero", or "absent" for nothing.'
            )
        form = self._form
        grouping = f"thousands {form.thousands!r}" if form.thousands else "no thousands mark"
        return "not_a_number", (
            f"Numbers are expected with decimal {form.decimal!r} and {grouping}: correct the row, "
            "or `format.decimal`, `format.thousands` and `format.trailing_minus` if all rows are "
            "written so."
        )

    def _raw(self, cells: Sequence[str]) -> str:
        """Write the cells as a line of the file again, cut to `RAW_BYTES`."""
        return _raw(cells, self._form)


def unknown_warehouse_column(
    place: int, cells: Sequence[str], name: str, form: CsvFormat
) -> Reject:
    """Reject a column of a pivot table that nobody reads and that was not there before."""
    return Reject(
        place=place,
        column=_clip(name),
        value="",
        reason="unknown_warehouse_column",
        message=f"The column {name[:60]!r} is new, and nothing reads it; the others were read.",
        remedy=(
            "If it is a warehouse, add it to `columns.warehouses` and to [stock_lists]; if not, "
            "accept it: stocksync sources accept NAME."
        ),
        raw=_raw(cells, form),
    )


def _raw(cells: Sequence[str], form: CsvFormat) -> str:
    """Write cells as a line of the file again, cut to `RAW_BYTES`."""
    return line_of(cells, form).encode()[:RAW_BYTES].decode(errors="ignore")


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
