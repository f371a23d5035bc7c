"""Statements as lines of text, so that millions of them sort, spill and compare as plain strings.

A line is the part's name and its content. Lines stand in the order of stock list, SKU, warehouse
and place, the order in which both databases give the parts: what parts the fields sorts before
whatever a SKU may hold. A line of the ledger is the same without its place.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, NamedTuple

from worker.model import Key

if TYPE_CHECKING:
    from collections.abc import Sequence

LIST_BASE = 10**10
PLACE_BASE = 10**12
"""Added to the numbers, so that all of them have the same length and sort as texts."""

_SKU_AT = 12  # behind the stock list and the mark after it
_PLACE = re.compile("\x1e[0-9]+\x1f")
_UNFIT = re.compile("[\x00-\x1f]")


class Stated(NamedTuple):
    """One row as staged; quantity None: the row was rejected, its key counts as present.

    place: None for what the ledger knows.
    """

    stock_list: int
    sku: str
    warehouse: str
    quantity: str | None
    unit: str
    sold: str | None
    extra: str | None
    place: int | None


def is_fit(text: str) -> bool:
    """Whether a text can stand in a line: SKU, warehouse and unit must not hold control signs."""
    return _UNFIT.search(text) is None


def line_of(row: tuple[Any, ...]) -> str:
    """Write a row of the shape of `Stated` as a line; its place must be known."""
    stock_list, sku, warehouse, quantity, unit, sold, extra, place = row
    return (
        f"{LIST_BASE + stock_list}\x1f{sku}\x1f{warehouse}\x1e{PLACE_BASE + place}"
        f"\x1f{quantity or ''}\x1f{unit}\x1f{sold or ''}\x1f{extra or ''}"
    )


def stated(line: str) -> Stated:
    """Read a line of the scratch sorter or of the ledger."""
    name, _, said = line.partition("\x1e")
    stock_list, sku, warehouse = name.split("\x1f")
    *place, quantity, unit, sold, extra = said.split("\x1f")
    return Stated(
        int(stock_list) - LIST_BASE,
        sku,
        warehouse,
        quantity or None,
        unit,
        sold or None,
        extra or None,
        int(place[0]) - PLACE_BASE if place else None,
    )


def part_of(line: str) -> str:
    """The beginning of a line that names the part."""
    return line[: line.index("\x1e")]


def key_of(line: str) -> str:
    """The beginning of a line that names the key, with the mark that ends it."""
    return line[: line.index("\x1f", _SKU_AT) + 1]


def key(beginning: str) -> Key:
    """Read what `key_of` returns."""
    stock_list, sku, _ = beginning.split("\x1f")
    return Key(int(stock_list) - LIST_BASE, sku)


def beginning(key: Key | tuple[int, str]) -> str:
    """What `key_of` returns for the lines of this key."""
    return f"{LIST_BASE + key[0]}\x1f{key[1]}\x1f"


def without_places(lines: Sequence[str]) -> list[str]:
    """The lines as the ledger would have them."""
    return _PLACE.sub("\x1e", "\n".join(lines)).split("\n") if lines else []


def of_key(lines: Sequence[str], beginning: str) -> Sequence[str]:
    """The lines of one key out of sorted ones."""
    start = end = bisect_left(lines, beginning)
    while end < len(lines) and lines[end].startswith(beginning):
        end += 1
    return lines[start:end]


IN_SQL = (
    f"(CAST({LIST_BASE} AS BIGINT) + part.stock_list) || '\x1f' || part.sku || '\x1f' ||"
    " part.warehouse || '\x1e' || part.quantity || '\x1f' || part.unit || '\x1f' ||"
    " coalesce(part.sold, '') || '\x1f' || coalesce(part.extra, '')"
)
"""A row of the table ``part`` as a line, for SQLite and PostgreSQL."""
