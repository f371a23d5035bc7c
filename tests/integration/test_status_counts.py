"""The counts of `status` mean what the states of a level mean, on both databases."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from tests.integration.ledgers import NOW, HandClock
from worker.ledger import Ledger, levels, lists, status, target
from worker.planning.levels import Level, state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

STOPPED = 2


@pytest.fixture
def every_level(ledger_url: str) -> Iterator[tuple[Ledger, list[Level]]]:
    """A ledger with a level of every combination of what decides a state."""
    ledger = Ledger(ledger_url, clock=HandClock())
    made = list(_combinations())
    ledger.write(lambda connection: levels.save(connection, made))
    ledger.write(lambda connection: lists.stop(connection, STOPPED, reason="refused", now=NOW))
    yield ledger, made
    ledger.close()


def _combinations() -> Iterator[Level]:
    choices = itertools.product(
        (1, STOPPED), (False, True), (None, 5), (None, "rejected"), (None, -1.0, 1.0), (0, 1),
        (0.0, 1.0), (0.0, 1.0),
    )  # fmt: skip
    for n, (number, retired, pinned, park, claim, sent, rests, withheld) in enumerate(choices):
        yield Level(
            stock_list=number,
            sku=f"S{n:04}",
            source_id=1,
            stock=1,
            unit_type=None,
            sold=None,
            extra=None,
            pull_id=1,
            changed_at=NOW,
            revision=1,
            sent_revision=sent,
            not_before=NOW + rests if rests else 0.0,
            withheld_until=NOW + withheld if withheld else 0.0,
            claim_token=None if claim is None else "token",
            claim_until=None if claim is None else NOW + claim,
            park_reason=park,
            retired=retired,
            override_stock=pinned,
        )


def _expected(made: list[Level], *, target_open: bool) -> Counter[str]:
    return Counter(
        state_of(level, now=NOW, open_for_sending=target_open and level.stock_list != STOPPED).value
        for level in made
    )


def _counted(ledger: Ledger) -> Counter[str]:
    with ledger.read() as connection:
        counts = asdict(status.level_counts(connection, now=NOW))
    total = counts.pop("total")
    assert sum(counts.values()) == total
    return Counter(counts)


def test_every_level_is_counted_in_the_first_state_that_fits(
    every_level: tuple[Ledger, list[Level]],
) -> None:
    ledger, made = every_level
    assert _counted(ledger) == _expected(made, target_open=True)


def test_what_is_due_waits_while_the_target_is_closed(
    every_level: tuple[Ledger, list[Level]],
) -> None:
    ledger, made = every_level

    def close(connection: object) -> None:
        row = target.read(connection)._replace(state="down", paused_until=NOW + 9)  # type: ignore[arg-type]
        target.save(connection, row)  # type: ignore[arg-type]

    ledger.write(close)
    assert _counted(ledger) == _expected(made, target_open=False)
    assert _counted(ledger)["due"] == 0
