"""Files under ``ready = "marker"``, and what a process leaves that dies while it puts one away."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from connectors import fault
from connectors.contract import Kind, Settlement, Verdict
from connectors.csv_drop import After, CsvDrop, Ready
from tests.connectors.conformance import read, through_json
from tests.connectors.drops import HEADER, LONG_AGO, drop, options, tree

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.contract import Offer

HALF_WAY = "file.moving:2"
"""The marker is taken, the file is not moved."""


def one(quantity: int) -> str:
    return f"{HEADER}A,W,{quantity},AD\n"


def marked(path: Path, name: str, quantity: int, *, at: float = LONG_AGO) -> None:
    drop(path / name, one(quantity), at=at)
    (path / f"{name}.ok").touch()


def connector(path: Path, **changes: Any) -> CsvDrop:
    return CsvDrop(options(path, ready=Ready.MARKER, mode=Kind.DELTA, **changes))


def offers(path: Path, checkpoint: Any = None, **changes: Any) -> list[Offer]:
    return list(connector(path, **changes).look(checkpoint, full=False).offers)


def settle(path: Path, offer: Offer, settlement: Settlement, *, dies: str = "", **of: Any) -> None:
    """Settle an offer, in a process that dies at a crash point."""
    position, pid = through_json(offer.position), os.fork()
    if pid == 0:
        fault.arm(fault.Order.from_text(dies) if dies else None)
        connector(path, **of).settle(position, settlement, "because")
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == (-signal.SIGKILL if dies else 0)


@pytest.mark.parametrize("settlement", list(Settlement))
def test_f5_a_file_whose_marker_was_taken_is_ready_as_before_and_is_put_away(
    tmp_path: Path, settlement: Settlement
) -> None:
    marked(tmp_path, "stock.csv", 1)
    [offer] = offers(tmp_path)
    settle(tmp_path, offer, settlement, dies=HALF_WAY)
    assert "stock.csv" in tree(tmp_path)
    assert "stock.csv.ok" not in tree(tmp_path)
    [again] = offers(tmp_path)
    assert [row.quantity for row in read(again).rows] == ["1"]
    settle(tmp_path, again, settlement)
    into = ".failed" if settlement in {"failed", "discarded"} else ".done"
    left = {f"{into}/stock.csv", f"{into}/stock.csv.ok"}
    assert set(tree(tmp_path)) - {".failed/stock.csv.reason.txt"} == left


@pytest.mark.parametrize("after", [After.MOVE, After.DELETE])
def test_f5_an_applied_file_whose_marker_was_taken_is_put_away_and_not_read_again(
    tmp_path: Path, after: After
) -> None:
    marked(tmp_path, "stock.csv", 1)
    [offer] = offers(tmp_path, after=after)
    checkpoint = read(offer).checkpoint
    settle(tmp_path, offer, Settlement.APPLIED, dies=HALF_WAY, after=after)
    [again] = offers(tmp_path, checkpoint, after=after)
    assert again.verdict is Verdict.UNCHANGED
    settle(tmp_path, again, Settlement.UNCHANGED, after=after)
    moved = [".done/stock.csv", ".done/stock.csv.ok"] if after is After.MOVE else []
    assert sorted(tree(tmp_path)) == moved


def test_f5_a_marker_that_was_taken_vouches_for_no_other_content(tmp_path: Path) -> None:
    marked(tmp_path, "stock.csv", 1)
    [offer] = offers(tmp_path)
    settle(tmp_path, offer, Settlement.APPLIED, dies=HALF_WAY)
    drop(tmp_path / "stock.csv", one(2))  # older than any marker, and not whole for all we know
    assert offers(tmp_path) == []
    (tmp_path / "stock.csv.ok").touch()
    [newer] = offers(tmp_path)
    assert [row.quantity for row in read(newer).rows] == ["2"]


def test_f5_a_marker_whose_file_has_gone_goes_with_the_next_one(tmp_path: Path) -> None:
    marked(tmp_path, "stock_1.csv", 1)
    [offer] = offers(tmp_path)
    settle(tmp_path, offer, Settlement.APPLIED, dies="file.moved:2")
    assert sorted(tree(tmp_path / ".done")) == ["stock_1.csv"]
    drop(tmp_path / "stock_1.csv", one(1))
    assert len(offers(tmp_path)) == 1  # this content was whole once
    (tmp_path / "stock_1.csv").unlink()
    marked(tmp_path, "stock_2.csv", 2)
    [offer] = offers(tmp_path)
    settle(tmp_path, offer, Settlement.APPLIED)
    names = ("stock_1.csv", "stock_1.csv.ok", "stock_2.csv", "stock_2.csv.ok")
    assert sorted(tree(tmp_path)) == [f".done/{name}" for name in names]


def test_a_marker_of_a_name_that_is_taken_gets_a_number_like_its_file(tmp_path: Path) -> None:
    for quantity in (1, 2):
        marked(tmp_path, "stock.csv", quantity, at=LONG_AGO + quantity)
        [offer] = offers(tmp_path)
        settle(tmp_path, offer, Settlement.APPLIED)
    names = ("stock.2.csv", "stock.csv", "stock.csv.2.ok", "stock.csv.ok")
    assert sorted(tree(tmp_path)) == [f".done/{name}" for name in names]
