"""Numbers as sources write them, turned into canonical decimal text. Strict; never a guess.

Knows no file, no database and no column. Canonical text is ``-?digits[.digits]``: no exponent, no
leading or trailing zeros, ``0`` never negative, at most `MAX_DIGITS` digits. Equal numbers are
equal texts, so nothing here or later needs binary floating point, and nothing here turns unbounded
input into an int (``int(Decimal("1e9999999"))`` never ends).
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

MAX_DIGITS = 40
"""Digits of the longest number that is believed; a float of two summed decimals has about 20."""

_OUTER_BLANKS = " \t"
_EXCERPT = 40
_WELL_KNOWN = (
    (re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE), "it is not a finite number"),
    (re.compile(r"[+-]?[0-9.,]+[eE][+-]?[0-9]+"), "it is written with an exponent"),
    (re.compile(r"[0-9][0-9.,]*-"), "its minus stands at the end"),
)


class NotANumber(ValueError):  # noqa: N818 - named by what the text is
    """A value is not a number in the expected format; `reason` says why, as a clause."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def canonical(
    text: str, *, decimal: str = ".", thousands: str = "", trailing_minus: bool = False
) -> str:
    """Turn ``text`` into canonical decimal text.

    Taken are ASCII digits with an optional leading ``-``, one ``decimal`` mark between digits, and
    ``thousands`` marks either not at all or at exactly the right places. Outer blanks go.

    trailing_minus: the ``-`` may stand behind the digits instead (``5,000-``), as SAP writes it.

    Raises NotANumber for anything else.
    """
    trimmed = text.strip(_OUTER_BLANKS)
    if trailing_minus and trimmed.endswith("-") and not trimmed.startswith("-"):
        trimmed = f"-{trimmed[:-1]}"
    match = _pattern(decimal, thousands).fullmatch(trimmed)
    if match is None:
        raise NotANumber(_why_not(trimmed, decimal=decimal, thousands=thousands))
    sign, whole, fraction = match.groups()
    if thousands:
        whole = whole.replace(thousands, "")
    return _compose(negative=bool(sign), whole=whole, fraction=fraction or "")


def canonical_decimal(value: object) -> str:
    """Turn a value that a database driver returned into canonical decimal text.

    int, Decimal and float are taken by their exact digits (a float by its ``repr``: 0.1 + 0.2 stays
    ``0.30000000000000004``), str as `canonical` takes it with ``.`` as decimal mark.

    Raises NotANumber for None, bool, NaN, infinities, more than `MAX_DIGITS` digits, other types.
    """
    if isinstance(value, str):
        return canonical(value)
    if value is None:
        raise NotANumber("it is empty (NULL)")
    if isinstance(value, bool):
        raise NotANumber("it is a truth value")
    if isinstance(value, int):
        return _from_int(value)
    if isinstance(value, float):
        return _from_decimal(Decimal(repr(value)))
    if isinstance(value, Decimal):
        return _from_decimal(value)
    raise NotANumber(f"it is of type {type(value).__name__}")


@lru_cache(maxsize=64)
def _pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    """Sign, whole part and fraction of a number; a first group never starts with 0 (`0.123`)."""
    if not decimal or decimal == thousands:
        raise ValueError("the decimal mark must be there and differ from the thousands mark")
    grouped = rf"|[1-9][0-9]{{0,2}}(?:{re.escape(thousands)}[0-9]{{3}})+" if thousands else ""
    return re.compile(rf"(-?)([0-9]+{grouped})(?:{re.escape(decimal)}([0-9]+))?")


def _compose(*, negative: bool, whole: str, fraction: str) -> str:
    """Join ASCII digits to canonical text."""
    whole = whole.lstrip("0")
    fraction = fraction.rstrip("0")
    if len(whole) + len(fraction) > MAX_DIGITS:
        raise NotANumber(f"it has more than {MAX_DIGITS} digits")
    if not whole and not fraction:
        return "0"
    magnitude = f"{whole or '0'}.{fraction}" if fraction else whole
    return f"-{magnitude}" if negative else magnitude


def _from_int(value: int) -> str:
    """Canonical text of an int; bounded first, since writing out a huge one is quadratic."""
    if abs(value) >= 10**MAX_DIGITS:
        raise NotANumber(f"it has more than {MAX_DIGITS} digits")
    return str(int(value))


def _from_decimal(value: Decimal) -> str:
    """Canonical text of a Decimal; its exponent is looked at before any digit is written."""
    if not value.is_finite():
        raise NotANumber("it is not a finite number")
    if not value:
        return "0"
    if not -MAX_DIGITS <= value.adjusted() < MAX_DIGITS:
        raise NotANumber(f"it has more than {MAX_DIGITS} digits")
    sign, digits, exponent = value.as_tuple()
    point = len(digits) + int(exponent)
    text = "".join(map(str, digits)).ljust(point, "0")
    if point <= 0:
        return _compose(negative=bool(sign), whole="", fraction="0" * -point + text)
    return _compose(negative=bool(sign), whole=text[:point], fraction=text[point:])


def _why_not(text: str, *, decimal: str, thousands: str) -> str:
    """Say, as a clause, what keeps ``text`` from being a number in the expected format."""
    if not text:
        return "it is empty"
    for shape, reason in _WELL_KNOWN:
        if shape.fullmatch(text):
            return reason
    strange = next((sign for sign in text if sign not in f"-0123456789{decimal}{thousands}"), "")
    if strange:
        return f"it contains {strange!a} (U+{ord(strange):04X})"
    if thousands and thousands in text:
        return f"its marks {thousands!r} do not stand where thousands do"
    return f"{text[:_EXCERPT]!r} is not digits with at most one {decimal!r} between them"
