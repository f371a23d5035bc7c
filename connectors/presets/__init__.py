"""Ready-made statements for well-known ERPs: one file per preset, and what it cannot see."""

from connectors.presets.preset import Option, Preset, load, names

__all__ = ["Option", "Preset", "load", "names"]
