"""The SKU of a source becomes Omnitron's by ordered rules, and by nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model import SkuRule
from worker.planning.mapping import is_sku, sku_mapper

STRIP = SkuRule(strip_prefix="TR-")
ADD = SkuRule(add_prefix="ACME-")
CUT = SkuRule(match=r"0*(\d+)\.(\w+)", replace=r"\2/\1")

MAPPED = [
    ((), "TR-1", "TR-1"),
    ((STRIP,), "TR-1", "1"),
    ((STRIP,), "TR-TR-1", "TR-1"),  # once
    ((STRIP,), "tr-1", "tr-1"),
    ((ADD,), "1", "ACME-1"),
    ((STRIP, ADD), "TR-1", "ACME-1"),
    ((ADD, STRIP), "TR-1", "ACME-TR-1"),
    ((CUT,), "0012.XL", "XL/12"),
    ((CUT,), "a0012.XL", "a0012.XL"),  # the whole SKU or nothing
    ((SkuRule(match=".*", replace=""),), "TR-1", ""),
    ((STRIP,), "TR- 1", "1"),
]


@pytest.mark.parametrize(("rules", "sku", "wanted"), MAPPED)
def test_rules_go_over_a_sku_in_their_order(
    rules: tuple[SkuRule, ...], sku: str, wanted: str
) -> None:
    assert sku_mapper(rules)(sku) == wanted


@given(st.text().map(str.strip))
def test_what_is_added_and_taken_off_again_is_the_sku(sku: str) -> None:
    assert sku_mapper([SkuRule(add_prefix="TR-"), STRIP])(sku) == sku


@given(st.text().map(str.strip))
def test_without_rules_nothing_is_folded_or_cut(sku: str) -> None:
    assert sku_mapper([])(sku) == sku


def test_nothing_and_too_much_are_no_sku() -> None:
    assert [is_sku(text) for text in ("", "1", "x" * 255, "x" * 256)] == [False, True, True, False]
