"""Which dropped file comes after which: by number, by time in the name, by modification time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Kind, Settlement, Verdict
from connectors.csv_drop import After, CsvDrop, OrderBy, Ready
from connectors.csv_drop.dates import doubtful_date
from connectors.csv_drop.ordering import Ordering
from tests.connectors.conformance import read, through_json
from tests.connectors.drops import HEADER, LONG_AGO, drop, options, tree

if TYPE_CHECKING:
    from connectors.contract import Listing

MIXED = {"mode": Kind.DELTA, "pattern": "delta_*.csv", "full_pattern": "full_*.csv"}
DAY_FIRST = {"name_time": "%d%m%Y_%H%M"}


def one(quantity: int) -> str:
    return f"{HEADER}A,W,{quantity},AD\n"


def look(path: Path, checkpoint: Any = None, *, held: Any = None, **changes: Any) -> Listing:
    full = changes.pop("full", False)
    return CsvDrop(options(path, **changes)).look(checkpoint, full=full, held=held)


def verdicts(listing: Listing) -> list[tuple[str, str]]:
    return [(offer.label, offer.verdict.value) for offer in listing.offers]


def waits(listing: Listing) -> dict[str, str]:
    return {rest.label: rest.reason for rest in listing.waiting}


def take(path: Path, checkpoint: Any = None, **changes: Any) -> tuple[list[str], Any]:
    """Do what the pull step does with one look: quantities in the order read, new checkpoint."""
    listing = look(path, checkpoint, **changes)
    seen: list[str] = []
    for wanted in (True, False):
        for offer in listing.offers:
            if (offer.verdict is Verdict.READ) is not wanted:
                continue
            if wanted:
                seen += [row.quantity for row in read(offer).rows]
            checkpoint = through_json(offer.checkpoint())
            settlement = Settlement.APPLIED if wanted else Settlement(offer.verdict.value)
            CsvDrop(options(path, **changes)).settle(offer.position, settlement)
    return seen, checkpoint


# --- by name


def test_a_counter_that_grows_by_a_digit_still_counts_upwards(tmp_path: Path) -> None:
    for number in (10, 9, 100):
        drop(tmp_path / f"stock_{number}.csv", one(number))
    assert take(tmp_path, mode=Kind.DELTA)[0] == ["9", "10", "100"]


def test_a_time_of_day_refines_a_date_of_the_same_name(tmp_path: Path) -> None:
    for name in ("s_20261122.csv", "s_202611211530.csv", "s_20261121.csv", "s_202611220900.csv"):
        drop(tmp_path / name, one(1))
    assert [label for label, _ in verdicts(look(tmp_path, mode=Kind.DELTA))] == [
        "s_20261121.csv",
        "s_202611211530.csv",
        "s_20261122.csv",
        "s_202611220900.csv",
    ]


@given(numbers=st.sets(st.integers(0, 10**7), min_size=1, max_size=20))
def test_files_follow_their_counter_whatever_its_width(numbers: set[int]) -> None:
    names = [f"stock_{number}.csv" for number in numbers if not doubtful_date(f"{number}.csv")]
    ordering = Ordering(options(Path("drop"), pattern="stock_*.csv"))
    placed = sorted(names, key=lambda name: ordering.place(name, 0))
    assert placed == sorted(names, key=lambda name: int(name[6:-4]))


# --- dates that are not guessed


@pytest.mark.parametrize(
    "name",
    [
        "STOK_21112026.csv",
        "STOK_03042026_0930.csv",
        "STOK_03042026093000.csv",
        "STOK_03-04-2026.csv",
        "STOK_3.4.2026.csv",
        "STOK_030426.csv",
        "STOK_26-11-21.csv",
        "STOK_030426_20261121.csv",
    ],
)
def test_a_date_that_may_start_with_the_day_waits_for_a_person(tmp_path: Path, name: str) -> None:
    drop(tmp_path / name, one(1))
    listing = look(tmp_path)
    assert listing.offers == []
    [rest] = listing.waiting
    assert rest.alarm
    assert "name_time" in rest.reason
    assert "mtime" in rest.reason
    assert verdicts(look(tmp_path, order=OrderBy.MTIME)) == [(name, "read")]


@pytest.mark.parametrize(
    "name",
    [
        "STOK_20261121.csv",
        "STOK_20261121_101112.csv",
        "STOK_2026-11-21_10-11-12.csv",
        "STOK_202611211011.csv",
        "STOK_001123.csv",
        "STOK_99112026.csv",
        "STOK_1795300396.csv",
        "STOK_12345678.csv",
        "STOK_7.csv",
        "STOK.csv",
    ],
)
def test_a_year_in_front_or_a_plain_number_is_no_doubt(tmp_path: Path, name: str) -> None:
    drop(tmp_path / name, one(1))
    assert verdicts(look(tmp_path)) == [(name, "read")]


def test_digits_that_the_pattern_states_are_no_date(tmp_path: Path) -> None:
    drop(tmp_path / "shop_101112_5.csv", one(1))
    assert waits(look(tmp_path)) != {}
    assert waits(look(tmp_path, pattern="shop_101112_*.csv")) == {}


def test_a_file_that_waits_for_its_order_lets_others_pass(tmp_path: Path) -> None:
    drop(tmp_path / "stock_03042026.csv", one(1))
    drop(tmp_path / "stock_20260403.csv", one(2))
    assert verdicts(look(tmp_path)) == [("stock_20260403.csv", "read")]


# --- by the time in the name


def test_day_month_year_names_are_taken_in_the_order_of_their_times(tmp_path: Path) -> None:
    for quantity, name in enumerate(["30112026_2300", "01122026_0100", "01122026_0030"]):
        drop(tmp_path / f"STOK_{name}.csv", one(quantity))
    assert take(tmp_path, mode=Kind.DELTA, **DAY_FIRST)[0] == ["0", "2", "1"]


@pytest.mark.parametrize(
    "name", ["STOK.csv", "STOK_31022026_0900.csv", "STOK_01012026_0900_02012026_0900.csv"]
)
def test_a_name_without_one_time_of_the_form_waits_for_a_person(tmp_path: Path, name: str) -> None:
    drop(tmp_path / name, one(1))
    [rest] = look(tmp_path, **DAY_FIRST).waiting
    assert rest.alarm
    assert "name_time" in rest.reason


def test_an_hour_that_a_clock_shows_twice_is_told_apart_by_the_modification_time(
    tmp_path: Path,
) -> None:
    first_pass, second_pass = 1_792_889_400.0, 1_792_891_200.0  # 25 October 2026, 02:50, 02:20
    drop(tmp_path / "s_25102026_0250.csv", one(1), at=first_pass)
    drop(tmp_path / "s_25102026_0220.csv", one(2), at=second_pass)
    berlin = {**DAY_FIRST, "timezone": "Europe/Berlin", "mode": Kind.DELTA}
    assert take(tmp_path, **berlin)[0] == ["1", "2"]


# --- by modification time


def test_files_are_taken_by_modification_time_where_that_is_configured(tmp_path: Path) -> None:
    for name, at in (("a", 3), ("b", 1), ("c", 2)):
        drop(tmp_path / f"{name}.csv", one(at), at=LONG_AGO + at)
    assert take(tmp_path, mode=Kind.DELTA, order=OrderBy.MTIME)[0] == ["1", "2", "3"]


@pytest.mark.parametrize("lost", [0.0, 315_532_800.0])
def test_a_time_before_1990_gives_way_to_that_of_the_entry(tmp_path: Path, lost: float) -> None:
    drop(tmp_path / "lost.csv", one(2), at=lost)
    drop(tmp_path / "kept.csv", one(1), at=LONG_AGO)
    assert take(tmp_path, mode=Kind.DELTA, order=OrderBy.MTIME)[0] == ["1", "2"]


# --- what came before


def test_a_b_a_is_applied_three_times_even_if_nothing_can_be_moved(tmp_path: Path) -> None:
    checkpoint, seen = None, []
    for number, quantity in enumerate([1, 2, 1]):
        drop(tmp_path / f"stock_{number}.csv", one(quantity))
        for offer in look(tmp_path, checkpoint).offers:  # nothing is ever settled
            if offer.verdict is Verdict.READ:
                seen += [row.quantity for row in read(offer).rows]
        for offer in look(tmp_path, checkpoint).offers:
            if offer.verdict is not Verdict.SUPERSEDED:
                list(offer.chunks())
                checkpoint = through_json(offer.checkpoint())
    assert seen == ["1", "2", "1"]


def test_a_file_that_stayed_behind_never_moves_the_place_back(tmp_path: Path) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    [offer] = look(tmp_path).offers
    first = read(offer).checkpoint
    drop(tmp_path / "stock_3.csv", one(3))
    left, newer = look(tmp_path, first).offers
    assert (left.verdict, newer.verdict) == (Verdict.UNCHANGED, Verdict.READ)
    read(newer)
    assert through_json(left.checkpoint())["file"] == "stock_3.csv"
    drop(tmp_path / "stock_2.csv", one(2))
    listing = look(tmp_path, through_json(left.checkpoint()))
    assert dict(verdicts(listing))["stock_2.csv"] == "superseded"


def test_each_delta_of_one_look_is_remembered(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        drop(tmp_path / f"stock_{number}.csv", one(number))
    _, checkpoint = take(tmp_path, mode=Kind.DELTA)
    assert [name for name, *_ in checkpoint["applied"]] == [
        "stock_1.csv",
        "stock_2.csv",
        "stock_3.csv",
    ]


def test_after_a_weekend_only_the_newest_snapshot_is_read(tmp_path: Path) -> None:
    drop(tmp_path / "STOK_20112026_1800.csv", one(1))
    _, friday = take(tmp_path, **DAY_FIRST)
    for day, quantity in (("21112026", 2), ("22112026", 3), ("23112026", 4)):
        drop(tmp_path / f"STOK_{day}_1800.csv", one(quantity))
    listing = look(tmp_path, friday, **DAY_FIRST)
    assert [verdict for _, verdict in verdicts(listing)] == ["superseded", "superseded", "read"]
    assert take(tmp_path, friday, **DAY_FIRST)[0] == ["4"]


# --- snapshots beside deltas


def test_deltas_before_a_snapshot_are_outdone_and_those_after_it_are_read(tmp_path: Path) -> None:
    for number, kind in enumerate(["delta", "full", "delta", "full", "delta", "delta"], start=1):
        drop(tmp_path / f"{kind}_{number}.csv", one(number))
    listing = look(tmp_path, **MIXED)
    assert verdicts(listing) == [
        ("delta_1.csv", "superseded"),
        ("full_2.csv", "superseded"),
        ("delta_3.csv", "superseded"),
        ("full_4.csv", "read"),
        ("delta_5.csv", "read"),
        ("delta_6.csv", "read"),
    ]
    assert [offer.kind for offer in listing.offers[3:]] == [Kind.SNAPSHOT, Kind.DELTA, Kind.DELTA]


@pytest.mark.parametrize("late", ["delta_1.csv", "full_1.csv"])
def test_a_late_file_of_either_kind_is_superseded(tmp_path: Path, late: str) -> None:
    drop(tmp_path / "full_2.csv", one(2))
    drop(tmp_path / "delta_3.csv", one(3))
    _, checkpoint = take(tmp_path, **MIXED)
    drop(tmp_path / late, one(1))
    assert verdicts(look(tmp_path, checkpoint, **MIXED)) == [(late, "superseded")]


def test_the_same_snapshot_after_a_delta_is_no_repetition(tmp_path: Path) -> None:
    checkpoint = None
    for name, quantity in (("full_1", 1), ("delta_2", 2), ("full_3", 1)):
        drop(tmp_path / f"{name}.csv", one(quantity))
        seen, checkpoint = take(tmp_path, checkpoint, **MIXED)
        assert seen == [str(quantity)]


def test_a_snapshot_of_the_same_rows_as_the_last_delta_says_more_than_it(tmp_path: Path) -> None:
    drop(tmp_path / "delta_1.csv", one(1))
    _, checkpoint = take(tmp_path, **MIXED)
    drop(tmp_path / "full_2.csv", one(1))
    assert verdicts(look(tmp_path, checkpoint, **MIXED)) == [("full_2.csv", "read")]


def test_a_name_that_fits_both_patterns_is_a_snapshot(tmp_path: Path) -> None:
    drop(tmp_path / "20261121_FULL.csv", one(1))
    drop(tmp_path / "20261122.csv", one(2))
    mixed = {"mode": Kind.DELTA, "full_pattern": "*_full.csv"}
    listing = look(tmp_path, **mixed)
    assert [offer.kind for offer in listing.offers] == [Kind.SNAPSHOT, Kind.DELTA]


def test_without_a_number_a_name_has_no_place_among_snapshots_and_deltas(tmp_path: Path) -> None:
    drop(tmp_path / "full_all.csv", one(1))
    [rest] = look(tmp_path, **MIXED).waiting
    assert rest.alarm
    assert verdicts(look(tmp_path, **MIXED, order=OrderBy.MTIME)) == [("full_all.csv", "read")]


def test_while_a_delta_is_held_only_newer_snapshots_are_weighed(tmp_path: Path) -> None:
    drop(tmp_path / "delta_2.csv", one(2))
    [held] = look(tmp_path, **MIXED).offers
    for name in ("full_1", "delta_3", "full_4"):
        drop(tmp_path / f"{name}.csv", one(4))
    listing = look(tmp_path, held=held.position, **MIXED)
    assert verdicts(listing) == [("full_4.csv", "read")]
    assert sorted(waits(listing)) == ["delta_2.csv", "delta_3.csv", "full_1.csv"]


def test_a_source_of_deltas_with_snapshots_beside_them_sees_what_is_gone(tmp_path: Path) -> None:
    assert CsvDrop(options(tmp_path, **MIXED)).has_full
    assert not CsvDrop(options(tmp_path, mode=Kind.DELTA)).has_full


# --- what becomes of them


def test_applied_files_can_be_deleted_and_failed_ones_never_are(tmp_path: Path) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    drop(tmp_path / "stock_1.csv.ok", "")
    changes = {"after": After.DELETE, "ready": Ready.MARKER}
    assert take(tmp_path, **changes)[0] == ["1"]
    assert tree(tmp_path) == {}
    drop(tmp_path / "stock_2.csv", one(2))
    drop(tmp_path / "stock_2.csv.ok", "")
    [offer] = look(tmp_path, **changes).offers
    CsvDrop(options(tmp_path, **changes)).settle(offer.position, Settlement.FAILED, "why")
    assert sorted(tree(tmp_path)) == [
        ".failed/stock_2.csv",
        ".failed/stock_2.csv.ok",
        ".failed/stock_2.csv.reason.txt",
    ]


def test_a_file_that_is_another_by_now_is_not_deleted(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", one(1))
    [offer] = look(tmp_path, after=After.DELETE).offers
    drop(tmp_path / "stock.csv", one(2))
    CsvDrop(options(tmp_path, after=After.DELETE)).settle(offer.position, Settlement.APPLIED)
    assert tree(tmp_path) == {"stock.csv": one(2).encode()}


def test_kept_files_are_decided_once_and_then_passed_over_in_silence(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        drop(tmp_path / f"stock_{number}.csv", one(number))
    seen, checkpoint = take(tmp_path, after=After.KEEP)
    assert seen == ["3"]
    assert len(tree(tmp_path)) == 3
    assert look(tmp_path, checkpoint, after=After.KEEP).offers == []


def test_beside_kept_files_a_new_one_is_read_and_a_late_one_is_listed_once(tmp_path: Path) -> None:
    drop(tmp_path / "stock_2.csv", one(2))
    _, checkpoint = take(tmp_path, after=After.KEEP)
    drop(tmp_path / "stock_1.csv", one(1))
    assert verdicts(look(tmp_path, checkpoint, after=After.KEEP)) == [("stock_1.csv", "superseded")]
    _, checkpoint = take(tmp_path, checkpoint, after=After.KEEP)
    assert look(tmp_path, checkpoint, after=After.KEEP).offers == []
    drop(tmp_path / "stock_3.csv", one(3))
    assert take(tmp_path, checkpoint, after=After.KEEP)[0] == ["3"]


def test_a_kept_file_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    checkpoint = None
    for number in (1, 2, 3):
        path = drop(tmp_path / "stock.csv", one(number), at=LONG_AGO + number)
        seen, checkpoint = take(tmp_path, checkpoint, after=After.KEEP)
        assert seen == [str(number)]
    os.utime(path, (LONG_AGO + 9, LONG_AGO + 9))
    assert verdicts(look(tmp_path, checkpoint, after=After.KEEP)) == [("stock.csv", "unchanged")]


def test_the_kept_file_applied_last_is_read_again_when_everything_is_wanted(
    tmp_path: Path,
) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    drop(tmp_path / "stock_2.csv", one(2))
    _, checkpoint = take(tmp_path, after=After.KEEP)
    listing = look(tmp_path, checkpoint, full=True, after=After.KEEP)
    assert verdicts(listing) == [("stock_2.csv", "read")]
