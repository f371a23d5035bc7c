"""A process of its own that delivers once: LEDGER_URL OMNITRON_URL CLOCK_FILE.

It dies as if out of memory when it comes to send ``POISON``. CLOCK_FILE holds the ledger's time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from worker.deliver import Courier
from worker.ledger import Ledger
from worker.model import TargetPlan
from worker.omnitron.access import Password
from worker.omnitron.client import OmnitronClient

if TYPE_CHECKING:
    from worker.model import Answer, Key, Value

PLAN = {"writes": True, "timeout": 0.5, "settle": 0.5, "max_in_flight": 4, "rate": 1_000.0}


class Mortal(OmnitronClient):
    """Omnitron's client in a process that one SKU kills."""

    async def upsert(self, key: Key, value: Value) -> Answer:
        if key.sku == "POISON":
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().upsert(key, value)


async def deliver(ledger: Ledger, base_url: str) -> None:
    client = Mortal(base_url, lambda: Password("erp", "sandbox"), timeout=0.5, max_in_flight=4)
    plan = TargetPlan(base_url=base_url, **PLAN)  # type: ignore[arg-type]
    await Courier(ledger=ledger, client=client, plan=plan, channels=[]).run(seconds=5)
    await client.aclose()


if __name__ == "__main__":
    url, base_url, clock = sys.argv[1:]
    ledger = Ledger(url, clock=lambda: float(Path(clock).read_text()))
    asyncio.run(deliver(ledger, base_url))
