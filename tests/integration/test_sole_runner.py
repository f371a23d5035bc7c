"""One `run` a ledger, on both databases."""

from __future__ import annotations

import os

import pytest
from sqlalchemy import text

from tests.processes import until
from worker.errors import UsageError
from worker.ledger import Ledger
from worker.ledger.sole import sole_runner


def test_a_second_one_is_refused_and_told_who_is_there(ledger: Ledger) -> None:
    with (
        sole_runner(ledger),
        pytest.raises(UsageError, match=f"process {os.getpid()}"),
        sole_runner(ledger),
    ):
        pass


def test_after_the_first_has_ended_another_may_run(ledger: Ledger) -> None:
    with sole_runner(ledger):
        pass
    with sole_runner(ledger):
        pass


def test_who_runs_is_told_without_a_password(ledger: Ledger) -> None:
    if not ledger.sqlite:
        ledger.url = ledger.url.set(username="postgres", password="hush")
    with (
        sole_runner(ledger),
        pytest.raises(UsageError) as caught,
        sole_runner(ledger),
    ):
        pass
    assert "hush" not in caught.value.message


def test_the_first_stays_the_only_one_after_the_server_has_ended_its_session(
    postgres_url: str,
) -> None:
    ledger = Ledger(postgres_url)

    def sessions() -> list[int]:
        query = text("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted")
        with ledger.read() as connection:
            return list(connection.execute(query).scalars())

    with sole_runner(ledger):
        [first] = sessions()
        ledger.write(lambda tx: tx.execute(text(f"SELECT pg_terminate_backend({first})")))
        until(lambda: sessions() and sessions() != [first])
        with pytest.raises(UsageError, match=f"process {os.getpid()}"), sole_runner(ledger):
            pass
    ledger.close()
