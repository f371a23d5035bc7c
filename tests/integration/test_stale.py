"""A source from which nothing was read for too long, and pulls that have no room."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from tests.integration.pulling import Drop
from tests.integration.scenes import open_failures, reasons, source_of
from worker import staleness
from worker.ledger import sources
from worker.model import SourceState

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.ledgers import HandClock
    from worker.ledger import Ledger

DAY = 86_400.0
EXABYTES = 10**19


@pytest.fixture
def drop(ledger: Ledger, tmp_path: Path) -> Drop:
    return Drop(ledger, tmp_path / "drop", mode=Kind.DELTA, stale_after=DAY)


def state(drop: Drop) -> SourceState:
    source = source_of(drop.ledger)
    with drop.ledger.read() as connection:
        now = drop.ledger.now(connection)
    return source.state(now, stale_after=drop.plan.stale_after)


def watch(drop: Drop) -> list[str]:
    return staleness.watch(drop.ledger, {drop.plan.name: drop.plan})


def test_a_source_that_is_looked_at_but_says_nothing_becomes_stale(
    drop: Drop, clock: HandClock
) -> None:
    drop.say("A,1")
    drop.one()
    clock.now += DAY - 1
    assert state(drop) is SourceState.ACTIVE
    clock.now += 2
    drop.pull()
    assert state(drop) is SourceState.STALE


def test_staleness_is_an_alarm_that_looking_alone_does_not_close(
    drop: Drop, clock: HandClock
) -> None:
    drop.say("A,1")
    drop.one()
    clock.now += 2 * DAY
    assert watch(drop) == watch(drop) == [drop.plan.name]
    drop.pull()
    (failure,) = open_failures(drop.ledger)
    assert (failure.reason, failure.attempts) == ("stale", 1)


def test_the_alarm_closes_when_something_is_read_again(drop: Drop, clock: HandClock) -> None:
    drop.say("A,1")
    drop.one()
    clock.now += 2 * DAY
    watch(drop)
    drop.say("A,1", "B,2")
    drop.one()
    assert (watch(drop), reasons(drop.ledger), state(drop)) == ([], [], SourceState.ACTIVE)


def test_what_a_person_mended_is_not_the_word_of_the_source(drop: Drop, clock: HandClock) -> None:
    drop.say("A,1", "B,two")
    drop.one()
    clock.now += 2 * DAY
    text = (drop.path / ".rejected" / "001.mended.csv").read_text()
    (drop.path / "001.mended.csv").write_text(text.replace("two,", "2,"))
    assert drop.one().status == "applied"
    assert state(drop) is SourceState.STALE


def test_a_source_that_never_said_anything_is_stale_after_as_long(
    drop: Drop, clock: HandClock
) -> None:
    drop.ledger.write(
        lambda connection: sources.register(connection, [drop.plan.name, "new"], now=clock.now)
    )
    plan = replace(drop.plan, name="new")
    assert staleness.watch(drop.ledger, {"new": plan}) == []
    clock.now += 2 * DAY
    assert staleness.watch(drop.ledger, {"new": plan}) == ["new"]


def test_a_paused_source_is_no_alarm(drop: Drop, clock: HandClock) -> None:
    drop.say("A,1")
    drop.one()
    clock.now += 2 * DAY
    source = source_of(drop.ledger)
    drop.ledger.write(
        lambda connection: sources.change(connection, source.id, paused_until=clock.now + DAY)
    )
    assert watch(drop) == []


def test_without_room_nothing_is_read_and_the_source_says_so(drop: Drop) -> None:
    drop.say("A,1")
    report = drop.one(min_free=EXABYTES)
    assert (report.status, report.exit_code) == ("failed", 1)
    assert (state(drop), reasons(drop.ledger)) == (SourceState.FAILING, ["disk_full"])
    assert drop.files() == ["001.csv"]


def test_pulls_go_on_by_themselves_when_there_is_room_again(drop: Drop) -> None:
    drop.say("A,1")
    drop.one(min_free=EXABYTES)
    assert drop.one().status == "applied"
    assert (state(drop), reasons(drop.ledger)) == (SourceState.ACTIVE, [])
