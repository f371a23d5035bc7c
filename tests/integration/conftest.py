"""Fixtures of the ledger and the steps: one suite for both databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.delivering import Desk
from tests.integration.ledgers import (
    HandClock,
    copied_sqlite,
    emptied_postgres,
    migrated_postgres,
    migrated_sqlite,
)
from worker.ledger import Ledger
from worker.sandbox import RunningSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import Server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated_sqlite(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def postgres_ledger(postgres: Server) -> str:
    return migrated_postgres(postgres)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a migrated ledger of its own."""
    return copied_sqlite(sqlite_template, tmp_path)


@pytest.fixture
def postgres_url(postgres: Server, postgres_ledger: str) -> str:
    """URL of a migrated ledger of its own."""
    return emptied_postgres(postgres, postgres_ledger)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """URL of a migrated ledger, once on each database."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def ledger(ledger_url: str, clock: HandClock) -> Iterator[Ledger]:
    """A migrated ledger whose clock is moved by hand, once on each database."""
    ledger = Ledger(ledger_url, clock=clock)
    yield ledger
    ledger.close()


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox() as running:
        yield running


@pytest.fixture
def desk(ledger: Ledger, sandbox: RunningSandbox, clock: HandClock) -> Iterator[Desk]:
    """What delivers and confirms, on the ledger and the sandbox of this test."""
    desk = Desk(ledger, sandbox, clock)
    yield desk
    desk.close()
