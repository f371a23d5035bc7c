"""Pages and filters of list resources. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from worker.sandbox.reply import Reply, detail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from yarl import URL

    from worker.sandbox.stocks import Stock, Version

DEFAULT_LIMIT = 10
MAX_LIMIT = 1_000
"""No page size is published; these two are assumed."""

T = TypeVar("T")


class Page(NamedTuple):
    """Which part of a list is asked for; number counts from 1, 0: no number at all."""

    limit: int
    number: int

    @property
    def start(self) -> int:
        """Where the page begins."""
        return (self.number - 1) * self.limit

    def cut(self, rows: Sequence[T]) -> Sequence[T]:
        """Return the rows of this page."""
        return rows[self.start : self.start + self.limit]


def page_of(query: Mapping[str, str]) -> Page:
    """Read ``limit`` and ``page``; a bad limit is the default one, a bad page is number 0."""
    limit = _positive(query.get("limit", "")) or DEFAULT_LIMIT
    number = _positive(query.get("page", "1"))
    return Page(min(limit, MAX_LIMIT), number)


def _positive(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004


def envelope(url: URL, rows: Sequence[T], show: Callable[[T], dict[str, Any]]) -> Reply:
    """Answer one page of rows, with absolute links to its neighbours."""
    page = page_of(url.query)
    if page.number < 1 or (page.number > 1 and page.start >= len(rows)):
        return detail(404, "Invalid page.")
    more = page.start + page.limit < len(rows)
    return Reply(
        200,
        {
            "count": len(rows),
            "next": str(url.update_query(page=page.number + 1)) if more else None,
            "previous": str(url.update_query(page=page.number - 1)) if page.number > 1 else None,
            "results": [show(row) for row in page.cut(rows)],
        },
    )


class BadFilter(Exception):  # noqa: N818 - named by what it is
    """A filter's value cannot be read; carries the answer's problems."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.problems = {name: ["Enter a number."]}


def whole_numbers(query: Mapping[str, str], name: str) -> frozenset[int] | None:
    """Read a comma-separated list of integers; None: the filter is absent."""
    text = query.get(name, "")
    if not text:
        return None
    try:
        return frozenset(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise BadFilter(name) from None


_FILTERS: Mapping[str, Callable[[Stock, Version], int]] = {
    "product": lambda stock, _: stock.product,
    "stock": lambda _, version: version.stock,
    "sold_quantity_unreported": lambda _, version: version.sold,
    "stock_list": lambda stock, _: stock.stock_list,
}


def filtered(
    stocks: Sequence[Stock], query: Mapping[str, str], *, of: Callable[[Stock], Version | None]
) -> Sequence[Stock]:
    """Return the stocks that pass every filter of the query; raises BadFilter.

    of: the version of a stock that the asker sees; a stock without one is left out.
    ``modifier_collection`` and the attribute filters are accepted and change nothing.
    """
    tests = [
        (read, wanted)
        for name, read in _FILTERS.items()
        if (wanted := whole_numbers(query, name)) is not None
    ]
    unit, sku = query.get("unit_type"), query.get("product_sku")
    if not tests and unit is None and sku is None:
        return stocks
    return [
        stock
        for stock in stocks
        if (version := of(stock)) is not None
        and (unit is None or version.unit_type == unit)
        and (sku is None or stock.sku == sku)
        and all(read(stock, version) in wanted for read, wanted in tests)
    ]


def chained(groups: Iterable[Sequence[T]]) -> Sequence[T]:
    """Join sequences; one alone is not copied."""
    present = [group for group in groups if group]
    if len(present) == 1:
        return present[0]
    return [row for group in present for row in group]
