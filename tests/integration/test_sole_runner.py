"""One `run` a ledger, on both databases."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from worker.errors import UsageError
from worker.ledger.sole import sole_runner

if TYPE_CHECKING:
    from worker.ledger import Ledger


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
