"""Fixtures of the fault suite: those of the ledger and the steps, once on each database."""

import pytest

from tests.integration.conftest import (
    clock,
    desk,
    ledger,
    ledger_url,
    postgres_ledger,
    postgres_url,
    sandbox,
    sqlite_template,
    sqlite_url,
)

__all__ = [
    "clock",
    "desk",
    "ledger",
    "ledger_url",
    "postgres_ledger",
    "postgres_url",
    "sandbox",
    "sqlite_template",
    "sqlite_url",
]

pytest.register_assert_rewrite("tests.faults.stage")
