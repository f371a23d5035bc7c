"""A real ERP that nobody here wrote is followed through hundreds of its own transactions.

Not a part of the suite, since it installs Tryton: see README.md beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.engine import make_url

from connectors import presets
from connectors.sql_erp import SqlErp, SqlOptions
from tests.databases import Server, fresh_database
from tests.integration.pulling import PLAN, Pulled
from tests.integration.scenes import stocks_of
from worker.ledger import Ledger, migrating
from worker.model import Missing, Negative, Rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.contract import Connector

HERE = Path(__file__).parent
VENV = Path(os.environ.get("TRYTON_VENV", HERE.parents[2] / "var" / "tryton"))
TRANSACTIONS, STEP = int(os.environ.get("TRYTON_TRANSACTIONS", "300")), 10
SKUS = [f"SKU-{number}" for number in range(12)]


class Tryton(Pulled):
    """The source that `preset = "tryton"` makes, pulled into a real ledger."""

    def __init__(self, ledger: Ledger, url: str, zone: str) -> None:
        super().__init__(
            ledger,
            replace(
                PLAN,
                stock_list=None,
                stock_lists={"WH": 1},
                rules=Rules(missing=Missing.ZERO, negative=Negative.ZERO),
            ),
        )
        self._url, self._zone = make_url(url), zone

    def connector(self) -> Connector:
        preset = presets.load("tryton")
        assert preset
        keys = preset.filled({})
        return SqlErp(
            SqlOptions(
                name=self.plan.name,
                url=self._url._replace(username=None).render_as_string(),
                username=self._url.username,
                query=keys["query"],
                full_query=keys["full_query"],
                timezone=self._zone,
                overlap=600,
            )
        )


class Company:
    """The process that plays the company on Tryton."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert self.answer() == "ready"

    def ask(self, **command: Any) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "Tryton ended; what it said stands above"
        return json.loads(line)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str, str]:
    """SQLAlchemy's URL of the database, Tryton's of its server, and the database's name."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'erp.sqlite'}", "sqlite://", "erp"
    server: Server = request.getfixturevalue("postgres")
    url = fresh_database(server)
    uri = f"postgresql://{server.user}@127.0.0.1:{server.port}/"
    return url, uri, str(make_url(url).database)


@contextmanager
def company(tmp_path: Path, uri: str, name: str) -> Iterator[Company]:
    file = tmp_path / "trytond.conf"
    file.write_text(f"[database]\nuri = {uri}\npath = {tmp_path}\n")
    secret = tmp_path / "admin"
    secret.write_text("admin")
    python = VENV / "bin" / "python"
    environ = {**os.environ, "TRYTONPASSFILE": str(secret), "TZ": "UTC"}
    environ["TRYTOND_CONFIG"] = str(file)  # read before the first import
    if uri == "sqlite://":
        (tmp_path / f"{name}.sqlite").touch()
    admin = [VENV / "bin" / "trytond-admin", "-c", file, "-d", name, "-u", "stock"]
    subprocess.run(
        [*map(str, admin), "--activate-dependencies", "--email", "admin@example.org"],
        check=True,
        env=environ,
    )
    with subprocess.Popen(
        [str(python), str(HERE / "erp.py"), str(file), name, "20261121"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        yield Company(process)
        assert process.stdin
        process.stdin.close()


def test_stock_ends_equal_to_what_tryton_itself_reports(
    database: tuple[str, str, str], tmp_path: Path
) -> None:
    url, uri, name = database
    ledger = Ledger(make_url(f"sqlite:///{tmp_path / 'ledger.db'}"))
    migrating.migrate(ledger)
    zone = "UTC" if uri == "sqlite://" else _zone_of(url)
    with company(tmp_path, uri, name) as erp:
        source = Tryton(ledger, url, zone)
        for done in range(0, TRANSACTIONS, STEP):
            erp.ask(act=STEP)
            source.pull(full=done % 200 == 100)
            reported = erp.ask(report=True)
            expected = {sku: max(0, int(reported[sku])) for sku in SKUS}
            followed = stocks_of(ledger, *SKUS)
            assert {sku: followed.get(sku, 0) for sku in SKUS} == expected, f"after {done + STEP}"
        source.pull(full=True)
        assert stocks_of(ledger, *SKUS) == {
            sku: stock for sku, stock in expected.items() if sku in followed
        }
    ledger.close()


def _zone_of(url: str) -> str:
    """Return the time zone in which this PostgreSQL writes naive times."""
    import psycopg  # noqa: PLC0415 - for this database only

    with psycopg.connect(url.replace("+psycopg", "")) as session:
        row = session.execute("SHOW TimeZone").fetchone()
    assert row
    return str(row[0])
