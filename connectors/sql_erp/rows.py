"""Result rows turned into rows and rejects of the contract. Pure; knows no database.

A value is taken as what it is: nothing is guessed, and nothing of a broken row is applied.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from connectors.contract import Chunk, KeptRow, Reject, Row
from connectors.errors import SourceMisconfigured
from connectors.numbers import NotANumber, canonical_decimal

if TYPE_CHECKING:
    from collections.abc import Sequence

REQUIRED = ("sku", "stock")
SOLD, EXTRA = "sold_quantity_unreported", "extra_field"
KNOWN = (*REQUIRED, "warehouse", "unit_type", "cursor_value", "row_key", SOLD, EXTRA)
_ALIASES = {
    "sku": "`item_code AS sku`",
    "stock": "`available AS stock`",
    "warehouse": "`depot AS warehouse`",
    "cursor_value": "`changed_at AS cursor_value` (the column that :cursor is compared with)",
}
"""How a person writes each column that may be required."""

MAX_SKU = 255
MAX_SOLD = 2**31 - 1
MAX_EXTRA = 10_000
RAW_BYTES = 2_048
VALUE_CHARACTERS = 200

INT64 = 2**63

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_REMEMBERED = 8_192
_known_quantity = lru_cache(maxsize=_REMEMBERED, typed=True)(canonical_decimal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where a result has the columns that matter, 0-based; None: it has no such column."""

    names: tuple[str, ...]
    sku: int
    stock: int
    warehouse: int | None
    unit_type: int | None
    cursor_value: int | None
    sold: int | None
    extra: int | None


class Fault(NamedTuple):
    """Why a row must not be applied, before its keys are known."""

    column: str
    value: object
    reason: str
    message: str
    remedy: str


class Unfit(Exception):  # noqa: N818 - names what the value is
    """A value cannot be read as the text or number that its column holds."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


def find_columns(names: Sequence[str], *, label: str, also: Sequence[str] = ()) -> Columns:
    """Find the columns by name, whatever their case; others are let be.

    also: those that must be there beside `REQUIRED`.

    Raises SourceMisconfigured, naming the columns seen, where one is missing or there twice.
    """
    folded = [name.lower() for name in names]
    twice = sorted({name for name in KNOWN if folded.count(name) > 1})
    missing = [name for name in (*REQUIRED, *also) if name not in folded]
    if twice or missing:
        raise _unfit_columns(names, label=label, twice=twice, missing=missing)
    at = {name: folded.index(name) for name in KNOWN if name in folded}
    return Columns(
        names=tuple(names),
        sku=at["sku"],
        stock=at["stock"],
        warehouse=at.get("warehouse"),
        unit_type=at.get("unit_type"),
        cursor_value=at.get("cursor_value"),
        sold=at.get(SOLD),
        extra=at.get(EXTRA),
    )


def read_chunk(results: Sequence[Sequence[object]], columns: Columns, *, first: int) -> Chunk:
    """Turn result rows into rows and rejects; ``first`` is the 1-based number of the first."""
    rows: list[Row] = []
    rejects: list[Reject] = []
    for place, cells in enumerate(results, first):
        try:
            rows.append(_read_row(cells, columns, place))
        except Unfit as unfit:
            rejects.append(_reject(unfit.fault, cells, columns, place))
    return Chunk(rows, rejects)


def reread(kept: KeptRow) -> Chunk | None:
    """Read a row again that a reject kept; None: it was cut, or lacks a column."""
    try:
        cells = json.loads(kept.raw)
        columns = find_columns(tuple(cells), label="kept row")
    except (ValueError, SourceMisconfigured):
        return None
    return read_chunk([tuple(cells.values())], columns, first=kept.place)


def _read_row(cells: Sequence[object], columns: Columns, place: int) -> Row:
    """Read one row; the common case of each cell is decided here, as this runs a million times."""
    sku = cells[columns.sku]
    if not (type(sku) is str and sku.isprintable() and sku[:1] > " " < sku[-1:]) or sku[MAX_SKU:]:
        sku = _sku(sku)
    warehouse = "" if columns.warehouse is None else _warehouse(cells[columns.warehouse])
    unit = "" if columns.unit_type is None else _text(cells[columns.unit_type], "unit_type")
    stock = cells[columns.stock]
    quantity = str(stock) if type(stock) is int and abs(stock) < INT64 else _quantity(stock)
    sold = None if columns.sold is None else _sold(cells[columns.sold])
    extra = None if columns.extra is None else _extra(cells[columns.extra])
    return Row(sku, warehouse, quantity, unit, sold, extra, place, cells)


def _quantity(stock: object) -> str:
    try:
        return _known_quantity(stock)
    except (NotANumber, TypeError) as error:  # TypeError: it cannot be remembered, like a list
        raise Unfit(_unfit_stock(stock, error)) from error


def _sold(value: object) -> str | None:
    """Return canonical digits; NULL says nothing."""
    if value is None:
        return None
    with suppress(NotANumber, TypeError):
        digits = _known_quantity(value)
        if digits.isdigit() and int(digits) <= MAX_SOLD:
            return digits
    message = f"{SOLD} is not a whole number from 0 to {MAX_SOLD}."
    raise Unfit(Fault(SOLD, value, "bad_sold", message, "Correct it in the ERP or the query."))


def _extra(value: object) -> str | None:
    """Return a JSON object as text with sorted keys; NULL says nothing."""
    if value is None:
        return None
    with suppress(ValueError, TypeError, RecursionError):  # ValueError: no JSON, or NaN in it
        found = json.loads(value) if isinstance(value, str | bytes) else value
        text = json.dumps(found, sort_keys=True, separators=(",", ":"), allow_nan=False)
        if isinstance(found, dict) and len(text) <= MAX_EXTRA:
            return text
    message = f"{EXTRA} is not a JSON object of at most {MAX_EXTRA} characters."
    remedy = 'State a JSON object like {"box": 3} in the query, or NULL.'
    raise Unfit(Fault(EXTRA, value, "bad_extra", message, remedy))


def _sku(value: object) -> str:
    sku = _text(value, "sku")
    if not sku:
        message = "The row has no SKU."
        raise Unfit(Fault("sku", value, "missing_sku", message, "State the SKU in the ERP."))
    if len(sku) > MAX_SKU or _CONTROL.search(sku):
        message = f"The SKU has control characters or more than {MAX_SKU} characters."
        raise Unfit(Fault("sku", value, "bad_sku", message, "Correct the SKU in the ERP."))
    return sku


def _warehouse(value: object) -> str:
    warehouse = _text(value, "warehouse")
    if not warehouse:
        message = "The row has no warehouse."
        remedy = "State the warehouse in the ERP, or leave such rows out of the query."
        raise Unfit(Fault("warehouse", value, "missing_warehouse", message, remedy))
    return warehouse


def _text(value: object, column: str) -> str:
    """Return a text without outer blanks; whole numbers and ids are texts to some databases."""
    if isinstance(value, str):
        return value.strip()
    if value is None:
        return ""
    if isinstance(value, int | UUID) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) <= MAX_SKU:
        return format(value, "f")
    message = f"{column} is of type {type(value).__name__}, not a text."
    raise Unfit(Fault(column, value, "not_text", message, f"Cast {column} to a text in the query."))


def _unfit_stock(value: object, error: Exception) -> Fault:
    if value is None:
        remedy = "State a number in the ERP, or use COALESCE in the query if NULL means 0."
        return Fault("stock", value, "null_stock", "The stock is NULL.", remedy)
    why = error.reason if isinstance(error, NotANumber) else f"it is a {type(value).__name__}"
    remedy = "Correct the stock in the ERP, or cast it to a decimal in the query."
    return Fault("stock", value, "not_a_number", f"The stock is not a number: {why}.", remedy)


def _reject(fault: Fault, cells: Sequence[object], columns: Columns, place: int) -> Reject:
    sku, warehouse = _keys(cells, columns)
    return Reject(
        place=place,
        column=fault.column,
        value="" if fault.value is None else str(fault.value)[:VALUE_CHARACTERS],
        reason=fault.reason,
        message=fault.message,
        remedy=fault.remedy,
        raw=_raw(cells, columns.names),
        sku=sku,
        warehouse=warehouse,
    )


def _keys(cells: Sequence[object], columns: Columns) -> tuple[str | None, str | None]:
    """Return what can be read of the key of a rejected row."""
    try:
        sku: str | None = _sku(cells[columns.sku])
    except Unfit:
        sku = None
    try:
        warehouse = "" if columns.warehouse is None else _warehouse(cells[columns.warehouse])
    except Unfit:
        return sku, None
    return sku, warehouse


def _raw(cells: Sequence[object], names: Sequence[str]) -> str:
    """Return the row as JSON text, cut to what a failure keeps; huge cells are cut first."""
    shown = {name: _shown(cell) for name, cell in zip(names, cells, strict=True)}
    text = json.dumps(shown, ensure_ascii=False)
    return text.encode("utf-8", "replace")[:RAW_BYTES].decode("utf-8", "ignore")


def _shown(cell: object) -> object:
    if cell is None or isinstance(cell, bool):
        return cell
    return str(cell)[:RAW_BYTES]


def _unfit_columns(
    names: Sequence[str], *, label: str, twice: Sequence[str], missing: Sequence[str]
) -> SourceMisconfigured:
    faults = [f"lacks the column {name}" for name in missing]
    faults += [f"has the column {name} more than once" for name in twice]
    examples = ", ".join(_ALIASES[name] for name in missing) or "`available AS stock`"
    instead = "; or give the source a `stock_list`" if "warehouse" in missing else ""
    return SourceMisconfigured(
        f"The result of {label} {' and '.join(faults)}; it has: {', '.join(names) or 'none'}.",
        remedy=f"Name the columns in the statement, like {examples}{instead}.",
        place=label,
    )
