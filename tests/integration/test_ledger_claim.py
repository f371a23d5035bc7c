"""Claiming: each level to one sender, in the right order, and only what may go."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.integration.scenes import change, level_of, lines_of, register, say, source_of
from worker.deliver import expire
from worker.ledger import Ledger, batches, claims, levels, lists
from worker.model import Key, Rank, Value
from worker.planning.levels import created

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.integration.ledgers import HandClock
    from worker.model import Claimed

LEASE = 60.0


def claim(
    ledger: Ledger, limit: int, *, token: str = "token", raises: bool = True
) -> list[Claimed]:
    """Claim as a courier does: a batch, its levels, its lines."""

    def work(connection: Connection) -> list[Claimed]:
        now = ledger.now(connection)
        batch_id = batches.open_batch(
            connection, token=token, worker="w", now=now, lease_until=now + LEASE
        )
        claimed = claims.claim(
            connection,
            claims.Ticket(token=token, until=now + LEASE, batch_id=batch_id, raises=raises),
            limit=limit,
            now=now,
        )
        batches.add_lines(connection, batch_id, claimed)
        return claimed

    return ledger.write(work)


def skus(claimed: list[Claimed]) -> list[str]:
    return sorted(line.key.sku for line in claimed)


def test_a_claim_returns_the_value_and_the_revision_that_are_to_be_sent(ledger: Ledger) -> None:
    say(ledger, {"A": 5})
    say(ledger, {"A": 6})
    (line,) = claim(ledger, 10)
    assert (line.key, line.value.stock, line.revision, line.attempts) == (Key(1, "A"), 6, 2, 0)


def test_what_is_claimed_is_not_claimed_again(ledger: Ledger) -> None:
    say(ledger, {"A": 5, "B": 6})
    assert skus(claim(ledger, 10, token="one")) == ["A", "B"]
    assert claim(ledger, 10, token="two") == []


def test_many_claimers_at_once_never_get_the_same_level(ledger_url: str) -> None:
    maker = Ledger(ledger_url)
    say(maker, {f"S{number:04}": 1 for number in range(600)})
    claimed: Counter[str] = Counter()
    start = threading.Barrier(4)

    def work(name: int) -> None:
        ledger = Ledger(ledger_url)
        start.wait()
        for turn in range(1000):
            lines = claim(ledger, 20, token=f"{name}-{turn}")
            if not lines:
                break
            claimed.update(line.key.sku for line in lines)
        ledger.close()

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    maker.close()
    assert len(claimed) == 600
    assert set(claimed.values()) == {1}


def test_nine_tenths_go_by_rank_and_one_tenth_by_age(ledger: Ledger, clock: HandClock) -> None:
    say(ledger, {f"old{number:02}": 5 for number in range(20)})
    for number in range(20):
        change(ledger, f"old{number:02}", rank=Rank.BACKFILL, due_since=float(number))
    clock.forward(100)
    say(ledger, {f"zero{number:02}": 0 for number in range(40)})
    names = skus(claim(ledger, 20))
    assert names[:2] == ["old00", "old01"]
    assert len([name for name in names if name.startswith("zero")]) == 18


def test_the_zeroes_of_a_first_load_go_before_its_other_levels_and_after_todays_changes(
    ledger: Ledger, clock: HandClock
) -> None:
    register(ledger)
    loaded = [
        created(
            Key(1, f"{stock}-{number:02}"),
            Value(stock),
            source_id=source_of(ledger).id,
            pull_id=1,
            now=clock(),
            backfill=True,
        )
        for stock in (5, 0)
        for number in range(40)
    ]
    ledger.write(lambda tx: levels.save(tx, loaded))
    clock.forward(100)
    say(ledger, {f"more{number:02}": 9 for number in range(9)})
    say(ledger, {f"zero{number:02}": 0 for number in range(9)})
    names = skus(claim(ledger, 20))
    assert sum(name.startswith(("zero", "more")) for name in names) == 18
    lowering = claim(ledger, 99, token="later", raises=False)
    assert {name[:2] for name in skus(lowering)} == {"0-"}


def test_within_a_rank_the_oldest_goes_first(ledger: Ledger) -> None:
    say(ledger, {"young": 1, "old": 1})
    change(ledger, "old", due_since=1.0)
    assert skus(claim(ledger, 1)) == ["old"]


def test_lower_stock_goes_before_higher(ledger: Ledger) -> None:
    say(ledger, {"up": 1, "down": 9})
    for sku in ("up", "down"):
        change(ledger, sku, sent_revision=1, sent_stock=5)
    say(ledger, {"up": 9})
    say(ledger, {"down": 1})
    assert skus(claim(ledger, 1)) == ["down"]


@pytest.mark.parametrize(
    "fields",
    [
        {"not_before": 2_000_000_000.0},
        {"withheld_until": 2_000_000_000.0},
        {"park_reason": "invalid_stock"},
        {"retired": True},
        {"sent_revision": 1},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_may_not_go_is_left_alone(ledger: Ledger, fields: dict[str, object]) -> None:
    say(ledger, {"rests": 5, "goes": 5})
    change(ledger, "rests", **fields)
    assert skus(claim(ledger, 10)) == ["goes"]


def test_what_rested_goes_when_its_time_has_come(ledger: Ledger, clock: HandClock) -> None:
    say(ledger, {"A": 5})
    change(ledger, "A", not_before=clock() + 10)
    with ledger.read() as connection:
        assert levels.next_moment(connection) == clock() + 10
    clock.forward(10)
    assert skus(claim(ledger, 10)) == ["A"]


def test_a_list_that_stands_still_keeps_its_levels_only(ledger: Ledger, clock: HandClock) -> None:
    say(ledger, {"A": 5}, stock_list=1)
    say(ledger, {"A": 5}, stock_list=2)
    ledger.write(lambda tx: lists.stop(tx, 2, reason="r", now=clock(), first_pause=60))
    assert [line.key for line in claim(ledger, 10)] == [Key(1, "A")]
    clock.forward(60)
    assert [line.key for line in claim(ledger, 10, token="later")] == [Key(2, "A")]


def test_a_list_stands_still_longer_each_time_and_at_most_an_hour(ledger: Ledger) -> None:
    pauses = []
    for moment in range(0, 100_000, 10_000):
        ledger.write(lambda tx, now=moment: lists.stop(tx, 7, reason="r", now=now, first_pause=60))
        with ledger.read() as connection:
            pauses.append(lists.every(connection)[0].stopped_until - moment)
    assert pauses[:3] == [60, 120, 240]
    assert pauses[-1] == 3600


def test_a_list_that_several_workers_find_refused_at_once_stands_still_as_for_one(
    ledger: Ledger,
) -> None:
    for _ in range(10):
        ledger.write(lambda tx: lists.stop(tx, 7, reason="r", now=0.0, first_pause=60))
    with ledger.read() as connection:
        assert lists.every(connection)[0].stopped_until == 60


def test_while_raises_are_paused_only_the_urgent_go(ledger: Ledger) -> None:
    say(ledger, {"zero": 0, "more": 9})
    assert skus(claim(ledger, 10, raises=False)) == ["zero"]


def test_a_lease_that_is_over_puts_its_levels_in_doubt(ledger: Ledger, clock: HandClock) -> None:
    say(ledger, {"A": 5, "B": 5})
    change(ledger, "A", sent_stock=9)
    claim(ledger, 10)
    end = clock() + LEASE
    clock.forward(LEASE)
    ledger.write(lambda tx: expire(tx, settle=10, longest=600, now=clock()))
    level = level_of(ledger, "A")
    assert (level.claim_token, level.not_before, level.sent_stock) == (None, end + 10, None)
    assert (level.crashes, level.rank) == (1, Rank.URGENT)
    assert [(line.outcome, line.reason) for line in lines_of(ledger, "A")] == [
        ("waiting", "worker_lost")
    ]
    with ledger.read() as connection:
        assert [batch.status for batch in batches.latest(connection)] == ["lost"]


def test_a_live_lease_is_left_alone(ledger: Ledger, clock: HandClock) -> None:
    say(ledger, {"A": 5})
    claim(ledger, 10)
    clock.forward(LEASE - 1)
    ledger.write(lambda tx: expire(tx, settle=10, longest=600, now=clock()))
    assert level_of(ledger, "A").claim_token == "token"


def test_a_lease_further_ahead_than_any_lease_can_be_is_over(
    ledger: Ledger, clock: HandClock
) -> None:
    say(ledger, {"A": 5})
    claim(ledger, 10)
    clock.forward(-10_000)
    ledger.write(lambda tx: expire(tx, settle=10, longest=600, now=clock()))
    assert level_of(ledger, "A").claim_token is None


def test_a_level_that_changed_in_flight_keeps_its_claim(ledger: Ledger) -> None:
    say(ledger, {"A": 5})
    claim(ledger, 10)
    say(ledger, {"A": 6})
    level = level_of(ledger, "A")
    assert (level.claim_token, level.revision, level.stock) == ("token", 2, 6)
    assert claim(ledger, 10, token="other") == []


def test_nothing_is_due_in_an_empty_ledger(ledger: Ledger) -> None:
    register(ledger)
    with ledger.read() as connection:
        assert not levels.any_due(connection)
        assert levels.next_moment(connection) is None
    assert claim(ledger, 10) == []
