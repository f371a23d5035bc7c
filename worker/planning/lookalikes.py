"""SKUs of one pull that people take for the same: other case, blanks inside, other composition.

A pair that looks alike has a member that is not written the plain way. So only those that are not
need be kept, and in a catalogue of plain SKUs there is none: a glance at a whole chunk shows it.
Plain is capitals, or small letters where the first SKUs are written so.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MOST = 50_000
"""A pull in which more SKUs depart from the plain way is not looked through: memory is flat."""


def capitals(sku: str) -> str:
    """The SKU in capitals, composed, without blanks and invisible signs; all I's are one."""
    if sku.isascii() and " " not in sku:
        return sku.upper()
    visible = "".join(sign for sign in sku if unicodedata.category(sign) != "Cf")
    composed = "".join(unicodedata.normalize("NFC", visible).split()).upper()
    return unicodedata.normalize("NFC", composed).replace("\u0130", "I")


def small(sku: str) -> str:
    """The same in small letters."""
    return capitals(sku).lower()


class Spellings:
    """Collects the SKUs of a pull, chunk by chunk."""

    def __init__(self) -> None:
        self._plain: Callable[[str], str] | None = None
        self._odd: dict[str, str] = {}  # SKU -> its plain spelling, where that is another
        self.too_many = False

    def note(self, skus: Sequence[str]) -> None:
        """Look at the SKUs of a chunk."""
        if self.too_many or not skus:
            return
        plain = self._plain = self._plain or _usual(skus)
        text = "\x00".join(skus)
        if text == plain(text):
            return
        self._odd.update((sku, other) for sku in skus if (other := plain(sku)) != sku)
        if len(self._odd) > MOST:
            self.too_many = True
            self._odd.clear()

    def suspects(self) -> frozenset[str]:
        """Plain spellings that, stated as well, would look like another."""
        return frozenset(self._odd.values())

    def alike(self, stated: Iterable[str]) -> dict[str, str]:
        """Each SKU that looks like another one, with that one; stated: of the suspects."""
        groups: dict[str, set[str]] = defaultdict(set)
        for sku, plain in self._odd.items():
            groups[plain].add(sku)
        for plain in stated:
            groups[plain].add(plain)
        found: dict[str, str] = {}
        for group in groups.values():
            spelt = sorted(group)
            if len(spelt) > 1:
                found |= dict(zip(spelt, spelt[1:] + spelt[:1], strict=True))
        return found


def _usual(skus: Sequence[str]) -> Callable[[str], str]:
    in_small = sum(sku == small(sku) for sku in skus)
    return small if in_small > sum(sku == capitals(sku) for sku in skus) else capitals
