"""The ledger is an older copy: what was applied since is offered again from ``.done`` (D7)."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from connectors import fault
from connectors.contract import Kind, Settlement, Verdict
from connectors.csv_drop import After, CsvDrop, OrderBy
from connectors.csv_drop.folder import DONE, NOTED
from connectors.errors import SourceUnreachable
from tests.connectors.conformance import read, through_json
from tests.connectors.drops import HEADER, LONG_AGO, drop, options, tree, without_rights

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.contract import Listing


class Ledger:
    """Drops deltas, takes what is offered as the pull step does, and remembers its checkpoint."""

    def __init__(self, path: Path, checkpoint: Any = None, **changes: Any) -> None:
        self.path = path
        self.checkpoint = checkpoint
        self._changes = {"mode": Kind.DELTA, **changes}

    @property
    def connector(self) -> CsvDrop:
        return CsvDrop(options(self.path, **self._changes))

    def copy(self, **changes: Any) -> Ledger:
        """A ledger that knows what this one knows now."""
        return Ledger(self.path, self.checkpoint, **{**self._changes, **changes})

    def say(self, quantity: int, name: str = "", *, at: float = 0.0) -> None:
        path = self.path / (name or f"stock_{quantity}.csv")
        drop(path, f"{HEADER}A,W,{quantity},AD\n", at=LONG_AGO + (at or quantity))

    def look(self) -> Listing:
        return self.connector.look(self.checkpoint, full=False)

    def offered(self) -> list[str]:
        """The quantities of what is to be read, in order."""
        return [
            read(offer).rows[0].quantity
            for offer in self.look().offers
            if offer.verdict is Verdict.READ
        ]

    def take(self, most: int = 99, *, settle: bool = True) -> list[str]:
        """Apply at most so many offers; quantities in order."""
        seen = []
        for offer in self.look().offers[:most]:
            if offer.verdict is Verdict.READ:
                seen.append(read(offer).rows[0].quantity)
            self.checkpoint = through_json(offer.checkpoint())
            if settle:
                became = Settlement(offer.verdict.replace("read", "applied"))
                self.connector.settle(through_json(offer.position), became)
        return seen

    def takes(self, *quantities: int, name: str = "") -> None:
        """Let the ERP drop deltas one after another, and apply each."""
        for quantity in quantities:
            self.say(quantity, name)
            assert self.take() == [str(quantity)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def put_away(ledger: Ledger) -> list[str]:
    return sorted(tree(ledger.path))


# --- what is offered again


def test_d7_what_was_applied_since_comes_again_before_what_is_newer(ledger: Ledger) -> None:
    ledger.takes(1)
    older = ledger.copy()
    ledger.takes(2, 3)
    older.say(4)
    assert older.take() == ["2", "3", "4"]
    assert put_away(older) == [f".done/stock_{number}.csv" for number in (1, 2, 3, 4)]
    assert older.look().offers == []


def test_d7_interrupted_in_between_it_goes_on(ledger: Ledger) -> None:
    ledger.takes(1)
    older = ledger.copy()
    ledger.takes(2, 3, 4)
    assert older.take(1) == ["2"]
    assert older.copy().take(1) == ["3"]
    assert older.take() == ["3", "4"]


def test_d7_the_same_copy_once_more_is_noticed_once_more(ledger: Ledger) -> None:
    ledger.takes(1)
    older, once_more = ledger.copy(), ledger.copy()
    ledger.takes(2, 3)
    assert older.take() == ["2", "3"]
    older.takes(4)
    assert once_more.take() == ["2", "3", "4"]


def test_d7_of_a_name_that_is_written_again_and_again_each_content_comes(ledger: Ledger) -> None:
    older = ledger
    for at, quantity in enumerate((5, 4, 5), start=1):
        ledger.say(quantity, "stock.csv", at=at)
        assert ledger.take() == [str(quantity)]
        older = ledger.copy() if at == 1 else older
    older.say(6, "stock.csv", at=4)
    assert older.take() == ["4", "5", "6"]
    assert older.look().offers == []


def test_d7_snapshots_between_deltas_come_in_their_order(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, pattern="delta_*.csv", full_pattern="full_*.csv")
    ledger.takes(1, name="delta_1.csv")
    older = ledger.copy()
    ledger.takes(2, name="delta_2.csv")
    ledger.takes(3, name="full_3.csv")
    ledger.takes(4, name="delta_4.csv")
    assert older.take() == ["3", "4"]


def test_d7_in_order_of_modification_times(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, order=OrderBy.MTIME)
    ledger.takes(1, name="z.csv")
    older = ledger.copy()
    ledger.takes(2, name="y.csv")
    ledger.takes(3, name="x.csv")
    assert older.take() == ["2", "3"]


def test_d7_what_the_erp_names_like_one_of_our_numbers_keeps_its_place(ledger: Ledger) -> None:
    ledger.takes(1, name="stock_2026.11.21.csv")
    older = ledger.copy()
    ledger.takes(2, name="stock_2026.11.22.csv")
    assert older.take() == ["2"]
    assert older.checkpoint["file"] == "stock_2026.11.22.csv"


def test_d7_one_that_is_held_rests_and_discarded_it_never_comes_again(ledger: Ledger) -> None:
    ledger.takes(1)
    older = ledger.copy()
    ledger.takes(2, 3)
    position = through_json(older.look().offers[0].position)
    beside = older.connector.look(older.checkpoint, full=False, held=position)
    assert (beside.offers, len(beside.waiting)) == ([], 2)
    older.connector.settle(position, Settlement.DISCARDED, "not wanted")
    assert older.take() == ["3"]
    assert older.look().offers == []
    assert ".failed/stock_2.csv" in tree(ledger.path)


def test_d7_what_failed_or_was_mended_does_not_come_again(ledger: Ledger) -> None:
    ledger.takes(1)
    older = ledger.copy()
    ledger.say(2)
    [offer] = ledger.look().offers
    ledger.connector.settle(offer.position, Settlement.FAILED, "unreadable")
    (ledger.path / DONE / "stock_9.mended.csv").write_text(f"{HEADER}A,W,9,AD\n")
    renamed = f"{HEADER.strip()},stocksync reason (pull 7 of stock_1.csv)\nA,W,8,AD,x\n"
    (ledger.path / DONE / "stock_8.csv").write_text(renamed)
    ledger.takes(3)
    assert older.take() == ["3"]


def test_d7_files_that_a_person_puts_back_are_read_once(ledger: Ledger) -> None:
    ledger.takes(1)
    older = ledger.copy()
    ledger.takes(2, 3)
    for path in (ledger.path / DONE).iterdir():
        path.rename(ledger.path / path.name)
    assert older.take() == ["2", "3"]
    assert older.look().offers == []


def test_d7_kept_files_are_still_in_the_folder(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, after=After.KEEP)
    ledger.takes(1)
    older = ledger.copy()
    ledger.takes(2, 3)
    assert older.take() == ["2", "3"]
    assert not (tmp_path / NOTED).exists()


# --- crash points


def dies(ledger: Ledger, at: str) -> None:
    """Apply a delta in a process that is killed while it puts the file away."""
    pid = os.fork()
    if pid == 0:
        fault.arm(fault.Order.from_text(at))
        ledger.take()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_d7_killed_before_the_file_was_moved_nothing_is_read_twice(ledger: Ledger) -> None:
    ledger.takes(1)
    older = ledger.copy()
    ledger.say(2)
    dies(ledger, "file.moving:1")
    assert older.take() == ["2"]
    assert older.look().offers == []


def test_d7_a_file_that_was_put_away_late_is_noted_too(ledger: Ledger) -> None:
    ledger.takes(1)
    older = ledger.copy()
    ledger.say(2)
    ledger.take(settle=False)
    ledger.say(3)
    ledger.take(settle=False)
    assert ledger.take() == []  # both are known, and put away now
    assert older.take() == ["2", "3"]


def test_d7_one_that_stayed_behind_does_not_hide_what_came_after_it(ledger: Ledger) -> None:
    ledger.say(1)
    ledger.take(settle=False)
    older = ledger.copy()
    stuck = (ledger.path / "stock_1.csv").rename(ledger.path / "away")
    ledger.takes(2)
    stuck.rename(ledger.path / "stock_1.csv")
    ledger.take()
    assert older.offered() == ["2"]


# --- no false alarm


def test_in_ordinary_operation_a_later_file_in_done_is_left_alone(ledger: Ledger) -> None:
    ledger.takes(1, 2)
    drop(ledger.path / DONE / "stock_9.csv", f"{HEADER}A,W,9,AD\n")  # a person did not want it
    assert ledger.look().offers == []
    ledger.takes(3)
    assert ledger.look().offers == []


def test_a_new_ledger_reads_nothing_of_an_old_folder(ledger: Ledger) -> None:
    ledger.takes(7, 8, 9)
    fresh = Ledger(ledger.path)
    assert fresh.look().offers == []
    fresh.say(1)  # the ERP counts anew
    assert fresh.take(settle=False) == ["1"]
    assert fresh.take() == []
    fresh.takes(2)
    assert fresh.look().offers == []


def test_a_person_who_rewinds_a_source_gets_nothing_but_what_is_dropped_again(
    ledger: Ledger,
) -> None:
    ledger.takes(1, 2, 99)
    ledger.checkpoint = ledger.connector.checkpoint_at("stock_2.csv", ledger.checkpoint)
    assert ledger.look().offers == []
    ledger.takes(3)
    assert ledger.look().offers == []


def test_another_order_of_the_same_files_is_no_older_ledger(ledger: Ledger) -> None:
    ledger.say(1, at=50)
    ledger.take()
    ledger.say(2)
    ledger.take(settle=False)
    changed = ledger.copy(order=OrderBy.MTIME)
    assert [offer.label for offer in changed.look().offers] == ["stock_2.csv"]


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"file": 1}'])
def test_a_note_that_makes_no_sense_says_nothing(ledger: Ledger, broken: str) -> None:
    ledger.takes(1)
    [note] = (ledger.path / NOTED).iterdir()
    note.write_text(broken)
    assert ledger.look().offers == []
    ledger.takes(2)


def test_snapshots_need_no_note(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, mode=Kind.SNAPSHOT)
    ledger.takes(1, 2)
    assert not (tmp_path / NOTED).exists()


def test_old_notes_are_swept(ledger: Ledger) -> None:
    ledger.takes(1)
    [note] = (ledger.path / NOTED).iterdir()
    later = CsvDrop(options(ledger.path), now=lambda: note.stat().st_ctime + 20)
    assert later.expire(10) == 2
    assert put_away(ledger) == []


# --- what cannot be read


def test_d7_a_forgotten_file_that_cannot_be_read_lets_nothing_newer_pass(reachable: Path) -> None:
    ledger = Ledger(reachable)
    ledger.takes(1)
    older = ledger.copy()
    ledger.takes(2)
    ledger.say(3)
    (reachable / DONE / "stock_2.csv").chmod(0)
    with without_rights(), pytest.raises(SourceUnreachable, match="older copy") as caught:
        older.look()
    assert caught.value.remedy
