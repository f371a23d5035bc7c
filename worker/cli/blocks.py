"""Writes a proposed source as a block of the configuration file. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from connectors.csv_drop.guesses import words
from connectors.csv_drop.options import CsvFormat, Ready

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.csv_drop.options import CsvOptions
    from connectors.csv_drop.sampling import Proposal

_ALWAYS = ("encoding", "delimiter", "header", "decimal", "thousands")
_IF_DIFFERENT = ("quoted", "bordered", "trailing_minus")


def block_of(proposal: Proposal) -> str:
    """Write the block as TOML; what only a person knows stands in it as a comment."""
    return "\n".join(_lines(proposal)) + "\n"


def _lines(proposal: Proposal) -> Iterator[str]:
    options = proposal.options
    yield from _source(options)
    if not (options.columns.warehouse or options.columns.warehouses):
        yield "# stock_list = 1  # the pk of Omnitron's stock list that this stock belongs to"
    yield from (
        f"skip_rows_where = [{{ column = {_toml(skip.column)}, equals = {_toml(skip.equals)} }}]"
        for skip in options.skip_rows_where[:1]
    )
    yield from ("", "[sources.format]", *_format(options.format))
    yield from ("", "[sources.columns]", *_columns(options))
    yield from _units(proposal.units)
    yield from _warehouses(proposal.warehouses)


def _source(options: CsvOptions) -> Iterator[str]:
    yield "[[sources]]"
    yield 'name = "drop"'
    yield 'type = "csv"'
    yield f"path = {_toml(str(options.path))}"
    yield f"pattern = {_toml(options.pattern)}"
    yield f"mode = {_toml(options.mode.value)}"
    if options.ready is not Ready.STABLE:
        yield f"ready = {_toml(options.ready.value)}"
    if options.trailer is not None:
        yield f"trailer = {_toml(options.trailer)}"
    if options.final_newline is not None:
        yield f"final_newline = {_toml(options.final_newline.value)}"


def _format(form: CsvFormat) -> Iterator[str]:
    usual = CsvFormat()
    for name in (*_ALWAYS, *_IF_DIFFERENT):
        if name in _ALWAYS or getattr(form, name) != getattr(usual, name):
            yield f"{name} = {_toml(getattr(form, name))}"


def _columns(options: CsvOptions) -> Iterator[str]:
    columns = options.columns
    for name in ("sku", "stock", "warehouse", "unit_type"):
        column = getattr(columns, name)
        if column is not None:
            yield f"{name} = {_toml(column)}"
    if columns.warehouses:
        yield f"warehouses = [{', '.join(map(_toml, columns.warehouses))}]"


def _units(units: Sequence[str]) -> Iterator[str]:
    """Units by their known words; the rest as comments, since Omnitron knows pieces and kg only."""
    if not units:
        return
    yield from ("", "[sources.units]")
    for unit in units:
        word = words.plain(unit)
        if word in words.WEIGHTS:
            yield f'{_toml(unit)} = "kg"'
        elif word in words.PIECES:
            yield f'{_toml(unit)} = "qty"'
        else:
            yield f'# {_toml(unit)} = "qty"  # or "kg"? Its rows are rejected until it is told'


def _warehouses(warehouses: Sequence[str]) -> Iterator[str]:
    """Only a person knows which stock list a warehouse belongs to."""
    if not warehouses:
        return
    yield from ("", "# At the top of the file, the pk of Omnitron's stock list of each warehouse:")
    yield "# [stock_lists]"
    yield from (f"# {_toml(warehouse)} = 1" for warehouse in warehouses)


def _toml(value: object) -> str:
    """Write a text, a number or a truth value; TOML's texts are JSON's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
