"""An ERP's database that tests write to as the ERP does, and everything one read of it led to."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.engine import make_url

from connectors.sql_erp import SqlErp, SqlOptions

if TYPE_CHECKING:
    from connectors.contract import Checkpoint, Reject, Row

QUERY = "SELECT sku, stock, at AS cursor_value FROM stock WHERE at >= :cursor"


class Erp:
    """A database that tests write to as the ERP does: with sessions of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def session(self) -> Any:
        """A session that commits each statement, but inside BEGIN and COMMIT."""
        url = make_url(self.url)
        if url.get_backend_name() == "sqlite":
            assert url.database
            return sqlite3.connect(url.database, isolation_level=None)
        return psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True)

    def run(self, *statements: str) -> None:
        with closing(self.session()) as session:
            for statement in statements:
                session.execute(statement)

    def source(self, query: str | None = QUERY, **options: Any) -> SqlErp:
        return SqlErp(SqlOptions(**{"name": "erp", "url": self.url, "query": query, **options}))


class Read:
    """Everything that one look led to."""

    def __init__(
        self, source: SqlErp, checkpoint: Checkpoint | None = None, *, full: bool = False
    ) -> None:
        [offer] = source.look(checkpoint, full=full).offers
        chunks = list(offer.chunks())
        self.label = offer.label
        self.kind = offer.kind
        self.rows: list[Row] = [row for chunk in chunks for row in chunk.rows]
        self.rejects: list[Reject] = [reject for chunk in chunks for reject in chunk.rejects]
        self.checkpoint: Checkpoint = json.loads(json.dumps(offer.checkpoint()))

    @property
    def stated(self) -> dict[str, str]:
        return {row.sku: row.quantity for row in self.rows}
