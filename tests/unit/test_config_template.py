"""What `init` writes loads as it is, agrees with the example, and overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.loading import load
from config.problem import ConfigurationError
from config.settings import SqlSource
from config.template import TEMPLATES, example, write_template
from connectors import presets

EXAMPLE = Path(__file__).parents[2] / "stocksync.example.toml"


def test_the_example_is_made_of_the_templates() -> None:
    assert EXAMPLE.read_text("utf-8") == example()


def test_the_example_loads_as_it_is_for_the_sandbox() -> None:
    found = load(EXAMPLE, {}, Path.cwd())
    assert found.warnings == ()
    assert found.settings.omnitron.base_url == "http://127.0.0.1:8765"
    assert found.settings.stock_lists == {"IST": 1, "BER": 2}
    assert found.settings.channels[0].id == 5


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_loads_as_it_is(tmp_path: Path, template: str) -> None:
    file, *folders = write_template(tmp_path / "new", template)
    assert load(file, {}, tmp_path).warnings == ()
    assert folders == [tmp_path / "new" / name for name in TEMPLATES[template]]
    assert all(folder.is_dir() for folder in folders)


@pytest.mark.parametrize("preset", presets.names())
def test_the_template_of_a_preset_loads_and_says_what_it_cannot_see(
    tmp_path: Path, preset: str
) -> None:
    file, *folders = write_template(tmp_path / "new", preset)
    loaded = load(file, {}, tmp_path)
    (source,) = loaded.settings.sources
    found = presets.load(preset)
    assert found
    assert isinstance(source, SqlSource)
    assert source.full_query
    assert "{" not in source.full_query
    assert loaded.origins["sources.erp.full_query"] == f"preset {preset}"
    assert loaded.warnings == ()
    assert found.cannot_see[0].split()[0] in file.read_text("utf-8")
    assert max(map(len, file.read_text("utf-8").splitlines())) < 140
    assert folders == [tmp_path / "new" / "var"]


def test_the_commented_source_of_the_example_loads_when_it_is_uncommented(tmp_path: Path) -> None:
    head, mark, tail = example().partition("# [[sources]]")
    source, log, rest = tail.partition("[log]")
    lines = [line.removeprefix("# ") for line in source.splitlines(keepends=True)]
    text = head + mark.removeprefix("# ") + "".join(lines) + log + rest
    (tmp_path / "stocksync.toml").write_text(text)
    names = [source.name for source in load(None, {}, tmp_path).settings.sources]
    assert names == ["drop", "erp"]


def test_a_configuration_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "stocksync.toml").write_text("mine")
    with pytest.raises(ConfigurationError, match="never overwrites"):
        write_template(tmp_path)
    assert (tmp_path / "stocksync.toml").read_text() == "mine"
    assert not (tmp_path / "drop").exists()


def test_folders_that_are_there_already_are_fine(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    assert write_template(tmp_path) == [tmp_path / "stocksync.toml", tmp_path / "var"]


def test_an_unknown_template_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="csv or sql"):
        write_template(tmp_path, "nebim")
    assert list(tmp_path.iterdir()) == []
