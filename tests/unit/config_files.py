"""Small configurations for the tests of `config`, and loading them from a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from config.loading import Loaded, load
from config.settings import CsvSource, SqlSource

if TYPE_CHECKING:
    from pathlib import Path

MINIMAL = """\
[omnitron]
base_url = "https://acme.omnitron.example/"
token = "t0ken"

[[sources]]
name = "drop"
type = "csv"
path = "outbox"
mode = "snapshot"
stock_list = 1
[sources.columns]
sku = "Stok Kodu"
stock = 2
"""

SQL = """\
[omnitron]
base_url = "https://acme.omnitron.example"
token = "t0ken"
[[sources]]
name = "erp"
type = "sql"
url = "sqlite:///erp.db"
query = "SELECT sku, stock, at AS cursor_value FROM t WHERE at > :cursor"
"""


def loaded(folder: Path, text: str | bytes, environ: dict[str, str] | None = None) -> Loaded:
    file = folder / "stocksync.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(None, environ or {}, folder)


def csv_source(found: Loaded) -> CsvSource:
    source = found.settings.sources[0]
    assert isinstance(source, CsvSource)
    return source


def sql_source(found: Loaded) -> SqlSource:
    source = found.settings.sources[0]
    assert isinstance(source, SqlSource)
    return source
