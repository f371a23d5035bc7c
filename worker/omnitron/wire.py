"""What goes over the wire and what its bytes mean: pure, no I/O (facts: ``omnitron-api.md``).

JSON is read strictly: no NaN, no trailing text, no nesting deeper than `MAX_DEPTH`.
"""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from worker.model import Key, StockList, StockRecord, Value

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_DEPTH = 32
"""Deeper JSON is refused; Omnitron's records have a depth of three at most."""

MAX_PK = 2**63 - 1

FIELDS = frozenset(
    {
        "id",
        "product_sku",
        "stock_list",
        "stock",
        "unit_type",
        "sold_quantity_unreported",
        "extra_field",
    }
)
"""The fields of a record of ``product_stock/``, sent or answered."""

WORDS = FIELDS | {"detail", "non_field_errors", "key"}
"""What Omnitron calls things at the top of its answers."""


class StockRow(NamedTuple):
    """One record of ``product_stock/``. sold and unit_type are None where the record has none."""

    pk: int | None
    key: Key
    stock: int
    unit_type: str | None
    sold: int | None


class StockPage(NamedTuple):
    """One page of ``product_stock/``.

    total: what Omnitron says it has in all, None if unreadable. skipped: records that could not be
    read. more: another page was announced. foreign_next: the announcement names another origin
    (a proxy that rewrites, or worse); it is never followed as a URL.
    """

    rows: list[StockRow]
    total: int | None
    skipped: int
    more: bool
    foreign_next: bool


class Envelope(NamedTuple):
    """The records of an answer, and whether it announces more."""

    records: list[Any]
    total: int | None
    following: str | None


def upsert_body(key: Key, value: Value) -> bytes:
    """JSON of one upsert, without the fields that are None.

    Raises ValueError if `extra` is not the text of a JSON object, TypeError if the SKU is no text
    that UTF-8 can hold: both are defects of the caller.
    """
    body: dict[str, Any] = {
        "product_sku": key.sku,
        "stock_list": key.stock_list,
        "stock": value.stock,
    }
    if value.unit_type is not None:
        body["unit_type"] = value.unit_type
    if value.sold is not None:
        body["sold_quantity_unreported"] = value.sold
    if value.extra is not None:
        body["extra_field"] = _verbatim_object(value.extra)
    return orjson.dumps(body)


def _verbatim_object(text: str) -> orjson.Fragment:
    """Embed the text as it is, so that long numbers keep every digit."""
    if not isinstance(orjson.loads(text), dict):
        raise ValueError("extra_field must be a JSON object")  # noqa: TRY004 - a text of the wrong content
    return orjson.Fragment(text)


def parse_json(content: bytes) -> Any:
    """Parse strictly. Raises ValueError for anything that is not JSON or nests too deeply."""
    body = orjson.loads(content)
    _refuse_depth(body)
    return body


def _refuse_depth(body: Any) -> None:
    layer = [body] if isinstance(body, dict | list) else []
    for _ in range(MAX_DEPTH):
        layer = [item for outer in layer for item in _inner(outer)]
        if not layer:
            return
    raise ValueError(f"JSON nested deeper than {MAX_DEPTH}")


def _inner(outer: Any) -> Iterable[Any]:
    items = outer.values() if isinstance(outer, dict) else outer
    return [item for item in items if isinstance(item, dict | list)]


def decoded(content: bytes, *, encoding: str, cap: int) -> bytes:
    """Undo ``Content-Encoding``, never making more than ``cap`` bytes.

    Raises ValueError for more than that, for broken data and for an encoding never asked for.
    """
    if encoding in {"", "identity"}:
        return content
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise ValueError(f"unknown content encoding {encoding[:40]!r}")
    inflate = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = inflate.decompress(content, cap + 1)
    except zlib.error as error:
        raise ValueError("broken compressed body") from error
    if len(plain) > cap:
        raise ValueError(f"a decoded body of more than {cap} bytes")
    if not inflate.eof:
        raise ValueError("a compressed body that ends too early")
    return plain


@lru_cache(maxsize=64)  # a server's Date is the same for all answers of a second
def http_date(text: str | None) -> float | None:
    """Epoch seconds of an HTTP date; None for anything else."""
    if not text or len(text) > 64:  # noqa: PLR2004 - no HTTP date is as long
        return None
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def iso_time(text: Any) -> float | None:
    """Epoch seconds of ``2025-12-01T14:18:51.343Z``; naive is UTC; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def envelope(body: Any) -> Envelope:
    """Take a paged envelope or a bare array apart. Raises ValueError for anything else."""
    if isinstance(body, list):
        return Envelope(records=body, total=None, following=None)
    if not isinstance(body, dict) or not isinstance(body.get("results"), list):
        raise ValueError("neither a list nor a page of results")  # noqa: TRY004 - JSON of the wrong shape
    following = body.get("next")
    return Envelope(
        records=body["results"],
        total=whole(body.get("count")),
        following=following if isinstance(following, str) and following else None,
    )


def is_foreign(url: str, *, origin: tuple[str, str, int]) -> bool:
    """Whether an absolute URL leads away from (scheme, host, port); a relative one does not."""
    try:
        parts = urlsplit(url)
        if not parts.scheme and not parts.netloc:
            return False
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        return True
    return (parts.scheme, parts.hostname or "", port) != origin


def whole(value: Any) -> int | None:
    """Return a JSON integer of 0 … 2^63 - 1 as it is, None for anything else (also true)."""
    return value if type(value) is int and 0 <= value <= MAX_PK else None


def stock_record(record: Any) -> StockRecord | None:
    """Read one record of a channel; None if a part that matters is missing or odd."""
    if not isinstance(record, dict):
        return None
    pk, stock_list = whole(record.get("pk", record.get("id"))), whole(record.get("stock_list"))
    stock = whole(record.get("stock"))
    if pk is None or stock_list is None or stock is None:
        return None
    return StockRecord(
        pk=pk,
        stock_list=stock_list,
        stock=stock,
        unit_type=_text(record.get("unit_type")),
        modified=iso_time(record.get("modified_date")),
    )


def stock_row(record: Any) -> StockRow | None:
    """Read one record of ``product_stock/``; None if a part that matters is missing or odd."""
    if not isinstance(record, dict):
        return None
    sku, stock_list = record.get("product_sku"), whole(record.get("stock_list"))
    stock = whole(record.get("stock"))
    if not isinstance(sku, str) or stock_list is None or stock is None:
        return None
    return StockRow(
        pk=whole(record.get("id", record.get("pk"))),
        key=Key(stock_list=stock_list, sku=sku),
        stock=stock,
        unit_type=_text(record.get("unit_type")),
        sold=whole(record.get("sold_quantity_unreported")),
    )


def stock_list(record: Any) -> StockList | None:
    """Read one record of ``stock_list/``; None without a pk. A missing name or code is ""."""
    if not isinstance(record, dict):
        return None
    pk = whole(record.get("pk", record.get("id")))
    if pk is None:
        return None
    return StockList(pk=pk, name=_shown(record.get("name")), code=_shown(record.get("code")))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else ""
