"""Durations as people read them. Pure."""

from __future__ import annotations

_SIZES = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(seconds: float) -> str:
    """To two units: ``45 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``; below 1 s as it is."""
    if 0 < seconds < 1:
        return f"{seconds:.2g} s"
    whole = max(round(seconds), 0)
    parts = []
    for unit, size in _SIZES:
        count, whole = divmod(whole, size)
        parts.append((count, unit))
    first = next((at for at, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"
