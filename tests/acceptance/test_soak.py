"""The short form of `make soak`: minutes of random faults come down to seconds here."""

from __future__ import annotations

import random

import pytest

from tests.soak.soaking import Plan, soak


@pytest.mark.parametrize(
    ("database", "seconds"),
    [
        ("sqlite", 12),
        pytest.param("postgresql", 12, marks=pytest.mark.thorough),
        pytest.param("sqlite", 240, marks=pytest.mark.thorough),
        pytest.param("postgresql", 240, marks=pytest.mark.thorough),
    ],
)
def test_whatever_strikes_omnitron_ends_with_what_the_erp_says(database: str, seconds: int) -> None:
    seed = random.SystemRandom().randrange(10**6)
    plan = Plan(seed=seed, seconds=seconds, database=database, long=seconds > 60)
    verdict = soak(plan, say=print)
    print(verdict.text)  # noqa: T201 - pytest shows it where the test fails
    assert not verdict.violations, f"again: make soak ARGS='--seed {seed}'"
