"""How numbers seem to be written: decimal mark, thousands mark, place of the minus. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBER = re.compile(r"-?[0-9]+(?:[.,'\u00a0\u202f ][0-9]+)*-?")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:[.,'\u00a0\u202f ][0-9]{3})+")
_SIGNS = frozenset(".,'\u00a0\u202f ")
_PAIR = {".": ",", ",": "."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The marks of a column of numbers, and what is uncertain of them."""

    decimal: str = "."
    thousands: str = ""
    trailing_minus: bool = False
    doubts: tuple[str, ...] = ()


def is_number(text: str) -> bool:
    """Whether a cell is a number in some way of writing."""
    return _NUMBER.fullmatch(text.strip()) is not None


def marks_of(cells: Iterable[str]) -> Marks:
    """Find the marks that read every number among the cells, and say where two would."""
    numbers = [text for cell in cells if is_number(text := cell.strip())]
    behind = any(text.endswith("-") for text in numbers)
    digits = {text.strip("-") for text in numbers}
    decimals = {sign for sign in ".," if any(_proves_decimal(text, sign) for text in digits)}
    thousands = _thousands(digits)
    if len(decimals) == 1:
        (decimal,) = decimals
        others = (thousands | _grouping(digits)) - {decimal}
        return Marks(decimal=decimal, thousands=min(others, default=""), trailing_minus=behind)
    if len(decimals) > 1:
        doubt = "Numbers with a decimal point and numbers with a decimal comma are in one column."
        return Marks(trailing_minus=behind, doubts=(doubt,))
    return _undecided(digits, thousands, trailing_minus=behind)


def _undecided(digits: set[str], thousands: set[str], *, trailing_minus: bool) -> Marks:
    """Where no number proves its decimal mark: propose one, and say what else it could be."""
    unsure = sorted(text for text in digits if _GROUPED.fullmatch(text) and _marks_in(text) == 1)
    if thousands:
        mark = min(thousands)
        decimal = _PAIR.get(mark, ".")
        doubt = f"No number has a decimal mark; {decimal!r} is proposed beside thousands {mark!r}."
        return Marks(
            decimal=decimal, thousands=mark, trailing_minus=trailing_minus, doubts=(doubt,)
        )
    if not unsure:
        doubt = "No number has a decimal or thousands mark, so which the ERP writes is not told."
        return Marks(trailing_minus=trailing_minus, doubts=(doubt,))
    text = unsure[0]
    mark = next(sign for sign in text if not sign.isdigit())
    whole = "".join(sign for sign in text if sign.isdigit())
    doubt = (
        f"{text} could be {whole} or {text.replace(mark, '.').rstrip('0').rstrip('.')}: choose. "
        f"For {whole} set decimal = {_PAIR.get(mark, '.')!r} and thousands = {mark!r}."
    )
    return Marks(
        decimal=mark if mark in _PAIR else ".", trailing_minus=trailing_minus, doubts=(doubt,)
    )


def _proves_decimal(text: str, sign: str) -> bool:
    """Whether ``sign`` can only be the decimal mark of this number."""
    if text.count(sign) != 1:
        return False
    whole, _, fraction = text.partition(sign)
    if any(mark in fraction for mark in ".,' "):
        return False
    grouped_so = _GROUPED.fullmatch(text) is not None and _marks_in(text) == 1
    return not grouped_so and (whole.isdigit() or _GROUPED.fullmatch(whole) is not None)


def _thousands(digits: set[str]) -> set[str]:
    """The marks that can only part thousands: they stand twice, or before a decimal mark."""
    found = set()
    for text in digits:
        whole = re.split(r"[.,](?=[0-9]*\Z)", text)[0]
        twice = text if _marks_in(text) > 1 and len(set(re.sub(r"[0-9]", "", text))) == 1 else ""
        for part in (whole if whole != text else "", twice):
            if _GROUPED.fullmatch(part):
                found.add(next(sign for sign in part if not sign.isdigit()))
    return found


def _grouping(digits: set[str]) -> set[str]:
    """The marks that may part thousands: three digits follow each."""
    return {sign for text in digits if _GROUPED.fullmatch(text) for sign in text if sign in _SIGNS}


def _marks_in(text: str) -> int:
    """How many marks stand in a number."""
    return sum(not sign.isdigit() for sign in text)
