"""Presets laid below what a source says itself: the bare tree, before it is checked.

A preset's keys are filled in where the source does not have them, so that everything after this
(checks, fingerprint, `stocksync config`) sees the statements that run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from config.problem import Complaint, KeyPath
from connectors import presets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.presets import Preset

Tree = dict[str, Any]
OPTIONS = "preset_options"


def fill(tree: Tree, filled: dict[KeyPath, str]) -> Iterator[Complaint]:
    """Fill in the keys of presets and complain of what does not fit.

    filled: gets the path of each key that was filled in, with the preset that it comes from.
    """
    sources = tree.get("sources")
    for index, source in enumerate(sources if isinstance(sources, list) else []):
        if isinstance(source, dict) and source.get("type") == "sql":
            yield from _fill(source, ("sources", index), filled)


def _fill(source: Tree, path: KeyPath, filled: dict[KeyPath, str]) -> Iterator[Complaint]:
    name = source.get("preset")
    if name is None:
        if OPTIONS in source:
            yield Complaint((*path, OPTIONS), "stand without a preset", "Name the preset too.")
        return
    preset = presets.load(name) if isinstance(name, str) else None
    if preset is None:
        known = ", ".join(presets.names())
        yield Complaint((*path, "preset"), "is not a preset of this version", f"Choose: {known}.")
        del source["preset"]
        source.setdefault("query", "SELECT 1")  # so that it is not also called missing
        return
    options = source.get(OPTIONS, {})
    given = options if isinstance(options, dict) else {}
    for unfit in preset.unfit(given):
        yield Complaint((*path, OPTIONS, unfit.option), unfit.message, unfit.remedy)
    _lay_below(source, preset.filled(given), path, filled, preset)


def _lay_below(
    source: Tree, keys: dict[str, str], path: KeyPath, filled: dict[KeyPath, str], preset: Preset
) -> None:
    for key, value in keys.items():
        if key in source or (key == "every" and "schedule" in source):
            continue
        source[key] = value
        filled[*path, key] = preset.name
