"""Cursors move forward only by what was seen, and are bound so that no row is lost."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import SourceMisconfigured
from connectors.sql_erp.counters import IntegerCursor, TextCursor
from connectors.sql_erp.timestamps import TimestampCursor

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ISTANBUL = ZoneInfo("Europe/Istanbul")
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
FALL_BACK = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)  # Berlin: 03:00 becomes 02:00


def moments(zone: ZoneInfo = ISTANBUL, overlap: float = 120, **rest: Any) -> TimestampCursor:
    return TimestampCursor(zone=zone, overlap=timedelta(seconds=overlap), **rest)


def after(
    cursor: Any, *values: object, checkpoint: Any = None, now: datetime = NOW, full: bool = False
) -> Any:
    watch = cursor.watch(now=now)
    watch.add(values)
    return cursor.after(checkpoint, watch, full=full)


def bound_after(cursor: TimestampCursor, *values: object, now: datetime = NOW) -> Any:
    return cursor.bound(after(cursor, *values, now=now), now=now)


def test_the_first_bound_is_the_start_as_written() -> None:
    assert moments().bound(None, now=NOW) == "1970-01-02"
    assert moments(start="2026-01-01T05:00").bound(None, now=NOW) == "2026-01-01 05:00:00"
    assert moments(texts=False).bound(None, now=NOW) == datetime(1970, 1, 2)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (datetime(2026, 11, 21, 13, 0), datetime(2026, 11, 21, 12, 58)),  # noqa: DTZ001
        (datetime(2026, 11, 21, 10, 0, tzinfo=UTC), datetime(2026, 11, 21, 9, 58, tzinfo=UTC)),
        (date(2026, 11, 21), date(2026, 11, 20)),
        ("2026-11-21 13:00:00", "2026-11-21 12:58:00"),
        ("2026-11-21 13:00:00.123456", "2026-11-21 12:58:00"),
        ("2026-11-21T13:00:00", "2026-11-21 12:58:00"),
        ("2026-11-21T10:00:00Z", "2026-11-21 09:58:00+00:00"),
        ("2026-11-21 13:00:00+03:00", "2026-11-21 12:58:00+03:00"),
        ("2026-11-21", "2026-11-20"),
    ],
)
def test_the_bound_is_of_the_kind_that_was_seen(value: object, bound: object) -> None:
    assert bound_after(moments(), value) == bound


def test_a_moment_is_kept_in_utc_with_microseconds() -> None:
    kept = after(moments(), datetime(2026, 11, 21, 13, 0))  # noqa: DTZ001
    assert kept == {"cursor": "2026-11-21T10:00:00.000000+00:00", "forms": ["naive"]}


def test_forms_seen_once_are_remembered() -> None:
    first = after(moments(), "2026-11-21T10:00:00Z")
    second = after(moments(), "2026-11-21 13:30:00", checkpoint=first)
    assert second["forms"] == ["text", "text+0"]
    assert moments().bound(second, now=NOW) == "2026-11-21 10:28:00+00:00"


SEPARATORS = st.sampled_from([" ", "T"])
SECONDS = st.integers(0, 86_399)
FRACTIONS = st.sampled_from(["", ".5", ".123456"])


@given(SEPARATORS, SECONDS, FRACTIONS, SEPARATORS, SECONDS, FRACTIONS, st.sampled_from(["", "Z"]))
def test_no_later_text_compares_below_the_bound(  # noqa: PLR0917
    separator: str, second: int, fraction: str, other: str, later: int, part: str, suffix: str
) -> None:
    def written(separator: str, second: int, fraction: str) -> str:
        moment = datetime(2026, 3, 1) + timedelta(seconds=second)  # noqa: DTZ001
        return moment.isoformat(sep=separator) + fraction + suffix

    first, last = sorted(
        [(second, fraction), (later, part)], key=lambda at: float(f"{at[0]}{at[1]}")
    )
    bound = bound_after(moments(overlap=0), written(separator, *first))
    assert written(other, *last) >= bound


@given(st.integers(-7200, 7200), st.integers(0, 10_800))
def test_no_later_local_time_compares_below_the_bound_when_clocks_fall_back(
    seconds: int, later: int
) -> None:
    seen = FALL_BACK + timedelta(seconds=seconds)
    next_one = (seen + timedelta(seconds=later)).astimezone(BERLIN).replace(tzinfo=None)
    bound = bound_after(moments(BERLIN), seen.astimezone(BERLIN).replace(tzinfo=None))
    assert next_one >= bound


def test_an_ordinary_day_is_not_read_again() -> None:
    seen = datetime(2026, 10, 25, 12, 0)  # noqa: DTZ001
    assert bound_after(moments(BERLIN), seen) == seen - timedelta(seconds=120)


@pytest.mark.parametrize("zone", [ISTANBUL, NEW_YORK])
def test_while_the_form_is_open_the_bound_suits_every_form(zone: ZoneInfo) -> None:
    cursor = moments(zone)
    bound = cursor.bound(after(cursor, full=True), now=NOW)
    assert bound < (NOW - timedelta(seconds=120)).astimezone(zone).isoformat(sep=" ")
    assert bound < (NOW - timedelta(seconds=120)).isoformat(sep=" ")
    assert datetime.fromisoformat(bound) <= NOW - timedelta(seconds=120)


def test_an_empty_read_moves_nothing() -> None:
    kept = after(moments(), "2026-11-21 13:00:00")
    assert after(moments(), checkpoint=kept) == kept


def test_a_lower_value_moves_nothing() -> None:
    kept = after(moments(), "2026-11-21 13:00:00")
    assert after(moments(), "2026-11-20 13:00:00", checkpoint=kept) == kept


def test_an_empty_value_is_passed_over() -> None:
    assert after(moments(), None, "2026-11-21 13:00:00", None)["cursor"].startswith("2026-11-21T10")
    assert after(moments(), None) == {"cursor": None}


@pytest.mark.parametrize("value", ["2999-01-01 00:00:00", "infinity", "0000-00-00 00:00:00"])
def test_a_value_far_in_the_future_or_of_no_time_moves_nothing(value: str) -> None:
    assert after(moments(), value, "2026-11-21 13:00:00")["cursor"].startswith("2026-11-21T10")


def test_a_value_a_little_in_the_future_moves_to_the_clock_of_the_source() -> None:
    assert (
        after(moments(), NOW + timedelta(hours=20))["cursor"] == "2026-11-21T12:00:00.000000+00:00"
    )


def test_a_clock_put_back_takes_the_bound_with_it() -> None:
    kept = after(moments(), NOW)
    earlier = NOW - timedelta(days=2)
    assert moments().bound(kept, now=earlier) == earlier - timedelta(seconds=120)


def test_a_full_statement_without_a_cursor_stands_for_all_up_to_the_clock() -> None:
    assert after(moments(), full=True)["cursor"] == "2026-11-21T12:00:00.000000+00:00"


@pytest.mark.parametrize("value", [1_763_000_000, 1.5, True, b"2026-11-21"])
def test_a_number_is_no_moment(value: object) -> None:
    with pytest.raises(SourceMisconfigured, match="cursor_type is timestamp"):
        after(moments(), value)


def test_offsets_of_any_kind_are_one_moment() -> None:
    aware = datetime(2026, 11, 21, 13, 0, tzinfo=timezone(timedelta(hours=3)))
    assert after(moments(), aware)["cursor"] == "2026-11-21T10:00:00.000000+00:00"


@pytest.mark.parametrize("values", [(5, 7, 6), (Decimal(7), 5.0), (7, None, float("nan"))])
def test_the_highest_integer_is_kept(values: tuple[object, ...]) -> None:
    assert after(IntegerCursor(), *values) == {"cursor": "7"}


def test_integers_are_bound_less_the_overlap() -> None:
    cursor = IntegerCursor(start=3, overlap=10)
    assert cursor.bound(None, now=NOW) == 3
    assert cursor.bound({"cursor": None}, now=NOW) == 3
    assert cursor.bound({"cursor": "100"}, now=NOW) == 90


def test_an_integer_never_moves_back() -> None:
    assert after(IntegerCursor(), 5, checkpoint={"cursor": "7"}) == {"cursor": "7"}
    assert after(IntegerCursor(), checkpoint={"cursor": "7"}) == {"cursor": "7"}


@pytest.mark.parametrize("value", ["7", True, date(2026, 1, 1)])
def test_another_type_is_no_integer(value: object) -> None:
    with pytest.raises(SourceMisconfigured, match="cursor_type is integer"):
        after(IntegerCursor(), value)


def test_a_stored_moment_is_no_integer() -> None:
    with pytest.raises(SourceMisconfigured, match="not an integer"):
        IntegerCursor().bound({"cursor": "2026-11-21"}, now=NOW)


def test_texts_are_bound_as_they_are() -> None:
    assert TextCursor().bound(None, now=NOW) == ""
    assert after(TextCursor(), "b", "a", None) == {"cursor": "b"}
    assert TextCursor().bound({"cursor": "b"}, now=NOW) == "b"
    assert after(TextCursor(), checkpoint={"cursor": "b"}) == {"cursor": "b"}


def test_a_number_is_no_text() -> None:
    with pytest.raises(SourceMisconfigured, match="cursor_type is text"):
        after(TextCursor(), 5)
