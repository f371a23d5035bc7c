"""Words by which ERPs head their columns, in Turkish, German and English. Knows no file."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from connectors.csv_drop.layout import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

SKU = (
    *("sku", "stokkodu", "stokkod", "stokno", "urunkodu", "malkodu", "malzemekodu", "itemcode"),
    *("itemno", "itemnumber", "productcode", "productsku", "artikelnummer", "artikelnr", "artnr"),
    *("materialnummer", "material", "malzeme", "artikel", "productid", "itemid", "item", "partno"),
    *("urun", "product", "kod", "kodu", "code", "barkod", "barcode", "ean", "gtin", "variantcode"),
)
STOCK = (
    *("kullanilabilirmiktar", "kullanilabilirstok", "kullanilabilir", "satilabilirmiktar"),
    *("verfugbarerbestand", "freiverwendbar", "verfugbar", "available", "availablequantity"),
    *("availablestock", "availableqty", "qtyavailable", "stokmiktari", "miktar", "mevcutmiktar"),
    *("mevcut", "bakiye", "bestand", "lagerbestand", "menge", "stock", "stok", "quantity", "qty"),
    *("onhand", "qtyonhand", "quantityonhand", "actualqty", "unrestricted", "adet"),
)
WAREHOUSE = (
    *("depokodu", "depo", "depono", "ambarkodu", "ambar", "lagerort", "lort", "lager", "lagercode"),
    *("warehouse", "warehousecode", "whscode", "whs", "wh", "stocklocation", "location"),
    *("locationid", "locationcode", "magaza", "sube", "store", "werk", "plant"),
)
UNIT = (
    *("olcubirimi", "birim", "birimi", "einheit", "mengeneinheit", "bme", "meins", "me", "unit"),
    *("uom", "unitofmeasure", "units", "unittype", "olcu"),
)
PIECES = (
    "ad",
    "adet",
    "ea",
    "each",
    "pc",
    "pce",
    "pcs",
    "piece",
    "pieces",
    "st",
    "stk",
    "stuck",
    "qty",
    "unit",
)
WEIGHTS = ("kg", "kgm", "kilo", "kilogram", "kilogramm")
OTHER_UNITS = (
    "g",
    "gr",
    "l",
    "lt",
    "m",
    "mt",
    "m2",
    "m3",
    "pk",
    "paket",
    "kutu",
    "koli",
    "box",
    "cm",
    "duzine",
)
TOTALS = (
    *("toplam", "geneltoplam", "aratoplam", "total", "grandtotal", "subtotal", "summe"),
    *("gesamt", "gesamtsumme", "insgesamt", "zwischensumme"),
)

_NOT_A_LETTER = re.compile(r"[^a-z0-9]+")


def plain(text: str) -> str:
    """Fold a word to ASCII letters and digits, so that ``Verfügbarer Bestand`` is one word."""
    parted = unicodedata.normalize("NFKD", fold(text).replace("ß", "ss"))
    return _NOT_A_LETTER.sub("", parted)


def rank(text: str, words: Sequence[str]) -> int | None:
    """How well a header fits: the place in ``words``, later ones if it only holds one; or None."""
    word = plain(text)
    if word in words:
        return words.index(word)
    held = [n for n, known in enumerate(words) if len(known) > 3 and known in word]  # noqa: PLR2004
    return len(words) + held[0] if held else None
