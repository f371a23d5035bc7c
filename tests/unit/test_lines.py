"""Statements as lines: written and read back, sorted like keys, merged from disk like in memory."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from worker.ledger.lines import (
    Stated,
    beginning,
    key,
    key_of,
    line_of,
    of_key,
    stated,
    without_places,
)
from worker.ledger.scratch import Scratch
from worker.model import Key

_TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6)
_ROWS = st.builds(
    Stated,
    stock_list=st.sampled_from([1, 2, 10, 2_147_483_647]),
    sku=st.one_of(st.sampled_from(["A", "A ", "A B", "AB", "a", "\u0131", "\U0001f9e6"]), _TEXT),
    warehouse=st.sampled_from(["", "W", "W 2", "W2"]),
    quantity=st.sampled_from([None, "0", "-1.5", "12"]),
    unit=st.sampled_from(["", "AD"]),
    sold=st.sampled_from([None, "3"]),
    extra=st.sampled_from([None, '{"a":"\\n"}']),
    place=st.integers(-1, 50_000_000),
)


@given(_ROWS)
def test_a_line_reads_as_what_was_written(row: Stated) -> None:
    line = line_of(row)
    assert stated(line) == row
    assert key(key_of(line)) == Key(row.stock_list, row.sku)
    assert beginning((row.stock_list, row.sku)) == key_of(line)
    assert [stated(known) for known in without_places([line])] == [row._replace(place=None)]


@given(st.lists(_ROWS, max_size=60), st.integers(1, 9))
def test_lines_come_back_in_the_order_of_their_keys(rows: list[Stated], size: int) -> None:
    with Scratch(run_rows=7, block_rows=2) as sorter:
        for row in rows:
            sorter.add([line_of(row)])
        every = sorted(sorter.every())
        pages = list(sorter.pages(size=size, whole=key_of))
    lines = list(itertools.chain.from_iterable(pages))
    names = [row[:3] for row in map(stated, lines)]
    assert (names, lines, every) == (sorted(names), sorted(map(line_of, rows)), sorted(lines))
    ends = itertools.pairwise((key_of(page[0]), key_of(page[-1])) for page in pages)
    assert all(before[1] != after[0] for before, after in ends)
    assert all(
        [stated(line) for line in of_key(lines, key_of(first))]
        == sorted((row for row in rows if key_of(line_of(row)) == key_of(first)), key=line_of)
        for first in lines
    )
