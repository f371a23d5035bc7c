"""The ledger's share of delivering: claiming batches of 500 and recording 500 accepted lines.

Omnitron answers at once, from memory, so no network is measured.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.deliveries import fill, make_due
from benchmarks.measuring import Child, Sample, measured
from benchmarks.services import service
from worker.deliver import Courier
from worker.model import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.model import Key, Value


@dataclass(slots=True)
class AtOnce:
    """Stands in for the client: every upsert is accepted."""

    pks: dict[Key, int] = field(default_factory=dict)

    async def upsert(self, key: Key, value: Value) -> Answer:
        """Answer with the record."""
        pk = self.pks.setdefault(key, len(self.pks) + 1)
        record = {
            "id": pk,
            "product_sku": key.sku,
            "stock_list": key.stock_list,
            "stock": value.stock,
        }
        return Answer(status=201, body=record, is_json=True, date=1.0)


@contextmanager
def claim_and_record(*, ledger: str, items: int) -> Iterator[Callable[[], Sample]]:
    """Make a contender: the whole deliver step but for the network."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        made = service(Path(folder), ledger=ledger)
        made.ledger.write(lambda connection: fill(connection, items))
        client = AtOnce()

        def deliver() -> Sample:
            made.ledger.write(make_due)
            courier = Courier(
                ledger=made.ledger, client=client, plan=made.target, channels=made.channels
            )
            with measured(items) as found:
                run = asyncio.run(courier.run(seconds=600))
            if run.delivered.sent != items:
                raise RuntimeError(f"unexpected: {run}")
            return found[0]

        yield deliver
        made.close()


def measure(*, items: int, rounds: int, postgres: str) -> dict[str, list[Sample]]:
    """Both databases, interleaved; the first round is not counted."""
    contenders = {
        "claim + record, SQLite": Child(claim_and_record, ledger="", items=items),
        "claim + record, PostgreSQL": Child(claim_and_record, ledger=postgres, items=items),
    }
    found: dict[str, list[Sample]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, child in contenders.items():
            sample = child.sample()
            if number:
                found[name].append(sample)
    for child in contenders.values():
        child.close()
    return found
