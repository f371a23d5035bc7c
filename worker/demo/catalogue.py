"""What the sample ERP trades in. Pure: the same seed gives the same catalogue."""

from __future__ import annotations

import random
from typing import NamedTuple

WAREHOUSES = {"IST": 1, "BER": 2}
"""Warehouse code of the ERP -> stock list of the sandbox, which has just these two."""

MISSING_PRODUCT = "YENİ-ÜRÜN-0001"
"""A product that the ERP stocks already and that nobody has created in Omnitron yet."""

_FAMILIES = (
    ("TİŞÖRT", "Tişört"),
    ("GÖMLEK", "Gömlek"),
    ("ŞORT", "Şort"),
    ("PANTOLON", "Pantolon"),
    ("ÇANTA", "Çanta"),
    ("AYAKKABI", "Ayakkabı"),  # noqa: RUF001 - Turkish
)
_SIZES = ("XS", "S", "M", "L", "XL")


class Product(NamedTuple):
    """An article of the ERP. opening: whole pieces per warehouse when the demo begins."""

    sku: str
    name: str
    opening: dict[str, int]


def products(count: int, *, seed: int) -> list[Product]:
    """The catalogue: a third has leading zeros, as barcodes have; the last one is missing."""
    dice = random.Random(seed)  # noqa: S311 - sample data
    ordinary = [_product(number, dice) for number in range(1, count)]
    return [*ordinary, Product(MISSING_PRODUCT, "Yeni ürün", {"IST": 40})]


def _product(number: int, dice: random.Random) -> Product:
    code, name = _FAMILIES[number % len(_FAMILIES)]
    size = _SIZES[number % len(_SIZES)]
    sku = f"00{8_690_000_000 + number}" if number % 3 == 0 else f"{code}-{number:05d}-{size}"
    opening = {"IST": _pieces(dice)}
    if dice.random() < 0.4:  # noqa: PLR2004 - the outlet has two fifths of the range
        opening["BER"] = _pieces(dice)
    return Product(sku, f"{name} {number} {size}", opening)


def _pieces(dice: random.Random) -> int:
    """Most articles have a few pieces, some have hundreds, one in twenty is sold out."""
    if dice.random() < 0.05:  # noqa: PLR2004 - one in twenty
        return 0
    return min(int(dice.expovariate(1 / 40)) + 1, 900)
