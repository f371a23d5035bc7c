from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from worker.cli.app import hoisted
from worker.cli.explain import moment_of
from worker.cli.session import printable, rfc3339
from worker.errors import UsageError
from worker.planning.duration import duration

ISTANBUL = ZoneInfo("Europe/Istanbul")
NOON = datetime(2026, 1, 31, 12, 0, tzinfo=ISTANBUL).timestamp()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (45, "45 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (3600, "1 h"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_is_told_to_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_moment_for_scripts_is_utc_with_milliseconds() -> None:
    assert rfc3339(NOON) == "2026-01-31T09:00:00.000Z"
    assert rfc3339(None) is None


def test_what_would_move_the_cursor_is_spelt_out() -> None:
    assert printable("a\x1b[31mb\nc") == "a\\x1b[31mb\nc"


def test_global_options_may_stand_behind_the_command() -> None:
    given = ["status", "--json", "--config", "x.toml"]
    assert hoisted(given) == ["--json", "--config", "x.toml", "status"]
    assert hoisted(["explain", "--", "--json"]) == ["explain", "--", "--json"]


def test_a_time_without_a_zone_is_one_of_the_configured_zone() -> None:
    assert moment_of("2026-01-31 12:00", zone=ISTANBUL, now=NOON) == NOON
    assert moment_of("2026-01-31T09:00:00Z", zone=ISTANBUL, now=NOON) == NOON


def test_a_time_of_day_is_the_last_one_that_has_been() -> None:
    found = datetime.fromtimestamp(moment_of("13:30", zone=ISTANBUL, now=NOON), UTC)
    assert found.isoformat() == "2026-01-30T10:30:00+00:00"


def test_what_is_no_time_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        moment_of("yesterday", zone=ISTANBUL, now=NOON)
