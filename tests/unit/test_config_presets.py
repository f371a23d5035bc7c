"""A preset is laid below what a source says itself, before anything else looks at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config.plans import fingerprint, source_plan
from config.problem import ConfigurationError
from connectors import presets
from tests.unit.config_files import SQL, loaded, sql_source

if TYPE_CHECKING:
    from pathlib import Path

    from config.loading import Loaded

WITHOUT_QUERY = "".join(
    line for line in SQL.splitlines(keepends=True) if not line.startswith("query")
)


def with_preset(folder: Path, name: str, more: str = "") -> Loaded:
    return loaded(folder, f'{WITHOUT_QUERY}preset = "{name}"\n{more}')


def refused(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text)
    (problem,) = caught.value.problems
    return str(problem)


def test_a_source_with_a_preset_needs_no_query(tmp_path: Path) -> None:
    found = with_preset(tmp_path, "odoo")
    source = sql_source(found)
    preset = presets.load("odoo")
    assert preset
    assert (source.query, source.full_query) == (preset.keys["query"], preset.keys["full_query"])
    assert source_plan(found.settings, source).full_cron == "30 3 * * *"
    assert found.origins["sources.erp.query"] == "preset odoo"


def test_a_key_of_the_source_goes_before_the_preset(tmp_path: Path) -> None:
    more = 'query = "SELECT 1 WHERE 1 > :cursor"\nmissing = "keep"\nfull_schedule = "@hourly"\n'
    found = with_preset(tmp_path, "odoo", more)
    source = sql_source(found)
    assert (source.query, source.missing, source.full_schedule) == (
        "SELECT 1 WHERE 1 > :cursor",
        "keep",
        "0 * * * *",
    )
    assert found.origins["sources.erp.missing"].startswith("stocksync.toml line")


def test_a_schedule_of_the_source_takes_the_place_of_the_period(tmp_path: Path) -> None:
    assert sql_source(with_preset(tmp_path, "sap-b1")).every == 300
    assert sql_source(with_preset(tmp_path, "sap-b1", 'schedule = "@daily"\n')).every is None


def test_options_become_a_part_of_the_statement(tmp_path: Path) -> None:
    more = 'preset_options = { firm = "123", period = "04" }\n'
    source = sql_source(with_preset(tmp_path, "logo-tiger", more))
    assert "LV_123_04_GNTOTST" in (source.full_query or "")
    assert source.query is None


def test_options_may_come_from_the_environment(tmp_path: Path) -> None:
    text = f'{WITHOUT_QUERY}preset = "logo-tiger"\n'
    options = {"STOCKSYNC_SOURCES__ERP__PRESET_OPTIONS": '{"firm": "123", "period": "04"}'}
    assert "LV_123_04" in (sql_source(loaded(tmp_path, text, options)).full_query or "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('preset = "nebim"\n', "nebim-v3"),
        ("preset = 3\n", "not a preset"),
        ('preset = "logo-tiger"\npreset_options = { firm = "1", period = "01" }\n', "three digits"),
        ('preset = "logo-tiger"\npreset_options = { firm = "001" }\n', "period"),
        ('preset = "odoo"\npreset_options = { x = "1" }\n', "not an option"),
        ("", "full_query and preset"),
    ],
)
def test_what_does_not_fit_is_told_once(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(tmp_path, WITHOUT_QUERY + text)


def test_options_without_a_preset_are_refused(tmp_path: Path) -> None:
    assert "without a preset" in refused(tmp_path, SQL + 'preset_options = { x = "1" }\n')


def test_the_fingerprint_covers_the_statement_that_runs(tmp_path: Path) -> None:
    def print_of(firm: str) -> str:
        more = f'preset_options = {{ firm = "{firm}", period = "01" }}\n'
        settings = with_preset(tmp_path, "logo-tiger", more).settings
        return fingerprint(settings, settings.sources[0])

    assert print_of("001") != print_of("002")


def test_a_preset_and_its_statements_written_out_have_one_fingerprint(tmp_path: Path) -> None:
    found = with_preset(tmp_path, "sap-b1").settings
    source = found.sources[0]
    written = f"full_query = '''{sql_source(with_preset(tmp_path, 'sap-b1')).full_query}'''\n"
    other = loaded(tmp_path, WITHOUT_QUERY + written).settings
    assert fingerprint(found, source) == fingerprint(other, other.sources[0])


def test_a_full_query_alone_is_enough(tmp_path: Path) -> None:
    found = loaded(tmp_path, WITHOUT_QUERY + 'full_query = "SELECT sku, stock FROM t"\n')
    assert sql_source(found).query is None
    assert [str(warning) for warning in found.warnings] == []


def test_a_rowversion_starts_at_zero_without_overlap(tmp_path: Path) -> None:
    source = sql_source(loaded(tmp_path, SQL + 'cursor_type = "rowversion"\n'))
    assert (source.start, source.overlap) == ("0x0", 0)


def test_an_overlap_does_not_fit_a_rowversion(tmp_path: Path) -> None:
    assert "rowversion" in refused(tmp_path, SQL + 'cursor_type = "rowversion"\noverlap = "1m"\n')


def test_an_isolation_is_one_of_three(tmp_path: Path) -> None:
    assert sql_source(loaded(tmp_path, SQL + 'isolation = "snapshot"\n')).isolation == "snapshot"
    assert "isolation" in refused(tmp_path, SQL + 'isolation = "dirty"\n')
