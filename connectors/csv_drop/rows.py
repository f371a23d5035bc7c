"""One row out of its cells: a `Row`, or a `Reject` that says how to mend it.

This is the hot path of a large file; a bounded table keeps the numbers seen, since quantities
repeat. Knows no file and no encoding.
"""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

from connectors.contract import Chunk, Reject, Row
from connectors.csv_drop.options import Empty
from connectors.csv_drop.refusals import LONGEST_EXTRA, LONGEST_SKU, MOST_SOLD, Refusals
from connectors.csv_drop.skipping import Sieve
from connectors.numbers import NotANumber, canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from connectors.csv_drop.dialect import NumberedCells
    from connectors.csv_drop.layout import Layout, Stock
    from connectors.csv_drop.options import CsvFormat, CsvOptions

_NUMBERS_KEPT = 1 << 16
_LONGEST_KEPT = 64
_CONTROLS = frozenset({"Cc", "Zl", "Zp"})


class _Numbers(dict[str, str]):
    """Canonical text by written text; raises NotANumber like `canonical`."""

    def __init__(self, form: CsvFormat) -> None:
        super().__init__()
        self._form = form

    def __missing__(self, text: str) -> str:
        number = self._read(text)
        if len(self) >= _NUMBERS_KEPT:
            self.clear()
        if len(text) <= _LONGEST_KEPT:
            self[text] = number
        return number

    def _read(self, text: str) -> str:
        form = self._form
        if form.empty is Empty.ZERO and not text.strip():
            return "0"
        return canonical(
            text,
            decimal=form.decimal,
            thousands=form.thousands,
            trailing_minus=form.trailing_minus,
        )


class _Unusable(Exception):  # noqa: N818 - named by what was found
    """What goes along with the stock cannot be used; carries the reject of the row."""

    def __init__(self, reject: Reject) -> None:
        super().__init__()
        self.reject = reject


class RowReader:
    """Judges the rows of one file."""

    def __init__(self, layout: Layout, options: CsvOptions) -> None:
        self._layout = layout
        self._absent = options.format.empty is Empty.ABSENT
        self._numbers = _Numbers(options.format)
        self._refusals = Refusals(layout, options.format)
        self._sieve = Sieve(options.skip_rows_where, layout.skips)
        self._goes_along = layout.sold is not None or bool(layout.extra)
        self._widest: int | None = None

    def read(self, batch: Iterable[NumberedCells]) -> Chunk:
        """Turn the cells of a few thousand rows into rows and rejects.

        In a pivot table each row becomes one per warehouse, all of them in the place of the row.
        """
        before = self._sieve.held_back
        kept = list(self._sieve.kept(batch))
        if self._widest is None:
            self._widest = _widest(kept, self._layout)
        read = self._read_single if len(self._layout.stocks) == 1 else self._read_pivot
        rows, rejects, absent = read(kept)
        return Chunk(rows, rejects, absent + self._sieve.held_back - before)

    def _read_single(self, batch: Iterable[NumberedCells]) -> tuple[list[Row], list[Reject], int]:
        """Read rows with one stock each.

        Rows that have nothing odd about them are made right here: a call per row, and the checks
        of a named tuple's own constructor, would double the time of a large file.
        """
        layout, numbers, form_row = self._layout, self._numbers, tuple.__new__
        at_sku, width, stock = layout.sku, layout.width, layout.stocks[0]
        widest = self._widest or width
        at_stock, warehouse = stock.at, stock.warehouse
        at_warehouse, at_unit, goes_along = layout.warehouse, layout.unit_type, self._goes_along
        sold = extra = None
        rows: list[Row] = []
        rejects: list[Reject] = []
        absent = 0
        for place, cells in batch:
            if len(cells) != width and _is_misshapen(cells, width, widest=widest):
                rejects.append(self._refusals.misshapen(place, cells))
                continue
            sku = cells[at_sku].strip()
            if not sku or len(sku) > LONGEST_SKU or (not sku.isprintable() and _has_controls(sku)):
                rejects.append(self._refusals.bad_sku(place, cells, sku))
                continue
            if at_warehouse is not None:
                warehouse = cells[at_warehouse].strip()
            unit = "" if at_unit is None else cells[at_unit].strip()
            try:
                quantity = numbers[cells[at_stock]]
                if goes_along:
                    sold, extra = self._along(place, cells, (sku, warehouse))
            except NotANumber as error:
                bad = self._without_number(place, cells, error, stock, (sku, warehouse))
            except _Unusable as error:
                bad = error.reject
            else:
                said = (sku, warehouse, quantity, unit, sold, extra, place, cells)
                rows.append(form_row(Row, said))
                continue
            if bad is None:
                absent += 1
            else:
                rejects.append(bad)
        return rows, rejects, absent

    def _read_pivot(self, batch: Iterable[NumberedCells]) -> tuple[list[Row], list[Reject], int]:
        """Read rows with one stock per warehouse; a bad cell takes no other with it."""
        rows: list[Row] = []
        rejects: list[Reject] = []
        absent = 0
        for place, cells in batch:
            bad = self._bad_row(place, cells)
            if bad is not None:
                rejects.append(bad)
                continue
            for stock in self._layout.stocks:
                found = self._cell(place, cells, stock)
                if found is None:
                    absent += 1
                elif isinstance(found, Reject):
                    rejects.append(found)
                else:
                    rows.append(found)
        return rows, rejects, absent

    def _bad_row(self, place: int, cells: list[str]) -> Reject | None:
        """Reject a row whose shape or SKU is wrong, so that none of its stocks can be used."""
        width = self._layout.width
        if _is_misshapen(cells, width, widest=self._widest or width):
            return self._refusals.misshapen(place, cells)
        sku = cells[self._layout.sku].strip()
        if not sku or len(sku) > LONGEST_SKU or _has_controls(sku):
            return self._refusals.bad_sku(place, cells, sku)
        return None

    def _cell(self, place: int, cells: list[str], stock: Stock) -> Row | Reject | None:
        """Read one stock of a row; None: the file says nothing of it."""
        layout = self._layout
        key = (cells[layout.sku].strip(), stock.warehouse)
        unit = "" if layout.unit_type is None else cells[layout.unit_type].strip()
        try:
            quantity = self._numbers[cells[stock.at]]
            sold, extra = self._along(place, cells, key)
        except NotANumber as error:
            return self._without_number(place, cells, error, stock, key)
        except _Unusable as error:
            return error.reject
        return Row(*key, quantity, unit, sold, extra, place, cells)

    def _without_number(
        self, place: int, cells: list[str], error: NotANumber, stock: Stock, key: tuple[str, str]
    ) -> Reject | None:
        """Reject a stock that is no number; None where an empty cell says nothing."""
        if self._absent and not cells[stock.at].strip():
            return None
        return self._refusals.bad_stock(place, cells, error.reason, stock=stock, key=key)

    def _along(
        self, place: int, cells: list[str], key: tuple[str, str]
    ) -> tuple[str | None, str | None]:
        """Read what goes along with a stock: unreported sales and extra fields."""
        layout = self._layout
        sold = None if layout.sold is None else self._sold(place, cells, cells[layout.sold], key)
        if not layout.extra:
            return sold, None
        fields = {name: cells[at].strip() for name, at in layout.extra}
        extra = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        if len(extra) > LONGEST_EXTRA:
            raise _Unusable(self._refusals.long_extra(place, cells, key=key))
        return sold, extra

    def _sold(self, place: int, cells: list[str], text: str, key: tuple[str, str]) -> str | None:
        """Read a count of unreported sales."""
        if self._absent and not text.strip():
            return None
        try:
            number = self._numbers[text]
        except NotANumber as error:
            why = error.reason
        else:
            if number.isdecimal() and int(number) <= MOST_SOLD:
                return number
            why = f"it is not a whole number from 0 to {MOST_SOLD}"
        raise _Unusable(self._refusals.bad_sold(place, cells, why, key=key))


def _is_misshapen(cells: Sequence[str], width: int, *, widest: int) -> bool:
    """Whether a row lacks cells, has too many, or has more that are not blank."""
    return not width <= len(cells) <= widest or any(cell.strip() for cell in cells[width:])


def _widest(rows: Sequence[NumberedCells], layout: Layout) -> int:
    """How many cells a row may have, the last ones blank: as many as the first row of the file.

    Or as many as all whole rows have, where the ERP ends each row, but not the header, in a
    delimiter. In one row alone a blank cell too many is one that a number without quotes has pushed
    out of its place: ``A,1,250,`` is not 1.
    """
    widths = [len(cells) for _, cells in rows if len(cells) >= layout.width]
    habit = min(widths) if len(widths) > 1 else layout.widest
    return max(layout.widest, habit)


def _has_controls(text: str) -> bool:
    """Whether a text holds control characters or line separators."""
    return any(unicodedata.category(sign) in _CONTROLS for sign in text)
