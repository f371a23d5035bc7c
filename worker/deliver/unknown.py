"""Products that Omnitron does not know: one failure per source and stock list, with a count."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from worker.ledger import failures, levels, sources
from worker.ledger.failures import NewFailure, unknown_identity
from worker.model import FailureKind
from worker.planning.levels import UNKNOWN_PRODUCT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from worker.model import Outcome
    from worker.planning.levels import Level

_REMEDY = (
    "create them in Omnitron; they are tried again by themselves after an hour, then ever later,"
    " up to a day. At once: stocksync failures replay --reason unknown_product"
)


class Asked(NamedTuple):
    """What a batch has learnt of one level's product. outcome: Omnitron does not know it."""

    level: Level
    outcome: Outcome | None
    news: bool


def tell(connection: Connection, asked: Iterable[Asked], *, batch_id: int, now: float) -> None:
    """Open, count anew or close the failures of the sources and lists that these levels are of.

    What a person has dismissed stays closed until another product turns out to be unknown.
    """
    groups: dict[tuple[int, int], list[Asked]] = {}
    for each in asked:
        groups.setdefault((each.level.source_id, each.level.stock_list), []).append(each)
    owners = sources.names_by_id(connection) if groups else {}
    for (source_id, stock_list), found in sorted(groups.items()):
        source = owners.get(source_id, "")
        is_open = failures.unknown_is_open(connection, source, stock_list)
        if not is_open and not any(each.news for each in found):
            continue
        count = levels.unknown_count(connection, source_id, stock_list)
        refused = [each for each in found if each.outcome is not None]
        if not count:
            failures.close_unknown(connection, source, stock_list, why="all are known", now=now)
        elif refused:
            failure = _failure(source, stock_list, count, refused[-1], batch_id)
            failures.record(connection, [failure], now=now)
        else:
            message = _message(stock_list, count)
            failures.recount_unknown(connection, source, stock_list, count=count, message=message)


def _failure(source: str, stock_list: int, count: int, example: Asked, batch_id: int) -> NewFailure:
    outcome = example.outcome
    return NewFailure(
        kind=FailureKind.ITEM,
        identity=unknown_identity(stock_list),
        reason=UNKNOWN_PRODUCT,
        message=_message(stock_list, count, f", for example {example.level.sku!r}"),
        remedy=_REMEDY,
        source=source,
        stock_list=stock_list,
        status=outcome.status if outcome else None,
        excerpt=(outcome.excerpt or None) if outcome else None,
        occurrences=count,
        batch_id=batch_id,
    )


def _message(stock_list: int, count: int, example: str = "") -> str:
    products = "1 product" if count == 1 else f"{count} products"
    return f"Omnitron does not know {products} of stock list {stock_list}{example}."
