"""What people decide, on both databases: whole, once, and nothing sent in the middle of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.scenes import change, level_of, say
from worker import operating
from worker.errors import UsageError
from worker.ledger import batches, confirmations, failures, levels, pulls, target
from worker.ledger.confirmations import Confirmation
from worker.ledger.failures import NewFailure, identity_of
from worker.model import FailureKind, Key, PullStatus, Rank
from worker.planning import limiter

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.integration.ledgers import HandClock
    from worker.ledger import Ledger
    from worker.planning.limiter import Target

NEW = "https://new.omnitron.example"
SENT = {"sent_revision": 1, "sent_stock": 3, "remote_pk": 9}


def row_of(ledger: Ledger) -> Target:
    with ledger.read() as connection:
        return target.read(connection)


def bound(ledger: Ledger) -> str | None:
    with ledger.read() as connection:
        return target.base_url(connection)


def lease_batch(ledger: Ledger, *, seconds: float) -> None:
    def work(connection: Connection) -> None:
        now = ledger.now(connection)
        batches.open_batch(connection, token="t", worker="w", now=now, lease_until=now + seconds)

    ledger.write(work)


def test_another_omnitron_makes_every_level_due_page_by_page(ledger: Ledger) -> None:
    say(ledger, dict.fromkeys("ABCDE", 3))
    say(ledger, {"A": 3}, stock_list=2)
    change(ledger, "D", **SENT)
    seen: list[int] = []
    operating.replace_target(ledger, NEW, actor="ayse", page_rows=2, on_progress=seen.append)
    assert seen == [2, 4, 6]
    again = level_of(ledger, "D")
    assert (again.sent_revision, again.sent_stock, again.remote_pk) == (0, None, None)
    assert again.rank == Rank.BACKFILL
    assert bound(ledger) == NEW


def test_another_omnitron_ends_parks_but_not_those_of_the_source(ledger: Ledger) -> None:
    say(ledger, {"A": 1, "B": 2})
    change(ledger, "A", park_reason="unknown_product", parked_at=1.0)
    change(ledger, "B", park_reason="missing_in_source", parked_at=1.0)
    operating.replace_target(ledger, NEW, actor="ayse")
    assert level_of(ledger, "A").park_reason is None
    assert level_of(ledger, "B").park_reason == "missing_in_source"


def test_another_omnitron_has_confirmed_nothing(ledger: Ledger) -> None:
    say(ledger, {"A": 1})
    row = Confirmation(5, 1, "A", 9, 1, 1, None, "confirmed", since=1.0)
    ledger.write(lambda connection: confirmations.save(connection, [row]))
    operating.replace_target(ledger, NEW, actor="ayse")
    with ledger.read() as connection:
        assert confirmations.of_key(connection, Key(1, "A")) == []


def test_nothing_is_rebound_while_a_batch_is_being_sent(ledger: Ledger, clock: HandClock) -> None:
    say(ledger, {"A": 1})
    change(ledger, "A", **SENT)
    lease_batch(ledger, seconds=30)
    with pytest.raises(UsageError, match="sending"):
        operating.replace_target(ledger, NEW, actor="ayse")
    assert (level_of(ledger, "A").sent_revision, bound(ledger)) == (1, None)
    clock.forward(31)
    operating.replace_target(ledger, NEW, actor="ayse")
    assert bound(ledger) == NEW


def test_a_worker_never_binds_a_ledger_that_is_bound(ledger: Ledger) -> None:
    operating.move_target(ledger, NEW, actor="ayse")
    ledger.write(lambda connection: target.bind(connection, "https://old.omnitron.example"))
    assert bound(ledger) == NEW


def test_a_pause_ends_by_itself(ledger: Ledger, clock: HandClock) -> None:
    until = operating.pause_target(ledger, seconds=60, actor="ayse")
    assert limiter.as_of(row_of(ledger), now=clock.now).state == "paused"
    assert limiter.as_of(row_of(ledger), now=until).state == "up"


def test_trouble_after_a_pause_that_is_over_is_taken_for_what_it_is(
    ledger: Ledger, clock: HandClock
) -> None:
    until = operating.pause_target(ledger, seconds=60, actor="ayse")
    during = limiter.down(row_of(ledger), reason="refused", now=clock.now)
    after = limiter.down(row_of(ledger), reason="refused", now=until)
    assert (during.state, after.state) == ("paused", "down")


def test_resume_ends_a_back_off_too(ledger: Ledger, clock: HandClock) -> None:
    down = limiter.down(row_of(ledger), reason="refused", now=clock.now)
    ledger.write(lambda connection: target.save(connection, down))
    assert operating.resume_target(ledger, actor="ayse").state == "down"
    assert limiter.closed_for(row_of(ledger), now=clock.now) == 0


def test_dismissing_leaves_the_level_parked(ledger: Ledger) -> None:
    say(ledger, {"A": 1})
    change(ledger, "A", park_reason="invalid_stock", parked_at=1.0)
    new = NewFailure(
        kind=FailureKind.ITEM,
        identity=identity_of(1, "A"),
        reason="invalid_stock",
        message="too odd",
        remedy="mend it",
        stock_list=1,
        sku="A",
    )
    ledger.write(lambda connection: failures.record(connection, [new], now=1.0))
    operating.dismiss(ledger, 1, why="sold out", actor="ayse")
    assert level_of(ledger, "A").park_reason == "invalid_stock"
    with ledger.read() as connection:
        assert failures.open_count(connection) == 0
    with pytest.raises(UsageError, match="closed"):
        operating.dismiss(ledger, 1, why="sold out", actor="ayse")


def test_a_plan_names_a_level_once_however_many_warehouses_it_has(ledger: Ledger) -> None:
    row = pulls.PullRow(1, 0, "part", 1, "A", "IST", before=9, after=0)
    rows = [row, row._replace(n=1, warehouse="ANK"), row._replace(n=2, sku="B", before=2)]

    def work(connection: Connection) -> int:
        number = pulls.begin(
            connection, 1, now=1.0, label="a", kind="delta", status=PullStatus.HELD
        )
        pulls.stage(connection, number, rows)
        return number

    number = ledger.write(work)
    with ledger.read() as connection:
        assert pulls.going_to_zero(connection, number) == [(1, "A", 9, 0), (1, "B", 2, 0)]
        assert pulls.largest_changes(connection, number, limit=1) == [(1, "A", 9, 0)]


def test_pages_of_levels_leave_none_out(ledger: Ledger) -> None:
    say(ledger, dict.fromkeys("ABC", 1))
    say(ledger, {"A": 1}, stock_list=2)
    found: list[Key] = []
    with ledger.read() as connection:
        while page := levels.page_after(connection, found[-1] if found else None, limit=1):
            found += [level.key for level in page]
    assert found == [(1, "A"), (1, "B"), (1, "C"), (2, "A")]
