"""What a pull makes of rows: levels by the rules, and rejected rows with their reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from tests.integration.pulling import Drop, Warehouses
from tests.integration.scenes import level_of, open_failures, reasons, register, stocks_of
from worker.errors import ExitCode
from worker.ledger import lists
from worker.model import Duplicates, Key, Negative, Rounding, StockList, Value

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.ledgers import HandClock
    from worker.ledger import Ledger


@pytest.fixture
def drop(ledger: Ledger, tmp_path: Path) -> Drop:
    return Drop(ledger, tmp_path / "drop")


@pytest.fixture
def warehouses(ledger: Ledger, tmp_path: Path) -> Warehouses:
    return Warehouses(ledger, tmp_path / "drop")


@pytest.fixture
def deltas(ledger: Ledger, tmp_path: Path) -> Drop:
    return Drop(ledger, tmp_path / "drop", mode=Kind.DELTA)


def test_a_snapshot_becomes_levels(drop: Drop) -> None:
    drop.say("A,5", "0012,0", "ßŞ🧦,7.0")
    report = drop.one()
    assert (report.status, report.read, report.changed, report.rejected) == ("applied", 3, 3, 0)
    assert stocks_of(drop.ledger, "A", "0012", "ßŞ🧦") == {"A": 5, "0012": 0, "ßŞ🧦": 7}
    assert drop.files(".done") == ["001.csv"]
    assert report.exit_code is ExitCode.OK


def test_a_later_snapshot_raises_the_revision_of_what_differs_only(drop: Drop) -> None:
    drop.say("A,5", "B,6")
    drop.pull()
    drop.say("A,5", "B,7")
    report = drop.one()
    assert (report.read, report.changed) == (2, 1)
    assert level_of(drop.ledger, "A").revision == 1
    assert level_of(drop.ledger, "B").revision == 2


def test_a_delta_changes_only_what_it_states(deltas: Drop) -> None:
    deltas.say("A,5", "B,6")
    deltas.pull()
    deltas.say("B,7")
    deltas.pull()
    assert stocks_of(deltas.ledger, "A", "B") == {"A": 5, "B": 7}


def test_warehouses_of_one_list_are_summed(warehouses: Warehouses) -> None:
    warehouses.say("A,MAIN,5,AD", "A,ANNEX,-2,AD", "A,OUTLET,9,AD", "B,OUTLET,1,KG")
    warehouses.pull()
    assert level_of(warehouses.ledger, "A").value == Value(3, "qty")
    assert level_of(warehouses.ledger, "A", stock_list=2).value == Value(9, "qty")
    assert level_of(warehouses.ledger, "B", stock_list=2).value == Value(1, "kg")


def test_a_sum_below_nothing_is_nothing(warehouses: Warehouses) -> None:
    warehouses.say("A,MAIN,5,AD", "A,ANNEX,-8,AD")
    warehouses.pull()
    assert level_of(warehouses.ledger, "A").stock == 0


def test_a_delta_of_one_warehouse_keeps_the_others(ledger: Ledger, tmp_path: Path) -> None:
    deltas = Warehouses(ledger, tmp_path / "drop", mode=Kind.DELTA)
    deltas.say("A,MAIN,5,AD", "A,ANNEX,2,AD")
    deltas.pull()
    deltas.say("A,ANNEX,3,AD")
    deltas.pull()
    assert level_of(ledger, "A").stock == 8


def test_a_warehouse_is_found_by_the_code_of_omnitrons_list(
    warehouses: Warehouses, clock: HandClock
) -> None:
    found = [StockList(pk=7, name="Depot", code="DEPOT")]
    warehouses.ledger.write(lambda tx: lists.seen(tx, found, now=clock()))
    warehouses.say("A,DEPOT,5,AD")
    warehouses.pull()
    assert level_of(warehouses.ledger, "A", stock_list=7).stock == 5


def test_an_unknown_warehouse_rejects_its_row_only(warehouses: Warehouses) -> None:
    warehouses.say("A,MARS,5,AD", "B,MAIN,6,AD")
    report = warehouses.one()
    assert (report.rejected, report.changed, report.exit_code) == (1, 1, ExitCode.ATTENTION)
    (failure,) = open_failures(warehouses.ledger)
    assert (failure.reason, failure.sku, failure.line) == ("unknown_warehouse", "A", 2)
    assert "MARS" in failure.message
    assert "[stock_lists]" in failure.remedy


def test_an_unknown_unit_rejects_its_row_only(warehouses: Warehouses) -> None:
    warehouses.say("A,MAIN,5,DOZEN", "B,MAIN,6,AD")
    assert warehouses.one().rejected == 1
    assert reasons(warehouses.ledger) == ["unknown_unit"]
    assert stocks_of(warehouses.ledger, "A", "B") == {"B": 6}


@pytest.mark.parametrize("row", ['A,"MA\nIN",5,AD', 'A,MAIN,5,"A\x1fD"'])
def test_a_name_with_control_signs_rejects_its_row_only(warehouses: Warehouses, row: str) -> None:
    warehouses.say(row, "B,MAIN,6,AD")
    assert warehouses.one().rejected == 1
    assert reasons(warehouses.ledger) == ["control_signs"]
    assert stocks_of(warehouses.ledger, "A", "B") == {"B": 6}


def test_two_units_in_one_list_are_rejected(warehouses: Warehouses) -> None:
    warehouses.say("A,MAIN,5,AD", "A,ANNEX,6,KG")
    assert warehouses.one().rejected == 1
    assert reasons(warehouses.ledger) == ["mixed_units"]


def test_a_negative_number_is_nothing_or_rejected_as_the_rules_say(drop: Drop) -> None:
    drop.say("A,-5", "B,1")
    assert drop.one().rejected == 0
    assert stocks_of(drop.ledger, "A") == {"A": 0}
    drop.rule(negative=Negative.REJECT)
    drop.say("A,-6", "B,1")
    assert drop.one().rejected == 1
    assert reasons(drop.ledger) == ["negative"]


@pytest.mark.parametrize(
    ("rounding", "stock"), [(Rounding.FLOOR, 2), (Rounding.NEAREST, 3), (Rounding.ERROR, None)]
)
def test_a_fraction_is_rounded_or_rejected(
    drop: Drop, rounding: Rounding, stock: int | None
) -> None:
    drop.rule(rounding=rounding)
    drop.say("A,2.5", "B,1")
    report = drop.one()
    assert stocks_of(drop.ledger, "A") == ({} if stock is None else {"A": stock})
    assert report.rejected == (stock is None)
    assert reasons(drop.ledger) == (["fraction"] if stock is None else [])


def test_fractions_of_warehouses_are_rounded_once(warehouses: Warehouses) -> None:
    warehouses.rule(rounding=Rounding.FLOOR)
    warehouses.say("A,MAIN,2.5,KG", "A,ANNEX,2.5,KG")
    warehouses.pull()
    assert level_of(warehouses.ledger, "A").stock == 5


def test_what_is_too_large_is_rejected_and_keeps_the_level(drop: Drop) -> None:
    drop.say("A,5", "B,2147483647")
    drop.pull()
    drop.say("A,2147483648", "B,2147483647")
    assert drop.one().rejected == 1
    assert reasons(drop.ledger) == ["too_large"]
    assert stocks_of(drop.ledger, "A", "B") == {"A": 5, "B": 2147483647}


def test_a_buffer_is_taken_off_each_level(drop: Drop) -> None:
    drop.rule(buffer=3)
    drop.say("A,5", "B,2")
    drop.pull()
    assert stocks_of(drop.ledger, "A", "B") == {"A": 2, "B": 0}


def test_equal_rows_count_once_and_differing_ones_are_rejected(drop: Drop) -> None:
    drop.say("A,5", "B,1", "A,5", "B,2")
    report = drop.one()
    assert report.rejected == 1
    assert stocks_of(drop.ledger, "A", "B") == {"A": 5}
    (failure,) = open_failures(drop.ledger)
    assert (failure.reason, failure.sku) == ("duplicate", "B")
    assert "1 (line 3)" in failure.message
    assert "2 (line 5)" in failure.message


@pytest.mark.parametrize(("duplicates", "stock"), [(Duplicates.LAST, 2), (Duplicates.SUM, 8)])
def test_duplicates_may_be_resolved(drop: Drop, duplicates: Duplicates, stock: int) -> None:
    drop.rule(duplicates=duplicates)
    drop.say("A,3", "A,3", "A,2")
    drop.pull()
    assert stocks_of(drop.ledger, "A") == {"A": stock}


def test_duplicates_far_apart_are_found(drop: Drop) -> None:
    drop.say("A,1", *(f"S{number:05},1" for number in range(5_001)), "A,2")
    drop.pull()
    assert reasons(drop.ledger) == ["duplicate"]


def test_duplicates_of_a_known_key_change_nothing_when_they_repeat_it(drop: Drop) -> None:
    drop.say("A,5")
    drop.pull()
    drop.say("A,5", "A,5", "B,1")
    assert drop.one().changed == 1
    assert level_of(drop.ledger, "A").revision == 1


def test_a_row_that_cannot_be_read_says_where_and_how_to_mend_it(drop: Drop) -> None:
    drop.say("A,5", "B,x")
    report = drop.one()
    assert (report.read, report.rejected, report.changed) == (2, 1, 1)
    (failure,) = open_failures(drop.ledger)
    assert (failure.kind, failure.file, failure.line, failure.sku) == ("row", "001.csv", 3, "B")
    assert failure.raw == "B,x"
    assert failure.remedy


def test_the_same_bad_row_again_counts_on_its_failure(drop: Drop) -> None:
    for number in range(3):
        drop.say("B,x", f"A,{number}")
        drop.pull()
    (failure,) = open_failures(drop.ledger)
    assert failure.attempts == 3


def test_a_failure_closes_when_a_later_snapshot_reads_well(drop: Drop) -> None:
    drop.say("A,5", "B,x")
    drop.pull()
    drop.say("A,5", "B,6")
    drop.pull()
    assert open_failures(drop.ledger) == []


def test_a_failure_closes_when_a_later_snapshot_no_longer_has_its_row(drop: Drop) -> None:
    drop.say("A,5", "B,x")
    drop.pull()
    drop.say("A,5")
    drop.pull()
    assert open_failures(drop.ledger) == []


def test_a_failure_closes_when_a_later_delta_states_its_key_well(deltas: Drop) -> None:
    deltas.say("A,x", "B,2.5", "C,x")
    deltas.pull()
    assert reasons(deltas.ledger) == ["fraction", "not_a_number", "not_a_number"]
    deltas.say("A,5", "B,6")
    deltas.pull()
    assert [failure.sku for failure in open_failures(deltas.ledger)] == ["C"]


def test_a_failure_of_a_warehouse_closes_with_a_good_row_of_that_warehouse(
    ledger: Ledger, tmp_path: Path
) -> None:
    deltas = Warehouses(ledger, tmp_path / "drop", mode=Kind.DELTA)
    deltas.say("A,MAIN,x,AD", "A,ANNEX,1,AD", "B,MAIN,1,AD", "B,MAIN,2,AD")
    deltas.pull()
    assert reasons(ledger) == ["duplicate", "not_a_number"]
    deltas.say("A,ANNEX,2,AD", "B,MAIN,2,AD")
    deltas.pull()
    assert reasons(ledger) == ["not_a_number"]
    deltas.say("A,MAIN,5,AD")
    deltas.pull()
    assert open_failures(ledger) == []
    assert level_of(ledger, "A").stock == 7


def test_over_a_thousand_rejects_of_one_reason_are_one_failure_with_a_count(drop: Drop) -> None:
    drop.say("A,5", "N,-", *(f"S{number:04},x" for number in range(1_001)))
    report = drop.one()
    assert report.rejected == 1_002
    crowd = max(open_failures(drop.ledger), key=lambda failure: failure.occurrences)
    assert crowd.occurrences >= 1_001
    assert crowd.reason == "not_a_number"
    assert str(crowd.occurrences) in crowd.message


def test_over_a_thousand_broken_levels_of_one_reason_are_one_failure_with_a_count(
    drop: Drop,
) -> None:
    drop.say("A,5", *(f"S{number:04},0.5" for number in range(1_001)))
    assert drop.one().rejected == 1_001
    (failure,) = open_failures(drop.ledger)
    assert (failure.reason, failure.occurrences) == ("fraction", 1_001)


def test_what_a_warehouse_says_counts_even_while_the_level_cannot_be_made(
    ledger: Ledger, tmp_path: Path
) -> None:
    deltas = Warehouses(ledger, tmp_path / "drop", mode=Kind.DELTA)
    deltas.say("A,MAIN,10,AD", "A,ANNEX,5,AD")
    deltas.pull()
    deltas.say("A,MAIN,0.5,AD")
    deltas.pull()
    assert (level_of(ledger, "A").stock, reasons(ledger)) == (15, ["fraction"])

    deltas.say("A,ANNEX,0,AD")
    deltas.pull()
    assert (level_of(ledger, "A").stock, reasons(ledger)) == (15, ["fraction"])

    deltas.say("A,ANNEX,0.5,AD")
    deltas.pull()
    assert (level_of(ledger, "A").stock, reasons(ledger)) == (1, [])


def test_a_level_that_cannot_be_made_stays_told_by_each_snapshot(drop: Drop) -> None:
    drop.say("A,2.5", "B,1")
    drop.pull()
    drop.say("A,2.5", "B,2")
    assert drop.one().rejected == 1
    (failure,) = open_failures(drop.ledger)
    assert (failure.reason, failure.attempts, failure.line) == ("fraction", 2, 2)


def test_a_level_that_cannot_be_made_is_told_no_more_when_a_snapshot_no_longer_has_its_row(
    drop: Drop,
) -> None:
    drop.say("A,2.5", "B,1")
    drop.pull()
    drop.say("B,2")
    report = drop.one()
    assert (report.rejected, report.missing) == (0, 0)
    assert open_failures(drop.ledger) == []


def test_very_many_such_levels_stay_told_too(drop: Drop) -> None:
    broken = [f"S{number:04},0.5" for number in range(1_001)]
    drop.say("A,5", *broken)
    drop.pull()
    drop.say("A,6", *broken)
    assert drop.one().rejected == 1_001
    (failure,) = open_failures(drop.ledger)
    assert (failure.occurrences, failure.attempts) == (1_001, 2)


def test_a_key_of_another_source_is_not_overwritten(ledger: Ledger, tmp_path: Path) -> None:
    first = Drop(ledger, tmp_path / "one", name="one")
    first.say("A,5")
    first.pull()
    second = Drop(ledger, tmp_path / "two", name="two")
    register(ledger, "one", "two")
    second.say("A,9", "B,1")
    second.pull()
    assert stocks_of(ledger, "A", "B") == {"A": 5, "B": 1}
    assert second.history()[-1].counts.foreign == 1


def test_a_key_passes_on_when_its_owner_is_no_longer_configured(
    ledger: Ledger, tmp_path: Path
) -> None:
    first = Drop(ledger, tmp_path / "one", name="one")
    first.say("A,5")
    first.pull()
    second = Drop(ledger, tmp_path / "two", name="two")
    second.say("A,9")
    second.pull()
    level = level_of(ledger, "A")
    assert (level.stock, level.retired) == (9, False)
    assert level.key == Key(1, "A")


def test_changed_rules_are_put_to_every_level(drop: Drop) -> None:
    drop.say("A,5", "B,0")
    drop.pull()
    drop.rule(buffer=1)
    path = drop.say("A,5", "B,0")
    assert path.exists()
    report = drop.one()
    assert (report.status, report.changed) == ("applied", 1)
    assert stocks_of(drop.ledger, "A", "B") == {"A": 4, "B": 0}


def test_changed_rules_are_put_to_levels_that_a_delta_does_not_state(deltas: Drop) -> None:
    deltas.say("A,5", "B,7")
    deltas.pull()
    deltas.rule(buffer=1)
    deltas.say("A,5")
    deltas.pull()
    assert stocks_of(deltas.ledger, "A", "B") == {"A": 4, "B": 6}


def test_changed_rules_are_weighed_by_the_guard(drop: Drop) -> None:
    drop.say(*(f"S{number:03},5" for number in range(100)))
    drop.pull()
    drop.guard(max_change_ratio=0.5)
    drop.rule(buffer=1)
    drop.say(*(f"S{number:03},5" for number in range(100)))
    assert drop.one().status == "held"
    assert level_of(drop.ledger, "S000").stock == 5
