"""Overrides: a person pins what Omnitron shows of a SKU for a while, whatever the ERP says.

The pin lies on the level and the ERP's value goes on changing beneath it. When it ends, by its time
(`worker.ledger.pins`) or by a person, the value of then goes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from worker.errors import UsageError
from worker.ledger import events, levels, pins
from worker.planning.levels import pinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.planning.levels import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One pin as people see it. by, since: None where that is too long ago to be known."""

    level: Level
    by: str | None
    since: float | None


def override(  # noqa: PLR0913 - what to pin, for how long, why and who, all by name
    ledger: Ledger,
    sku: str,
    *,
    stock: int,
    seconds: float,
    why: str,
    actor: str,
    stock_list: int | None = None,
) -> Override:
    """Pin what Omnitron shows of a SKU. The same once more only sets its end and reason anew.

    Raises UsageError for a SKU that is not known, is in several lists, or is retired.
    """

    def work(connection: Connection) -> Override:
        now = ledger.now(connection)
        level = _one_of(levels.of_sku(connection, sku), sku, stock_list)
        if level.retired:
            raise UsageError(
                f"{sku!r} is retired: no configured source feeds it, so nothing is sent for it",
                remedy="let a configured source state it, or change it in Omnitron",
            )
        after = pinned(level, stock=stock, until=now + seconds, why=why, now=now)
        levels.save(connection, [after])
        events.record(
            connection,
            actor=actor,
            action=pins.PINNED,
            subject=pins.subject(level.key),
            now=now,
            stock=stock,
            until=now + seconds,
            why=why,
        )
        return Override(level=after, by=actor, since=now)

    return ledger.write(work)


def clear(
    ledger: Ledger, sku: str, *, actor: str, stock_list: int | None = None
) -> Sequence[Level]:
    """End an override now; returns the level as it was, or nothing where none was pinned.

    Raises UsageError for a SKU that is not known, or is pinned in several lists.
    """

    def work(connection: Connection) -> Sequence[Level]:
        now = ledger.now(connection)
        there = levels.of_sku(connection, sku)
        pinned_ones = [level for level in there if level.pinned]
        level = _one_of(pinned_ones or there[:1], sku, stock_list, known=there)
        if not level.pinned:
            return ()
        pins.end(connection, [level], why="its override was cleared", now=now)
        events.record(
            connection,
            actor=actor,
            action="clear override",
            subject=pins.subject(level.key),
            now=now,
            stock=level.override_stock,
        )
        return [level]

    return ledger.write(work)


def listed(ledger: Ledger) -> list[Override]:
    """All overrides there are, in the order of stock lists and SKUs."""
    with ledger.read() as connection:
        there = levels.pinned(connection)
        found = [(level, pins.last_event(connection, level.key)) for level in there]
    return [
        Override(
            level=level,
            by=None if event is None else event.actor,
            since=None if event is None else event.at,
        )
        for level, event in found
    ]


def _one_of(
    candidates: Sequence[Level],
    sku: str,
    stock_list: int | None,
    *,
    known: Sequence[Level] | None = None,
) -> Level:
    """The level that is meant. Raises UsageError unless it is exactly one."""
    there = candidates if known is None else known
    if stock_list is not None:
        candidates = [level for level in there if level.stock_list == stock_list]
    if not candidates:
        raise _unknown(sku, stock_list, there)
    if len(candidates) > 1:
        numbers = ", ".join(str(level.stock_list) for level in candidates)
        raise UsageError(
            f"{sku!r} is in the stock lists {numbers}", remedy="say which: --stock-list NUMBER"
        )
    return candidates[0]


def _unknown(sku: str, stock_list: int | None, there: Sequence[Level]) -> UsageError:
    if there:
        numbers = ", ".join(str(level.stock_list) for level in there)
        return UsageError(
            f"{sku!r} is not in stock list {stock_list}", remedy=f"it is in: {numbers}"
        )
    return UsageError(
        f"nothing is known of the SKU {sku!r}",
        remedy="write it exactly as the ERP does, leading zeros and case too; what no source has"
        " stated cannot be overridden",
    )
