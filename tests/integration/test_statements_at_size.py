"""What each batch and each poll asks of the ledger is found by an index, however much there is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from tests.integration.scenes import say
from worker.ledger import batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.delivering import Desk
    from worker.ledger import Ledger
    from worker.sandbox import RunningSandbox

_WHOLE = re.compile(
    r"SCAN (level|batch|batch_line|confirmation|l|c|b)$"
    r"|SEARCH level USING PRIMARY KEY \(stock_list=\?\)$"
    r"|SEARCH (confirmation|c) USING PRIMARY KEY \(channel_id=\?\)$"
)
"""How SQLite says that it goes through a table, or all of it that is of one list or channel."""

_NEWEST = re.compile(r"ORDER BY batch\.id DESC\s+LIMIT")
"""Reads from the end, and no further than it must."""


@pytest.fixture
def plans(ledger: Ledger) -> Iterator[dict[str, list[str]]]:
    """Each statement that is run meanwhile, and how SQLite goes about it."""
    found: dict[str, list[str]] = {}

    def explain(_: object, cursor: Any, statement: str, values: Any, *_rest: object) -> None:
        if not statement.startswith(("SELECT", "UPDATE", "WITH", "DELETE")):
            return
        explaining = cursor.connection.cursor()
        explaining.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        found[statement] = [row[-1] for row in explaining.fetchall()]

    event.listen(ledger.engine, "before_cursor_execute", explain)
    yield found
    event.remove(ledger.engine, "before_cursor_execute", explain)


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
def test_no_batch_and_no_poll_goes_through_a_whole_table(
    desk: Desk, sandbox: RunningSandbox, plans: dict[str, list[str]]
) -> None:
    sandbox.set_products(["A", "B"])
    say(desk.ledger, {"A": 5, "B": 6, "unknown": 7})
    desk.deliver()
    desk.poll()
    sandbox.edit("A", 4)
    say(desk.ledger, {"B": 3})
    desk.deliver()
    desk.poll()
    with desk.ledger.read() as connection:
        batches.sending(connection, beyond=desk.clock())
    whole = {
        statement: plan
        for statement, plan in plans.items()
        if any(map(_WHOLE.match, plan)) and not _NEWEST.search(statement)
    }
    assert whole == {}
    assert len(plans) > 20
