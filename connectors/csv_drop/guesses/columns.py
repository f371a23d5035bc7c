"""Which column of a table seems to hold what: by its header's words, else by its content. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from connectors.csv_drop.guesses import words
from connectors.csv_drop.guesses.marks import is_number

if TYPE_CHECKING:
    from collections.abc import Sequence

_ODD = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # a row identifier
    r"|[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}(?:[ T].*)?"  # a date
)
_MOST = 0.8
_MOST_UNITS = 8
_MOST_WAREHOUSES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """0-based places of columns, and what is uncertain of them; None: not found.

    warehouses: the columns of a pivot table, instead of `stock` and `warehouse`.
    """

    header: bool
    sku: int | None = None
    stock: int | None = None
    warehouse: int | None = None
    unit: int | None = None
    warehouses: tuple[int, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(slots=True)
class _Table:
    """Columns of cells below a header, or below nothing."""

    header: list[str]
    columns: list[list[str]]
    doubts: list[str] = field(default_factory=list)

    def name(self, at: int) -> str:
        """Name a column for people."""
        return repr(self.header[at].strip()) if self.header else f"column {at + 1}"

    def share(self, at: int) -> float:
        """Which share of the cells that are not blank holds numbers."""
        filled = [cell for cell in self.columns[at] if cell.strip()]
        return sum(map(is_number, filled)) / len(filled) if filled else 0.0

    def kinds(self, at: int) -> int:
        """How many different texts a column holds."""
        return len({cell.strip() for cell in self.columns[at] if cell.strip()})


def roles_of(rows: Sequence[Sequence[str]]) -> Roles:
    """Find the columns of a table whose first row may be its header."""
    if not rows:
        return Roles(header=True, doubts=("There is not one row.",))
    header = _is_header(rows)
    width = max((n for row in rows[:2] for n, cell in enumerate(row, 1) if cell.strip()), default=1)
    body = [row for row in rows[1 if header else 0 :] if len(row) >= width]
    columns = [[row[at] for row in body] for at in range(width)]
    head = [*rows[0], *[""] * width][:width] if header else []
    table = _Table(header=head, columns=columns)
    return _by_header(table) if header else _by_content(table)


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: by the word for a code, or by no number over some."""
    if any(words.plain(cell) in words.SKU for cell in rows[0]):
        return True
    below = [cell for row in rows[1:20] for cell in row]
    return not any(map(is_number, rows[0])) and any(map(is_number, below))


def _by_header(table: _Table) -> Roles:
    """Find columns by the words that head them; those that no word tells by their content."""
    sku = _headed(table, words.SKU, "SKU", taken=set())
    unit = _headed(table, words.UNIT, "unit", taken={sku})
    stock = _headed(table, words.STOCK, "stock", taken={sku, unit})
    warehouse = _headed(table, words.WAREHOUSE, "warehouse", taken={sku, unit, stock})
    left = [at for at in range(len(table.columns)) if at not in {sku, unit}]
    pivot = [at for at in left if table.header[at].strip() and table.share(at) >= _MOST]
    if sku is not None and stock is None and len(pivot) > 1:
        table.doubts.append(
            "No header means stock, and several columns hold numbers only: they are taken for one "
            "warehouse each."
        )
        return _roles(table, sku=sku, unit=unit, warehouses=tuple(pivot))
    if sku is None or stock is None:
        guessed = _by_content(table)
        sku = guessed.sku if sku is None else sku
        stock = guessed.stock if stock is None else stock
    return _roles(table, sku=sku, stock=stock, warehouse=warehouse, unit=unit)


def _headed(
    table: _Table, known: Sequence[str], what: str, *, taken: set[int | None]
) -> int | None:
    """Find the column whose header fits best, and name the others that would do."""
    ranked = sorted(
        (place, at)
        for at, cell in enumerate(table.header)
        if at not in taken and (place := words.rank(cell, known)) is not None
    )
    if not ranked:
        return None
    others = [table.name(at) for place, at in ranked[1:] if place < len(known)]
    if others:
        table.doubts.append(
            f"{table.name(ranked[0][1])} is taken for the {what}; {', '.join(others)} could be too."
        )
    return ranked[0][1]


def _by_content(table: _Table) -> Roles:
    """Find columns by what stands in them; all of it is uncertain."""
    places = [at for at in range(len(table.columns)) if not _is_odd(table.columns[at])]
    unit = next((at for at in places if _are_units(table.columns[at])), None)
    places = [at for at in places if at != unit and table.kinds(at)]
    sku = _leftmost_of_many(table, places)
    numbers = [at for at in places if at != sku and table.share(at) >= _MOST]
    stock = max(numbers, key=lambda at: (table.kinds(at), at), default=None)
    warehouse = _parting(table, sku, [at for at in places if at not in {sku, stock}])
    found = {"SKU": sku, "stock": stock, "warehouse": warehouse, "unit": unit}
    said = ", ".join(f"{what} {table.name(at)}" for what, at in found.items() if at is not None)
    if said:
        table.doubts.append(f"Told by content alone: {said}. See below that it is so.")
    return _roles(table, sku=sku, stock=stock, warehouse=warehouse, unit=unit)


def _leftmost_of_many(table: _Table, places: Sequence[int]) -> int | None:
    """The first column with at least half as many different texts as any: codes stand in front."""
    most = max((table.kinds(at) for at in places), default=0)
    return next((at for at in places if table.kinds(at) * 2 >= most), None)


def _parting(table: _Table, sku: int | None, places: Sequence[int]) -> int | None:
    """The first column of few texts that tells rows of one SKU apart."""
    if sku is None or table.kinds(sku) == len(table.columns[sku]):
        return None
    few = [at for at in places if 1 < table.kinds(at) <= _MOST_WAREHOUSES]

    def pairs(at: int) -> int:
        return len(set(zip(table.columns[sku], table.columns[at], strict=True)))

    return max(few, key=lambda at: (pairs(at), -at), default=None)


def _are_units(cells: Sequence[str]) -> bool:
    """Whether most cells are words for units."""
    known = (*words.PIECES, *words.WEIGHTS, *words.OTHER_UNITS)
    filled = [words.plain(cell) for cell in cells if cell.strip()]
    few = 0 < len(set(filled)) <= _MOST_UNITS
    return few and sum(word in known for word in filled) >= len(filled) * _MOST


def _is_odd(cells: Sequence[str]) -> bool:
    """Whether a column holds dates or row identifiers, which are neither code nor stock."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    return (
        bool(filled) and sum(bool(_ODD.fullmatch(cell)) for cell in filled) >= len(filled) * _MOST
    )


def _roles(table: _Table, **places: object) -> Roles:
    """Put the found places and the doubts together."""
    return Roles(header=bool(table.header), doubts=tuple(table.doubts), **places)  # type: ignore[arg-type]
