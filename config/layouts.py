"""What the keys on the columns and numbers of CSV files say together. Looks at the bare tree."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from config.problem import Complaint, KeyPath

if TYPE_CHECKING:
    from collections.abc import Iterator

Tree = dict[str, Any]


def layout_mistakes(source: Tree, path: KeyPath) -> Iterator[Complaint]:
    """Find what cannot be true together about the layout of a source's files."""
    columns = _table(source, "columns")
    headless = _table(source, "format").get("header") in {False, "false", "0"}
    yield from _stock_list(source, columns, path)
    yield from _stock(columns, (*path, "columns"))
    yield from _used_twice(columns, (*path, "columns"))
    yield from _separators(_table(source, "format"), (*path, "format"))
    for number, skip in enumerate(_tables(source, "skip_rows_where")):
        yield from _skip(skip, (*path, "skip_rows_where", number))
    if headless:
        yield from _headers_of_none(source, columns, path)


def _stock_list(source: Tree, columns: Tree, path: KeyPath) -> Iterator[Complaint]:
    named = next((key for key in ("warehouse", "warehouses") if key in columns), None)
    if "stock_list" in source and named is not None:
        yield Complaint(
            (*path, "stock_list"),
            f"stands beside columns.{named}",
            "Keep stock_list for one fixed list, or the column for several.",
        )
    elif "stock_list" not in source and named is None:
        yield Complaint(
            (*path, "stock_list"),
            "is missing, and so is columns.warehouse",
            "Set stock_list for one fixed list, or columns.warehouse for several.",
        )


def _stock(columns: Tree, path: KeyPath) -> Iterator[Complaint]:
    """Find out whether it is a list, or a pivot table with a column per warehouse."""
    if not columns:
        return
    if "warehouses" not in columns:
        if "stock" not in columns:
            remedy = "Name the column with the stock, or the columns.warehouses of a pivot table."
            yield Complaint((*path, "stock"), "is missing", remedy)
        return
    if not columns["warehouses"]:
        yield Complaint((*path, "warehouses"), "are none", "Name their headers, or take it out.")
    for key in ("stock", "warehouse"):
        if key in columns:
            remedy = "In a pivot table each of columns.warehouses holds stock; take this out."
            yield Complaint((*path, key), "stands beside columns.warehouses", remedy)
    if "sold_quantity_unreported" in columns:
        remedy = "One number cannot be shared out to several warehouses; take it out."
        yield Complaint(
            (*path, "sold_quantity_unreported"), "stands beside columns.warehouses", remedy
        )


def _used_twice(columns: Tree, path: KeyPath) -> Iterator[Complaint]:
    single = [((key,), value) for key, value in columns.items() if isinstance(value, str | int)]
    several = columns.get("warehouses")
    named = [
        (("warehouses", number), value)
        for number, value in enumerate(several if isinstance(several, list | tuple) else ())
    ]
    seen = {str(columns.get("sku"))}
    for key, column in [*single, *named]:
        if str(column) in seen and key != ("sku",):
            yield Complaint((*path, *key), "is a column used twice", "Name another column.")
        seen.add(str(column))


def _headers_of_none(source: Tree, columns: Tree, path: KeyPath) -> Iterator[Complaint]:
    """Find columns that are named by header text where files have none."""
    extra = _table(columns, "extra_field").items()
    skips = enumerate(_tables(source, "skip_rows_where"))
    named = [
        *((("columns", key), column) for key, column in columns.items()),
        *((("columns", "extra_field", key), column) for key, column in extra),
        *((("skip_rows_where", number, "column"), skip.get("column")) for number, skip in skips),
    ]
    for key, column in named:
        if isinstance(column, str) or key == ("columns", "warehouses"):
            yield Complaint(
                (*path, *key),
                "is a header text, but the files have no header",
                "Write the column's position, counted from 1.",
            )


def _skip(skip: Tree, path: KeyPath) -> Iterator[Complaint]:
    if ("equals" in skip) == ("matches" in skip):
        remedy = "Write one of the two: the text of the cell, or a regular expression for it."
        yield Complaint(path, "needs either equals or matches", remedy)
    pattern = skip.get("matches")
    if isinstance(pattern, str):
        try:
            re.compile(pattern)
        except re.error:
            remedy = "It must fit the whole cell, like 'TOPLAM.*', in single quotes."
            yield Complaint((*path, "matches"), "is no regular expression", remedy)


def _separators(form: Tree, path: KeyPath) -> Iterator[Complaint]:
    thousands = form.get("thousands", "")
    if thousands and thousands == form.get("decimal", "."):
        remedy = "Set decimal and thousands to different characters."
        yield Complaint((*path, "thousands"), "is the same as decimal", remedy)


def _table(tree: Tree, name: str) -> Tree:
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def _tables(tree: Tree, name: str) -> list[Tree]:
    found = tree.get(name)
    items = found if isinstance(found, list | tuple) else []
    return [item if isinstance(item, dict) else {} for item in items]
