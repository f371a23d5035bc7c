"""A claim costs as much among very many due levels as among few: it reads along an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.scenes import register, say, source_of
from tests.integration.test_ledger_claim import claim
from worker.ledger import bulk, claims, levels
from worker.model import Rank
from worker.planning.levels import Level

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.ledger import Ledger

MANY = 100_000


def load(ledger: Ledger, count: int) -> None:
    """Let a first load of so many levels be due."""
    register(ledger)
    source_id = source_of(ledger).id
    rows = [
        Level(
            stock_list=1,
            sku=f"S{number:07}",
            source_id=source_id,
            stock=5,
            unit_type=None,
            sold=None,
            extra=None,
            pull_id=1,
            changed_at=1.0,
            revision=1,
            rank=Rank.BACKFILL,
            due_since=1.0 + number // 5_000,
        )
        for number in range(count)
    ]
    for page in bulk.paged(rows, 20_000):
        ledger.write(lambda tx, page=page: levels.save(tx, page))


@pytest.mark.thorough
def test_a_first_load_delays_todays_changes_by_no_batch(ledger: Ledger) -> None:
    load(ledger, MANY)
    claim(ledger, 500, token="before")
    say(ledger, {f"zero{number:03}": 0 for number in range(100)})
    say(ledger, {f"new{number:03}": 3 for number in range(100)})
    names = [line.key.sku for line in claim(ledger, 500, token="next")]
    assert sum(name.startswith("zero") for name in names) == 100
    assert sum(name.startswith("new") for name in names) == 100


@pytest.mark.thorough
def test_both_orders_of_a_claim_read_along_their_index(ledger: Ledger) -> None:
    load(ledger, MANY)
    if not ledger.sqlite:
        ledger.write(lambda tx: tx.exec_driver_sql("ANALYZE level"))
    for lane, index in ((claims.BY_RANK, "ix_level_due"), (claims.OLDEST, "ix_level_oldest")):
        plan = "\n".join(explained(ledger, lane))
        assert index in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan


def explained(ledger: Ledger, lane: claims.Lane) -> list[str]:
    """How the database would pick the levels of a lane."""

    def work(connection: Connection) -> list[str]:
        explain = "EXPLAIN QUERY PLAN" if ledger.sqlite else "EXPLAIN"
        statement = bulk.driver_sql(connection, f"{explain} {claims.pick(lane, raises=True)}")
        now = ledger.now(connection)
        rows = connection.exec_driver_sql(statement, (now, now, now, 500))
        return [" ".join(map(str, row)) for row in rows]

    return ledger.write(work)
