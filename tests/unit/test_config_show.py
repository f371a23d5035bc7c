"""The effective configuration is shown with its origins, and no secret is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from config.secret import MASK
from config.show import Shown, document, rows
from tests.unit.config_files import MINIMAL, loaded

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = {
    "STOCKSYNC_OMNITRON__TOKEN": "CANARY-token",
    "STOCKSYNC_BROKER_URL": "redis://me:CANARY-broker@localhost:6379/0?x=CANARY",
    "STOCKSYNC_DATABASE_URL": "postgresql+psycopg://db/stock",
    "STOCKSYNC_DATABASE_USERNAME": "me",
    "STOCKSYNC_DATABASE_PASSWORD": "CANARY-database",
}


def test_each_row_has_key_value_and_origin(tmp_path: Path) -> None:
    shown = rows(loaded(tmp_path, MINIMAL))
    assert Shown("sources.drop.columns.sku", "Stok Kodu", "stocksync.toml line 12") in shown
    assert Shown("sources.drop.path", f"{tmp_path}/outbox", "stocksync.toml line 8") in shown
    assert Shown("omnitron.timeout_seconds", "15", "default") in shown
    assert Shown("broker_url", "", "default") in shown


def test_secrets_are_masked_for_people_and_scripts(tmp_path: Path) -> None:
    found = loaded(tmp_path, MINIMAL, SECRETS)
    shown = {row.key: row.value for row in rows(found)}
    assert shown["omnitron.token"] == shown["database_password"] == MASK
    assert shown["broker_url"] == f"redis://{MASK}@localhost:6379/0?{MASK}"
    assert "CANARY" not in json.dumps(document(found)) + repr(found)


def test_the_document_is_json_with_every_row(tmp_path: Path) -> None:
    found = loaded(tmp_path, MINIMAL)
    made = json.loads(json.dumps(document(found)))
    assert len(made["settings"]) == len(rows(found))
    assert made["path"] == str(tmp_path / "stocksync.toml")


def test_a_text_of_several_lines_stays_on_one(tmp_path: Path) -> None:
    text = MINIMAL.replace('"Stok Kodu"', '"Stok\\nKodu"')
    shown = {row.key: row.value for row in rows(loaded(tmp_path, text))}
    assert shown["sources.drop.columns.sku"] == '"Stok\\nKodu"'
