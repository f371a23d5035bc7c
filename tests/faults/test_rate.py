"""One limit for all hosts (A20): two workers, each a process of its own, that share a ledger."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.services import stocks
from tests.databases import fresh_database
from tests.faults.stage import Stage, stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.databases import Server

RATE = 30
HOSTS = 2
LATE = HOSTS * RATE
"""So many requests may come later than their slots, and then at once, on a machine of any speed.

A worker holds one batch at a time, of a second's worth of slots. A request never starts before its
slot, and slots that are taken while we look lie in that time or after it. So whatever comes beyond
the rate belongs to a batch that a worker held already when we began to look.
"""


@pytest.fixture
def on(postgres: Server, tmp_path: Path) -> Iterator[Stage]:
    more = f'database_username = "{postgres.user}"'
    with stage(tmp_path, ledger=fresh_database(postgres), more=more) as made:
        yield made


def too_many(times: Sequence[float]) -> list[str]:
    """The stretches between any two requests that hold more of them than the limit allows."""
    return [
        f"{last - first + 1} requests in {seconds:.2f} s"
        for first in range(len(times))
        for last in range(first + LATE, len(times))
        for seconds in [times[last] - times[first]]
        if last - first + 1 > RATE * seconds + 1 + LATE
    ]


@pytest.mark.thorough
def test_a20_two_workers_under_load_never_send_more_than_one_may(on: Stage) -> None:
    limited = {"STOCKSYNC_OMNITRON__REQUESTS_PER_SECOND": str(RATE)}
    commands = [("beat",), ("worker", "--queue", "pull"), ("worker", "--queue", "confirm")]
    commands += [("worker", "--queue", "deliver")] * HOSTS
    on.says("a.csv", stocks("A", 20 * RATE))
    with ExitStack() as stack:
        for words in commands:
            stack.enter_context(on.run(*words, environment=limited))
        on.judge(minimum=20 * RATE)
    workers = on.scene.rows("SELECT worker, sum(sent) AS sent FROM batch GROUP BY worker")
    assert len([each for each in workers if each["sent"] > RATE]) == HOSTS
    times = sorted(e["received_at"] for entries in on.scene.journal().values() for e in entries)
    assert too_many(times) == []
