"""Settings in the words of `worker.model`: what the steps are given. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from config.settings import CsvSource, reads_warehouses
from worker.model import ChannelPlan, Fingerprint, Guard, Rules, SkuRule, SourcePlan, TargetPlan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from config.settings import Channel, Settings, Source

PART_TO_LEVEL = {
    "units": True,
    "stock_list": True,
    "rules": {"rounding", "buffer", "minimum", "maximum"},
}
"""The keys of a source that decide how the parts of a key, as they were read, become a level."""

ROW_TO_PART = {
    "format": True, "columns": True, "skip_rows_where": True, "query": True, "full_query": True,
    "units": True, "missing": True,
    "rules": {"negative", "duplicates", "lookalikes", "max_reject_ratio"},
}  # fmt: skip
"""Those that decide what of a row becomes a part, and what is made of a row that is not there."""


def source_plan(settings: Settings, source: Source) -> SourcePlan:
    """Make what the pull step must know of a source. Schedules count in the top time zone."""
    return SourcePlan(
        name=source.name,
        stock_list=source.stock_list,
        stock_lists=dict(settings.stock_lists),
        units={str(written): str(unit) for written, unit in source.units.items()},
        rules=_rules(source),
        guard=Guard(**dict(source.guard)),
        fingerprint=fingerprint(settings, source),
        cron=source.schedule,
        every=source.every,
        full_cron=None if isinstance(source, CsvSource) else source.full_schedule,
        timezone=settings.timezone,
        absences=source.absences,
        stale_after=source.stale_after,
        zero_after=source.zero_after,
        sku_rules=tuple(SkuRule(**dict(rule)) for rule in source.sku_rules),
    )


def channel_plan(channel: Channel) -> ChannelPlan:
    """Make what the confirm step must know of a channel."""
    return ChannelPlan(**dict(channel))


def target_plan(settings: Settings) -> TargetPlan:
    """Make what the deliver step must know of Omnitron."""
    omnitron = settings.omnitron
    return TargetPlan(
        base_url=omnitron.base_url,
        writes=omnitron.writes == "on",
        timeout=omnitron.timeout_seconds,
        settle=omnitron.settle_seconds,
        max_in_flight=omnitron.max_in_flight,
        rate=omnitron.requests_per_second,
        reports_unknown=omnitron.unknown_products == "report",
    )


def instance(settings: Settings) -> str:
    """Return the name that queues, broker keys and logs carry: configured, or the ledger's.

    The latter sums up where the ledger is, without secrets, so that all processes on one ledger
    come to the same name.
    """
    if settings.instance is not None:
        return settings.instance
    parts = urlsplit(settings.database_url)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return f"ledger-{hashlib.sha256(place.encode()).hexdigest()[:12]}"


def fingerprint(settings: Settings, source: Source) -> str:
    """Sum up everything that decides how a row becomes a level (`worker.model.Fingerprint`).

    The stock lists count only for a source whose rows name a warehouse.
    """
    lists = {"stock_lists": settings.stock_lists} if reads_warehouses(source) else {}
    return str(
        Fingerprint(
            reading=_digest(source, ROW_TO_PART, **lists),
            skus=_digest(source, {"sku_rules": True}),
            levels=_digest(source, PART_TO_LEVEL, **lists),
        )
    )


def _digest(source: Source, included: Mapping[str, Any], **more: object) -> str:
    # without defaults, so that a new key of a later version leaves old fingerprints alone
    said = source.model_dump(mode="json", include=included, exclude_defaults=True)
    told = {key: value for key, value in {**said, **more}.items() if value != {}}
    text = json.dumps(told, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _rules(source: Source) -> Rules:
    return Rules(**dict(source.rules), missing=source.missing)
