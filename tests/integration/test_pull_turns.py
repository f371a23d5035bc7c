"""One turn of a source: which files, in which order, and what a crash or an outage leaves."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from connectors.contract import Kind
from connectors.errors import SourceUnreachable
from tests.databases import fresh_database
from tests.integration.pulling import Drop, Erp
from tests.integration.scenes import level_of, open_failures, reasons, source_of, stocks_of
from worker.errors import ExitCode, UsageError
from worker.ledger import Ledger, parts
from worker.model import PAGE_ROWS, SourceState
from worker.pull.lease import SECONDS, Lease, SourceBusy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connectors.contract import Chunk, Connector, Offer
    from tests.databases import Server
    from tests.integration.ledgers import HandClock


@pytest.fixture
def drop(ledger: Ledger, tmp_path: Path) -> Drop:
    return Drop(ledger, tmp_path / "drop")


@pytest.fixture
def deltas(ledger: Ledger, tmp_path: Path) -> Drop:
    return Drop(ledger, tmp_path / "drop", mode=Kind.DELTA)


def test_a_turn_that_finds_nothing_is_no_pull(drop: Drop, clock: HandClock) -> None:
    assert drop.pull() == []
    source = source_of(drop.ledger)
    assert (source.last_success_at, source.next_at) == (clock(), clock() + 60)


def test_of_several_snapshots_only_the_newest_is_applied(drop: Drop) -> None:
    drop.say("A,5")
    drop.say("A,6")
    drop.pull()
    assert sorted(drop.statuses()) == ["applied", "superseded"]
    assert level_of(drop.ledger, "A").revision == 1
    assert stocks_of(drop.ledger, "A") == {"A": 6}
    assert drop.files(".done") == ["001.csv", "002.csv"]


def test_the_same_content_again_is_unchanged(drop: Drop) -> None:
    for _ in range(2):
        drop.say("A,5")
        drop.pull()
    assert drop.statuses() == ["applied", "unchanged"]
    assert drop.files() == []


def test_a_content_that_comes_back_is_applied_again(drop: Drop) -> None:
    for stock in (5, 6, 5):
        drop.say(f"A,{stock}")
        drop.pull()
    assert drop.statuses() == ["applied"] * 3
    assert (level_of(drop.ledger, "A").stock, level_of(drop.ledger, "A").revision) == (5, 3)


def test_a_late_file_is_superseded_and_listed(drop: Drop) -> None:
    late = drop.say("A,4")
    content = late.read_bytes()
    late.unlink()
    drop.say("A,5")
    drop.pull()
    late.write_bytes(content)
    os.utime(late, (1_700_000_000, 1_700_000_000))
    assert drop.one().status == "superseded"
    assert stocks_of(drop.ledger, "A") == {"A": 5}


def test_deltas_are_applied_in_their_order_within_one_turn(deltas: Drop) -> None:
    for stock in (5, 6, 7):
        deltas.say(f"A,{stock}")
    assert [report.status for report in deltas.pull()] == ["applied"] * 3
    level = level_of(deltas.ledger, "A")
    assert (level.stock, level.revision, level.withheld_until) == (7, 3, 0.0)


def test_levels_of_earlier_files_are_withheld_until_the_turn_ends(
    deltas: Drop, clock: HandClock
) -> None:
    seen = []
    deltas.say("A,5")
    deltas.say("A,6")
    deltas.pull(
        on_progress=lambda label, _rows: seen.append(
            (label, stocks_of(deltas.ledger, "A"), _withheld(deltas.ledger) > clock())
        )
    )
    assert seen == [("001.csv", {}, False), ("002.csv", {"A": 5}, True)]
    assert level_of(deltas.ledger, "A").withheld_until == 0.0


def _withheld(ledger: Ledger) -> float:
    return level_of(ledger, "A").withheld_until if stocks_of(ledger, "A") else 0.0


def test_an_unreadable_file_fails_alone_and_an_older_good_one_is_taken(drop: Drop) -> None:
    drop.say("A,5")
    drop.say('A,"6')
    assert [report.status for report in drop.pull()] == ["failed", "applied"]
    assert stocks_of(drop.ledger, "A") == {"A": 5}
    (failure,) = open_failures(drop.ledger)
    assert (failure.kind, failure.reason, failure.file) == ("file", "unreadable", "002.csv")
    assert failure.message in (drop.path / ".failed" / "002.csv.reason.txt").read_text()


def test_a_later_good_snapshot_closes_the_failure_of_a_file(drop: Drop) -> None:
    drop.say('A,"5')
    assert drop.one().exit_code is ExitCode.ATTENTION
    assert reasons(drop.ledger) == ["unreadable"]
    drop.say("A,6")
    assert drop.one().status == "applied"
    assert reasons(drop.ledger) == []


def test_a_folder_that_is_gone_is_unreachable_and_keeps_the_checkpoint(drop: Drop) -> None:
    drop.say("A,5")
    drop.pull()
    before = source_of(drop.ledger)
    drop.path.rename(drop.path.with_name("away"))
    report = drop.one()
    assert (report.status, report.exit_code) == ("failed", ExitCode.UNREACHABLE)
    after = source_of(drop.ledger)
    assert after.checkpoint == before.checkpoint
    assert after.state(0.0) is SourceState.UNREACHABLE
    assert reasons(drop.ledger) == ["unreachable"]
    drop.path.with_name("away").rename(drop.path)
    drop.pull()
    assert source_of(drop.ledger).state(0.0) is SourceState.ACTIVE
    assert reasons(drop.ledger) == []


class _BreaksOff:
    """A connector whose source goes away after the first chunk."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    def look(self, *arguments: Any, **options: Any) -> Any:
        listing = self._connector.look(*arguments, **options)
        return replace(listing, offers=[_Breaking(offer) for offer in listing.offers])

    def settle(self, *arguments: Any) -> None:
        self._connector.settle(*arguments)


class _Breaking:
    def __init__(self, offer: Offer) -> None:
        self._offer = offer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._offer, name)

    def chunks(self) -> Iterator[Chunk]:
        yield next(iter(self._offer.chunks()))
        raise SourceUnreachable("the cable was pulled", remedy="plug it in")


def test_a_source_that_breaks_off_leaves_nothing_and_is_read_again(drop: Drop) -> None:
    drop.say("A,5")
    drop.say("A,6", "B,7")
    drop.pull()
    drop.say("A,8", "B,9")
    report = drop.pull(connector=_BreaksOff(drop.connector()))[-1]
    assert report.exit_code is ExitCode.UNREACHABLE
    assert stocks_of(drop.ledger, "A", "B") == {"A": 6, "B": 7}
    assert drop.one().status == "applied"
    assert stocks_of(drop.ledger, "A", "B") == {"A": 8, "B": 9}


class _PowerCut(Exception):  # noqa: N818 - named by what happens
    pass


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_a_crash_between_pages_is_taken_up_where_it_stopped(
    drop: Drop, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    wanted = {f"S{number:05}": number for number in range(2 * PAGE_ROWS + 10)}
    drop.say(*(f"{sku},{stock}" for sku, stock in wanted.items()))
    save, calls = parts.save, iter(range(99))

    def cut(*arguments: Any) -> None:
        if next(calls) == pages:
            raise _PowerCut
        save(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(parts, "save", cut)
        with pytest.raises(_PowerCut):
            drop.pull()
    assert drop.history()[0].pages_applied == pages
    assert source_of(drop.ledger).checkpoint is not None
    report = drop.pull()[0]
    assert (report.status, report.changed) == ("applied", len(wanted))
    assert stocks_of(drop.ledger, *wanted) == wanted
    assert {level_of(drop.ledger, sku).revision for sku in ("S00000", "S10009")} == {1}
    assert drop.files() == []


def test_a_crash_while_reading_begins_anew(drop: Drop) -> None:
    drop.say("A,5")

    def cut(_label: str, _rows: int) -> None:
        raise _PowerCut

    with pytest.raises(_PowerCut):
        drop.pull(on_progress=cut)
    assert stocks_of(drop.ledger, "A") == {}
    drop.pull()
    assert drop.statuses() == ["failed", "applied"]
    assert stocks_of(drop.ledger, "A") == {"A": 5}


def test_only_one_process_pulls_a_source(drop: Drop, clock: HandClock) -> None:
    other = Lease(drop.ledger, drop.plan.name)
    other.take()
    drop.say("A,5")
    with pytest.raises(SourceBusy, match="being pulled") as caught:
        drop.pull()
    assert isinstance(caught.value, UsageError)
    clock.forward(SECONDS)
    assert drop.one().status == "applied"


def test_a_puller_that_stood_still_too_long_writes_nothing_more(
    drop: Drop, clock: HandClock
) -> None:
    drop.say("A,5")

    def stand_still(_label: str, _rows: int) -> None:
        clock.forward(SECONDS)
        Lease(drop.ledger, drop.plan.name).take()

    with pytest.raises(SourceBusy):
        drop.pull(on_progress=stand_still)
    assert stocks_of(drop.ledger, "A") == {}
    clock.forward(SECONDS)
    drop.pull()
    assert stocks_of(drop.ledger, "A") == {"A": 5}


@pytest.fixture(params=["sqlite", "postgresql"])
def erp(request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path) -> Iterator[Erp]:
    """An ERP on each database."""
    url = f"sqlite:///{tmp_path / 'erp.db'}"
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        url = fresh_database(server)
    ledger = Ledger(sqlite_url)
    yield Erp(ledger, url)
    ledger.close()


def test_a_query_is_pulled_from_its_cursor_on(erp: Erp) -> None:
    erp.say(A=5, B="2.0")
    assert erp.one().read == 2
    erp.say(B=7, C=1)
    report = erp.one()
    assert report.changed == 2
    assert stocks_of(erp.ledger, "A", "B", "C") == {"A": 5, "B": 7, "C": 1}
    assert erp.one().status == "unchanged"


def test_a_database_that_is_gone_keeps_the_cursor(erp: Erp) -> None:
    erp.say(A=5)
    erp.pull()
    before = source_of(erp.ledger).checkpoint
    url, erp.url = erp.url, "postgresql+psycopg://u@127.0.0.1:1/none"
    assert erp.one().exit_code is ExitCode.UNREACHABLE
    assert source_of(erp.ledger).checkpoint == before
    erp.url = url
    erp.say(A=6)
    erp.pull()
    assert stocks_of(erp.ledger, "A") == {"A": 6}
