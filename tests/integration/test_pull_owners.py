"""One owner per key: who else states it is reported, and takes it over only when told to."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from tests.integration.ledgers import somebody_waits
from tests.integration.pulling import Drop, Warehouses
from tests.integration.scenes import (
    level_of,
    open_failures,
    reasons,
    register,
    source_of,
    stocks_of,
)
from tests.processes import until
from worker.ledger import levels, parts, sources
from worker.model import FirstPull, Key, Missing, Value
from worker.planning.levels import created
from worker.pull import comparison

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from worker.ledger import Ledger


@pytest.fixture
def owner(ledger: Ledger, tmp_path: Path) -> Drop:
    """A source that owns A and B at 5."""
    drop = Drop(ledger, tmp_path / "owner", name="owner")
    drop.say("A,5", "B,5")
    drop.pull()
    return drop


@pytest.fixture
def other(ledger: Ledger, owner: Drop, tmp_path: Path) -> Drop:
    """A second source, beside the first."""
    drop = Drop(ledger, tmp_path / "other", name="other")
    register(ledger, "owner", "other")
    return drop


def adopt(drop: Drop) -> None:
    source = source_of(drop.ledger, drop.plan.name)
    drop.ledger.write(lambda tx: sources.change(tx, source.id, intent="adopt"))


def test_keys_of_another_source_are_reported_once_per_pair_with_a_count(other: Drop) -> None:
    for number in range(2):
        other.say("A,9", "B,9", f"C,{number}")
        other.pull()
    (failure,) = open_failures(other.ledger)
    assert (failure.kind, failure.reason) == ("source", "owned_elsewhere")
    assert (failure.source, failure.identity) == ("other", "owner")
    assert (failure.occurrences, failure.attempts) == (2, 2)
    assert "'owner'" in failure.message
    assert "'A' (list 1)" in failure.message
    assert "stocksync sources adopt other" in failure.remedy
    assert stocks_of(other.ledger, "A", "B", "C") == {"A": 5, "B": 5, "C": 1}


def test_only_a_few_keys_are_named(other: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "NAMED", 1)
    other.say("A,9", "B,9")
    other.pull()
    (failure,) = open_failures(other.ledger)
    assert "'A' (list 1), …" in failure.message
    assert "'B'" not in failure.message


def test_the_report_closes_when_a_snapshot_states_them_no_longer(other: Drop) -> None:
    other.say("A,9", "C,1")
    other.pull()
    other.say("C,2")
    other.pull()
    assert open_failures(other.ledger) == []


def test_a_delta_that_does_not_state_them_says_nothing_of_them(
    ledger: Ledger, owner: Drop, tmp_path: Path
) -> None:
    deltas = Drop(ledger, tmp_path / "deltas", name="deltas", mode=Kind.DELTA)
    register(ledger, "owner", "deltas")
    for line in ("A,9", "C,1"):
        deltas.say(line)
        deltas.pull()
    assert reasons(ledger) == ["owned_elsewhere"]


def test_the_keys_of_an_owner_that_is_configured_no_longer_pass_on(other: Drop) -> None:
    other.say("A,9")
    other.pull()
    register(other.ledger, "other")
    other.say("A,8")
    other.pull()
    assert (level_of(other.ledger, "A").stock, level_of(other.ledger, "A").retired) == (8, False)
    assert level_of(other.ledger, "B").retired
    assert open_failures(other.ledger) == []


def test_what_the_former_owner_said_is_forgotten_so_that_it_is_reported_in_its_turn(
    owner: Drop, other: Drop
) -> None:
    register(other.ledger, "other")
    other.say("A,9")
    other.pull()
    register(other.ledger, "owner", "other")
    with other.ledger.read() as connection:
        former = source_of(other.ledger, "owner").id
        assert parts.lines_of(connection, former, [(1, "A")]) == []
    owner.say("A,5", "B,6")
    owner.pull()
    (failure,) = open_failures(other.ledger)
    assert (failure.source, failure.identity) == ("owner", "other")
    assert stocks_of(other.ledger, "A", "B") == {"A": 9, "B": 6}


def test_a_source_that_adopts_takes_over_what_it_states_and_is_read_anew_for_it(
    other: Drop,
) -> None:
    other.say("A,9", "C,1")
    other.pull()
    adopt(other)
    other.say("A,9", "C,1")
    report = other.one()
    assert (report.status, report.changed) == ("applied", 1)
    assert level_of(other.ledger, "A").source_id == source_of(other.ledger, "other").id
    assert stocks_of(other.ledger, "A", "B") == {"A": 9, "B": 5}
    assert open_failures(other.ledger) == []
    assert source_of(other.ledger, "other").intent is None


def test_an_adoption_that_changes_no_value_still_moves_the_key(other: Drop) -> None:
    adopt(other)
    other.say("A,5")
    other.pull()
    level = level_of(other.ledger, "A")
    assert (level.source_id, level.revision) == (source_of(other.ledger, "other").id, 1)


def test_what_cannot_be_adopted_yet_stays_whole_with_its_owner(
    ledger: Ledger, tmp_path: Path
) -> None:
    register(ledger, "owner", "other")
    owner = Warehouses(ledger, tmp_path / "a", name="owner", mode=Kind.DELTA)
    other = Warehouses(ledger, tmp_path / "b", name="other", mode=Kind.DELTA)
    register(ledger, "owner", "other")
    owner.say("A,MAIN,10,AD", "A,ANNEX,20,AD")
    owner.pull()
    other.say("A,MAIN,50,AD")
    other.pull()
    adopt(other)
    other.say("A,MAIN,50,AD", "A,ANNEX,x,AD")
    other.pull()
    owner.say("A,MAIN,11,AD")
    owner.pull()
    assert level_of(ledger, "A").stock == 31
    other.say("A,ANNEX,1,AD")
    other.pull()
    assert level_of(ledger, "A").stock == 51


def test_an_adoption_is_weighed_by_the_guard(other: Drop) -> None:
    other.say("C,1")
    other.pull()
    other.guard(max_change_ratio=0.5, ignore_below=0)
    adopt(other)
    other.say("A,9", "B,9", "C,1")
    report = other.one()
    assert report.status == "held"
    assert "2 of 3 levels" in (report.reason or "")
    other.approve(report.pull_id)
    assert stocks_of(other.ledger, "A", "B") == {"A": 9, "B": 9}


def test_a_snapshot_declares_only_its_own_keys_missing(owner: Drop, other: Drop) -> None:
    for drop in (owner, other):
        drop.rule(missing=Missing.ZERO)
    other.say("C,1", "D,1")
    other.pull()
    other.say("C,2")
    report = other.one()
    assert report.missing == 1
    assert stocks_of(other.ledger, "A", "B", "C", "D") == {"A": 5, "B": 5, "C": 2, "D": 0}


def test_what_was_once_stated_of_a_key_that_passed_on_is_never_missing(
    owner: Drop, other: Drop
) -> None:
    adopt(other)
    other.say("A,9")
    other.pull()
    owner.rule(missing=Missing.ZERO)
    owner.say("B,5")
    assert owner.one().missing == 0
    assert stocks_of(other.ledger, "A", "B") == {"A": 9, "B": 5}


def test_an_approval_does_not_take_what_became_anothers_meanwhile(
    ledger: Ledger, owner: Drop, other: Drop
) -> None:
    other.guard(first_pull=FirstPull.HOLD)
    other.say("C,7", "D,7")
    held = other.one()
    owner.say("A,5", "B,5", "C,1")
    owner.pull()
    other.approve(held.pull_id)
    assert stocks_of(ledger, "C", "D") == {"C": 1, "D": 7}


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
def test_of_two_sources_that_state_a_new_key_at_once_the_first_owns_it(
    ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    register(ledger, "first", "second")
    second = Drop(ledger, tmp_path / "second", name="second")
    register(ledger, "first", "second")
    second.say("A,9")
    pull = threading.Thread(target=second.pull)

    def state(connection: Connection) -> None:
        first = source_of(ledger, "first").id
        level = created(
            Key(1, "A"), Value(5), source_id=first, pull_id=1, now=ledger.now(connection)
        )
        levels.save(connection, [level._replace(claim_token="in flight", claim_until=9e9)])
        pull.start()
        until(lambda: somebody_waits(ledger_url))

    ledger.write(state)
    pull.join()
    level = level_of(ledger, "A")
    assert (level.stock, level.claim_token) == (5, "in flight")
