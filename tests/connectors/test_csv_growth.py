"""A file that grew after it was applied is found and read again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from connectors.contract import Kind, Settlement, Verdict
from connectors.csv_drop import CsvDrop
from tests.connectors.conformance import read, through_json
from tests.connectors.drops import HEADER, LONG_AGO, drop, options, tree

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.contract import Listing

FIRST = f"{HEADER}A,W,1,AD\n"
REST = "B,W,2,AD\n"


def look(path: Path, checkpoint: Any, **changes: Any) -> Listing:
    return CsvDrop(options(path, **changes)).look(checkpoint, full=False)


def take(path: Path, checkpoint: Any = None, **changes: Any) -> tuple[list[str], Any]:
    """Read what there is to read and put it away: SKUs, checkpoint."""
    connector = CsvDrop(options(path, **changes))
    skus: list[str] = []
    for offer in connector.look(checkpoint, full=False).offers:
        if offer.verdict is Verdict.READ:
            reading = read(offer)
            skus += [row.sku for row in reading.rows]
            checkpoint = reading.checkpoint
            CsvDrop(options(path, **changes)).settle(reading.position, Settlement.APPLIED)
    return skus, checkpoint


def grow(path: Path) -> None:
    """Go on writing to a file that was opened before it was moved."""
    with path.open("a") as stream:
        stream.write(REST)
    os.utime(path, (LONG_AGO + 60, LONG_AGO + 60))


@pytest.mark.parametrize("mode", list(Kind))
def test_a_done_file_that_grew_is_read_again_once(tmp_path: Path, mode: Kind) -> None:
    drop(tmp_path / "stock.csv", FIRST)
    _, checkpoint = take(tmp_path, mode=mode)
    assert take(tmp_path, checkpoint, mode=mode)[0] == []
    grow(tmp_path / ".done" / "stock.csv")
    seen, checkpoint = take(tmp_path, checkpoint, mode=mode)
    assert seen == ["A", "B"]
    assert look(tmp_path, checkpoint, mode=mode).offers == []
    assert list(tree(tmp_path)) == [".done/stock.csv"]


def test_a_file_that_was_put_away_under_another_name_is_found_too(tmp_path: Path) -> None:
    checkpoint = None
    for second in (1, 2):
        drop(tmp_path / "stock.csv", FIRST.replace("1", str(second)), at=LONG_AGO + second)
        _, checkpoint = take(tmp_path, checkpoint)
    grow(tmp_path / ".done" / "stock.2.csv")
    assert take(tmp_path, checkpoint)[0] == ["A", "B"]


def test_a_delta_that_grew_after_later_ones_were_applied_is_told(tmp_path: Path) -> None:
    checkpoint = None
    for number in (1, 2):
        drop(tmp_path / f"stock_{number}.csv", FIRST.replace("1", str(number)))
        _, checkpoint = take(tmp_path, checkpoint, mode=Kind.DELTA)
    grow(tmp_path / ".done" / "stock_1.csv")
    listing = look(tmp_path, checkpoint, mode=Kind.DELTA)
    assert listing.offers == []
    [rest] = listing.waiting
    assert (rest.label, rest.alarm) == (".done/stock_1.csv", True)
    assert "grew" in rest.reason


def test_a_snapshot_that_grew_after_a_later_one_says_nothing_new(tmp_path: Path) -> None:
    checkpoint = None
    for number in (1, 2):
        drop(tmp_path / f"stock_{number}.csv", FIRST.replace("1", str(number)))
        _, checkpoint = take(tmp_path, checkpoint)
    grow(tmp_path / ".done" / "stock_1.csv")
    listing = look(tmp_path, checkpoint)
    assert (listing.offers, listing.waiting) == ([], [])


def test_a_grown_file_that_is_refused_moves_on_to_the_failed_ones(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", FIRST)
    _, checkpoint = take(tmp_path)
    grow(tmp_path / ".done" / "stock.csv")
    [offer] = look(tmp_path, checkpoint).offers
    position = through_json(offer.position)
    CsvDrop(options(tmp_path)).settle(position, Settlement.DISCARDED, "not wanted")
    assert sorted(tree(tmp_path)) == [".failed/stock.csv", ".failed/stock.csv.reason.txt"]
    assert look(tmp_path, checkpoint).offers == []


def test_a_new_file_of_the_same_name_goes_before_one_that_grew(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", FIRST)
    _, checkpoint = take(tmp_path)
    grow(tmp_path / ".done" / "stock.csv")
    drop(tmp_path / "stock.csv", f"{HEADER}C,W,3,AD\n", at=LONG_AGO + 90)
    assert take(tmp_path, checkpoint)[0] == ["C"]


def test_a_number_that_the_disk_used_again_is_no_growth(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", FIRST)
    _, checkpoint = take(tmp_path)
    (tmp_path / ".done" / "stock.csv").rename(tmp_path / ".done" / "other.csv")
    grow(tmp_path / ".done" / "other.csv")
    listing = look(tmp_path, checkpoint)
    assert (listing.offers, listing.waiting) == ([], [])
