"""The environment over the file: names, precedence, lists, secrets in files."""

from __future__ import annotations

import json
import os
import pickle
from typing import TYPE_CHECKING

import pytest

from config.loading import load
from config.problem import ConfigurationError
from config.secret import Secret
from tests.unit.config_files import MINIMAL, SQL, csv_source, loaded, sql_source

if TYPE_CHECKING:
    from pathlib import Path

NO_TOKEN = MINIMAL.replace('token = "t0ken"\n', "")
PASSWORD_FILE = "STOCKSYNC_OMNITRON__PASSWORD_FILE"
USER = {"STOCKSYNC_OMNITRON__USERNAME": "erp"}


def refused(folder: Path, text: str, environ: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder, text, environ)
    assert "CANARY" not in str(caught.value)
    return str(caught.value)


def secret_file(folder: Path, content: str, mode: int = 0o600) -> dict[str, str]:
    file = folder / "secret"
    file.write_text(content)
    file.chmod(mode)
    return {**USER, PASSWORD_FILE: "secret"}


def test_the_environment_beats_the_file_whatever_its_case(tmp_path: Path) -> None:
    environ = {
        "stocksync_Sources__Drop__Rules__Buffer": "3",
        "STOCKSYNC_SOURCES__DROP__FORMAT__HEADER": "true",
        "STOCKSYNC_OMNITRON__WRITES": "off",
    }
    found = loaded(tmp_path, MINIMAL, environ)
    assert csv_source(found).rules.buffer == 3
    assert found.settings.omnitron.writes == "off"


def test_channels_go_by_id_and_lists_are_json(tmp_path: Path) -> None:
    text = MINIMAL + "[[channels]]\nid = 5\nstock_lists = [1]\n"
    environ = {
        "STOCKSYNC_CHANNELS__5__POLL": "30s",
        "STOCKSYNC_CHANNELS__5__STOCK_LISTS": "[1, 2]",
    }
    (channel,) = loaded(tmp_path, text, environ).settings.channels
    assert (channel.poll, channel.stock_lists) == (30, (1, 2))


def test_the_environment_alone_may_configure(tmp_path: Path) -> None:
    environ = {
        "STOCKSYNC_OMNITRON__BASE_URL": "http://127.0.0.1:8765",
        "STOCKSYNC_OMNITRON__TOKEN": "t0ken",
        "STOCKSYNC_SOURCES__ERP__TYPE": "sql",
        "STOCKSYNC_SOURCES__ERP__URL": "sqlite:///erp.db",
        "STOCKSYNC_SOURCES__ERP__QUERY": "SELECT 1",
        "STOCKSYNC_STOCK_LISTS": '{"IST": 1}',
        "STOCKSYNC_CHANNELS__5__STOCK_LISTS": "[1]",
    }
    found = load(None, environ, tmp_path)
    assert found.path is None
    assert sql_source(found).url == f"sqlite:///{tmp_path}/erp.db"
    assert found.settings.stock_lists == {"IST": 1}
    assert found.settings.channels[0].id == 5


def test_a_free_name_keeps_the_spelling_of_the_file(tmp_path: Path) -> None:
    text = MINIMAL + '[stock_lists]\n"Depo" = 1\n'
    environ = {"STOCKSYNC_STOCK_LISTS__DEPO": "4", "STOCKSYNC_STOCK_LISTS__BER": "2"}
    assert loaded(tmp_path, text, environ).settings.stock_lists == {"Depo": 4, "BER": 2}


def test_a_column_in_digits_is_a_position(tmp_path: Path) -> None:
    environ = {"STOCKSYNC_SOURCES__DROP__COLUMNS__SKU": "1"}
    assert csv_source(loaded(tmp_path, MINIMAL, environ)).columns.sku == 1


def test_an_empty_variable_is_unset(tmp_path: Path) -> None:
    found = loaded(tmp_path, MINIMAL, {"STOCKSYNC_OMNITRON__TOKEN": "", "STOCKSYNC_TIMEZONE": ""})
    assert found.settings.timezone == "UTC"


def test_an_unknown_name_is_a_warning_with_a_guess(tmp_path: Path) -> None:
    environ = {"STOCKSYNC_OMNITRON__TOKN": "CANARY", "STOCKSYNC_ACTOR": "me", "OTHER": "x"}
    (warning,) = loaded(tmp_path, MINIMAL, environ).warnings
    assert warning.place == "environment STOCKSYNC_OMNITRON__TOKN"
    assert "STOCKSYNC_OMNITRON__TOKEN" in warning.remedy
    assert "CANARY" not in str(warning)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STOCKSYNC_CHANNELS__5__STOCK_LISTS", "CANARY"),
        ("STOCKSYNC_OMNITRON__REQUESTS_PER_SECOND", "CANARY"),
        ("STOCKSYNC_SOURCES__DROP__ORDER", "CANARY"),
        ("STOCKSYNC_SOURCES__DROP__SCHEDULE", "CANARY"),
    ],
)
def test_a_mistake_names_its_variable(tmp_path: Path, name: str, value: str) -> None:
    assert f"environment {name}" in refused(tmp_path, MINIMAL, {name: value})


def test_one_key_set_by_two_variables_is_a_mistake(tmp_path: Path) -> None:
    environ = {"STOCKSYNC_TIMEZONE": "UTC", "stocksync_timezone": "UTC"}
    assert "sets the same key" in refused(tmp_path, MINIMAL, environ)


def test_a_secret_and_its_file_together_are_a_mistake(tmp_path: Path) -> None:
    environ = secret_file(tmp_path, "CANARY") | {"STOCKSYNC_OMNITRON__PASSWORD": "CANARY"}
    assert PASSWORD_FILE in refused(tmp_path, NO_TOKEN, environ)


def test_one_trailing_newline_of_a_secret_file_is_dropped(tmp_path: Path) -> None:
    password = loaded(tmp_path, NO_TOKEN, secret_file(tmp_path, " pa ss \n")).settings.omnitron
    assert password.password is not None
    assert password.password.reveal() == " pa ss "


def test_a_secret_file_is_read_again_each_time(tmp_path: Path) -> None:
    password = loaded(tmp_path, NO_TOKEN, secret_file(tmp_path, "old")).settings.omnitron.password
    assert password is not None
    (tmp_path / "secret").write_text("new\n")
    assert password.reveal() == "new"
    assert password.revealed == {"old", "new"}
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigurationError, match=PASSWORD_FILE):
        password.reveal()


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        ("", 0o600, "is empty"),
        ("\n", 0o600, "is empty"),
        ("CANARY", 0o602, "everybody may write"),
        ("CANARY\nCANARY\n", 0o600, "more than one line"),
    ],
)
def test_a_secret_file_that_cannot_be_right_is_a_mistake(
    tmp_path: Path, content: str, mode: int, message: str
) -> None:
    told = refused(tmp_path, NO_TOKEN, secret_file(tmp_path, content, mode))
    assert message in told
    assert told.count("\n") == 0


def test_a_missing_secret_file_is_a_mistake_beside_the_others(tmp_path: Path) -> None:
    environ = {**USER, PASSWORD_FILE: "nowhere", "STOCKSYNC_BROKER_URL_FILE": "nowhere"}
    told = refused(tmp_path, NO_TOKEN + "ready = 1\n", environ)
    assert told.count("No such file") == 2
    assert "sources.drop" in told


def test_a_secret_file_that_everybody_may_read_is_a_warning(tmp_path: Path) -> None:
    found = loaded(tmp_path, NO_TOKEN, secret_file(tmp_path, "pw", 0o644))
    (warning,) = found.warnings
    assert PASSWORD_FILE in warning.place


def test_the_file_of_a_secret_in_the_environment_beats_the_secret_in_the_configuration(
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text("rotated")
    (tmp_path / "token").chmod(0o600)
    found = loaded(tmp_path, MINIMAL, {"STOCKSYNC_OMNITRON__TOKEN_FILE": "token"})
    assert found.settings.omnitron.token is not None
    assert found.settings.omnitron.token.reveal() == "rotated"
    assert found.origins["omnitron.token"] == "environment STOCKSYNC_OMNITRON__TOKEN_FILE"


def test_the_password_of_a_source_goes_by_its_name(tmp_path: Path) -> None:
    environ = {
        "STOCKSYNC_SOURCES__ERP__USERNAME": "reader",
        "STOCKSYNC_SOURCES__ERP__PASSWORD": "CANARY",
    }
    text = SQL.replace("sqlite:///erp.db", "postgresql+psycopg://erp-host/db")
    found = loaded(tmp_path, text, environ)
    password = sql_source(found).password
    assert password is not None
    assert password.reveal() == "CANARY"
    assert "CANARY" not in repr(found) + repr(found.settings) + str(found.settings)


def test_a_source_whose_name_holds_two_underscores_is_found(tmp_path: Path) -> None:
    text = MINIMAL.replace('"drop"', '"drop__a"')
    found = loaded(tmp_path, text, {"STOCKSYNC_SOURCES__DROP__A__EVERY": "5m"})
    assert csv_source(found).every == 300


def test_a_secret_is_neither_shown_nor_pickled_nor_serialised() -> None:
    secret = Secret("CANARY")
    assert "CANARY" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps({"secret": secret})


def test_a_dump_of_the_settings_shows_no_secret(tmp_path: Path) -> None:
    found = loaded(tmp_path, MINIMAL.replace("t0ken", "CANARY"), dict.fromkeys(os.environ, ""))
    assert "CANARY" not in str(found.settings.model_dump())
