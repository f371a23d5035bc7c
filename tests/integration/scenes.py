"""Scenery for tests of the ledger and the steps: sources, levels, and how they are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.ledger import batches, failures, levels, sources
from worker.model import Key, Value
from worker.planning.levels import created, stated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.ledger.batches import Line
    from worker.ledger.failures import Failure
    from worker.ledger.sources import Source
    from worker.planning.levels import Level

SOURCE = "drop"


def register(ledger: Ledger, *names: str) -> None:
    ledger.write(lambda connection: sources.register(connection, names or (SOURCE,)))


def source_of(ledger: Ledger, name: str = SOURCE) -> Source:
    with ledger.read() as connection:
        found = sources.named(connection, name)
    assert found is not None
    return found


def say(ledger: Ledger, stocks: Mapping[str, int], *, stock_list: int = 1) -> None:
    """Let the ERP state these stocks (SKU -> stock), without a pull."""
    register(ledger)
    source_id = source_of(ledger).id

    def work(connection: Connection) -> None:
        now = ledger.now(connection)
        keys = [Key(stock_list, sku) for sku in stocks]
        there = levels.by_keys(connection, keys, lock=True)
        changed = []
        for key in keys:
            value = Value(stocks[key.sku])
            if key in there:
                changed.append(stated(there[key], value, pull_id=there[key].pull_id + 1, now=now))
            else:
                changed.append(created(key, value, source_id=source_id, pull_id=1, now=now))
        levels.save(connection, changed)

    ledger.write(work)


def change(ledger: Ledger, sku: str, *, stock_list: int = 1, **fields: object) -> None:
    """Set fields of a level as they come."""

    def work(connection: Connection) -> None:
        key = Key(stock_list, sku)
        level = levels.by_keys(connection, [key])[key]
        levels.save(connection, [level._replace(**fields)])

    ledger.write(work)


def level_of(ledger: Ledger, sku: str, *, stock_list: int = 1) -> Level:
    with ledger.read() as connection:
        return levels.by_keys(connection, [(stock_list, sku)])[Key(stock_list, sku)]


def stocks_of(ledger: Ledger, *skus: str, stock_list: int = 1) -> dict[str, int]:
    """SKU -> stock of the levels that are there."""
    with ledger.read() as connection:
        found = levels.by_keys(connection, [(stock_list, sku) for sku in skus])
    return {key.sku: level.stock for key, level in found.items()}


def open_failures(ledger: Ledger) -> list[Failure]:
    with ledger.read() as connection:
        return failures.open_ones(connection)


def reasons(ledger: Ledger) -> list[str]:
    """Reason of each open failure, sorted."""
    return sorted(failure.reason for failure in open_failures(ledger))


def lines_of(ledger: Ledger, sku: str, *, stock_list: int = 1) -> list[Line]:
    with ledger.read() as connection:
        return batches.lines_for(connection, Key(stock_list, sku))
