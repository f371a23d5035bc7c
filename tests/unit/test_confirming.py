"""What a channel's record proves: ours, ours of before, lag, or somebody else's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model import StockRecord
from worker.planning.confirming import (
    Expected,
    Seen,
    Sent,
    Sight,
    judge,
    landed_since,
    must_heal,
)

POSTED = 10_000.0
"""Omnitron's own time at our last POST."""


def expects(revision: int, stock: int, **changes: object) -> Expected:
    calm = Expected(revision, stock, None, POSTED, other=False, other_modified=None)
    return calm._replace(**changes)


def record(stock: int, modified: float | None = POSTED, unit: str | None = "qty") -> StockRecord:
    return StockRecord(pk=77, stock_list=1, stock=stock, unit_type=unit, modified=modified)


def sent(*stocks: int) -> list[Sent]:
    return [Sent(revision, stock, None) for revision, stock in enumerate(stocks, start=1)]


CONFIRMED_3 = Seen(sight=Sight.CONFIRMED, revision=3)


def test_our_value_confirms_where_no_other_was_sent_or_seen() -> None:
    assert judge(expects(1, 7), record(7, modified=0), sent(7)) == Seen(
        sight=Sight.CONFIRMED, revision=1
    )


def test_our_value_confirms_without_any_date_where_no_other_was_sent() -> None:
    seen = judge(expects(1, 7, posted_at=None), record(7, modified=None), sent(7))

    assert seen.sight is Sight.CONFIRMED


# --- A, then B, then A again ----------------------------------------------------------------

A_B_A = sent(7, 3, 7)
AGAIN = expects(3, 7, other=True)


def test_the_first_a_does_not_confirm_the_second() -> None:
    old = record(7, modified=POSTED - 60)

    assert judge(AGAIN, old, A_B_A) == Seen(sight=Sight.PENDING, other=True)


@pytest.mark.parametrize(
    ("modified", "sight"),
    [
        (POSTED - 2.01, Sight.PENDING),
        (POSTED - 2, Sight.CONFIRMED),
        (POSTED, Sight.CONFIRMED),
        (POSTED + 60, Sight.CONFIRMED),
        (None, Sight.PENDING),
    ],
)
def test_the_second_a_confirms_from_two_seconds_before_our_post(
    modified: float | None, sight: Sight
) -> None:
    assert judge(AGAIN, record(7, modified), A_B_A).sight is sight


def test_an_a_that_is_later_than_the_b_that_was_seen_confirms() -> None:
    seen_b = AGAIN._replace(posted_at=None, other_modified=POSTED - 30)

    assert judge(seen_b, record(7, POSTED - 29), A_B_A) == CONFIRMED_3
    assert judge(seen_b, record(7, POSTED - 30), A_B_A).sight is Sight.PENDING


def test_seeing_b_is_remembered_until_a_is_proven() -> None:
    first = judge(expects(3, 7), record(3, POSTED - 30), A_B_A)
    assert first == Seen(sight=Sight.OLDER, other=True, other_modified=POSTED - 30)

    reminded = expects(3, 7, other=first.other, other_modified=first.other_modified)
    still = judge(reminded, record(7, POSTED - 60), A_B_A)
    assert still == Seen(sight=Sight.PENDING, other=True, other_modified=POSTED - 30)


def test_the_latest_other_value_counts_not_the_last_one_looked_at() -> None:
    reminded = expects(3, 7, other=True, other_modified=POSTED - 10)

    assert judge(reminded, record(3, POSTED - 30), A_B_A).other_modified == POSTED - 10
    assert judge(reminded, record(3, None), A_B_A).other_modified == POSTED - 10


# --- later revisions of ours ----------------------------------------------------------------


def test_a_later_revision_of_ours_confirms_up_to_it() -> None:
    assert judge(expects(2, 3), record(9, POSTED + 5), sent(7, 3, 9)) == CONFIRMED_3


def test_the_latest_of_equal_later_revisions_is_confirmed() -> None:
    seen = judge(expects(1, 7), record(9, POSTED + 5), sent(7, 9, 3, 9))

    assert (seen.sight, seen.revision) == (Sight.CONFIRMED, 4)


def test_an_old_a_does_not_confirm_a_later_a_whose_sending_is_in_doubt() -> None:
    b_is_expected = expects(2, 3, other=True)

    assert judge(b_is_expected, record(7, POSTED - 60), A_B_A).sight is Sight.OLDER
    assert judge(b_is_expected, record(7, POSTED + 5), A_B_A) == CONFIRMED_3


# --- units ----------------------------------------------------------------------------------


def test_the_same_number_in_another_unit_is_another_value() -> None:
    seen = judge(expects(1, 7, unit_type="kg"), record(7, POSTED + 60, "qty"), [Sent(1, 7, "kg")])

    assert seen.sight is Sight.OVERWRITTEN


def test_a_unit_that_was_not_sent_may_be_any() -> None:
    assert judge(expects(1, 7), record(7, unit="kg"), sent(7)).sight is Sight.CONFIRMED


# --- values that were never ours ------------------------------------------------------------


@pytest.mark.parametrize(
    ("modified", "sight"),
    [
        (POSTED - 60, Sight.PENDING),  # lag: what was there before we wrote
        (POSTED, Sight.PENDING),
        (POSTED + 2, Sight.PENDING),
        (POSTED + 2.01, Sight.OVERWRITTEN),
        (None, Sight.PENDING),
    ],
)
def test_a_value_that_was_never_ours_overwrites_only_if_it_is_newer(
    modified: float | None, sight: Sight
) -> None:
    seen = judge(expects(2, 3), record(500, modified), sent(7, 3))

    assert (seen.sight, seen.other, seen.other_modified) == (sight, True, modified)


def test_without_the_time_of_our_post_nobody_is_accused() -> None:
    seen = judge(expects(2, 3, posted_at=None), record(500, POSTED + 60), sent(7, 3))

    assert seen.sight is Sight.PENDING


# --- late writes ----------------------------------------------------------------------------


def test_an_older_value_of_ours_is_recognised_however_late_it_landed() -> None:
    assert judge(expects(2, 3), record(7, POSTED + 60), sent(7, 3)).sight is Sight.OLDER


def heals(
    modified: float | None, *, now: float, posted_at: float | None = POSTED, sent_at: float = 500.0
) -> bool:
    return must_heal(
        record(7, modified),
        posted_at=posted_at,
        sent_at=sent_at,
        settle=10.0,
        confirm_within=600.0,
        now=now,
    )


@pytest.mark.parametrize(("now", "healed"), [(509.9, False), (510.0, True)])
def test_a_late_write_is_healed_once_the_key_has_settled(now: float, *, healed: bool) -> None:
    assert heals(POSTED + 5, now=now) is healed


@pytest.mark.parametrize(
    ("modified", "healed"), [(POSTED - 2.01, False), (POSTED - 2, True), (None, True)]
)
def test_only_what_was_written_after_our_post_is_a_late_write(
    modified: float | None, *, healed: bool
) -> None:
    assert heals(modified, now=520.0) is healed


@pytest.mark.parametrize(("now", "healed"), [(799.9, False), (800.0, True)])
def test_lag_is_given_half_of_confirm_within(now: float, *, healed: bool) -> None:
    assert heals(POSTED - 60, now=now) is healed


def test_without_the_time_of_our_post_a_settled_key_is_healed() -> None:
    assert heals(POSTED - 60, now=510.0, posted_at=None)


def test_what_was_sent_before_the_clock_was_put_back_has_settled_long_ago() -> None:
    assert heals(POSTED - 60, now=520.0, sent_at=4_000.0)


# --- all histories --------------------------------------------------------------------------

_MOMENTS = st.one_of(st.none(), st.integers(9_900, 10_100).map(float))
_EXPECTED = st.builds(
    Expected,
    revision=st.integers(1, 5),
    stock=st.integers(0, 3),
    unit_type=st.none(),
    posted_at=_MOMENTS,
    other=st.booleans(),
    other_modified=_MOMENTS,
)


@given(_EXPECTED, st.integers(0, 3), _MOMENTS, st.lists(st.integers(0, 3), max_size=5))
def test_what_is_confirmed_was_ours_and_is_never_older_than_expected(
    expected: Expected, stock: int, modified: float | None, stocks: list[int]
) -> None:
    history = sent(*stocks)
    seen = judge(expected, record(stock, modified), history)

    if seen.sight is Sight.CONFIRMED:
        assert seen.revision is not None
        assert seen.revision >= expected.revision
        ours = [*history, Sent(expected.revision, expected.stock, None)]
        assert any(one.revision == seen.revision and one.stock == stock for one in ours)
    else:
        assert seen.revision is None
        assert seen.other


@given(_EXPECTED, st.integers(0, 3), _MOMENTS, st.lists(st.integers(0, 3), max_size=5))
def test_only_a_value_that_was_never_ours_is_overwritten(
    expected: Expected, stock: int, modified: float | None, stocks: list[int]
) -> None:
    seen = judge(expected, record(stock, modified), sent(*stocks))

    if seen.sight is Sight.OVERWRITTEN:
        assert stock not in {*stocks, expected.stock}


# --- what lands late after a heal ------------------------------------------------------------


@pytest.mark.parametrize(
    ("stock", "modified", "landed"),
    [
        (3, POSTED + 1, True),
        (3, POSTED, False),  # the record that was healed before
        (3, None, False),
        (5, POSTED + 1, False),  # was never in doubt
    ],
)
def test_only_a_newer_record_with_a_value_that_was_in_doubt_has_landed_since(
    stock: int, modified: float | None, *, landed: bool
) -> None:
    healed = expects(4, 7, other=True, other_modified=POSTED)
    assert landed_since(record(stock, modified), healed, [Sent(2, 3, None)]) is landed


def test_whatever_was_in_doubt_has_landed_where_no_other_value_was_seen_since() -> None:
    assert landed_since(record(3, None), expects(4, 7), [Sent(2, 3, None)])
