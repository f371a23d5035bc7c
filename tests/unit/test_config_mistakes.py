"""Each mistake is told with its place and its remedy, all at once, and without the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from config.keys import LATER
from config.loading import load
from config.problem import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

TOP = """\
[omnitron]
base_url = "https://acme.omnitron.example"
username = "erp"
password = "CANARY-password"
"""
DROP = """\
[[sources]]
name = "drop"
type = "csv"
path = "outbox"
mode = "snapshot"
stock_list = 1
columns = { sku = "sku", stock = "stock" }
"""
ERP = """\
[[sources]]
name = "erp"
type = "sql"
url = "postgresql+psycopg://erp-host/db"
query = "SELECT 1 WHERE at > :cursor"
"""


def refused(folder: Path, text: str | bytes) -> ConfigurationError:
    file = folder / "stocksync.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigurationError) as caught:
        load(None, {}, folder)
    assert "CANARY" not in str(caught.value) + repr(caught.value) + repr(caught.value.problems)
    assert all(problem.message and problem.remedy for problem in caught.value.problems)
    return caught.value


def only(folder: Path, text: str) -> str:
    (problem,) = refused(folder, text).problems
    return str(problem)


def test_all_mistakes_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = TOP + DROP.replace("snapshot", "snapshit") + "rules = { buffer = -1 }\nevery = '1x'\n"
    text += 'schedule = "* * *"\nready = "sometimes"\n[log]\nlevel = "loud"\n'
    places = [problem.place for problem in refused(tmp_path, text).problems]
    assert (
        places
        == [
            "stocksync.toml line 9: sources.drop.mode",
            "stocksync.toml line 12: sources.drop.rules.buffer",
            "stocksync.toml line 13: sources.drop.every",
            "stocksync.toml line 13: sources.drop.every",
            "stocksync.toml line 14: sources.drop.schedule",
            "stocksync.toml line 15: sources.drop.ready",
            "stocksync.toml line 17: log.level",
        ]
        or places.count("stocksync.toml line 13: sources.drop.every") == 1
    )


def test_it_ends_with_exit_code_two(tmp_path: Path) -> None:
    error = refused(tmp_path, "")
    assert (error.exit_code, error.kind) == (2, "configuration")


def test_an_empty_file_names_what_is_required(tmp_path: Path) -> None:
    places = {problem.place for problem in refused(tmp_path, "").problems}
    assert places == {
        f"stocksync.toml: omnitron.{key}" for key in ("base_url", "username", "password")
    }


def test_a_misspelt_key_is_recognised(tmp_path: Path) -> None:
    assert "Did you mean stable_for?" in only(tmp_path, TOP + DROP + "stable_four = 5\n")


def test_a_key_in_the_wrong_table_is_told_where_it_belongs(tmp_path: Path) -> None:
    assert "[sources.guard]" in only(tmp_path, TOP + DROP + "max_zero_ratio = 0.1\n")
    assert "top of the file" in only(tmp_path, TOP + 'database_url = "sqlite:///x.db"\n' + DROP)


def test_a_key_of_the_other_type_of_source_is_told_so(tmp_path: Path) -> None:
    assert "source of type csv" in only(tmp_path, TOP + ERP + 'pattern = "*.csv"\n')


@pytest.mark.parametrize("pattern", sorted(LATER), ids=".".join)
def test_a_key_that_is_not_built_yet_is_refused_as_such(
    tmp_path: Path, pattern: tuple[str, ...]
) -> None:
    *tables, key = [step for step in pattern if step != "*"]
    header = f"[{'.'.join(tables)}]\n" if tables and tables != ["sources"] else ""
    line = f"{header}{key} = 1\n"
    if pattern[0] == "omnitron":
        text = TOP + f"{key} = 1\n" + DROP
    elif not tables:
        text = TOP + DROP + f"[{key}]\nx = 1\n"
    elif tables == ["sources", "columns"]:
        text = TOP + DROP.replace('stock = "stock"', f'stock = "stock", {key} = "x"')
    else:
        text = TOP + DROP + line
    assert "not built yet" in only(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (DROP + DROP.replace("outbox", "other"), "line 13: sources.drop.name"),
        (DROP + DROP.replace("drop", "two"), "line 15: sources.two.path"),
        ("[[channels]]\nid = 5\nstock_lists = [1]\n" * 2 + DROP, "line 9: channels.5.id"),
        (DROP.replace("stock_list = 1\n", ""), "line 5: sources.drop.stock_list"),
        (DROP.replace(" }", ', warehouse = "w" }'), "line 10: sources.drop.stock_list"),
        (DROP + 'schedule = "@daily"\nevery = 60\n', "line 13: sources.drop.every"),
        (DROP + "format = { header = false }\n", "line 11: sources.drop.columns.sku"),
        (DROP.replace('"stock"', '"sku"'), "line 11: sources.drop.columns.stock"),
        (ERP + 'full_schedule = "@daily"\n', "line 5: sources.erp.full_query"),
        (ERP + 'rules = { duplicates = "sum" }\n', "line 10: sources.erp.rules.duplicates"),
        (ERP + 'cursor_type = "integer"\noverlap = "2m"\n', "line 11: sources.erp.overlap"),
        (ERP + 'cursor_type = "integer"\nstart = "x"\n', "line 11: sources.erp.start"),
        (DROP + "stable_for = true\n", "line 12: sources.drop.stable_for"),
        (DROP + "rules = { buffer = true }\n", "line 12: sources.drop.rules.buffer"),
        (DROP + 'format = { encoding = "rot13" }\n', "line 12: sources.drop.format.encoding"),
        (DROP + 'format = { thousands = "." }\n', "line 12: sources.drop.format.thousands"),
        (DROP + 'schedule = "0 0 30 2 *"\n', "line 12: sources.drop.schedule"),
        (DROP + 'pattern = "../*.csv"\n', "line 12: sources.drop.pattern"),
        (DROP.replace('"drop"', '"Drop-1"'), "line 6: sources.Drop-1.name"),
        (DROP.replace('"outbox"', '"https://host/out"'), "line 8: sources.drop.path"),
        (DROP.replace('"csv"', '"xml"'), "line 7: sources.drop.type"),
        (DROP.replace('type = "csv"\n', ""), "line 5: sources.drop.type"),
        ("[stock_lists]\nWH = 0\n" + DROP, "line 6: stock_lists.WH"),
        ("[[channels]]\nid = 5\nstock_lists = []\n" + DROP, "line 7: channels.5.stock_lists"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, place: str) -> None:
    places = [problem.place for problem in refused(tmp_path, TOP + text).problems]
    assert f"stocksync.toml {place}" in places
    assert len({each.partition(": ")[2].rpartition(".")[0] for each in places}) == 1


@pytest.mark.parametrize(
    "line",
    [
        'timezone = "Mars/Olympus"',
        'timezone = "../../etc/passwd"',
        'database_url = "mysql://host/db"',
        'database_url = "sqlite://"',
        'database_url = "sqlite:///:memory:"',
        'database_url = "CANARY"',
        'database_url = "postgresql://host/db?password=CANARY"',
        'broker_url = "amqp://host"',
        'instance = "a b"',
        "instance = 5",
    ],
)
def test_a_wrong_value_at_the_top_is_told(tmp_path: Path, line: str) -> None:
    assert "line 1: " in only(tmp_path, f"{line}\n{TOP}{DROP}")


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.omnitron.example",
        "http://127.0.0.1.evil.example",
        "https://u:CANARY@acme.omnitron.example",
        "https://acme.omnitron.example/api/v1/",
        "https://acme.omnitron.example?x=CANARY",
        "https://acme.omnitron.example:99999",
        "acme.omnitron.example",
        "ftp://acme.omnitron.example",
        "https://[::1",
        "https://acme omnitron.example",
        "https://acme.omnitron.example\\n",
    ],
)
def test_an_address_of_omnitron_that_would_be_unsafe_or_wrong_is_refused(
    tmp_path: Path, url: str
) -> None:
    text = TOP.replace("https://acme.omnitron.example", url)
    assert "line 2: omnitron.base_url" in only(tmp_path, text)


@pytest.mark.parametrize(
    "line",
    [
        'database_url = "postgresql://me:CANARY@host/db"',
        'database_url = "postgresql://me:CAN@ARY@host/db"',
        'database_url = "postgresql://host/db@CANARY"',
        'broker_url = "redis://:CAN@ARY@host/0"',
        'broker_url = "redis://:a/CANARY@host/0"',
    ],
)
def test_an_at_sign_in_host_or_database_is_refused_without_quoting(
    tmp_path: Path, line: str
) -> None:
    assert "holds '@'" in only(tmp_path, f"{line}\n{TOP}{DROP}")


def test_a_token_beside_a_password_is_refused(tmp_path: Path) -> None:
    assert "omnitron.token" in only(tmp_path, TOP + 'token = "CANARY-token"\n' + DROP)


@pytest.mark.parametrize(
    "text",
    [
        "password = CANARY\n",
        '[omnitron]\npassword = "CANARY\n',
        "[omnitron]\nCANARY = 1\nCANARY = 2\n",
        "[omnitron\n",
        "x = 1\n\n = 5\n",
    ],
)
def test_broken_toml_is_told_by_line_and_never_quoted(tmp_path: Path, text: str) -> None:
    error = refused(tmp_path, text)
    assert error.place.startswith("stocksync.toml line ")
    assert "not valid TOML" in error.message


def test_a_file_in_another_encoding_is_told_by_line(tmp_path: Path) -> None:
    error = refused(tmp_path, TOP.encode() + 'x = "ığ"'.encode("cp1254"))
    assert error.place == "stocksync.toml line 5"


@pytest.mark.parametrize(
    "text",
    [
        "omnitron = 5\n",
        "sources = 5\n" + TOP,
        'sources = ["CANARY"]\n' + TOP,
        "channels = { a = 1 }\n" + TOP,
        TOP + '[[sources]]\nname = ["CANARY"]\ntype = "csv"\n',
        TOP.replace('"CANARY-password"', '["CANARY"]'),
        TOP + "[[sources]]\nname = 'a'\ntype = 'csv'\ncolumns = 'CANARY'\nrules = 1\nformat = []\n",
        TOP + "[[sources]]\ntype = ['CANARY']\n",
        TOP.replace("CANARY-password", "CANARY\\nCANARY"),
        "x = " + "1" * 5_000,
        "x = " + "[" * 5_000 + "]" * 5_000,
    ],
)
def test_the_wrong_shape_is_a_mistake_and_no_crash(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("{}", "is not one rule"),
        ('{ strip_prefix = "A", add_prefix = "B" }', "is not one rule"),
        ('{ match = "(a)" }', "has only one of match and replace"),
        ("{ match = '(a', replace = 'b' }", "is no regular expression"),
        (r"{ match = '(a)', replace = '\2' }", "is no regular expression"),
    ],
)
def test_a_sku_rule_is_one_step_that_can_be_done(tmp_path: Path, rule: str, told: str) -> None:
    assert told in only(tmp_path, TOP + DROP + f"sku_rules = [{rule}]\n")


def test_levels_go_to_zero_no_sooner_than_the_alarm(tmp_path: Path) -> None:
    told = only(tmp_path, TOP + DROP + 'stale_after = "26h"\nzero_after = "1d"\n')
    assert "sources.drop.zero_after: is shorter than stale_after" in told


def test_a_wrong_duration_is_one_mistake_beside_the_other_limit(tmp_path: Path) -> None:
    told = only(tmp_path, TOP + DROP + 'stale_after = "soon"\nzero_after = "1d"\n')
    assert "sources.drop.stale_after" in told


def test_levels_do_not_go_to_zero_within_a_minute(tmp_path: Path) -> None:
    assert "sources.drop.zero_after" in only(tmp_path, TOP + DROP + "zero_after = 59\n")


def test_a_minimum_fits_below_the_maximum(tmp_path: Path) -> None:
    told = only(tmp_path, TOP + DROP + "rules = { minimum = 3, maximum = 2 }\n")
    assert "sources.drop.rules.minimum" in told
