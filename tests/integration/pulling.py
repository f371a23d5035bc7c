"""Sources for tests of the pull step: a drop folder, and an ERP's database, each with its plan."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy.pool import NullPool

from connectors.contract import Kind
from connectors.csv_drop import CsvColumns, CsvDrop, CsvOptions
from connectors.sql_erp import CursorType, SqlErp, SqlOptions
from tests.integration.scenes import SOURCE, register, source_of
from worker.ledger import pulls
from worker.model import FirstPull, Guard, Rules, SourcePlan
from worker.planning.fingerprints import parse
from worker.pull import Turn, approve, discard, pull_source

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.contract import Connector
    from worker.ledger import Ledger
    from worker.ledger.pulls import Pull
    from worker.pull import PullReport

LONG_AGO = 1_700_000_000
OPEN = Guard(
    first_pull=FirstPull.APPLY, max_change_ratio=1.0, max_zero_ratio=1.0, min_row_ratio=0.0
)
"""A guard that holds nothing but an empty snapshot."""

PLAN = SourcePlan(
    name=SOURCE,
    stock_list=1,
    stock_lists={},
    units={},
    rules=Rules(),
    guard=OPEN,
    fingerprint="rules of the first day",
    cron=None,
    every=60.0,
    full_cron=None,
    timezone="UTC",
)
WAREHOUSES: dict[str, Any] = {
    "stock_list": None,
    "stock_lists": {"MAIN": 1, "ANNEX": 1, "OUTLET": 2},
    "units": {"AD": "qty", "KG": "kg"},
}
"""Of a plan whose rows name warehouses, two of them in one stock list."""


class Pulled:
    """A source, its plan, and everything that a person may do with its pulls."""

    def __init__(self, ledger: Ledger, plan: SourcePlan) -> None:
        self.ledger = ledger
        self.plan = plan
        register(ledger, plan.name)

    def connector(self) -> Connector:
        raise NotImplementedError

    def pull(self, **turn: Any) -> list[PullReport]:
        """One turn of the source."""
        connector = turn.pop("connector", None) or self.connector()
        return pull_source(Turn(ledger=self.ledger, connector=connector, plan=self.plan, **turn))

    def one(self, **turn: Any) -> PullReport:
        """One turn of the source, which makes one pull."""
        (report,) = self.pull(**turn)
        return report

    def rule(self, **changes: Any) -> None:
        """Change the rules, and with them their fingerprint, as if rows had to be read anew."""
        rules = replace(self.plan.rules, **changes)
        self.plan = replace(self.plan, rules=rules, fingerprint=repr(rules))

    def reckon(self, **changes: Any) -> None:
        """Change the rules by which parts become levels, and that part of the fingerprint."""
        rules = replace(self.plan.rules, **changes)
        now = parse(self.plan.fingerprint)._replace(levels=repr(rules))
        self.plan = replace(self.plan, rules=rules, fingerprint=str(now))

    def guard(self, **changes: Any) -> None:
        self.plan = replace(self.plan, guard=replace(self.plan.guard, **changes))

    def approve(self, pull_id: int | None) -> PullReport:
        return approve(
            self.ledger, self.connector(), self.plan, pull_id=pull_id or 0, actor="tester"
        )

    def discard(self, pull_id: int | None, *, skip: bool = False) -> PullReport:
        return discard(
            self.ledger,
            self.connector(),
            self.plan,
            pull_id=pull_id or 0,
            actor="tester",
            skip=skip,
        )

    def history(self) -> list[Pull]:
        """All pulls, oldest first."""
        source_id = source_of(self.ledger, self.plan.name).id
        with self.ledger.read() as connection:
            return pulls.latest(connection, source_id=source_id)[::-1]

    def statuses(self) -> list[str]:
        return [pull.status for pull in self.history()]


class Drop(Pulled):
    """A drop folder; each file's name sorts after the last."""

    def __init__(
        self,
        ledger: Ledger,
        path: Path,
        *,
        mode: Kind = Kind.SNAPSHOT,
        columns: CsvColumns | None = None,
        **plan: Any,
    ) -> None:
        super().__init__(ledger, replace(PLAN, **plan))
        self.path = path
        self.path.mkdir()
        self._options = CsvOptions(
            path=path,
            mode=mode,
            columns=columns or CsvColumns(sku="sku", stock="stock"),
            stable_for=0,
        )
        self._count = 0

    def connector(self) -> Connector:
        return CsvDrop(self._options)

    def say(self, *lines: str, header: str = "sku,stock") -> Path:
        """Write a complete file of these lines."""
        self._count += 1
        path = self.path / f"{self._count:03}.csv"
        path.write_text("".join(f"{line}\n" for line in (header, *lines)))
        os.utime(path, (LONG_AGO + self._count, LONG_AGO + self._count))
        return path

    def files(self, folder: str = ".") -> list[str]:
        """Names of the files that lie in a folder below."""
        there = self.path / folder
        return (
            sorted(file.name for file in there.iterdir() if file.is_file())
            if there.is_dir()
            else []
        )


class Warehouses(Drop):
    """A drop folder whose rows name a warehouse and a unit."""

    def __init__(
        self, ledger: Ledger, path: Path, *, mode: Kind = Kind.SNAPSHOT, **plan: Any
    ) -> None:
        columns = CsvColumns(sku="sku", stock="stock", warehouse="wh", unit_type="unit")
        super().__init__(ledger, path, mode=mode, columns=columns, **{**WAREHOUSES, **plan})

    def say(self, *lines: str, header: str = "sku,wh,stock,unit") -> Path:
        return super().say(*lines, header=header)


class Erp(Pulled):
    """An ERP's database: one table with a counter that grows with every change."""

    def __init__(self, ledger: Ledger, url: str, *, full: bool = False, **plan: Any) -> None:
        super().__init__(ledger, replace(PLAN, **plan))
        self.url = url
        self._full = full
        self._engine = sqlalchemy.create_engine(url, poolclass=NullPool)
        self._changes = 0
        self.do("CREATE TABLE stock (sku VARCHAR(40) PRIMARY KEY, stock VARCHAR(40), n INTEGER)")

    def connector(self) -> Connector:
        user = sqlalchemy.make_url(self.url)
        return SqlErp(
            SqlOptions(
                name=self.plan.name,
                url=user._replace(username=None).render_as_string(),
                username=user.username,
                query="SELECT sku, stock, n AS cursor_value FROM stock WHERE n >= :cursor",
                full_query="SELECT sku, stock FROM stock" if self._full else None,
                cursor_type=CursorType.INTEGER,
                overlap=0,
            )
        )

    def do(self, statement: str, **values: object) -> None:
        with self._engine.begin() as connection:
            connection.execute(sqlalchemy.text(statement), values)

    def say(self, **stocks: object) -> None:
        for sku, stock in stocks.items():
            self._changes += 1
            self.do("DELETE FROM stock WHERE sku = :sku", sku=sku)
            self.do(
                "INSERT INTO stock VALUES (:sku, :stock, :n)",
                sku=sku,
                stock=str(stock),
                n=self._changes,
            )
