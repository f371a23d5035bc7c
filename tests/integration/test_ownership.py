"""Sources are renamed, retired and adopt keys: recorded, and nothing is lost on the way."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.integration.pulling import Drop
from tests.integration.scenes import (
    change,
    level_of,
    open_failures,
    register,
    source_of,
    stocks_of,
)
from worker.errors import UsageError
from worker.ledger import events, sources
from worker.model import FirstPull
from worker.ownership import Retired, adopt_source, rename_source, retire_source
from worker.pull.lease import Lease, SourceBusy

if TYPE_CHECKING:
    from pathlib import Path

    from worker.ledger import Ledger
    from worker.ledger.events import Event

SENT = {"sent_revision": 1, "sent_stock": 5}


@pytest.fixture
def old(ledger: Ledger, tmp_path: Path) -> Drop:
    """A source with A and B at 5, both in Omnitron."""
    drop = Drop(ledger, tmp_path / "old", name="old")
    drop.say("A,5", "B,5")
    drop.pull()
    for sku in ("A", "B"):
        change(ledger, sku, **SENT)
    return drop


def noted(ledger: Ledger, name: str) -> list[Event]:
    with ledger.read() as connection:
        return events.about(connection, f"source {name}")


# --- renamed --------------------------------------------------------------------------------


@pytest.fixture
def new(old: Drop) -> Drop:
    """The same folder under another name in the configuration."""
    drop = copy(old)
    drop.plan = replace(old.plan, name="new")
    register(old.ledger, "new")
    return drop


def test_a_renamed_source_goes_on_where_it_was(new: Drop) -> None:
    before = source_of(new.ledger, "old")
    rename_source(new.ledger, "old", "new", actor="ayse")
    after = source_of(new.ledger, "new")
    assert (after.id, after.checkpoint, after.configured) == (before.id, before.checkpoint, True)
    assert not level_of(new.ledger, "A").retired
    assert new.statuses() == ["applied"]
    new.say("A,6", "B,5")
    assert new.one().changed == 1
    assert stocks_of(new.ledger, "A", "B") == {"A": 6, "B": 5}
    (event,) = noted(new.ledger, "new")
    assert (event.actor, event.action, event.detail) == ("ayse", "rename", {"was": "old"})


def test_what_the_new_name_held_meanwhile_is_dropped_and_read_again(new: Drop) -> None:
    new.guard(first_pull=FirstPull.HOLD)
    new.say("A,7", "B,5")
    assert new.one().status == "held"
    rename_source(new.ledger, "old", "new", actor="ayse")
    assert new.statuses() == ["applied", "discarded"]
    assert new.one().status == "applied"
    assert level_of(new.ledger, "A").stock == 7


def test_failures_go_by_the_new_name(new: Drop, old: Drop) -> None:
    register(old.ledger, "old")
    old.say("A,5", "B,x")
    old.pull()
    register(old.ledger, "new")
    rename_source(old.ledger, "old", "new", actor="ayse")
    assert [failure.source for failure in open_failures(old.ledger)] == ["new"]


def test_a_name_that_is_still_configured_is_not_taken_away(old: Drop) -> None:
    register(old.ledger, "old", "new")
    with pytest.raises(UsageError, match="still configured"):
        rename_source(old.ledger, "old", "new", actor="ayse")


def test_a_source_that_went_on_by_itself_takes_no_history(new: Drop) -> None:
    new.say("A,6", "B,5")
    new.pull()
    with pytest.raises(UsageError, match="pulls of its own") as caught:
        rename_source(new.ledger, "old", "new", actor="ayse")
    assert "sources retire old" in caught.value.remedy


def test_a_name_that_is_unknown_is_told_with_those_that_are_known(new: Drop) -> None:
    with pytest.raises(UsageError, match="'odl'") as caught:
        rename_source(new.ledger, "odl", "new", actor="ayse")
    assert caught.value.remedy == "it knows: new, old"


def test_nothing_is_renamed_while_it_is_pulled(new: Drop) -> None:
    lease = Lease(new.ledger, "new")
    lease.take()
    with pytest.raises(SourceBusy):
        rename_source(new.ledger, "old", "new", actor="ayse")
    lease.end()
    rename_source(new.ledger, "old", "new", actor="ayse")


# --- retired --------------------------------------------------------------------------------


@pytest.fixture
def gone(old: Drop) -> Drop:
    register(old.ledger, "another")
    return old


def test_levels_that_nobody_feeds_stay_as_they_are(gone: Drop) -> None:
    done = retire_source(gone.ledger, "old", zero=False, actor="ayse")
    assert done == Retired(levels=2)
    level = level_of(gone.ledger, "A")
    assert (level.stock, level.retired, level.must_go) == (5, True, False)
    (event,) = noted(gone.ledger, "old")
    assert (event.actor, event.action, event.detail) == ("ayse", "retire", {"levels": "keep"})


def test_levels_go_to_zero_are_sent_and_then_count_as_retired(gone: Drop) -> None:
    done = retire_source(gone.ledger, "old", zero=True, actor="ayse", page_rows=1)
    assert done == Retired(levels=2, to_send=2)
    level = level_of(gone.ledger, "A")
    assert (level.stock, level.retired, level.must_go) == (0, False, True)
    change(gone.ledger, "A", sent_revision=2, sent_stock=0)
    gone.ledger.write(sources.end_retiring)
    assert (level_of(gone.ledger, "A").retired, level_of(gone.ledger, "B").retired) == (True, False)
    change(gone.ledger, "B", sent_revision=2, sent_stock=0)
    register(gone.ledger, "another")
    assert level_of(gone.ledger, "B").retired
    assert source_of(gone.ledger, "old").intent == "retired"


def test_a_product_that_omnitron_does_not_have_needs_no_zero(gone: Drop) -> None:
    change(gone.ledger, "A", park_reason="unknown_product", sent_revision=0)
    assert retire_source(gone.ledger, "old", zero=True, actor="ayse").to_send == 1
    assert level_of(gone.ledger, "A").retired


def test_a_zero_that_was_parked_is_sent_once_more(gone: Drop) -> None:
    change(gone.ledger, "A", stock=0, park_reason="rejected", revision=2, sent_revision=1)
    assert retire_source(gone.ledger, "old", zero=True, actor="ayse").to_send == 2
    assert level_of(gone.ledger, "A").park_reason is None


def test_the_failures_of_a_retired_source_are_over(old: Drop) -> None:
    old.say("A,5", "B,x")
    old.pull()
    register(old.ledger, "another")
    retire_source(old.ledger, "old", zero=False, actor="ayse")
    assert open_failures(old.ledger) == []


def test_a_source_that_is_configured_is_not_retired(old: Drop) -> None:
    with pytest.raises(UsageError, match="still configured"):
        retire_source(old.ledger, "old", zero=True, actor="ayse")


def test_a_source_that_is_configured_again_has_its_levels_back(gone: Drop) -> None:
    retire_source(gone.ledger, "old", zero=True, actor="ayse")
    register(gone.ledger, "old")
    gone.say("A,5", "B,6")
    gone.pull()
    assert stocks_of(gone.ledger, "A", "B") == {"A": 5, "B": 6}


# --- adopting -------------------------------------------------------------------------------


def test_a_source_adopts_what_was_reported(old: Drop, ledger: Ledger, tmp_path: Path) -> None:
    other = Drop(ledger, tmp_path / "other", name="other")
    register(ledger, "old", "other")
    other.say("A,9", "B,9")
    other.pull()
    assert adopt_source(ledger, "other", actor="ayse") == 2
    (event,) = noted(ledger, "other")
    assert (event.action, event.detail) == ("adopt", {"keys": 2, "owners": ["old"]})
    other.say("A,9", "B,9")
    other.pull()
    assert stocks_of(ledger, "A", "B") == {"A": 9, "B": 9}


def test_there_is_nothing_to_adopt_where_nothing_was_reported(old: Drop) -> None:
    with pytest.raises(UsageError, match="not known to state any key"):
        adopt_source(old.ledger, "old", actor="ayse")
