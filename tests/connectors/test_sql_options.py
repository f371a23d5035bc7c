"""What can be chosen for a SQL source beside its statements, and what `check` says of them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pymysql
import pytest
from sqlalchemy.dialects import mssql
from sqlalchemy.engine import make_url

from connectors.contract import Kind
from connectors.errors import SourceMisconfigured, SourceUnreachable
from connectors.sql_erp import CursorType, Isolation, SqlErp, SqlOptions, dialects
from connectors.sql_erp.rowversions import RowversionCursor
from tests.connectors.sql_sources import QUERY, Erp, Read
from tests.databases import Server, fresh_database

if TYPE_CHECKING:
    from pathlib import Path

FULL = "SELECT sku, stock FROM stock"
OPTIONS = SqlOptions(name="erp", url="sqlite://", answer_timeout=0.25, lock_timeout=1.5)


@pytest.fixture
def sqlite(tmp_path: Path) -> Erp:
    erp = Erp(f"sqlite:///{tmp_path / 'erp.db'}")
    erp.run("CREATE TABLE stock (sku, stock, at, sold, extra)")
    return erp


@pytest.fixture
def postgresql(postgres: Server) -> Erp:
    erp = Erp(fresh_database(postgres))
    erp.run("CREATE TABLE stock (sku text, stock numeric, at timestamptz)")
    return erp


# Snapshots without a delta query


def test_without_a_query_every_read_is_a_snapshot(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 1, NULL, NULL, NULL)")
    source = sqlite.source(None, full_query=FULL)
    checkpoint = None
    for _ in range(2):
        read = Read(source, checkpoint)
        checkpoint = read.checkpoint
        assert (read.kind, read.stated) == (Kind.SNAPSHOT, {"A": "1"})
    assert [finding.level for finding in source.check()] == ["ok", "ok"]


def test_without_any_statement_a_source_is_misconfigured(sqlite: Erp) -> None:
    with pytest.raises(SourceMisconfigured, match="neither query nor full_query"):
        sqlite.source(None).look(None, full=False)


def test_a_full_query_with_a_cursor_is_refused(sqlite: Erp) -> None:
    source = sqlite.source(full_query=f"{FULL} WHERE at >= :cursor")
    with pytest.raises(SourceMisconfigured, match="would not state everything"):
        source.look(None, full=False)
    assert [finding.level for finding in source.check()] == ["error"]


# Columns for Omnitron


def test_sold_and_extra_come_with_their_row(sqlite: Erp) -> None:
    sqlite.run("""INSERT INTO stock VALUES ('A', 1, '2026-01-01', 3, '{"b": 1, "a": [1.5]}')""")
    sqlite.run("INSERT INTO stock VALUES ('B', 1, '2026-01-01', NULL, NULL)")
    query = "SELECT sku, stock, sold AS Sold_Quantity_Unreported, extra AS extra_field FROM stock"
    rows = Read(sqlite.source(None, full_query=query)).rows
    assert [(row.sold, row.extra) for row in rows] == [("3", '{"a":[1.5],"b":1}'), (None, None)]


def test_an_extra_field_may_be_of_a_json_type(postgresql: Erp) -> None:
    query = """SELECT 'A' AS sku, 1 AS stock, '{"b": 1, "a": "ş"}'::jsonb AS extra_field"""
    [row] = Read(postgresql.source(None, full_query=query)).rows
    assert row.extra == r'{"a":"\u015f","b":1}'


@pytest.mark.parametrize("sold", ["-1", "1.5", "'x'", "3000000000", "9e999"])
def test_a_sold_quantity_is_a_whole_number_from_zero_on(sqlite: Erp, sold: str) -> None:
    query = f"SELECT 'A' AS sku, 1 AS stock, {sold} AS sold_quantity_unreported"
    [reject] = Read(sqlite.source(None, full_query=query)).rejects
    assert (reject.reason, reject.column) == ("bad_sold", "sold_quantity_unreported")


@pytest.mark.parametrize(
    "extra", ["'x'", "'[1]'", "'3'", "7", """'{"a": NaN}'""", """'{"a": 1e999}'""", "x'ff'"]
)
def test_an_extra_field_is_a_json_object(sqlite: Erp, extra: str) -> None:
    query = f"SELECT 'A' AS sku, 1 AS stock, {extra} AS extra_field"
    [reject] = Read(sqlite.source(None, full_query=query)).rejects
    assert (reject.reason, reject.column, reject.sku) == ("bad_extra", "extra_field", "A")


def test_an_extra_field_has_its_limits(sqlite: Erp) -> None:
    long = "json_object('a', printf('%.10000c', 'x'))"
    deep = "printf('%.99999c', '[')"
    for extra in (long, deep):
        query = f"SELECT 'A' AS sku, 1 AS stock, {extra} AS extra_field"
        [reject] = Read(sqlite.source(None, full_query=query)).rejects
        assert reject.reason == "bad_extra"


# What `check` says


def messages(source: SqlErp) -> list[str]:
    return [finding.message for finding in source.check()]


def test_check_names_a_cursor_that_only_a_comment_has(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01', NULL, NULL)")
    hidden = "SELECT sku, stock, at AS cursor_value FROM stock -- WHERE at >= :cursor"
    assert any("comment or a literal" in message for message in messages(sqlite.source(hidden)))
    absent = "SELECT sku, stock, at AS cursor_value FROM stock"
    assert any(
        "does not bind :cursor: each" in message for message in messages(sqlite.source(absent))
    )


def test_check_says_what_the_first_row_would_be_rejected_for(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 'many', '2026-01-01', NULL, NULL)")
    assert any("first row would be rejected" in message for message in messages(sqlite.source()))


@pytest.mark.parametrize(
    ("cursor_type", "value", "words"),
    [
        (CursorType.TIMESTAMP, "7", "of type int, but cursor_type is timestamp"),
        (CursorType.INTEGER, "'2026-01-01'", "of type str, but cursor_type is integer"),
        (CursorType.TEXT, "7", "of type int, but cursor_type is text"),
    ],
)
def test_check_names_a_cursor_of_another_type(
    sqlite: Erp, cursor_type: CursorType, value: str, words: str
) -> None:
    query = f"SELECT 'A' AS sku, 1 AS stock, {value} AS cursor_value"
    found = sqlite.source(query, cursor_type=cursor_type, overlap=0).check()
    assert any(words in each.message and each.level == "error" for each in found)


def test_check_shows_what_a_source_is_said_not_to_see(sqlite: Erp) -> None:
    source = sqlite.source(None, full_query=FULL, cannot_see=("Reservations are not seen.",))
    assert messages(source)[-1] == "Reservations are not seen."


# Isolation, timeouts, reading only


@pytest.mark.parametrize(
    ("isolation", "level"),
    [
        (None, "read committed"),
        (Isolation.READ_COMMITTED, "read committed"),
        (Isolation.REPEATABLE_READ, "repeatable read"),
        (Isolation.SNAPSHOT, "repeatable read"),
    ],
)
def test_the_isolation_is_the_one_that_was_chosen(
    postgresql: Erp, isolation: Isolation | None, level: str
) -> None:
    query = (
        "SELECT current_setting('transaction_isolation') AS sku, 1 AS stock,"
        " current_setting('transaction_read_only') AS warehouse"
    )
    [row] = Read(postgresql.source(None, full_query=query, isolation=isolation)).rows
    assert (row.sku, row.warehouse) == (level, "on")


@pytest.mark.parametrize("isolation", Isolation)
def test_a_read_of_sqlite_is_a_snapshot_whatever_is_chosen(
    sqlite: Erp, isolation: Isolation
) -> None:
    assert Read(sqlite.source(None, full_query=FULL, isolation=isolation)).stated == {}


def test_sql_server_gives_way_and_waits_for_no_lock_for_ever() -> None:
    assert dialects.opening("mssql", OPTIONS) == (
        "SET DEADLOCK_PRIORITY LOW",
        "SET LOCK_TIMEOUT 1500",
    )
    assert dialects.connect_arguments("pymssql", OPTIONS) == {"login_timeout": 10, "timeout": 1}


@pytest.mark.parametrize("isolation", Isolation)
def test_sqlalchemy_knows_every_isolation_for_sql_server(isolation: Isolation) -> None:
    known = mssql.pymssql.dialect().get_isolation_level_values(None)
    assert dialects.isolation_level("mssql", isolation) in known


def test_mariadb_is_read_only_with_an_isolation_and_limits(mariadb: Server) -> None:
    query = (
        "SELECT CONCAT_WS(' ', @@tx_isolation, @@tx_read_only, @@lock_wait_timeout) AS sku,"
        " @@max_statement_time AS stock"
    )
    options = {"isolation": Isolation.READ_COMMITTED, "lock_timeout": 7, "answer_timeout": 2}
    source = SqlErp(
        SqlOptions(name="erp", url=fresh_database(mariadb), full_query=query, **options)
    )
    assert Read(source).stated == {"READ-COMMITTED ON 7": "12"}


def test_a_lock_of_mariadb_that_is_not_given_up_ends_the_read(mariadb: Server) -> None:
    url = make_url(fresh_database(mariadb))
    where: dict[str, Any] = {"host": url.host, "port": url.port, "user": url.username}
    with closing(pymysql.connect(database=url.database, **where)) as holder:
        with holder.cursor() as cursor:
            cursor.execute("CREATE TABLE stock (sku varchar(9), stock int)")
            cursor.execute("LOCK TABLES stock WRITE")
        source = SqlErp(
            SqlOptions(
                name="erp",
                url=url.render_as_string(hide_password=False),
                full_query=FULL,
                lock_timeout=1,
            )
        )
        with pytest.raises(SourceUnreachable, match="Lock wait timeout"):
            Read(source)


# Rowversions, which only SQL Server has: the conversion alone


def after(cursor: RowversionCursor, *values: object, **rest: Any) -> Any:
    watch = cursor.watch(now=None, active=rest.get("active"))  # type: ignore[arg-type]
    watch.add(values)
    return cursor.after(rest.get("since"), watch, full=rest.get("full", False))


def version(number: int) -> bytes:
    return number.to_bytes(8, "big")


def test_a_rowversion_is_kept_as_hexadecimal_text_and_bound_as_bytes() -> None:
    kept = after(RowversionCursor(), version(7), version(2001), None, version(9))
    assert kept == {"cursor": "0x00000000000007d1"}
    assert RowversionCursor().bound(kept, now=None) == version(2001)  # type: ignore[arg-type]


def test_a_rowversion_starts_at_zero() -> None:
    assert RowversionCursor().bound(None, now=None) == bytes(8)  # type: ignore[arg-type]


def test_a_rowversion_never_moves_past_a_transaction_that_is_open() -> None:
    kept = after(RowversionCursor(), version(7), version(12), active=version(10))
    assert kept == {"cursor": "0x000000000000000a"}


def test_a_rowversion_never_moves_back() -> None:
    since = {"cursor": "0x0000000000000014"}
    assert after(RowversionCursor(), version(7), since=since) == since
    assert after(RowversionCursor(), since=since) == since


def test_a_full_query_without_a_rowversion_stands_for_all_that_was_decided() -> None:
    assert after(RowversionCursor(), full=True, active=version(16)) == {
        "cursor": "0x0000000000000010"
    }


@pytest.mark.parametrize("text", ["0x7D1", "7d1", " 0x00000000000007d1 "])
def test_a_rowversion_may_be_written_with_or_without_zeros(text: str) -> None:
    assert RowversionCursor().canonical(text) == "0x00000000000007d1"


@pytest.mark.parametrize("text", ["", "0x", "2026-11-21", "0x00000000000007d1ff", "-1"])
def test_what_is_no_rowversion_is_refused(text: str) -> None:
    with pytest.raises(SourceMisconfigured, match="not a rowversion"):
        RowversionCursor().canonical(text)


def test_another_type_is_no_rowversion() -> None:
    with pytest.raises(SourceMisconfigured, match="cursor_type is rowversion"):
        after(RowversionCursor(), 2001)


def test_bytes_of_another_length_move_nothing() -> None:
    cursor = RowversionCursor()
    watch = cursor.watch(now=None)  # type: ignore[arg-type]
    watch.add([b"1234"])
    assert watch.strange == "0x31323334"
    assert cursor.after(None, watch, full=False) == {"cursor": None}


def test_a_rowversion_on_another_database_is_refused(sqlite: Erp) -> None:
    with pytest.raises(SourceMisconfigured, match="only SQL Server"):
        sqlite.source(QUERY, cursor_type=CursorType.ROWVERSION).look(None, full=False)
    url = "mssql+pymssql://127.0.0.1/erp"
    source = SqlErp(SqlOptions(name="erp", url=url, query=QUERY, cursor_type=CursorType.ROWVERSION))
    assert source.checkpoint_at("7d1") == {"cursor": "0x00000000000007d1"}


# What `check` says of columns that are not there


def problems(source: SqlErp) -> list[tuple[str, str, str]]:
    found = source.check()
    return [(each.level, each.message, each.remedy) for each in found if each.level != "ok"]


@pytest.mark.parametrize(
    ("select", "alias", "remedy"),
    [
        (
            "'A' AS item, 1 AS stock, 'W' AS warehouse, '2026-01-01' AS cursor_value",
            "sku",
            "AS sku",
        ),
        (
            "'A' AS sku, 1 AS qty, 'W' AS warehouse, '2026-01-01' AS cursor_value",
            "stock",
            "AS stock",
        ),
        ("'A' AS sku, 1 AS stock, 'W' AS depot, '2026-01-01' AS cursor_value", "warehouse", "list"),
        ("'A' AS sku, 1 AS stock, 'W' AS warehouse, '2026-01-01' AS at", "cursor_value", ":cursor"),
    ],
)
def test_each_missing_alias_is_named_with_its_remedy(
    sqlite: Erp, select: str, alias: str, remedy: str
) -> None:
    source = sqlite.source(f"SELECT {select} WHERE :cursor <> ''", warehouses=True)
    [(level, message, advice), *_] = problems(source)
    assert level == "error"
    assert f"query lacks the column {alias};" in message
    assert remedy in advice
    with pytest.raises(SourceMisconfigured, match=alias):
        Read(source)


def test_all_missing_aliases_are_named_at_once(sqlite: Erp) -> None:
    [(_, message, _), *_] = problems(sqlite.source("SELECT 1 AS x", warehouses=True))
    assert all(name in message for name in ("sku", "stock", "warehouse", "cursor_value"))


def test_a_missing_alias_hides_no_cursor_that_only_a_comment_has(sqlite: Erp) -> None:
    hidden = "SELECT sku, at AS cursor_value FROM stock -- WHERE at >= :cursor"
    (_, lacks, _), (_, unbound, _), *_ = problems(sqlite.source(hidden))
    assert "lacks the column stock" in lacks
    assert "comment or a literal" in unbound


def test_a_warehouse_is_not_missed_where_the_stock_list_is_fixed(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01', NULL, NULL)")
    assert problems(sqlite.source(None, full_query=FULL)) == []


def test_units_without_a_column_of_units_are_told(sqlite: Erp) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01', NULL, NULL)")
    [(level, message, advice)] = problems(sqlite.source(None, full_query=FULL, units=True))
    assert level == "warning"
    assert "unit_type" in message
    assert "AS unit_type" in advice


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("warehouse", "error"),
        ("unit_type", "warning"),
        ("sold_quantity_unreported", "warning"),
        ("extra_field", "warning"),
    ],
)
def test_a_column_that_only_one_statement_has_is_told(sqlite: Erp, name: str, level: str) -> None:
    sqlite.run("INSERT INTO stock VALUES ('A', 1, '2026-01-01', NULL, NULL)")
    query = QUERY.replace("SELECT", f"SELECT NULL AS {name},")
    if name == "warehouse":
        query = query.replace("NULL", "'W'")
    source = sqlite.source(query, full_query=FULL)
    [found] = problems(source)
    assert found[0] == level
    assert f"only one of query and full_query has the column {name}" in found[1]
