"""From the SKU of a source to Omnitron's: the configured steps, in their order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from worker.model import SkuRule

LONGEST_SKU = 255
"""A longer SKU is refused, as one that is read is."""


def sku_mapper(rules: Sequence[SkuRule]) -> Callable[[str], str]:
    """What takes a SKU through every rule that fits it; "" where it leaves nothing of it."""
    steps = [_step(rule) for rule in rules]

    def mapped(sku: str) -> str:
        for step in steps:
            sku = step(sku)
        return sku.strip()

    return mapped


def is_sku(text: str) -> bool:
    """Whether what the rules made can be a SKU at all; control signs are in none."""
    return 0 < len(text) <= LONGEST_SKU and min(text) >= " "


def _step(rule: SkuRule) -> Callable[[str], str]:
    if rule.strip_prefix is not None:
        prefix = rule.strip_prefix
        return lambda sku: sku.removeprefix(prefix)
    if rule.match is not None:
        return _replacement(re.compile(rule.match), rule.replace)
    return lambda sku: (rule.add_prefix or "") + sku


def _replacement(pattern: re.Pattern[str], template: str) -> Callable[[str], str]:
    def replaced(sku: str) -> str:
        found = pattern.fullmatch(sku)
        return sku if found is None else found.expand(template)

    return replaced
