"""A service at work: a folder, a sandbox, a ledger, and the real processes."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.processes import until
from worker.ledger import Ledger, migrating

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from worker.sandbox import RunningSandbox

CONFIGURATION = """
instance = "acme"
database_url = "{ledger}"
{more}
[omnitron]
base_url = "{url}"
username = "erp"
password = "sandbox"
requests_per_second = 300
timeout_seconds = 1
settle_seconds = 1
[[channels]]
id = 5
stock_lists = [1]
poll = "1s"
[[sources]]
name = "drop"
type = "csv"
path = "drop"
mode = "delta"
stock_list = 1
stable_for = 0
every = "1s"
guard = {{ first_pull = "apply", max_change_ratio = 1, max_zero_ratio = 1 }}
columns = {{ sku = "sku", stock = "stock" }}
[log]
format = "json"
"""

_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service works; the ledger is looked at beside it."""

    folder: Path
    sandbox: RunningSandbox
    ledger: Ledger

    def drop(self, name: str, stocks: Mapping[str, int]) -> None:
        """Let the ERP export a file, complete at once, later in order than those before it.

        Tests of one service may run in any order, and an older file is never applied after a newer.
        """
        name = f"{next(_NUMBERS):04}-{name}"
        rows = "".join(f"{sku},{stock}\n" for sku, stock in stocks.items())
        hidden = self.folder / "drop" / f".{name}"
        hidden.write_text("sku,stock\n" + rows)
        hidden.rename(self.folder / "drop" / name)

    def count(self, condition: str, table: str = "level") -> int:
        """How many rows of the ledger are like that."""
        with self.ledger.read() as connection:
            query = f"SELECT count(*) FROM {table} WHERE {condition}"
            return int(connection.exec_driver_sql(query).scalar_one())

    def shown(self, stocks: Mapping[str, int]) -> bool:
        """Whether Omnitron has all of these."""
        state = self.sandbox.state()
        return all(state.get(f"1:{sku}", {}).get("stock") == stock for sku, stock in stocks.items())

    def arrive(self, stocks: Mapping[str, int]) -> None:
        """Wait until Omnitron has all of these and the ledger knows."""
        until(lambda: self.shown(stocks))
        until(lambda: not self.count("revision > sent_revision OR claim_token IS NOT NULL"))


def place(folder: Path, sandbox: RunningSandbox, *, ledger: str = "", more: str = "") -> Place:
    """Write a configuration and make its ledger."""
    url = ledger or f"sqlite:///{folder / 'ledger.db'}"
    (folder / "drop").mkdir()
    named = re.sub(r"//[^/@]*@", "//", url)
    text = CONFIGURATION.format(ledger=named, url=sandbox.url, more=more)
    (folder / "stocksync.toml").write_text(text)
    made = Ledger(url)
    migrating.migrate(made)
    return Place(folder, sandbox, made)


def stocks(prefix: str, count: int) -> dict[str, int]:
    """Some SKUs with a stock each."""
    return {f"{prefix}{number:04}": number % 90 + 1 for number in range(count)}
