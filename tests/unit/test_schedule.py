"""When a source is due next: crontab(5) in its own zone, over both changes of the clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.planning.schedule import is_due, next_at

BERLIN = "Europe/Berlin"
ISTANBUL = "Europe/Istanbul"


def turns(cron: str, zone: str, start: str, *, count: int) -> list[str]:
    """The next turns after local time ``start``, in local time with offset."""
    now = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone)).timestamp()
    found = []
    for _ in range(count):
        now = next_at(cron=cron, every=None, timezone=zone, now=now)
        local = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(zone))
        found.append(local.strftime("%m-%d %H:%M %z"))
    return found


def test_a_turn_is_local_time_of_the_source() -> None:
    assert turns("30 3 * * *", ISTANBUL, "2026-11-21 12:00", count=1) == ["11-22 03:30 +0300"]
    assert turns("30 3 * * *", "UTC", "2026-11-21 12:00", count=1) == ["11-22 03:30 +0000"]


def test_the_turn_that_is_now_is_not_taken_twice() -> None:
    assert turns("30 3 * * *", ISTANBUL, "2026-11-21 03:30", count=1) == ["11-22 03:30 +0300"]


def test_a_nightly_turn_keeps_its_local_time_when_summer_begins() -> None:
    assert turns("30 4 * * *", BERLIN, "2026-03-28 04:00", count=3) == [
        "03-28 04:30 +0100",
        "03-29 04:30 +0200",
        "03-30 04:30 +0200",
    ]


def test_a_turn_in_the_hour_that_does_not_exist_is_not_lost() -> None:
    found = turns("30 2 * * *", BERLIN, "2026-03-28 12:00", count=2)

    assert found == ["03-29 03:00 +0200", "03-30 02:30 +0200"]


def test_a_turn_in_the_hour_that_comes_twice_is_taken_once() -> None:
    found = turns("30 2 * * *", BERLIN, "2026-10-24 12:00", count=2)

    assert found == ["10-25 02:30 +0200", "10-26 02:30 +0100"]


@pytest.mark.parametrize("start", ["2026-03-29 00:50", "2026-10-25 00:50"])
def test_a_turn_every_few_minutes_goes_on_through_both_changes(start: str) -> None:
    now = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(BERLIN)).timestamp()
    moments = [now]
    for _ in range(24):
        moments.append(next_at(cron="*/10 * * * *", every=None, timezone=BERLIN, now=moments[-1]))

    assert {later - earlier for earlier, later in pairwise(moments)} == {600.0}


def test_istanbul_has_no_changes_any_more() -> None:
    for start in ("2026-03-28 12:00", "2026-10-24 12:00"):
        assert all(
            turn.endswith("03:30 +0300") for turn in turns("30 3 * * *", ISTANBUL, start, count=3)
        )


def test_sunday_is_seven_as_well_as_zero() -> None:
    seven = turns("0 3 * * 7", ISTANBUL, "2026-11-21 12:00", count=2)

    assert seven == ["11-22 03:00 +0300", "11-29 03:00 +0300"]
    assert seven == turns("0 3 * * 0", ISTANBUL, "2026-11-21 12:00", count=2)


def test_a_day_of_the_month_or_of_the_week_is_enough() -> None:
    found = turns("0 3 1 * 1", "UTC", "2026-11-25 12:00", count=3)

    assert found == ["11-30 03:00 +0000", "12-01 03:00 +0000", "12-07 03:00 +0000"]


def test_an_interval_counts_from_now() -> None:
    assert next_at(cron=None, every=30.0, timezone="UTC", now=1_000.5) == 1_030.5


def test_without_a_schedule_it_is_every_minute() -> None:
    assert next_at(cron=None, every=None, timezone="UTC", now=1_000.0) == 1_060.0


@given(
    st.integers(1_700_000_000, 1_900_000_000),
    st.sampled_from(["*/2 * * * *", "30 3 * * *", "15 2 * * *", "0 3 * * 7", "0 0 29 2 *"]),
    st.sampled_from([BERLIN, ISTANBUL, "UTC", "America/St_Johns"]),
)
def test_the_next_turn_is_always_ahead(now: int, cron: str, zone: str) -> None:
    assert next_at(cron=cron, every=None, timezone=zone, now=float(now)) > now


@pytest.mark.parametrize(("cron", "every"), [("*/10 * * * *", None), (None, 600.0)])
def test_a_turn_begins_at_its_moment_and_not_before(cron: str | None, every: float | None) -> None:
    now = 1_800_000_100.0
    moment = next_at(cron=cron, every=every, timezone=BERLIN, now=now)
    for at, due in ((now, False), (moment - 1, False), (moment, True)):
        assert is_due(moment, cron=cron, every=every, timezone=BERLIN, now=at) is due


@pytest.mark.parametrize(("cron", "every"), [("*/10 * * * *", None), (None, 600.0)])
def test_a_turn_that_was_set_before_the_clock_was_put_back_is_over(
    cron: str | None, every: float | None
) -> None:
    moment = next_at(cron=cron, every=every, timezone=BERLIN, now=1_800_000_100.0)
    assert is_due(moment, cron=cron, every=every, timezone=BERLIN, now=1_800_000_100.0 - 86_400)
