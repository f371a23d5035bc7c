"""How what a source says becomes the stock that Omnitron should have (`design.md` §4.2).

Exact decimal arithmetic throughout; no float is ever made of a quantity.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING

from worker.model import MAX_STOCK, Duplicates, Negative, Rounding, Rules, Said, Value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EXACT = Context(prec=120)
"""Wide enough for any sum of parts: a number has at most 40 digits on either side of its mark."""

_ONE = Decimal(1)
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """Why something said cannot be applied, for a failure."""

    reason: str
    column: str
    value: str
    message: str
    remedy: str


def judge(said: Said, *, rules: Rules, units: Mapping[str, str]) -> Broken | None:
    """Whether one row may become a part: its sign and its unit, on the source's own number."""
    if rules.negative is Negative.REJECT and said.quantity.startswith("-"):
        return Broken(
            reason="negative",
            column="stock",
            value=said.quantity,
            message=f"the stock {said.quantity} is negative",
            remedy='correct it in the ERP, or take it as 0 with rules.negative = "zero"',
        )
    if said.unit and said.unit not in units:
        return _unknown_unit(said)
    return None


def resolve(rows: Sequence[Said], *, duplicates: Duplicates) -> Said | None:
    """One statement out of several for the same part; None: they differ and are rejected."""
    if duplicates is Duplicates.LAST or len(set(rows)) == 1:
        if duplicates is not Duplicates.SUM:
            return rows[-1]
    elif duplicates is Duplicates.REJECT:
        return None
    if len({(row.unit, row.sold, row.extra) for row in rows}) > 1:
        return None
    return rows[-1]._replace(quantity=plain(_sum(rows)))


def _sum(rows: Sequence[Said]) -> Decimal:
    """Exact, unlike the operators: these round to 28 digits, differently in another order."""
    return functools.reduce(_EXACT.add, (Decimal(row.quantity) for row in rows), _ZERO)


def plain(number: Decimal) -> str:
    """Canonical text of a decimal: no exponent, no superfluous zeros, zero without a sign."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def level_value(
    parts: Sequence[Said], *, rules: Rules, units: Mapping[str, str], gone: bool = False
) -> Value | Broken:
    """The value of a level out of all parts of its key.

    Sum of the parts (a negative one counts as it is, the sum never below 0) less the buffer, then
    rounding once, then minimum and maximum; above 2147483647 without a maximum it is broken, never
    cut. gone: no source states the key any more, so that no minimum holds it up.
    """
    total = _sum(parts)
    left = _EXACT.subtract(total, Decimal(rules.buffer))
    rounded = _rounded(max(left, _ZERO), rules.rounding)
    if rounded is None:
        return _fraction(total)
    stock = _bounded(rounded, rules, gone=gone)
    if stock > MAX_STOCK:
        return _too_large(total)
    unknown = next((part for part in parts if part.unit and part.unit not in units), None)
    if unknown is not None:
        return _unknown_unit(unknown)
    unit_types = {units[part.unit] for part in parts if part.unit}
    if len(unit_types) > 1:
        return _mixed_units(parts)
    sold = [int(part.sold) for part in parts if part.sold is not None]
    extra = next((part.extra for part in reversed(parts) if part.extra is not None), None)
    return Value(
        stock=int(stock),
        unit_type=next(iter(unit_types), None),
        sold=sum(sold) if sold else None,
        extra=extra,
    )


def _bounded(number: Decimal, rules: Rules, *, gone: bool) -> Decimal:
    raised = number if gone else max(number, Decimal(rules.minimum))
    return raised if rules.maximum is None else min(raised, Decimal(rules.maximum))


def _rounded(number: Decimal, rounding: Rounding) -> Decimal | None:
    if rounding is Rounding.FLOOR:
        return number.quantize(_ONE, rounding=ROUND_FLOOR, context=_EXACT)
    if rounding is Rounding.NEAREST:
        return number.quantize(_ONE, rounding=ROUND_HALF_UP, context=_EXACT)
    return number if number == number.to_integral_value() else None


def _fraction(total: Decimal) -> Broken:
    return Broken(
        reason="fraction",
        column="stock",
        value=plain(total),
        message=f"Omnitron takes whole numbers only, and the stock is {plain(total)}",
        remedy='choose rules.rounding = "floor" or "nearest" for this source',
    )


def _too_large(total: Decimal) -> Broken:
    return Broken(
        reason="too_large",
        column="stock",
        value=plain(total),
        message=f"the stock {plain(total)} is above {MAX_STOCK}, the most that Omnitron takes",
        remedy="correct it in the ERP, or limit what is shown with rules.maximum",
    )


def _unknown_unit(said: Said) -> Broken:
    return Broken(
        reason="unknown_unit",
        column="unit_type",
        value=said.unit,
        message=f"the unit {said.unit!r} is not configured",
        remedy=f'add it to the units of the source: "{said.unit}" = "qty" (or "kg")',
    )


def _mixed_units(parts: Sequence[Said]) -> Broken:
    units = ", ".join(sorted({part.unit for part in parts if part.unit}))
    return Broken(
        reason="mixed_units",
        column="unit_type",
        value=units,
        message=f"warehouses of one stock list state different units: {units}",
        remedy="state one unit per SKU in the ERP, or map the warehouses to lists of their own",
    )
