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


def is_due(
    moment: float, *, cron: str | None, every: float | None, timezone: str, now: float
) -> bool:
    """Whether the turn that was due at ``moment`` is to begin.

    One that is further ahead than the next turn from now can be was set before the ledger's clock
    was put back, or by another schedule: it counts as over.
    """
    return moment <= now or moment > next_at(cron=cron, every=every, timezone=timezone, now=now)
