"""Dropped files through whole turns: held, failed and waiting ones, crashes, two workers."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from connectors.contract import Kind
from connectors.csv_drop import After, CsvColumns, CsvDrop, CsvOptions, Ready
from connectors.errors import SourceUnreachable
from tests.integration.pulling import Drop
from tests.integration.scenes import open_failures, source_of, stocks_of
from worker.errors import ExitCode
from worker.pull.lease import SourceBusy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from connectors.contract import Chunk, Connector, Offer, Position, Settlement
    from worker.ledger import Ledger


class Files(Drop):
    """A drop folder whose files have names of the test's choice."""

    changes: Mapping[str, Any]

    def __init__(self, ledger: Ledger, path: Path, **changes: Any) -> None:
        super().__init__(ledger, path)
        self.changes = changes

    def connector(self) -> Connector:
        columns = CsvColumns(sku="sku", stock="stock")
        usual = CsvOptions(path=self.path, mode=Kind.SNAPSHOT, columns=columns, stable_for=0)
        return CsvDrop(replace(usual, **self.changes))

    def put(self, name: str, *lines: str) -> Path:
        """Write a file of these lines."""
        path = self.path / name
        path.write_text("".join(f"{line}\n" for line in ("sku,stock", *lines)))
        return path


@pytest.fixture
def mixed(ledger: Ledger, tmp_path: Path) -> Files:
    """Deltas, with snapshots beside them."""
    names = {"pattern": "delta_*.csv", "full_pattern": "full_*.csv"}
    return Files(ledger, tmp_path / "drop", mode=Kind.DELTA, **names)


@pytest.fixture
def files(ledger: Ledger, tmp_path: Path) -> Files:
    return Files(ledger, tmp_path / "drop")


def test_snapshots_and_deltas_of_one_source_are_one_order(mixed: Files) -> None:
    mixed.put("delta_1.csv", "A,1", "B,1")
    mixed.put("full_2.csv", "A,2")
    mixed.put("delta_3.csv", "A,3", "C,3")
    mixed.pull()
    assert stocks_of(mixed.ledger, "A", "C") == {"A": 3, "C": 3}
    assert stocks_of(mixed.ledger, "B") == {}
    mixed.put("delta_1.csv", "A,9")
    assert mixed.one().status == "superseded"
    assert stocks_of(mixed.ledger, "A") == {"A": 3}


def test_an_unreadable_snapshot_gives_the_deltas_before_it_back_their_turn(mixed: Files) -> None:
    mixed.put("delta_1.csv", "A,1")
    mixed.put("full_2.csv", 'A,"2')
    mixed.put("delta_3.csv", "B,3")
    assert [report.status for report in mixed.pull()] == ["failed", "applied", "applied"]
    assert stocks_of(mixed.ledger, "A", "B") == {"A": 1, "B": 3}


def test_behind_a_held_snapshot_deltas_rest_and_what_it_outdoes_stays(mixed: Files) -> None:
    mixed.guard(min_row_ratio=1.0)
    mixed.put("full_1.csv", "A,1", "B,1")
    mixed.pull()
    mixed.put("delta_2.csv", "A,2")
    mixed.put("full_3.csv", "A,3")
    mixed.put("delta_4.csv", "A,4")
    held = mixed.one()
    assert held.status == "held"
    assert mixed.pull() == []
    assert stocks_of(mixed.ledger, "A") == {"A": 1}
    mixed.discard(held.pull_id)
    assert [report.status for report in mixed.pull()] == ["applied", "applied"]
    assert stocks_of(mixed.ledger, "A", "B") == {"A": 4, "B": 1}


def test_a_file_that_stayed_behind_does_not_let_an_older_one_in(files: Files) -> None:
    stays = CannotSettle(files.connector())
    files.put("stock_1.csv", "A,1")
    files.pull(connector=stays)
    files.put("stock_3.csv", "A,3")
    files.pull()
    files.put("stock_2.csv", "A,2")
    assert files.one().status == "superseded"
    assert stocks_of(files.ledger, "A") == {"A": 3}


def test_content_that_comes_back_beside_a_file_that_stayed_behind_is_applied(files: Files) -> None:
    stays = CannotSettle(files.connector())
    for number, stock in enumerate((1, 2, 1), start=1):
        files.put(f"stock_{number}.csv", f"A,{stock}")
        files.pull(connector=stays)
        files.pull(connector=stays)
    assert stocks_of(files.ledger, "A") == {"A": 1}
    assert source_of(files.ledger).checkpoint["file"] == "stock_3.csv"


def test_kept_files_make_one_pull_each_and_none_after(files: Files) -> None:
    files.changes = {"after": After.KEEP}
    files.put("stock_1.csv", "A,1")
    files.put("stock_2.csv", "A,2")
    assert sorted(report.status for report in files.pull()) == ["applied", "superseded"]
    files.put("stock_0.csv", "A,0")
    assert [report.status for report in files.pull()] == ["superseded"]
    assert files.pull() == []
    assert files.files() == ["stock_0.csv", "stock_1.csv", "stock_2.csv"]


# --- what waits


def test_a_file_that_waits_for_ever_is_a_failure_until_it_is_gone(files: Files) -> None:
    path = files.put("stock_03042026.csv", "A,1")
    for _ in range(2):
        (report,) = files.pull()
        assert (report.status, report.label) == ("failed", "stock_03042026.csv")
        assert report.exit_code is ExitCode.ATTENTION
    (failure,) = open_failures(files.ledger)
    assert (failure.kind, failure.reason, failure.attempts) == ("file", "waiting", 2)
    assert "name_time" in failure.message
    path.rename(path.with_name("stock_20260403.csv"))
    assert files.one().status == "applied"
    assert open_failures(files.ledger) == []


def test_a_file_that_waits_a_while_is_no_failure(files: Files) -> None:
    files.changes = {"ready": Ready.MARKER}
    files.put("stock.csv", "A,1")
    assert files.pull() == []
    assert open_failures(files.ledger) == []


# --- F5, F6


class CannotSettle:
    """A connector whose process died, or whose folder lets nothing go, after each decision."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    def settle(self, position: Position, settlement: Settlement, reason: str = "") -> None:
        """Leave everything where it is."""


def test_f5_a_file_that_was_applied_but_not_moved_is_not_applied_again(files: Files) -> None:
    files.put("stock.csv", "A,1")
    files.pull(connector=CannotSettle(files.connector()))
    assert files.files() == ["stock.csv"]
    assert files.one().status == "unchanged"
    assert files.files() == []
    assert files.statuses() == ["applied", "unchanged"]


class GivesNothingUp(CannotSettle):
    """A folder that may not be written to."""

    def settle(self, *_: object) -> None:
        raise SourceUnreachable("It is read-only.", remedy="Let us write.")


def test_a_folder_that_gives_nothing_up_is_a_failure_until_it_does(files: Files) -> None:
    files.put("stock.csv", "A,1")
    reports = files.pull(connector=GivesNothingUp(files.connector()))
    assert [report.status for report in reports] == ["applied", "failed"]
    [failure] = open_failures(files.ledger)
    assert (failure.kind, failure.file) == ("file", "stock.csv")
    assert "It is read-only. Let us write." in failure.message
    assert [report.status for report in files.pull()] == ["unchanged"]
    assert open_failures(files.ledger) == []
    assert files.files() == []


def test_f6_of_two_workers_that_see_one_file_one_applies_it(files: Files) -> None:
    files.put("stock.csv", "A,1")
    outcomes: list[object] = []
    reading, done = threading.Event(), threading.Event()

    def other() -> None:
        reading.wait(10)
        try:
            outcomes.append(files.pull())
        except SourceBusy:
            outcomes.append("busy")
        finally:
            done.set()

    thread = threading.Thread(target=other)
    thread.start()
    report = files.one(connector=Slow(files.connector(), reading, done))
    thread.join(10)
    assert (report.status, outcomes) == ("applied", ["busy"])
    assert files.statuses() == ["applied"]


class Slow:
    """A connector that reads only when another worker has had its try."""

    def __init__(self, connector: Connector, reading: threading.Event, done: Any) -> None:
        self._connector = connector
        self._reading, self._done = reading, done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connector, name)

    def look(self, *args: Any, **named: Any) -> Any:
        """Look as the connector does; each offer waits while it is read."""
        listing = self._connector.look(*args, **named)
        offers = [_Slow(offer, self._reading, self._done) for offer in listing.offers]
        return replace(listing, offers=offers)


class _Slow:
    def __init__(self, offer: Offer, reading: threading.Event, done: threading.Event) -> None:
        self._offer = offer
        self._reading, self._done = reading, done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._offer, name)

    def chunks(self) -> Iterator[Chunk]:
        self._reading.set()
        assert self._done.wait(10)
        yield from self._offer.chunks()
