"""What the keys on columns and numbers of CSV files say together, and what cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config.plans import fingerprint
from config.problem import ConfigurationError
from tests.unit.config_files import MINIMAL, csv_source, loaded

if TYPE_CHECKING:
    from pathlib import Path

WITHOUT_COLUMNS, _, _ = MINIMAL.partition("stock_list = 1")
HEADLESS = """\
stock_list = 1
columns = { sku = 1, stock = 2 }
format = { header = false }
"""


def source(text: str) -> str:
    """Write a source with these lines in the place of its list and columns."""
    return f"{WITHOUT_COLUMNS}{text}\n"


def test_a_pivot_table_needs_neither_stock_nor_warehouse(tmp_path: Path) -> None:
    text = source('columns = { sku = "sku", warehouses = ["ANK", "BER"] }')
    assert csv_source(loaded(tmp_path, text)).columns.warehouses == ("ANK", "BER")


def test_a_size_may_be_written_with_its_unit(tmp_path: Path) -> None:
    text = source('stock_list = 1\ncolumns = { sku = 1, stock = 2 }\nformat.max_bytes = "5MB"')
    assert csv_source(loaded(tmp_path, text)).format.max_bytes == 5_000_000


def test_a_column_of_an_extra_field_may_be_a_position_in_the_environment(tmp_path: Path) -> None:
    environ = {"STOCKSYNC_SOURCES__DROP__COLUMNS__EXTRA_FIELD__LOT": "3"}
    assert csv_source(loaded(tmp_path, MINIMAL, environ)).columns.extra_field == {"lot": 3}


@pytest.mark.parametrize(
    ("text", "place", "part"),
    [
        ('stock_list = 1\ncolumns = { sku = "a" }', "columns.stock", "is missing"),
        (
            'columns = { sku = "a", stock = "b", warehouses = ["c"] }',
            "columns.stock",
            "beside columns.warehouses",
        ),
        (
            'columns = { sku = "a", warehouse = "b", warehouses = ["c"] }',
            "columns.warehouse",
            "beside columns.warehouses",
        ),
        (
            'columns = { sku = "a", sold_quantity_unreported = "b", warehouses = ["c"] }',
            "columns.sold_quantity_unreported",
            "beside columns.warehouses",
        ),
        ('columns = { sku = "a", warehouses = [] }', "columns.warehouses", "are none"),
        (
            'columns = { sku = "a", warehouses = ["c", "c"] }',
            "columns.warehouses",
            "used twice",
        ),
        (
            'stock_list = 1\ncolumns = { sku = "a", warehouses = ["c"] }',
            "stock_list",
            "beside columns.warehouses",
        ),
        (
            'columns = { sku = 1, warehouses = ["c"] }\nformat = { header = false }',
            "columns.warehouses",
            "have no header",
        ),
        (
            HEADLESS.replace("stock = 2", 'stock = 2, extra_field = { x = "c" }'),
            "columns.extra_field.x",
            "have no header",
        ),
        (
            "stock_list = 1\ncolumns = { sku = 1, stock = 2 }\nskip_rows_where = [{ column = 1 }]",
            "skip_rows_where",
            "either equals or matches",
        ),
        (
            f'{HEADLESS}skip_rows_where = [{{ column = 1, matches = "(" }}]',
            "skip_rows_where",
            "no regular expression",
        ),
        (
            'stock_list = 1\ncolumns = { sku = 1, stock = 2 }\nformat.max_bytes = "much"',
            "format.max_bytes",
            "is not a size",
        ),
        (
            'stock_list = 1\ncolumns = { sku = 1, stock = 2 }\nformat.empty = "guess"',
            "format.empty",
            "",
        ),
    ],
)
def test_columns_that_cannot_be_are_refused(
    tmp_path: Path, text: str, place: str, part: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, source(text))
    [problem] = caught.value.problems
    assert f"sources.drop.{place}" in problem.place
    assert part in problem.message
    assert problem.remedy


@pytest.mark.parametrize(
    "more",
    [
        'skip_rows_where = [{ column = 1, equals = "TOPLAM" }]\n',
        "format.trailing_minus = true\n",
        'format.empty = "zero"\n',
    ],
)
def test_what_rows_mean_is_part_of_the_fingerprint(tmp_path: Path, more: str) -> None:
    text = source("stock_list = 1\ncolumns = { sku = 1, stock = 2 }")
    plain, other = (loaded(tmp_path, each).settings for each in (text, text + more))
    assert fingerprint(plain, plain.sources[0]) != fingerprint(other, other.sources[0])
