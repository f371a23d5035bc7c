"""How the demo judges: how long changes took, what differs, and what its files hold."""

from __future__ import annotations

import math
from typing import Any

import pytest

from worker.demo import drop
from worker.demo.comparison import Comparison, Expected, compare
from worker.demo.report import Report
from worker.demo.scene import Approval, Facts, Replay
from worker.demo.timing import Shown, Timing, measure
from worker.demo.watch import Glance
from worker.demo.writer import Commit
from worker.ledger.failures import Failure
from worker.model import Delivered

KEY = (1, "A")


def _commit(at: float, before: int, after: int) -> Commit:
    return Commit(at, KEY, before, after)


def _glance(**changes: int) -> Glance:
    """Two levels, sent and seen."""
    return Glance(2, 2, 0, 0, 0, 0, None, 2, 2, 0, 1, 0)._replace(**changes)


def _facts(*, service_code: int = 143) -> Facts:
    return Facts(
        approval=Approval(pull_id=1, reason="first", changed=2, at=0.0),
        replay=Replay(failure_id=2, sku="B", message="unknown", answer="replayed"),
        second=(),
        service_code=service_code,
    )


def _broken_row() -> Failure:
    given = {"line": drop.BROKEN_LINE, "value": drop.BROKEN_CELLS[2], "message": "", "remedy": ""}
    return Failure(**{name: given.get(name) for name in Failure._fields})  # type: ignore[arg-type]


def _report(**changes: Any) -> Report:
    """A report of a demo in which all went well, but for what is changed."""
    well: dict[str, Any] = {
        "seconds": 40.0,
        "folder": None,
        "transactions": 1,
        "readings": (),
        "rejected": (_broken_row(),),
        "accepted": 2,
        "sent": Delivered(sent=2),
        "at_once": 1,
        "glance": _glance(),
        "timing": Timing(seconds=[1.0]),
        "comparison": Comparison(keys=2, differences=()),
        "facts": _facts(),
    }
    return Report(**{**well, **changes})


def _write(received: float, stock: int) -> Shown:
    return Shown(KEY, received, received + 1.0, stock)


def test_a_change_has_taken_until_a_channel_could_see_it() -> None:
    timing = measure([_commit(10.0, 5, 4)], [_write(0.0, 5), _write(12.0, 4)], since=0.0)
    assert list(timing.seconds) == [3.0]


def test_a_change_overtaken_by_the_next_arrives_with_it() -> None:
    commits = [_commit(10.0, 5, 4), _commit(11.0, 4, 3)]
    timing = measure(commits, [_write(0.0, 5), _write(12.0, 3)], since=0.0)
    assert list(timing.seconds) == [2.0, 3.0]


def test_a_write_of_before_the_change_proves_nothing() -> None:
    timing = measure([_commit(10.0, 5, 4)], [_write(9.0, 5)], since=0.0)
    assert (list(timing.seconds), timing.missing) == ([], 1)


def test_a_write_does_not_count_for_a_value_that_the_erp_took_only_later() -> None:
    commits = [_commit(10.0, 5, 4), _commit(20.0, 4, 7)]
    timing = measure(commits, [_write(12.0, 7), _write(21.0, 7)], since=0.0)
    assert list(timing.seconds) == [2.0, 12.0]


def test_a_change_and_its_undoing_that_nobody_read_are_neither_samples_nor_missing() -> None:
    commits = [_commit(10.0, 5, 4), _commit(10.5, 4, 5)]
    timing = measure(commits, [_write(0.0, 5)], since=0.0)
    assert (timing.undone, timing.missing, timing.changes) == (2, 0, 2)


def test_changes_before_the_approval_are_not_timed() -> None:
    timing = measure([_commit(10.0, 5, 4)], [_write(12.0, 4)], since=11.0)
    assert timing.changes == 0
    assert math.isnan(timing.percentile(0.5))


def test_a_transaction_that_leaves_the_sellable_stock_alone_is_no_change() -> None:
    assert measure([_commit(10.0, 5, 5)], [], since=0.0).changes == 0


def test_percentiles_are_samples_that_were_taken() -> None:
    commits = [Commit(0.0, (1, str(n)), 0, 1) for n in range(1, 21)]
    writes = [Shown((1, str(n)), float(n), float(n), 1) for n in range(1, 21)]
    timing = measure(commits, writes, since=0.0)
    assert (timing.percentile(0.5), timing.percentile(0.95)) == (10.0, 19.0)


def test_keys_are_compared_by_stock_unit_and_channel() -> None:
    record = {"stock": 4, "unit_type": "qty", "channel_stock": 4}
    state = {
        "1:A": record,
        "1:B:1": {**record, "stock": 5},
        "2:C": {**record, "unit_type": "kg"},
        "2:D": {**record, "channel_stock": None},
        "2:F": record,
    }
    keys = [(1, "A"), (1, "B:1"), (2, "C"), (2, "D"), (2, "E")]
    found = compare({key: Expected(4, "qty") for key in keys}, state)
    assert (found.keys, found.equal) == (6, 1)
    assert found.differences == [
        "list 1, SKU B:1: 5 qty in place of 4 qty",
        "list 2, SKU C: 4 kg in place of 4 qty",
        "list 2, SKU D: the channel shows None in place of 4",
        "list 2, SKU E: Omnitron lacks it, its stock is 4",
        "list 2, SKU F: Omnitron has it, no source does",
    ]


def test_the_files_are_awkward_and_broken_on_the_line_that_is_told() -> None:
    lines = drop.text(drop.rows(60, seed=1)).encode(drop.ENCODING).split(b"\r\n")
    assert lines[0].decode("cp1254") == "Stok Kodu;Depo Kodu;Kullanılabilir Miktar;Ölçü Birimi"  # noqa: RUF001 - Turkish
    assert lines[2].decode("cp1254") == '"KABLO;3x1,5 ""NYM""";BER;1.250,00;Adet'
    assert lines[drop.BROKEN_LINE - 1] == b"0004711;IST;12,5O;Adet"
    assert drop.BROKEN_KEY not in drop.expected(drop.rows(60, seed=1))


def test_the_second_file_has_the_same_keys_and_a_few_other_quantities() -> None:
    first = drop.rows(60, seed=1)
    second = drop.changed(first, seed=1)
    assert [row.key for row in first] == [row.key for row in second]
    assert sum(a != b for a, b in zip(first, second, strict=True)) == 16


def test_a_report_without_a_fault_has_no_problem() -> None:
    assert _report().problems() == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"comparison": Comparison(keys=2, differences=["list 1, SKU A: …"])}, "list 1, SKU A: …"),
        ({"glance": _glance(in_sync=1)}, "not every level is in sync and confirmed"),
        ({"glance": _glance(confirmed=1)}, "1 confirmations for 2 keys"),
        ({"at_once": 2}, "2 requests were under way for one key at once"),
        ({"timing": Timing(seconds=[1.0], missing=3)}, "3 changes of the ERP never reached"),
        ({"timing": Timing()}, "the ERP changed nothing that could be timed"),
        ({"rejected": []}, "0 rows are rejected, one is broken"),
        ({"facts": _facts(service_code=1)}, "the service ended with 1"),
    ],
)
def test_a_report_tells_what_is_wrong(changes: dict[str, Any], problem: str) -> None:
    [told] = _report(**changes).problems()
    assert told.startswith(problem)
