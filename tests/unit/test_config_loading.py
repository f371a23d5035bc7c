"""Where the configuration is found, what it defaults to, and what counts where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.loading import load
from config.problem import ConfigurationError
from config.settings import FinalNewline
from tests.unit.config_files import MINIMAL, SQL, csv_source, loaded, sql_source


def test_the_defaults_are_those_of_the_documentation(tmp_path: Path) -> None:
    found = loaded(tmp_path, MINIMAL)
    settings, source = found.settings, csv_source(found)
    assert settings.timezone == "UTC"
    assert settings.database_url == f"sqlite:///{tmp_path}/var/stocksync.db"
    assert settings.broker_url is None
    assert settings.omnitron.base_url == "https://acme.omnitron.example"
    assert settings.omnitron.timeout_seconds == 15
    assert settings.omnitron.settle_seconds == 10
    assert settings.omnitron.max_in_flight == 32
    assert settings.omnitron.requests_per_second == 20
    assert (source.every, source.schedule, source.stable_for) == (60, None, 5)
    assert source.guard.model_dump() == {
        "first_pull": "hold",
        "max_change_ratio": 0.5,
        "max_zero_ratio": 0.2,
        "zero_window": 3600,
        "min_row_ratio": 0.5,
        "ignore_below": 50,
        "while_held": "nothing",
        "expires": 86_400,
    }
    assert found.warnings == ()


def test_relative_paths_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "acme.toml").write_text(MINIMAL)
    found = load(Path("etc/acme.toml"), {}, tmp_path)
    assert csv_source(found).path == tmp_path / "etc" / "outbox"
    assert found.folder == tmp_path / "etc"


def test_the_named_file_beats_the_variable_and_the_variable_beats_the_folder(
    tmp_path: Path,
) -> None:
    for name in ("stocksync", "variable", "named"):
        text = f'instance = "{name}"\n{MINIMAL}'
        (tmp_path / f"{name}.toml").write_text(text)
    environ = {"STOCKSYNC_CONFIG": "variable.toml"}
    assert load(Path("named.toml"), environ, tmp_path).settings.instance == "named"
    assert load(None, environ, tmp_path).settings.instance == "variable"
    assert load(None, {}, tmp_path).settings.instance == "stocksync"


def test_no_configuration_at_all_names_init_as_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {"STOCKSYNC_ACTOR": "me"}, tmp_path)
    assert "stocksync init" in caught.value.remedy


def test_a_named_file_that_is_missing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml.*No such file"):
        load(Path("nowhere.toml"), {"STOCKSYNC_TIMEZONE": "UTC"}, tmp_path)


def test_a_bom_and_crlf_are_fine(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode()
    assert csv_source(loaded(tmp_path, text)).name == "drop"


def test_every_value_has_an_origin(tmp_path: Path) -> None:
    environ = {"STOCKSYNC_SOURCES__DROP__STABLE_FOR": "9s"}
    origins = loaded(tmp_path, MINIMAL, environ).origins
    assert origins["sources.drop.columns.stock"] == "stocksync.toml line 13"
    assert origins["sources.drop.stable_for"] == "environment STOCKSYNC_SOURCES__DROP__STABLE_FOR"
    assert origins["sources.drop.every"] == "default"


def test_lines_are_found_after_texts_and_lists_of_several_lines(tmp_path: Path) -> None:
    text = SQL.replace(
        'query = "SELECT', 'units = { AD = "qty",\n  KG = "kg" }\nquery = """\n[omnitron]\nSELECT'
    )
    text = text.replace(':cursor"', ':cursor\n"""\nevery = "5m"')
    origins = loaded(tmp_path, text.replace(',\n  KG = "kg"', "")).origins
    assert origins["sources.erp.units.AD"] == "stocksync.toml line 8"
    assert origins["sources.erp.every"] == "stocksync.toml line 13"


def test_the_last_line_end_is_required_only_where_nothing_else_shows_the_end(
    tmp_path: Path,
) -> None:
    assert csv_source(loaded(tmp_path, MINIMAL)).final_newline is FinalNewline.REQUIRED
    marked = MINIMAL.replace('mode = "', 'ready = "marker"\nmode = "')
    assert csv_source(loaded(tmp_path, marked)).final_newline is FinalNewline.OPTIONAL


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90", 90), ('"15s"', 15), ('"10m"', 600), ('"2h"', 7200), ('"7d"', 604800), ("0.5", 0.5)],
)
def test_durations_are_numbers_or_text_with_a_unit(
    tmp_path: Path, written: str, seconds: float
) -> None:
    text = MINIMAL.replace("mode =", f"stable_for = {written}\nmode =")
    assert csv_source(loaded(tmp_path, text)).stable_for == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [("0", 0), ("500", 500), ('"2 KB"', 2_000), ('"300MB"', 300_000_000), ('"1gb"', 10**9)],
)
def test_sizes_are_numbers_or_text_with_a_unit(tmp_path: Path, written: str, size: int) -> None:
    text = f"{MINIMAL}[retention]\nmin_free = {written}\n"
    assert loaded(tmp_path, text).settings.retention.min_free == size


def test_words_of_cron_become_their_five_fields(tmp_path: Path) -> None:
    source = csv_source(loaded(tmp_path, MINIMAL.replace("mode", 'schedule = "@daily"\nmode')))
    assert (source.schedule, source.every) == ("0 0 * * *", None)


@pytest.mark.parametrize(
    ("extra", "start", "overlap"),
    [
        ("", "1970-01-02", 120),
        ("start = 2026-01-31", "2026-01-31", 120),
        ('cursor_type = "integer"', "0", 120),
        ('cursor_type = "integer"\nstart = 7\noverlap = 50', "7", 50),
        ('cursor_type = "text"', "", 0),
    ],
)
def test_a_cursor_starts_as_its_type_says(
    tmp_path: Path, extra: str, start: str, overlap: float
) -> None:
    source = sql_source(loaded(tmp_path, SQL + extra))
    assert (source.start, source.overlap) == (start, overlap)


def test_a_relative_sqlite_source_counts_from_the_folder(tmp_path: Path) -> None:
    assert sql_source(loaded(tmp_path, SQL)).url == f"sqlite:///{tmp_path}/erp.db"


def test_postgresql_without_a_driver_goes_through_psycopg(tmp_path: Path) -> None:
    text = f'database_url = "postgresql://db/stock"\n{MINIMAL}'
    assert loaded(tmp_path, text).settings.database_url == "postgresql+psycopg://db/stock"


def test_plain_http_is_fine_on_this_machine(tmp_path: Path) -> None:
    for host in ("127.0.0.1:8765", "localhost", "[::1]:80"):
        text = MINIMAL.replace("https://acme.omnitron.example/", f"http://{host}")
        assert loaded(tmp_path, text).settings.omnitron.base_url == f"http://{host}"


def test_settings_do_not_change(tmp_path: Path) -> None:
    settings = loaded(tmp_path, MINIMAL).settings
    with pytest.raises(ValueError, match="frozen"):
        settings.omnitron.writes = "off"  # type: ignore[misc]


def test_a_stock_list_that_nothing_uses_is_a_warning(tmp_path: Path) -> None:
    found = loaded(tmp_path, MINIMAL + '[stock_lists]\n"WH" = 9\n')
    assert [warning.place for warning in found.warnings] == [
        "stocksync.toml line 15: stock_lists.WH"
    ]


def test_loading_leaves_the_environment_of_the_process_alone(tmp_path: Path) -> None:
    before = dict(os.environ)
    loaded(tmp_path, MINIMAL)
    assert dict(os.environ) == before
