"""What is deleted because of its age, and what stays however old it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, insert, select

from worker.ledger import retention, schema
from worker.ledger.retention import DAY, Kept

if TYPE_CHECKING:
    from sqlalchemy import Table

    from tests.integration.ledgers import HandClock
    from worker.ledger import Ledger

MANY = 6_000


def put(ledger: Ledger, table: Table, *rows: dict[str, object]) -> None:
    ledger.write(lambda connection: connection.execute(insert(table), list(rows)) and None)


def count(ledger: Ledger, table: Table) -> int:
    with ledger.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def ids(ledger: Ledger, table: Table) -> list[int]:
    with ledger.read() as connection:
        return list(connection.execute(select(table.c.id).order_by(table.c.id)).scalars())


def pull(number: int, *, at: float, status: str = "applied") -> dict[str, object]:
    return {
        "id": number,
        "source_id": 1,
        "label": "a.csv",
        "kind": "snapshot",
        "status": status,
        "started_at": at,
    }


def batch(number: int, *, at: float, status: str = "done") -> dict[str, object]:
    return {"id": number, "token": f"t{number}", "status": status, "started_at": at}


def test_old_pulls_go_with_their_rows(ledger: Ledger, clock: HandClock) -> None:
    old = clock.now - 31 * DAY
    put(ledger, schema.pull, pull(1, at=old), pull(2, at=old), pull(3, at=clock.now))
    rows = [{"pull_id": 1, "page": 1, "n": n, "change": "part"} for n in range(MANY)]
    put(ledger, schema.pull_row, *rows)
    gone = retention.sweep(ledger)
    assert (gone["pull"], gone["pull_row"]) == (2, MANY)
    assert ids(ledger, schema.pull) == [3]


def test_the_latest_pull_of_each_ending_stays(ledger: Ledger, clock: HandClock) -> None:
    old = clock.now - 400 * DAY
    put(ledger, schema.pull, pull(1, at=old), pull(2, at=old), pull(3, at=old, status="failed"))
    retention.sweep(ledger)
    assert ids(ledger, schema.pull) == [2, 3]


def test_a_pull_that_waits_for_a_person_stays(ledger: Ledger, clock: HandClock) -> None:
    old = clock.now - 400 * DAY
    put(ledger, schema.pull, *(pull(n, at=old, status="held") for n in (1, 2)))
    retention.sweep(ledger)
    assert ids(ledger, schema.pull) == [1, 2]


def test_old_batches_go_with_their_lines(ledger: Ledger, clock: HandClock) -> None:
    old = clock.now - 31 * DAY
    put(ledger, schema.batch, batch(1, at=old), batch(2, at=old, status="sending"))
    put(ledger, schema.batch, batch(3, at=clock.now))
    line = {"batch_id": 1, "stock_list": 1, "revision": 1, "stock": 1}
    put(ledger, schema.batch_line, *({**line, "sku": f"S{n}"} for n in range(10)))
    retention.sweep(ledger)
    assert (ids(ledger, schema.batch), count(ledger, schema.batch_line)) == ([2, 3], 0)


def test_an_open_failure_stays_and_a_settled_one_goes_after_half_a_year(
    ledger: Ledger, clock: HandClock
) -> None:
    ages = {1: None, 2: clock.now - 181 * DAY, 3: clock.now - 179 * DAY}
    base = {"kind": "row", "first_seen": 1.0, "last_seen": 1.0}
    rows = [
        {**base, "id": n, "identity": f"i{n}", "reason": "r", "closed_at": closed}
        for n, closed in ages.items()
    ]
    put(ledger, schema.failure, *rows)
    retention.sweep(ledger)
    assert ids(ledger, schema.failure) == [1, 3]


def test_sweeping_ends_early_when_told_to(ledger: Ledger, clock: HandClock) -> None:
    put(ledger, schema.batch, batch(1, at=clock.now - 31 * DAY))
    retention.sweep(ledger, stopped=lambda: True)
    assert ids(ledger, schema.batch) == [1]


def test_it_keeps_as_long_as_it_is_told(ledger: Ledger, clock: HandClock) -> None:
    put(ledger, schema.pull, *(pull(n, at=clock.now - 2 * DAY) for n in (1, 2)))
    retention.sweep(ledger, Kept(history=3 * DAY))
    assert ids(ledger, schema.pull) == [1, 2]
    retention.sweep(ledger, Kept(history=DAY))
    assert ids(ledger, schema.pull) == [2]


def test_the_latest_batch_stays(ledger: Ledger, clock: HandClock) -> None:
    put(ledger, schema.batch, *(batch(n, at=clock.now - 400 * DAY) for n in (1, 2)))
    retention.sweep(ledger)
    assert ids(ledger, schema.batch) == [2]


def test_lines_by_which_a_value_is_known_as_ours_stay(ledger: Ledger, clock: HandClock) -> None:
    old = clock.now - 400 * DAY
    put(ledger, schema.batch, *(batch(n, at=old) for n in (1, 2, 3)), batch(4, at=clock.now))
    line = {"stock_list": 1, "revision": 1, "stock": 1}
    put(
        ledger,
        schema.batch_line,
        *({**line, "batch_id": n, "sku": sku} for sku in ("SHOWN", "OPEN") for n in (1, 2)),
        {**line, "batch_id": 3, "sku": "UNWATCHED"},
    )
    seen = {"channel_id": 5, "stock_list": 1, "revision": 1, "stock": 1, "other": False}
    states = [("SHOWN", "confirmed"), ("OPEN", "unconfirmed")]
    put(ledger, schema.confirmation, *({**seen, "sku": sku, "state": s} for sku, s in states))
    retention.sweep(ledger)
    with ledger.read() as connection:
        columns = (schema.batch_line.c.sku, schema.batch_line.c.batch_id)
        left = sorted(tuple(row) for row in connection.execute(select(*columns)))
    assert left == [("OPEN", 1), ("OPEN", 2), ("SHOWN", 2)]
    assert ids(ledger, schema.batch) == [1, 2, 4]
