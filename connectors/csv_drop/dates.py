"""Dates within the names of files: told where a format says how, doubted where they only look so.

Pure. A year is plausible from 1990 to 2099.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTIVES = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "[0-9]{2}",
    "d": "[0-9]{2}",
    "j": "[0-9]{3}",
    "H": "[0-9]{2}",
    "M": "[0-9]{2}",
    "S": "[0-9]{2}",
    "f": "[0-9]{1,6}",
    "%": "%",
}
_YEARS = range(1990, 2100)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_FIRST = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}[-._ ][0-9]{1,2}[-._ ][0-9]{1,2}(?![0-9])")
_YEAR_LAST = re.compile(r"(?<![0-9])([0-9]{1,2})[-._ ]([0-9]{1,2})[-._ ]([0-9]{4})(?![0-9])")
_PAIRS = re.compile(r"(?<![0-9])([0-9]{2})([-._ ])([0-9]{2})\2([0-9]{2})(?![0-9])")
_RUN = re.compile(r"[0-9]+")
_DATE_DIGITS = 8
_SHORT_DATE_DIGITS = 6


class NoTime(Exception):  # noqa: N818 - named by what was not found
    """A name holds no time of the configured format, or several; the text says which."""


def time_of(name: str, form: str, *, zone: str, near_ns: int) -> int:
    """Find the moment that a name states, in microseconds since 1970.

    form: directives of `strptime` (year, month, day, hour, minute, second, day of the year,
    fraction) and text. zone: where clocks show such times; of an hour that a clock shows twice,
    the pass that is nearer to ``near_ns`` is meant.

    Raises NoTime.
    """
    found = {moment for text in _candidates(name, form) if (moment := _parsed(text, form))}
    if not found:
        raise NoTime(f"Its name holds no time of the form {form!r} (`name_time`).")
    if len(found) > 1:
        raise NoTime(f"Its name holds several times of the form {form!r} (`name_time`).")
    local = found.pop()
    passes = {_micros(local.replace(tzinfo=ZoneInfo(zone), fold=fold)) for fold in (0, 1)}
    return min(passes, key=lambda micros: abs(micros * 1_000 - near_ns))


def doubtful_date(name: str) -> str:
    """Find digits that may be a date whose order is not that of its digits; "" if there are none.

    The first thing in the name that looks like a date decides: what follows a date with the year
    in front is a time of day. Two digits for the year leave open which end is the year.
    """
    looks = sorted(_looks(name))
    return looks[0][1] if looks else ""


def is_year_first(digits: str) -> bool:
    """Whether a run of digits starts with a plausible year, month and day."""
    head = digits[:_DATE_DIGITS]
    return len(head) == _DATE_DIGITS and _is_date(head[:4], head[4:6], head[6:])


def _candidates(name: str, form: str) -> Iterator[str]:
    """Cut everything out of a name that has the shape of a format, at no digit's side."""
    shape = "".join(
        _DIRECTIVES.get(directive, re.escape(directive)) if directive else re.escape(text)
        for directive, text in re.findall(r"%(.)|([^%]+)", form)
    )
    for match in re.finditer(rf"(?<![0-9])(?=({shape})(?![0-9]))", name, re.IGNORECASE):
        yield match[1]


def _parsed(text: str, form: str) -> datetime | None:
    """Read a time; None if it is none (the 31st of February)."""
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007 - local, the caller knows the zone
    except ValueError:
        return None


def _micros(moment: datetime) -> int:
    """Count the microseconds from 1970 on."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _looks(name: str) -> Iterator[tuple[int, str]]:
    """Give what looks like a date: where it starts, and its digits if its order is in doubt."""
    for match in _YEAR_FIRST.finditer(name):
        yield match.start(), ""
    for match in _YEAR_LAST.finditer(name):
        if _is_year_last(match[1], match[2], match[3]):
            yield match.start(), match[0]
    for match in _PAIRS.finditer(name):
        if _is_either(match[1], match[3], match[4]):
            yield match.start(), match[0]
    for match in _RUN.finditer(name):
        if is_year_first(match[0]):
            yield match.start(), ""
        elif _is_doubtful(match[0]):
            yield match.start(), match[0]


def _is_doubtful(run: str) -> bool:
    """Whether a run of digits may be a date with the day in front, perhaps with a time of day."""
    if len(run) in {8, 10, 12, 14} and _is_clock(run[_DATE_DIGITS:]):
        day, month, year = run[:2], run[2:4], run[4:_DATE_DIGITS]
        if _is_year_last(day, month, year):
            return True
    if len(run) in {6, 12} and _is_clock(run[_SHORT_DATE_DIGITS:]):
        return _is_either(run[:2], run[2:4], run[4:6])
    return False


def _is_year_last(day: str, month: str, year: str) -> bool:
    """Whether three numbers are a date that ends in its year, day or month in front."""
    return _is_date(year, month, day) or _is_date(year, day, month)


def _is_either(first: str, month: str, last: str) -> bool:
    """Whether three pairs are a date from either end."""
    return _is_date("20" + first, month, last) and _is_date("20" + last, month, first)


def _is_date(year: str, month: str, day: str) -> bool:
    """Whether there is such a day in a plausible year."""
    try:
        return datetime(int(year), int(month), int(day), tzinfo=UTC).year in _YEARS
    except ValueError:
        return False


def _is_clock(digits: str) -> bool:
    """Whether digits are an hour, and perhaps minute and second, of a day; "" is one."""
    limits = ("24", "60", "60")
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    return all(pair < limit for pair, limit in zip(pairs, limits, strict=False))
