"""What reaches the database is the statement as written, with our two binds and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.dialects import mysql, postgresql, sqlite

from connectors.errors import SourceMisconfigured
from connectors.sql_erp.statement import parse

DIALECTS = {
    "postgresql": postgresql.psycopg.dialect(paramstyle="named"),
    "mysql": mysql.pymysql.dialect(paramstyle="named"),
    "sqlite": sqlite.dialect(paramstyle="named"),
}


def sent(statement: str, dialect: str = "postgresql") -> str:
    """The text that the driver gets."""
    parsed = parse(statement, label="query", dialect=dialect)
    return str(text(parsed.text).compile(dialect=DIALECTS[dialect]))


def binds(statement: str, dialect: str = "postgresql") -> set[str]:
    return set(parse(statement, label="query", dialect=dialect).binds)


def test_the_two_binds_are_found() -> None:
    assert binds("SELECT 1 WHERE a >= :cursor AND b < :today") == {"cursor", "today"}


def test_a_statement_without_binds_has_none() -> None:
    assert binds("SELECT 1") == set()


def test_a_bind_before_a_cast_keeps_its_whole_name() -> None:
    assert binds("SELECT 1 WHERE a >= :cursor::timestamptz") == {"cursor"}


def test_a_bind_glued_to_a_word_is_found() -> None:
    assert binds("SELECT 1 WHERE a>=1 AND:cursor<b") == {"cursor"}


@pytest.mark.parametrize(
    ("statement", "dialect"),
    [
        ("SELECT 1 -- since :cursor\n", "postgresql"),
        ("SELECT 1 /* :name and\n :cursor */ + 1", "postgresql"),
        ("SELECT '12:30', 'it''s :x', ':cursor'", "postgresql"),
        ('SELECT "a:b" FROM t', "postgresql"),
        ("SELECT E'it\\'s :x'", "postgresql"),
        ("SELECT $a$ :x $b$ $a$", "postgresql"),
        ("SELECT a::text, b[1:2], b[:2], c[lo:hi]", "postgresql"),
        ("SELECT 'it\\'s :x', `a:b` # :y", "mysql"),
        ("SELECT @n := 1", "mysql"),
        ("SELECT [a:b] FROM t", "sqlite"),
    ],
)
def test_other_colons_are_sent_as_written(statement: str, dialect: str) -> None:
    assert binds(statement, dialect) == set()
    assert sent(statement, dialect) == statement.strip()


def test_a_backslash_ends_a_plain_literal_of_postgresql() -> None:
    assert binds(r"SELECT 'C:\' WHERE a >= :cursor") == {"cursor"}


@pytest.mark.parametrize("statement", ["SELECT :warehouse", "SELECT 1 WHERE a > :Cursor"])
def test_an_unknown_bind_is_named(statement: str) -> None:
    name = statement.split(":")[1]
    with pytest.raises(SourceMisconfigured, match=f":{name}") as caught:
        parse(statement, label="full_query", dialect="sqlite")
    assert caught.value.place == "full_query"
    assert ":today" in caught.value.remedy


@given(st.text(alphabet=":\\ab'-\n*/ x", max_size=40))
def test_any_literal_is_sent_as_written(inner: str) -> None:
    literal = "'" + inner.replace("'", "''") + "'"
    assert sent(f"SELECT {literal} AS x", "sqlite") == f"SELECT {literal} AS x"
