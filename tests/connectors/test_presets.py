"""Presets: their options are strict, their statements run, or compile where they cannot run here.

Odoo and Tryton run on PostgreSQL, ERPNext on MariaDB where it is installed, on the columns of their
own tables that the statements need. Those of SQL Server are compiled for it, and their arithmetic
runs on SQLite, which reads their SQL; on SQL Server itself they were never run.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pymysql
import pytest
from sqlalchemy import text
from sqlalchemy.dialects import mssql, mysql, postgresql
from sqlalchemy.engine import make_url

from connectors import presets
from connectors.contract import Kind
from connectors.sql_erp import CursorType, SqlErp, SqlOptions
from connectors.sql_erp.rowversions import RowversionCursor
from connectors.sql_erp.statement import parse
from tests.databases import Server, fresh_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.contract import Checkpoint
    from connectors.presets import Preset

TABLES = Path(__file__).with_name("erp_tables")
DIALECTS: dict[str, Any] = {
    "postgresql": postgresql.psycopg.dialect,
    "mysql": mysql.pymysql.dialect,
    "mssql": mssql.pymssql.dialect,
}
STATEMENTS = [(name, key) for name in presets.names() for key in ("query", "full_query")]


def preset(name: str) -> Preset:
    found = presets.load(name)
    assert found
    return found


def example_options(name: str) -> dict[str, str]:
    return {option.name: option.example for option in preset(name).options}


def source(name: str, url: str, **more: Any) -> SqlErp:
    """The source that a configuration with this preset and the options' examples makes."""
    keys = preset(name).filled(example_options(name))
    return SqlErp(
        SqlOptions(
            **{
                "name": "erp",
                "url": url,
                "query": keys.get("query"),
                "full_query": keys["full_query"],
                "cursor_type": CursorType(keys.get("cursor_type", "timestamp")),
                "timezone": keys.get("timezone", "UTC"),
                "overlap": 0,
                "cannot_see": preset(name).cannot_see,
                **more,
            }
        )
    )


class Read:
    def __init__(
        self, source: SqlErp, checkpoint: Checkpoint | None = None, *, full: bool = False
    ) -> None:
        [offer] = source.look(checkpoint, full=full).offers
        rows = [row for chunk in offer.chunks() for row in chunk.rows]
        self.kind = offer.kind
        self.checkpoint = offer.checkpoint()
        self.stated = {(row.sku, row.warehouse): row.quantity for row in rows}
        assert len(self.stated) == len(rows), "a key is stated more than once"


# What a preset is


def test_the_presets_are_those_that_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "presets.md").read_text("utf-8")
    assert [name for name in presets.names() if f"`{name}`" not in page] == []
    assert len(presets.names()) == 9


def test_an_unknown_preset_is_none() -> None:
    assert presets.load("../odoo") is None


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_says_what_it_cannot_see(name: str) -> None:
    assert preset(name).cannot_see
    assert ("never run" in preset(name).cannot_see[-1]) is (preset(name).database == "mssql")


@pytest.mark.parametrize(("name", "key"), STATEMENTS)
def test_a_statement_compiles_for_its_database_with_no_bind_but_the_cursor(
    name: str, key: str
) -> None:
    statement = preset(name).filled(example_options(name)).get(key)
    if statement is None:
        assert key == "query"  # a preset without a cursor has snapshots only
        return
    dialect = preset(name).database
    parsed = parse(statement, label=key, dialect=dialect)
    sent = str(text(parsed.text).compile(dialect=DIALECTS[dialect](paramstyle="named")))
    assert parsed.binds == ({"cursor"} if key == "query" else set())
    assert sent == statement
    assert not parsed.hidden
    assert "{" not in sent


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("logo-tiger", {"firm": "1", "period": "01"}),
        ("logo-tiger", {"firm": "001", "period": "01; DROP"}),
        ("logo-tiger", {"firm": "\u0660\u0660\u0661", "period": "01"}),
        ("logo-tiger", {"firm": 1, "period": "01"}),
        ("logo-tiger", {"firm": "001"}),
        ("logo-tiger", {"firm": "001", "period": "01", "branch": "1"}),
        ("dynamics-bc", {"company": "A] --"}),
        ("dynamics-bc", {"company": "A", "extension": "$x"}),
        ("nebim-v3", {"barcode_type": "' OR 1=1 --"}),
        ("odoo", {"firm": "001"}),
    ],
)
def test_an_option_that_does_not_fit_is_named_and_never_filled_in(
    name: str, options: dict[str, object]
) -> None:
    [unfit] = preset(name).unfit(options)
    assert unfit.message
    assert unfit.remedy
    assert str(options.get(unfit.option, "…")) not in str(
        {key: value for key, value in preset(name).filled(options).items() if "query" in key}
    ) or unfit.option in {"branch", "firm"}


@pytest.mark.parametrize("name", presets.names())
def test_the_examples_of_options_fit(name: str) -> None:
    assert list(preset(name).unfit(example_options(name))) == []


# Presets on their own tables


@pytest.fixture
def odoo(postgres: Server) -> str:
    url = fresh_database(postgres)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as session:
        session.execute((TABLES / "odoo.sql").read_bytes())
    return url


def on_postgres(url: str, *statements: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as session:
        for statement in statements:
            session.execute(statement.encode())


ODOO_STOCK = {("CHAIR", "WH"): "7.5", ("CHAIR", "OUT"): "2", ("DESK", "WH"): "-1"}


def test_odoo_states_what_is_free_in_internal_locations(odoo: str) -> None:
    read = Read(source("odoo", odoo))
    assert (read.kind, read.stated) == (Kind.SNAPSHOT, ODOO_STOCK)


def test_odoo_states_a_product_whose_quants_were_deleted_as_sold_out(odoo: str) -> None:
    erp = source("odoo", odoo)
    checkpoint = Read(erp).checkpoint
    on_postgres(
        odoo,
        "DELETE FROM stock_quant WHERE id = 3",
        "INSERT INTO stock_move_line VALUES (9, 1, 20, 30, now() AT TIME ZONE 'UTC')",
    )
    delta = Read(erp, checkpoint)
    assert (delta.kind, delta.stated) == (Kind.DELTA, {("CHAIR", "OUT"): "0"})


def test_odoo_states_a_reservation(odoo: str) -> None:
    erp = source("odoo", odoo)
    checkpoint = Read(erp).checkpoint
    on_postgres(
        odoo,
        "UPDATE stock_quant SET reserved_quantity = 5, write_date = now() AT TIME ZONE 'UTC'"
        " WHERE id = 1",
    )
    assert Read(erp, checkpoint).stated == {("CHAIR", "WH"): "3"}


TRYTON_STOCK = {("APPLE", "WH"): "6.5", ("PEAR", "WH"): "3"}


@pytest.fixture(params=["postgresql", "sqlite"])
def tryton(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Callable[[str], None]]:
    script = (TABLES / "tryton.sql").read_text()
    if request.param == "postgresql":
        url = fresh_database(request.getfixturevalue("postgres"))
        on_postgres(url, script)
        return url, lambda statement: on_postgres(url, statement)
    file = tmp_path / "tryton.db"

    def run(statement: str) -> None:
        with closing(sqlite3.connect(file)) as session:
            session.executescript(statement)

    run(script)
    return f"sqlite:///{file}", run


def test_tryton_states_what_is_done_less_what_is_assigned(
    tryton: tuple[str, Callable[[str], None]],
) -> None:
    url, _run = tryton
    assert Read(source("tryton", url)).stated == TRYTON_STOCK


def test_tryton_states_every_product_that_was_moved_since(
    tryton: tuple[str, Callable[[str], None]],
) -> None:
    url, run = tryton
    erp = source("tryton", url, overlap=60)
    checkpoint = Read(erp).checkpoint
    run("UPDATE stock_move SET state = 'done', write_date = CURRENT_TIMESTAMP WHERE id = 5;")
    assert Read(erp, checkpoint).stated == {("PEAR", "WH"): "5"}


ERPNEXT_STOCK = {("SKU-1", "Stores - A"): "7.5", ("SKU-2", "Stores - A"): "-2"}


def test_erpnext_states_what_is_there_less_what_is_reserved(mariadb: Server) -> None:
    url = make_url(fresh_database(mariadb))
    with (
        closing(
            pymysql.connect(
                host=url.host,
                port=url.port or 0,
                user=url.username,
                database=url.database,
                autocommit=True,
                client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS,
            )
        ) as session,
        session.cursor() as cursor,
    ):
        cursor.execute((TABLES / "erpnext.sql").read_text())
        while cursor.nextset():
            pass
        erp = source("erpnext", url.render_as_string(hide_password=False))
        read = Read(erp)
        cursor.execute(
            "UPDATE tabBin SET reserved_qty = 4, modified = UTC_TIMESTAMP(6) WHERE name = 'b1'"
        )
    assert read.stated == ERPNEXT_STOCK
    assert Read(erp, read.checkpoint).stated == {("SKU-1", "Stores - A"): "6"}


# Presets of SQL Server: their arithmetic, on SQLite

SQL_SERVER = {
    "logo-tiger": {("M-1", "0"): "5", ("M-1", "2"): "3"},
    "netsis": {("N-1", "1"): "6", ("N-2", "1"): "0"},
    "mikro": {("K-1", "1"): "5", ("K-1", "2"): "4"},
    "sap-b1": {("A1", "01"): "6.5"},
    "dynamics-bc": {("1000", "BLUE"): "8", ("1000-RED", "BLUE"): "2"},
    "nebim-v3": {("8690000000017", "M1"): "4", ("8690000000024", "M1"): "4"},
}


def as_on_sqlite(statement: str) -> str:
    """Write the one function that older SQLites do not have in their own way."""
    return re.sub(r"CONCAT\((\S+), '-', (\S+)\)", r"\1 || '-' || \2", statement)


def on_sqlite(tmp_path: Path, name: str) -> str:
    file = tmp_path / f"{name}.db"
    with closing(sqlite3.connect(file)) as session:
        session.executescript((TABLES / f"{name}.sql").read_text())
    return f"sqlite:///{file}"


@pytest.mark.parametrize("name", SQL_SERVER)
def test_a_preset_of_sql_server_adds_up_on_its_tables(tmp_path: Path, name: str) -> None:
    url = on_sqlite(tmp_path, name)
    full_query = as_on_sqlite(preset(name).filled(example_options(name))["full_query"])
    erp = source(name, url, full_query=full_query, cursor_type=CursorType.TIMESTAMP)
    assert Read(erp).stated == SQL_SERVER[name]


def test_a_rowversion_finds_what_changed_since(tmp_path: Path) -> None:
    url = on_sqlite(tmp_path, "dynamics-bc")
    query = as_on_sqlite(preset("dynamics-bc").filled(example_options("dynamics-bc"))["query"])
    bound = RowversionCursor().bound({"cursor": "0x7d3"}, now=datetime.now(UTC))
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as session:
        rows = session.execute(query, {"cursor": bound}).fetchall()
    assert rows == [("1000-RED", "BLUE", 2, bound)]


@pytest.mark.parametrize("name", ["mikro", "nebim-v3"])
def test_a_delta_states_the_same_as_the_full_query_for_what_changed(
    tmp_path: Path, name: str
) -> None:
    erp = source(name, on_sqlite(tmp_path, name), start="2026-11-01")
    delta = Read(erp, {"cursor": None})
    assert delta.kind is Kind.DELTA
    assert delta.stated == SQL_SERVER[name]
    later = Read(erp, erp.checkpoint_at("2026-11-20 00:00:00"))
    assert later.stated.items() < SQL_SERVER[name].items() or name == "nebim-v3"


def test_a_preset_without_a_cursor_offers_snapshots_only(tmp_path: Path) -> None:
    erp = source("netsis", on_sqlite(tmp_path, "netsis"))
    first = Read(erp)
    assert Read(erp, first.checkpoint).kind is Kind.SNAPSHOT
    [offer] = erp.look(first.checkpoint, full=False, held={"label": "full_query"}).offers
    assert offer.kind is Kind.SNAPSHOT


def test_check_shows_what_a_preset_cannot_see(tmp_path: Path) -> None:
    shown = [finding.message for finding in source("netsis", on_sqlite(tmp_path, "netsis")).check()]
    assert set(preset("netsis").cannot_see) <= set(shown)
