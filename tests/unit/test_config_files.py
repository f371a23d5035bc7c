"""The keys that say in which order files are taken and what becomes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config.loading import load
from config.problem import ConfigurationError
from worker.bootstrap import build

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
timezone = "Europe/Istanbul"
[omnitron]
base_url = "http://127.0.0.1:9"
token = "secret"
[[sources]]
name = "drop"
type = "csv"
path = "drop"
mode = "delta"
stock_list = 1
columns = {{ sku = "sku", stock = "stock" }}
{more}
"""


def written(folder: Path, more: str) -> Path:
    path = folder / "stocksync.toml"
    path.write_text(TEXT.format(more=more))
    return path


def refused(folder: Path, more: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(written(folder, more), {}, folder)
    return str(caught.value)


def test_the_keys_of_the_order_reach_the_connector(tmp_path: Path) -> None:
    more = 'full_pattern = "full_*.csv"\nname_time = "%d%m%Y_%H%M"\nafter = "keep"'
    options = build(written(tmp_path, more), environ={}).connector("drop").options  # type: ignore[attr-defined]
    assert (options.full_pattern, options.name_time) == ("full_*.csv", "%d%m%Y_%H%M")
    assert (options.after, options.timezone) == ("keep", "Europe/Istanbul")


@pytest.mark.parametrize(
    "form", ["%H%M", "%Y%m", "%Y%m%d%Q", "%Y%Y%m%d", "stock", "%Y%m%d%", "%Y%m%d%z"]
)
def test_a_name_time_needs_a_whole_date_of_known_parts(tmp_path: Path, form: str) -> None:
    assert "sources.drop.name_time" in refused(tmp_path, f'name_time = "{form}"')


@pytest.mark.parametrize("form", ["%Y%m%d", "%d.%m.%y", "%Y%j", "x%%%Y-%m-%d %H%M%S.%f"])
def test_any_form_of_a_whole_date_will_do(tmp_path: Path, form: str) -> None:
    assert load(written(tmp_path, f'name_time = "{form}"'), {}, tmp_path).settings


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ('order = "mtime"\nname_time = "%Y%m%d"', "sources.drop.order"),
        ('full_pattern = "*.csv"', "sources.drop.full_pattern"),
        ('order = "size"', "sources.drop.order"),
        ('after = "burn"', "sources.drop.after"),
        ('full_pattern = "a/b.csv"', "sources.drop.full_pattern"),
        ('trailer = "SON"', "sources.drop.trailer"),
        ('ready = "marker"\ntrailer = "SON"', "sources.drop.trailer"),
        ('ready = "trailer"\ntrailer = " "', "sources.drop.trailer"),
        ('ready = "trailer"\ntrailer = "SON\\nSON"', "sources.drop.trailer"),
        ('ready = "trailer"\ntrailer = "{rows} {rows}"', "sources.drop.trailer"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, more: str, place: str) -> None:
    assert place in refused(tmp_path, more)


def test_a_last_line_may_be_configured(tmp_path: Path) -> None:
    path = written(tmp_path, 'ready = "trailer"\ntrailer = "### SON ###"')
    [source] = load(path, {}, tmp_path).settings.sources
    assert (source.ready, source.trailer) == ("trailer", "### SON ###")


def test_snapshots_beside_snapshots_are_remarked_upon(tmp_path: Path) -> None:
    path = written(tmp_path, 'full_pattern = "full_*.csv"')
    path.write_text(path.read_text().replace('"delta"', '"snapshot"'))
    [remark] = load(path, {}, tmp_path).warnings
    assert "full_pattern" in remark.place


@pytest.mark.parametrize("several", ["sum", "last"])
def test_several_rows_a_key_in_files_that_may_be_cut_unseen_are_remarked_upon(
    tmp_path: Path, several: str
) -> None:
    path = written(tmp_path, f"rules = {{ duplicates = '{several}' }}")
    path.write_text(path.read_text().replace('"delta"', '"snapshot"'))
    [remark] = load(path, {}, tmp_path).warnings
    assert "rules.duplicates" in remark.place
    assert 'ready = "trailer"' in remark.remedy
    path.write_text(path.read_text().replace("rules =", 'ready = "trailer"\nrules ='))
    assert load(path, {}, tmp_path).warnings == ()
