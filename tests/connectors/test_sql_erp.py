"""The SQL connector against real databases: what it reads, refuses and survives."""

from __future__ import annotations

import logging
import traceback
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.engine import make_url

from connectors.contract import Kind
from connectors.errors import (
    ConnectorError,
    SourceMisconfigured,
    SourceUnreachable,
    SourceUnreadable,
)
from connectors.sql_erp import CursorType, SqlErp
from tests.connectors.sql_sources import QUERY, Erp, Read
from tests.databases import Server, fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from connectors.contract import Finding

CANARY = "c4n@ry/p%ss"


@pytest.fixture
def sqlite(tmp_path: Path) -> Erp:
    erp = Erp(f"sqlite:///{tmp_path / 'erp.db'}")
    erp.run("CREATE TABLE stock (sku, stock, at)")
    return erp


@pytest.fixture
def postgresql(postgres: Server) -> Erp:
    erp = Erp(fresh_database(postgres))
    erp.run("CREATE TABLE stock (sku text, stock numeric, at timestamptz)")
    return erp


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest) -> Erp:
    erp: Erp = request.getfixturevalue(request.param)
    return erp


def failure(source: SqlErp) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        Read(source)
    assert caught.value.message
    assert caught.value.remedy
    return caught.value


def levels(findings: Sequence[Finding]) -> list[str]:
    return [finding.level for finding in findings]


# What is offered


def test_without_a_full_query_the_first_offer_is_a_delta_from_the_start(either: Erp) -> None:
    either.run("INSERT INTO stock VALUES ('OLD', 1, '2025-12-31 00:00:00')")
    either.run("INSERT INTO stock VALUES ('NEW', 2, '2026-01-02 00:00:00')")
    read = Read(either.source(start="2026-01-01"))
    assert (read.kind, read.label, read.stated) == (Kind.DELTA, "query", {"NEW": "2"})


def test_with_a_full_query_the_first_offer_is_a_snapshot(either: Erp) -> None:
    either.run("INSERT INTO stock VALUES ('A', 1, '1960-01-01 00:00:00')")
    source = either.source(full_query="SELECT sku, stock FROM stock")
    read = Read(source)
    assert (read.kind, read.label, read.stated) == (Kind.SNAPSHOT, "full_query", {"A": "1"})
    assert Read(source, read.checkpoint).label == "query"
    assert Read(source, read.checkpoint, full=True).label == "full_query"


def test_full_without_a_full_query_reads_the_query_from_its_start(either: Erp) -> None:
    either.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01 00:00:00')")
    either.run("INSERT INTO stock VALUES ('B', 2, '2026-01-02 00:00:00')")
    source = either.source()
    checkpoint = Read(source).checkpoint
    assert Read(source, checkpoint).stated == {"B": "2"}
    again = Read(source, checkpoint, full=True)
    assert (again.kind, set(again.stated)) == (Kind.DELTA, {"A", "B"})


def test_what_a_later_session_writes_is_found_after_a_full_query(either: Erp) -> None:
    source = either.source(full_query="SELECT sku, stock FROM stock", timezone="Europe/Istanbul")
    checkpoint = Read(source).checkpoint
    either.run("INSERT INTO stock VALUES ('A', 1, CURRENT_TIMESTAMP)")
    assert Read(source, checkpoint).stated == {"A": "1"}


def test_an_offer_has_no_checkpoint_before_it_was_read(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01')")
    [offer] = sqlite.source().look(None, full=False).offers
    next(iter(offer.chunks()))
    with pytest.raises(RuntimeError, match="not read to its end"):
        offer.checkpoint()


def test_a_rewound_source_goes_on_from_there(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01 10:00:00')")
    sqlite.run("INSERT INTO stock VALUES ('B', 2, '2026-01-05 10:00:00')")
    source = sqlite.source()
    checkpoint = Read(source).checkpoint
    rewound = source.checkpoint_at("2026-01-01 09:00", checkpoint)
    assert set(Read(source, rewound).stated) == {"A", "B"}
    with pytest.raises(SourceMisconfigured, match="not a moment"):
        source.checkpoint_at("yesterday")


# Cursors on real databases


def test_a_transaction_that_commits_after_the_poll_is_found(postgresql: Erp) -> None:
    with closing(postgresql.session()) as late, closing(postgresql.session()) as early:
        late.execute("BEGIN")
        late.execute("INSERT INTO stock VALUES ('LATE', 1, now())")
        early.execute("INSERT INTO stock VALUES ('EARLY', 2, clock_timestamp())")
        source = postgresql.source(overlap=60)
        first = Read(source)
        late.execute("COMMIT")
    assert first.stated == {"EARLY": "2"}
    assert Read(source, first.checkpoint).stated == {"EARLY": "2", "LATE": "1"}


def test_ten_thousand_rows_of_one_cursor_value_are_all_read(either: Erp) -> None:
    either.run(
        "INSERT INTO stock WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 12345) SELECT 'SKU-' || i, i, '2026-01-01 10:00:00' FROM n"
    )
    source = either.source(overlap=0)
    first = Read(source)
    assert len(first.stated) == 12345
    assert [row.place for row in first.rows] == list(range(1, 12346))
    assert len(Read(source, first.checkpoint).stated) == 12345


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date", "text"])
def test_each_type_of_moment_goes_on_where_it_was(postgres: Server, kind: str) -> None:
    erp = Erp(fresh_database(postgres))
    erp.run(f"CREATE TABLE stock (sku text, stock int, at {kind})")
    erp.run("INSERT INTO stock VALUES ('OLD', 1, '2026-03-01'), ('A', 2, '2026-03-05')")
    source = erp.source(timezone="America/New_York")
    first = Read(source)
    erp.run("INSERT INTO stock VALUES ('B', 3, '2026-03-06')")
    assert set(first.stated) == {"OLD", "A"}
    assert set(Read(source, first.checkpoint).stated) == {"A", "B"}


def test_a_blank_and_a_t_in_texts_lose_no_row(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 1, '2026-03-05T10:00:00')")
    source = sqlite.source(overlap=0)
    first = Read(source)
    sqlite.run("INSERT INTO stock VALUES ('B', 2, '2026-03-05 10:00:01')")
    sqlite.run("INSERT INTO stock VALUES ('C', 3, '2026-03-05T10:00:01.5')")
    assert {"B", "C"} <= set(Read(source, first.checkpoint).stated)


def test_rows_of_the_hour_that_comes_twice_are_found(postgres: Server) -> None:
    erp = Erp(fresh_database(postgres))
    erp.run("CREATE TABLE stock (sku text, stock int, at timestamp)")
    erp.run("INSERT INTO stock VALUES ('BEFORE', 1, '2026-10-25 02:59:00')")
    source = erp.source(timezone="Europe/Berlin", overlap=60)
    first = Read(source)
    erp.run("INSERT INTO stock VALUES ('SECOND', 2, '2026-10-25 02:00:30')")
    again = Read(source, first.checkpoint)
    erp.run("INSERT INTO stock VALUES ('AFTER', 3, '2026-10-25 12:00:00')")
    assert "SECOND" in again.stated
    done = Read(source, Read(source, again.checkpoint).checkpoint)
    assert done.stated == {"AFTER": "3"}


@pytest.mark.parametrize("value", ["'infinity'", "'9998-01-01'", "NULL"])
def test_a_row_with_a_cursor_of_no_use_is_read_and_moves_nothing(
    postgresql: Erp, value: str
) -> None:
    postgresql.run("INSERT INTO stock VALUES ('A', 1, '2026-01-05 10:00:00+00')")
    postgresql.run(f"INSERT INTO stock VALUES ('ODD', 2, {value})")
    source = postgresql.source("SELECT sku, stock, at AS cursor_value FROM stock")
    read = Read(source)
    assert set(read.stated) == {"A", "ODD"}
    assert read.checkpoint["cursor"] == "2026-01-05T10:00:00.000000+00:00"


def test_an_integer_cursor_goes_on_less_its_overlap(either: Erp) -> None:
    query = "SELECT sku, stock, stock AS cursor_value FROM stock WHERE stock >= :cursor"
    source = either.source(query, cursor_type=CursorType.INTEGER, overlap=5)
    either.run("INSERT INTO stock VALUES ('A', 94, NULL), ('B', 95, NULL), ('C', 100, NULL)")
    first = Read(source)
    assert set(first.stated) == {"A", "B", "C"}
    assert first.checkpoint == {"cursor": "100"}
    assert set(Read(source, first.checkpoint).stated) == {"B", "C"}


def test_a_text_cursor_goes_on_where_it_was(either: Erp) -> None:
    query = "SELECT sku, stock, sku AS cursor_value FROM stock WHERE sku >= :cursor"
    source = either.source(query, cursor_type=CursorType.TEXT)
    either.run("INSERT INTO stock VALUES ('A', 1, NULL), ('B', 2, NULL)")
    first = Read(source)
    assert set(first.stated) == {"A", "B"}
    assert set(Read(source, first.checkpoint).stated) == {"B"}


def test_today_is_the_date_of_the_sources_zone(either: Erp) -> None:
    query = "SELECT sku, stock, at AS cursor_value FROM stock WHERE at >= :cursor AND at < :today"
    either.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01'), ('B', 2, '2999-01-01')")
    assert Read(either.source(query, timezone="Europe/Istanbul")).stated == {"A": "1"}


def test_a_moment_in_numbers_is_refused(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 1, 1763000000)")
    error = failure(sqlite.source("SELECT sku, stock, at AS cursor_value FROM stock"))
    assert isinstance(error, SourceMisconfigured)
    assert "int" in error.message


def test_cursors_none_of_which_is_a_moment_are_refused(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 1, 'version 7')")
    error = failure(sqlite.source())
    assert isinstance(error, SourceMisconfigured)
    assert "version 7" in error.message


# Rows


def test_columns_are_found_whatever_their_case_and_order(either: Erp) -> None:
    query = (
        'SELECT at AS "CURSOR_value", stock AS "Stock", 7 AS "ROW_KEY", sku AS "SKU",'
        " 'AD' AS unit_type, 'IST' AS warehouse, 1 AS more FROM stock WHERE at >= :cursor"
    )
    either.run("INSERT INTO stock VALUES ('A', 1.50, '2026-01-01')")
    [row] = Read(either.source(query)).rows
    assert (row.sku, row.quantity, row.unit, row.warehouse) == ("A", "1.5", "AD", "IST")


@pytest.mark.parametrize(
    ("sku", "stock", "reason", "key"),
    [
        ("NULL", "1", "missing_sku", None),
        ("'  '", "1", "missing_sku", None),
        ("x'4142'", "1", "not_text", None),
        ("1.5", "1", "not_text", None),
        ("'A' || char(10) || 'B'", "1", "bad_sku", None),
        ("printf('%.300c', 'x')", "1", "bad_sku", None),
        ("'A'", "NULL", "null_stock", "A"),
        ("'A'", "'NaN'", "not_a_number", "A"),
        ("'A'", "'1e9999999'", "not_a_number", "A"),
        ("'A'", "9e999", "not_a_number", "A"),
        ("'A'", "x'31'", "not_a_number", "A"),
        ("'A'", "'1,5'", "not_a_number", "A"),
    ],
)
def test_a_broken_row_is_rejected_with_its_reason(
    sqlite: Erp, sku: str, stock: str, reason: str, key: str | None
) -> None:
    sqlite.run("INSERT INTO stock VALUES ('GOOD', 3, '2026-01-01')")
    sqlite.run(f"INSERT INTO stock VALUES ({sku}, {stock}, '2026-01-01')")
    read = Read(sqlite.source())
    [reject] = read.rejects
    assert read.stated == {"GOOD": "3"}
    assert (reject.reason, reject.sku, reject.place) == (reason, key, 2)
    assert len(reject.raw.encode()) <= 2048
    assert reject.message
    assert reject.remedy


def test_a_raw_row_is_never_longer_than_two_kilobytes(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', printf('%.9000c', 'ş'), '2026-01-01')")
    [reject] = Read(sqlite.source()).rejects
    assert len(reject.raw.encode()) <= 2048


def test_numbers_are_texts_where_a_text_is_wanted(postgresql: Erp) -> None:
    query = "SELECT 1234 AS sku, 5 AS stock, 7::numeric AS warehouse, now() AS cursor_value"
    [row] = Read(postgresql.source(query)).rows
    assert (row.sku, row.warehouse) == ("1234", "7")


@pytest.mark.parametrize(
    ("stock", "quantity"),
    [("0.1::float8 + 0.2::float8", "0.30000000000000004"), ("1e30::numeric", "1" + "0" * 30)],
)
def test_quantities_of_any_type_are_exact(postgresql: Erp, stock: str, quantity: str) -> None:
    query = f"SELECT 'A' AS sku, {stock} AS stock, now() AS cursor_value"
    assert Read(postgresql.source(query)).stated == {"A": quantity}


def test_true_and_not_a_number_are_no_quantities(postgresql: Erp) -> None:
    query = (
        "SELECT 'A' AS sku, 'NaN'::numeric AS stock, now() AS cursor_value"
        " UNION ALL SELECT 'B', 'Infinity'::numeric, now()"
    )
    assert [reject.reason for reject in Read(postgresql.source(query)).rejects] == [
        "not_a_number",
        "not_a_number",
    ]
    truth = "SELECT 'A' AS sku, true AS stock, now() AS cursor_value"
    assert [reject.sku for reject in Read(postgresql.source(truth)).rejects] == ["A"]


def test_a_row_without_its_warehouse_is_rejected(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01')")
    query = "SELECT sku, stock, NULL AS warehouse, at AS cursor_value FROM stock"
    [reject] = Read(sqlite.source(query)).rejects
    assert (reject.reason, reject.sku, reject.warehouse) == ("missing_warehouse", "A", None)


# Statements


def test_colons_in_comments_and_literals_bind_nothing(either: Erp) -> None:
    either.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01')")
    query = (
        "-- changed since :since, 100 % of them\n"
        "SELECT sku || ':x' AS sku, stock, at AS cursor_value /* :y */ FROM stock"
        " WHERE at >= :cursor AND '10%' LIKE '%:%' OR at >= :cursor; -- :end"
    )
    assert Read(either.source(query)).stated == {"A:x": "1"}


def test_a_cast_after_a_bind_is_left_alone(postgresql: Erp) -> None:
    postgresql.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01')")
    query = f"{QUERY.replace(':cursor', ':cursor::timestamptz')} AND stock::int % 2 = 1"
    assert Read(postgresql.source(query)).stated == {"A": "1"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT stock, at AS cursor_value FROM stock", "lacks the column sku; it has: stock"),
        ("SELECT sku, sku, stock, at AS cursor_value FROM stock", "sku more than once"),
        ("SELECT sku, stock FROM stock", "lacks the column cursor_value"),
        ("SELECT sku, stock FROM nowhere", "nowhere"),
        ("SELEKT sku", "SELEKT"),
    ],
)
def test_a_statement_that_does_not_fit_says_why(either: Erp, query: str, words: str) -> None:
    error = failure(either.source(query))
    assert isinstance(error, SourceMisconfigured)
    assert words in error.message
    assert error.place == "query"


@pytest.mark.parametrize("query", ["UPDATE stock SET stock = 0", "DELETE FROM stock"])
def test_a_statement_that_writes_is_refused_and_writes_nothing(either: Erp, query: str) -> None:
    either.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01')")
    assert isinstance(failure(either.source(query)), SourceMisconfigured)
    assert Read(either.source()).stated == {"A": "1"}


def test_a_function_that_writes_is_refused_by_the_database(postgresql: Erp) -> None:
    postgresql.run(
        "CREATE FUNCTION sell() RETURNS int LANGUAGE sql AS"
        " $$ UPDATE stock SET stock = 0 RETURNING 1 $$"
    )
    postgresql.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01')")
    query = "SELECT 'A' AS sku, sell() AS stock, now() AS cursor_value"
    error = failure(postgresql.source(query))
    assert isinstance(error, SourceMisconfigured)
    assert "read-only" in error.message


def test_a_statement_that_fails_on_a_value_is_unreadable(postgresql: Erp) -> None:
    query = "SELECT 'A' AS sku, 1 / 0 AS stock, now() AS cursor_value"
    assert isinstance(failure(postgresql.source(query)), SourceUnreadable)


# Databases that are not there


def test_a_missing_file_is_not_created(tmp_path: Path) -> None:
    error = failure(Erp(f"sqlite:///{tmp_path / 'gone.db'}").source())
    assert isinstance(error, SourceUnreachable)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "erp.db").write_bytes(b"no database, but long enough to be read as one" * 99)
    error = failure(Erp(f"sqlite:///{tmp_path / 'erp.db'}").source())
    assert "not a database" in error.message


@pytest.mark.parametrize(
    "url",
    [
        "nosuch://h/db",
        "postgresql+nosuch://h/db",
        "oracle+cx_oracle://h/db",
        "no url",
        "postgresql+psycopg://h:port/db",
    ],
)
def test_a_url_that_cannot_be_is_misconfigured(url: str) -> None:
    error = failure(Erp(url).source())
    assert isinstance(error, SourceMisconfigured)
    assert error.place == "url"
    assert levels(Erp(url).source().check()) == ["error"]


def test_a_connection_lost_in_the_middle_of_a_result_is_unreachable(postgresql: Erp) -> None:
    query = (
        "SELECT 'SKU-' || i AS sku, i AS stock, now() AS cursor_value"
        " FROM generate_series(1, 50000) AS i"
    )
    [offer] = postgresql.source(query).look(None, full=False).offers
    chunks: Iterator[Any] = offer.chunks()
    next(chunks)
    postgresql.run(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with pytest.raises(SourceUnreachable, match="erp"):
        list(chunks)
    with pytest.raises(RuntimeError, match="not read to its end"):
        offer.checkpoint()


def test_nothing_stays_open_after_a_read_that_was_given_up(postgresql: Erp) -> None:
    query = (
        "SELECT 'SKU-' || i AS sku, i AS stock, now() AS cursor_value"
        " FROM generate_series(1, 50000) AS i"
    )
    [offer] = postgresql.source(query).look(None, full=False).offers
    chunks: Any = offer.chunks()
    next(chunks)
    chunks.close()
    with closing(postgresql.session()) as session:
        [(others,)] = session.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state <> 'idle'"
        )
    assert others == 0


def test_a_password_is_asked_for_anew_and_never_told(
    postgresql: Erp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    role = f"r_{make_url(postgresql.url).database}"
    postgresql.run(f"CREATE ROLE {role} LOGIN PASSWORD '{CANARY}'")
    postgresql.run(f"GRANT SELECT ON stock TO {role}")
    told = [CANARY, f"{CANARY}-old"]
    url = postgresql.url.replace("postgres@", "")
    source = postgresql.source(url=url, username=role, password=told.pop)
    error = failure(source)
    findings = source.check()
    assert isinstance(error, SourceUnreachable)
    assert levels(findings)[0] == "ok"
    shown = "".join(traceback.format_exception(error)) + repr((source, findings)) + caplog.text
    assert "c4n" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "{}",
        "postgresql://u:{}@h:port/db",
        "oracle+nosuch://u:{}@h/d",
        "postgresql+psycopg://u:{}@127.0.0.1:1/{}",
        "postgresql+psycopg://127.0.0.1:1/d?password={}&nosuch={}",
    ],
)
def test_a_secret_in_a_wrong_url_is_not_told(url: str) -> None:
    source = Erp(url.replace("{}", "c4nary")).source()
    error = failure(source)
    shown = "".join(traceback.format_exception(error)) + repr(source) + repr(source.check())
    assert "c4nary" not in shown


# check


def test_check_names_the_server_and_what_the_source_cannot_see(either: Erp) -> None:
    either.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01')")
    findings = either.source().check()
    assert levels(findings) == ["ok", "ok", "warning"]
    assert any(name in findings[0].message for name in ("sqlite 3", "postgresql 18"))
    assert "full_query" in findings[-1].message


def test_check_of_a_source_with_a_full_query_has_no_warning(either: Erp) -> None:
    either.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01')")
    source = either.source(full_query="SELECT sku, stock FROM stock")
    assert levels(source.check()) == ["ok", "ok", "ok"]


def test_check_finds_every_statement_that_does_not_fit(either: Erp) -> None:
    source = either.source("SELECT :cursor AS sku", full_query="SELEKT")
    findings = source.check()
    assert levels(findings) == ["ok", "error", "error"]
    assert "stock" in findings[1].message
    assert "SELEKT" in findings[2].message


def test_check_says_that_a_statement_returns_no_row(either: Erp) -> None:
    assert "no row" in either.source().check()[1].message


@pytest.mark.parametrize(
    "options",
    [
        {"query": "SELECT :warehouse"},
        {"timezone": "Europe/Nowhere"},
        {"start": "yesterday"},
        {"cursor_type": CursorType.INTEGER, "start": "x"},
    ],
)
def test_check_names_an_option_that_cannot_be(sqlite: Erp, options: dict[str, Any]) -> None:
    assert levels(sqlite.source(**options).check()) == ["error"]
