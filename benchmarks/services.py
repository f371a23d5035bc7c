"""A whole service in a folder of its own, configured for measuring: no pause, no first hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import make_url

from worker.bootstrap import Service, build
from worker.ledger import migrating

if TYPE_CHECKING:
    from pathlib import Path

STOCK_LIST = 1
CHANNEL = 5
SOURCE = "drop"


def service(folder: Path, *, omnitron: str = "http://127.0.0.1:9", ledger: str = "") -> Service:
    """Build the service in ``folder`` with a migrated ledger (SQLite where none is named)."""
    (folder / "drop").mkdir(exist_ok=True)
    configuration = folder / "stocksync.toml"
    configuration.write_text(_configuration(omnitron, ledger))
    made = build(configuration, environ={})
    migrating.migrate(made.ledger)
    made.ready_ledger()
    return made


def _configuration(omnitron: str, ledger: str) -> str:
    url = make_url(ledger or "sqlite:///stocksync.db")
    user = f"database_username = {json.dumps(url.username)}" if url.username else ""
    return f"""
database_url = {json.dumps(url._replace(username=None).render_as_string())}
{user}
[omnitron]
base_url = {json.dumps(omnitron)}
token = "benchmark"
requests_per_second = 10000
[log]
level = "error"
[[channels]]
id = {CHANNEL}
stock_lists = [{STOCK_LIST}]
[[sources]]
name = "{SOURCE}"
type = "csv"
path = "drop"
mode = "snapshot"
stock_list = {STOCK_LIST}
stable_for = 0
[sources.columns]
sku = "sku"
stock = "stock"
[sources.guard]
first_pull = "apply"
"""
