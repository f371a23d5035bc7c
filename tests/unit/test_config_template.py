"""What `init` writes loads as it is, agrees with the example, and overwrites nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from config.loading import load
from config.problem import ConfigurationError
from config.settings import CsvSource, SqlSource
from config.template import TEMPLATES, example, text_of, write_template
from connectors import presets

if TYPE_CHECKING:
    from pydantic import BaseModel

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


# what has a key of its own elsewhere, or is told of on a page of its own
UNTOLD = {"csv": {"username", "password", "key_file", "known_hosts", "storage_options"}}
UNTOLD["sql"] = {"preset", "preset_options", "password"}


@pytest.mark.parametrize(("template", "model"), [("csv", CsvSource), ("sql", SqlSource)])
def test_every_key_of_a_source_is_in_its_template(template: str, model: type[BaseModel]) -> None:
    text = text_of(template)
    wanted = set(model.model_fields) - UNTOLD[template]
    for table in ("format", "columns", "rules", "guard"):
        inner = model.model_fields.get(table)
        kind = inner.annotation if inner else None
        wanted |= set(kind.model_fields) if isinstance(kind, type) else set()
        wanted.discard(table)
    assert sorted(key for key in wanted if not re.search(rf"\b{key}\b", text)) == []
    for table in ("retention", "log"):
        assert f"[{table}]" in text


OPTIONAL = [
    (template, line)
    for template in (*TEMPLATES, "odoo")
    for line in text_of(template).splitlines()
    if re.match(r"# [a-z_]+ = ", line)
]


@pytest.mark.parametrize(("template", "line"), OPTIONAL)
def test_each_commented_key_is_one_that_a_person_may_uncomment(
    tmp_path: Path, template: str, line: str
) -> None:
    text = text_of(template).replace(line, line.removeprefix("# "), 1)
    (tmp_path / "stocksync.toml").write_text(text)
    try:
        load(None, {}, tmp_path)
    except ConfigurationError as error:
        faults = [problem.message for problem in error.problems]
        # a choice beside what stands there: the other must go
        assert all("stands beside" in fault or "no effect without" in fault for fault in faults)


def test_a_preset_that_never_ran_is_marked_so() -> None:
    for name in presets.names():
        found = presets.load(name)
        assert found
        assert ("never run on one" in text_of(name)) is (found.database == "mssql")


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
