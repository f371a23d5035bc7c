"""When a source is due next: crontab(5) in its own time zone, or every so many seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim


def next_at(*, cron: str | None, every: float | None, timezone: str, now: float) -> float:
    """Seconds since 1970 of the next turn after ``now``; cron knows daylight saving time."""
    if cron is not None:
        here = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(timezone))
        return float(next(CronSim(cron, here)).timestamp())
    return now + (every or 60.0)
