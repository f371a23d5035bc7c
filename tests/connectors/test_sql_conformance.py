"""The SQL connector passes the suite of every connector, on each database there is."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from sqlalchemy.pool import NullPool

from connectors.contract import Kind
from connectors.sql_erp import SqlErp, SqlOptions
from tests.connectors.conformance import ConnectorConformance, Item, SourceUnderTest
from tests.databases import Server, fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUERY = (
    "SELECT sku, warehouse, quantity AS stock, unit AS unit_type, changed AS cursor_value "
    "FROM stock WHERE changed >= :cursor"
)
INSERT = "INSERT INTO stock VALUES (:sku, :warehouse, :quantity, :unit, :changed)"
FULL_QUERY = "SELECT sku, warehouse, quantity AS stock, unit AS unit_type FROM stock"


class Table(SourceUnderTest):
    """An ERP with one table, each statement of it stamped later than the one before."""

    def __init__(self, url: str, *, kind: Kind, missing_url: str) -> None:
        self.kind = kind
        self._url = url
        self._missing_url = missing_url
        self._reached = url
        self._engine = sqlalchemy.create_engine(url, poolclass=NullPool)
        self._changed = datetime.now(UTC)
        self._execute(
            "CREATE TABLE stock (sku VARCHAR(99), warehouse VARCHAR(9), quantity VARCHAR(50),"
            " unit VARCHAR(9), changed TIMESTAMP NOT NULL, PRIMARY KEY (sku, warehouse))"
        )

    def connector(self) -> SqlErp:
        return SqlErp(
            SqlOptions(
                name="erp",
                url=self._reached,
                query=QUERY,
                full_query=FULL_QUERY if self.kind is Kind.SNAPSHOT else None,
                overlap=30,
            )
        )

    def state(self, *items: Item) -> None:
        self._changed = datetime.now(UTC)
        for item in items:
            self._put(item, str(item.quantity))

    def state_broken(self, good: Item, broken_sku: str) -> None:
        self.state(good)
        self._put(Item.of(broken_sku, 0), "12x")

    def state_many(self, count: int) -> None:
        changed = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ")
        digits = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
        number = "a.d + 10 * (b.d + 10 * (c.d + 10 * (e.d + 10 * (f.d + 10 * g.d))))"
        self._execute(
            f"INSERT INTO stock WITH digits AS ({digits}), numbers AS (SELECT {number} AS n"
            " FROM digits a, digits b, digits c, digits e, digits f, digits g)"
            " SELECT CAST(n AS CHAR(9)), 'WH-MAIN', CAST(n AS CHAR(9)), 'AD',"
            f" '{changed}' FROM numbers WHERE n < {count}".replace(":", r"\:")
        )

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        self._reached = self._missing_url
        yield
        self._reached = self._url

    def contents(self) -> object:
        with self._engine.connect() as connection:
            return connection.exec_driver_sql("SELECT * FROM stock ORDER BY sku").all()

    def _put(self, item: Item, quantity: str) -> None:
        self._execute("DELETE FROM stock WHERE sku = :sku AND warehouse = :warehouse", item)
        self._execute(INSERT, item, quantity=quantity)

    def _execute(self, statement: str, item: Item | None = None, **cells: object) -> None:
        bound = {**self._cells(item), **cells} if item else {}
        with self._engine.begin() as connection:
            connection.execute(sqlalchemy.text(statement), bound)

    def _cells(self, item: Item) -> dict[str, object]:
        changed = self._changed.replace(tzinfo=None).isoformat(sep=" ")
        return {**item._asdict(), "quantity": str(item.quantity), "changed": changed}


@pytest.fixture(params=[Kind.DELTA, Kind.SNAPSHOT])
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(request.param)


class TestSqlite(ConnectorConformance):
    @pytest.fixture
    def source(self, tmp_path: Path, kind: Kind) -> SourceUnderTest:
        missing = f"sqlite:///{tmp_path / 'missing.db'}"
        return Table(f"sqlite:///{tmp_path / 'erp.db'}", kind=kind, missing_url=missing)


class TestPostgres(ConnectorConformance):
    @pytest.fixture
    def source(self, postgres: Server, kind: Kind) -> SourceUnderTest:
        missing = "postgresql+psycopg://127.0.0.1:1/erp"
        return Table(fresh_database(postgres), kind=kind, missing_url=missing)


class TestMariadb(ConnectorConformance):
    @pytest.fixture
    def source(self, mariadb: Server, kind: Kind) -> SourceUnderTest:
        missing = "mysql+pymysql://127.0.0.1:1/erp"
        return Table(fresh_database(mariadb), kind=kind, missing_url=missing)
