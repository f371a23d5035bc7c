"""The page on the configuration has every key."""

from __future__ import annotations

from pathlib import Path

from config.keys import catalogue

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_every_key_is_on_the_page() -> None:
    text = PAGE.read_text("utf-8")
    names = {pattern[-1] for pattern, key in catalogue().items() if not key.structured}
    wanted = {name for name in names if name != "*" and not name.endswith("_file")}
    assert sorted(name for name in wanted if name not in text) == []
