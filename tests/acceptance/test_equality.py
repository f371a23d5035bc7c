"""`stocksync sync` as a person runs it, against an Omnitron that shares no code with ours."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.other_omnitron import OtherOmnitron

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 20_000
PROGRAM = Path(sys.executable).with_name("stocksync")
CONFIGURATION = """
[omnitron]
base_url = "{url}"
username = "erp"
requests_per_second = 5000

[[channels]]
id = 9
stock_lists = [1, 2]
poll = "1s"

[[sources]]
name = "drop"
type = "csv"
path = "drop"
mode = "snapshot"
stock_list = 1
stable_for = 0
[sources.columns]
sku = "sku"
stock = "stock"
[sources.guard]
first_pull = "apply"

[[sources]]
name = "erp"
type = "sql"
url = "sqlite:///erp.db"
query = "SELECT sku, stock, changed_at AS cursor_value FROM item WHERE changed_at >= :cursor"
stock_list = 2
[sources.guard]
first_pull = "apply"
"""


@pytest.fixture(scope="module")
def omnitron() -> Iterator[OtherOmnitron]:
    with OtherOmnitron() as server:
        yield server


@pytest.fixture(scope="module")
def place(omnitron: OtherOmnitron, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("retailer")
    (folder / "drop").mkdir()
    (folder / "stocksync.toml").write_text(CONFIGURATION.format(url=omnitron.url))
    with sqlite3.connect(folder / "erp.db") as erp:
        erp.execute("CREATE TABLE item (sku TEXT PRIMARY KEY, stock NUMERIC, changed_at TEXT)")
        rows = [(f"E{n}", n % 50, "2026-01-01 10:00:00") for n in range(1_000)]
        erp.executemany("INSERT INTO item VALUES (?, ?, ?)", rows)
    erp.close()
    stocksync(folder, "migrate")
    return folder


def stocksync(folder: Path, *words: str, expected: int = 0) -> Any:
    environment = {**os.environ, "STOCKSYNC_OMNITRON__PASSWORD": "s3cret"}
    done = subprocess.run(
        [PROGRAM, *words, "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == expected, done.stdout + done.stderr
    return json.loads(done.stdout)


def drop(folder: Path, name: str, stocks: dict[str, int]) -> None:
    lines = "".join(f"{sku},{stock}\n" for sku, stock in stocks.items())
    (folder / "drop" / name).write_text("sku,stock\n" + lines)


def test_a_csv_and_a_sql_source_come_to_equality_and_only_changes_are_sent(
    omnitron: OtherOmnitron, place: Path
) -> None:
    stocks = {f"C{n:05}": n % 90 + 1 for n in range(ROWS)}
    drop(place, "a.csv", stocks)

    report = stocksync(place, "sync", "--wait-confirm", "60")

    wanted = {(1, sku): stock for sku, stock in stocks.items()}
    wanted |= {(2, f"E{n}"): n % 50 for n in range(1_000)}
    assert omnitron.shown() == wanted
    assert len(omnitron.take_posts()) == len(wanted)
    assert report["delivered"] == {"sent": 21_000, "superseded": 0, "parked": 0, "waiting": 0}
    assert report["confirmed"] == len(wanted)

    stocksync(place, "sync")
    assert omnitron.take_posts() == []

    changed = {f"C{n:05}": 500 + n for n in range(0, ROWS, 100)}
    drop(place, "b.csv", stocks | changed)
    with sqlite3.connect(place / "erp.db") as erp:
        erp.execute("UPDATE item SET stock = 7, changed_at = '2026-01-02 08:00:00' WHERE sku='E1'")
    erp.close()
    stocksync(place, "sync", "--wait-confirm", "60")
    sent = {(1, sku, stock) for sku, stock in changed.items()} | {(2, "E1", 7)}
    posts = omnitron.take_posts()
    assert set(posts) == sent
    assert len(posts) == len(sent)
    assert omnitron.world.overlaps == 0
    assert omnitron.world.unexpected == []

    status = stocksync(place, "status")
    assert status["levels"]["in_sync"] == status["levels"]["total"] == len(wanted)
    assert status["confirmations"]["confirmed"] == len(wanted)
