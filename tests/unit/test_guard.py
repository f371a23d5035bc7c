"""Every limit of the guard just below, at and above it; what counts and what never does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model import FirstPull, Guard, ListCounts
from worker.planning.guard import Weighed, reasons_to_hold

DEFAULTS = Guard()


def weighed(lists: dict[int, ListCounts] | None = None, **changes: Any) -> Weighed:
    calm: dict[str, Any] = {
        "snapshot": True,
        "first": False,
        "rows": 100,
        "rows_before": 100,
        "lists": lists if lists is not None else {1: ListCounts(known=100)},
        "zeroed_before": {},
    }
    return Weighed(**{**calm, **changes})


def of(known: int = 1000, **counts: int) -> dict[int, ListCounts]:
    return {1: ListCounts(known=known, **counts)}


def why(lists: dict[int, ListCounts] | None = None, guard: Guard = DEFAULTS, **rest: Any) -> str:
    return "; ".join(reasons_to_hold(weighed(lists, **rest), guard))


def test_a_calm_pull_is_not_held() -> None:
    assert why() == ""


# --- changes --------------------------------------------------------------------------------


@pytest.mark.parametrize(("changed", "held"), [(499, False), (500, False), (501, True)])
def test_more_changes_than_the_ratio_hold(changed: int, *, held: bool) -> None:
    assert bool(why(of(1000, changed=changed))) is held


@pytest.mark.parametrize(("changed", "held"), [(49, False), (50, False), (51, True)])
def test_few_changes_are_ignored_whatever_their_ratio(changed: int, *, held: bool) -> None:
    assert bool(why(of(60, changed=changed))) is held


def test_the_sentence_names_the_numbers_and_the_limit() -> None:
    sentence = why(of(1000, changed=501))

    assert sentence == "501 of 1000 levels in all would change (guard.max_change_ratio = 0.5)"


@given(st.integers(1, 100), st.integers(1, 100))
def test_exactly_the_ratio_is_never_too_much(parts: int, known: int) -> None:
    count = min(parts, known)
    guard = Guard(max_change_ratio=count / known, max_zero_ratio=count / known, ignore_below=0)

    assert why(of(known, changed=count, zeroed=count), guard) == ""


@pytest.mark.parametrize("hundredths", range(1, 100))
def test_a_ratio_written_in_hundredths_means_that_many_of_a_hundred(hundredths: int) -> None:
    guard = Guard(max_change_ratio=float(f"0.{hundredths:02}"), ignore_below=0)

    assert why(of(100, changed=hundredths), guard) == ""
    assert why(of(100, changed=hundredths + 1), guard) != ""


# --- zeroes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("zeroed", "held"), [(199, False), (200, False), (201, True)])
def test_more_zeroes_than_the_ratio_hold(zeroed: int, *, held: bool) -> None:
    assert bool(why(of(1000, zeroed=zeroed))) is held


@pytest.mark.parametrize(("zeroed", "held"), [(4, False), (5, True)])
def test_zeroes_count_from_five_levels_on(zeroed: int, *, held: bool) -> None:
    assert bool(why(of(5, zeroed=zeroed))) is held


def test_zeroes_are_not_ignored_below_the_limit_for_changes() -> None:
    sentence = why(of(10, changed=5, zeroed=5))

    assert "5 of 10 levels in all would go to zero within 1 h" in sentence
    assert "would change" not in sentence


def test_zeroes_add_up_over_the_window() -> None:
    assert why(of(1000, zeroed=1), zeroed_before={1: 199}) == ""
    assert "201 of 1000" in why(of(1000, zeroed=1), zeroed_before={1: 200})


def test_a_pull_without_a_zero_is_not_held_for_those_before_it() -> None:
    assert why(of(1000, changed=10), zeroed_before={1: 900}) == ""


# --- lists ----------------------------------------------------------------------------------


def test_a_small_list_is_weighed_by_itself() -> None:
    lists = {1: ListCounts(known=10_000), 2: ListCounts(known=100, changed=51)}

    assert why(lists).startswith("51 of 100 levels in stock list 2 would change")


def test_zeroes_of_the_window_are_counted_for_their_own_list() -> None:
    lists = {1: ListCounts(known=10_000), 2: ListCounts(known=100, zeroed=1)}

    assert "in stock list 2 would go to zero" in why(lists, zeroed_before={2: 20})
    assert why(lists, zeroed_before={1: 20}) == ""


def test_what_is_too_much_in_one_list_is_named_beside_what_is_too_much_in_all() -> None:
    lists = {number: ListCounts(known=100, changed=50) for number in (1, 2, 3)}

    assert why(lists) == ""
    lists[3] = ListCounts(known=100, changed=51)
    assert len(reasons_to_hold(weighed(lists), DEFAULTS)) == 2


def test_few_changes_in_each_list_may_be_too_many_in_all() -> None:
    lists = {number: ListCounts(known=60, changed=40) for number in (1, 2)}

    assert why(lists) == "80 of 120 levels in all would change (guard.max_change_ratio = 0.5)"


def test_one_list_gives_one_sentence() -> None:
    assert len(reasons_to_hold(weighed(of(100, changed=100)), DEFAULTS)) == 1


# --- creations, first pulls, snapshots ------------------------------------------------------


def test_creations_never_count() -> None:
    assert why(of(0, created=100_000)) == ""
    assert why(of(10, created=100_000, changed=1)) == ""


def test_a_first_pull_shows_its_plan_first() -> None:
    assert 'guard.first_pull = "hold"' in why(of(0, created=5), first=True)
    assert 'guard.first_pull = "hold"' in why(of(0, created=5), first=True, snapshot=False)


def test_a_first_pull_may_be_applied_where_the_guard_says_so() -> None:
    guard = Guard(first_pull=FirstPull.APPLY)

    assert why(of(0, created=5), guard, first=True, rows_before=None) == ""


@pytest.mark.parametrize("rows_before", [None, 0, 1, 100])
def test_an_empty_snapshot_is_always_held(rows_before: int | None) -> None:
    lenient = Guard(
        first_pull=FirstPull.APPLY, max_change_ratio=1, max_zero_ratio=1, min_row_ratio=0
    )

    assert why({}, lenient, rows=0, rows_before=rows_before) == "the snapshot is empty"


def test_an_empty_delta_is_an_ordinary_thing() -> None:
    assert why({}, snapshot=False, rows=0) == ""


@pytest.mark.parametrize(("rows", "held"), [(49, True), (50, False), (51, False)])
def test_a_snapshot_that_shrank_too_much_is_held(rows: int, *, held: bool) -> None:
    assert bool(why(rows=rows)) is held


def test_a_delta_may_be_as_short_as_it_likes() -> None:
    assert why(snapshot=False, rows=1) == ""


def test_without_a_snapshot_before_there_is_nothing_to_shrink_from() -> None:
    assert why(rows=1, rows_before=None) == ""


def test_every_broken_limit_is_named() -> None:
    reasons = reasons_to_hold(
        weighed(of(100, changed=90, zeroed=90), first=True, rows=10), DEFAULTS
    )

    assert len(reasons) == 4
