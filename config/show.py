"""The effective configuration for people and scripts: every value and where it comes from."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from config.secret import MASK, Secret, mask_url

if TYPE_CHECKING:
    from config.loading import Loaded


URLS = frozenset({"broker_url"})
"""Secrets that are addresses."""


class Shown(NamedTuple):
    """One line of `stocksync config`: dotted key, value as text (secrets masked), origin."""

    key: str
    value: str
    origin: str


def rows(loaded: Loaded) -> list[Shown]:
    """List every effective value; what is not set is an empty text. Durations are seconds."""
    return [
        Shown(key, _text(_plain(key, value)), loaded.origins[key])
        for key, value in loaded.settings.leaves()
    ]


def document(loaded: Loaded) -> dict[str, Any]:
    """Make the JSON document of `stocksync config --json`."""
    return {
        "path": str(loaded.path) if loaded.path else None,
        "folder": str(loaded.folder),
        "settings": [
            {"key": key, "value": _plain(key, value), "origin": loaded.origins[key]}
            for key, value in loaded.settings.leaves()
        ],
        "warnings": [
            {"place": each.place, "message": each.message, "remedy": each.remedy}
            for each in loaded.warnings
        ],
    }


def _plain(key: str, value: object) -> Any:
    """Reduce a value to what JSON has; of a secret only the host of a URL is shown."""
    match value:
        case Secret():
            return mask_url(value.reveal()) if key in URLS and value.file is None else MASK
        case enum.Enum():
            return value.value
        case Path():
            return str(value)
        case tuple():
            return list(value)
        case float() if value.is_integer():
            return int(value)
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value)
