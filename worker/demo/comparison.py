"""Whether Omnitron shows what the ERP and the drop files say, key by key. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Key = tuple[int, str]


class Expected(NamedTuple):
    """What Omnitron should show of a key."""

    stock: int
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """keys: how many were compared. differences: a sentence each."""

    keys: int
    differences: Sequence[str]

    @property
    def equal(self) -> int:
        """How many keys are the same."""
        return self.keys - len(self.differences)


def compare(expected: Mapping[Key, Expected], state: Mapping[str, Mapping[str, Any]]) -> Comparison:
    """Lay the truth beside the sandbox's state: its record and what its channel shows."""
    shown = {_key(text): record for text, record in state.items()}
    keys = sorted(expected.keys() | shown.keys())
    sentences = [_difference(key, expected.get(key), shown.get(key)) for key in keys]
    return Comparison(keys=len(keys), differences=[text for text in sentences if text])


def _key(text: str) -> Key:
    stock_list, sku = text.split(":", 1)
    return int(stock_list), sku


def _difference(key: Key, wanted: Expected | None, shown: Mapping[str, Any] | None) -> str:
    name = f"list {key[0]}, SKU {key[1]}"
    if wanted is None:
        return f"{name}: Omnitron has it, no source does"
    if shown is None:
        return f"{name}: Omnitron lacks it, its stock is {wanted.stock}"
    found = Expected(shown["stock"], shown["unit_type"])
    if found != wanted:
        return f"{name}: {found.stock} {found.unit} in place of {wanted.stock} {wanted.unit}"
    if shown["channel_stock"] != wanted.stock:
        return f"{name}: the channel shows {shown['channel_stock']} in place of {wanted.stock}"
    return ""
