"""A courier and a watcher on a ledger, against the sandbox, on one event loop."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from worker.confirm import Confirmed, Watcher
from worker.deliver import Courier, Run
from worker.ledger import channels, confirmations, target
from worker.model import ChannelPlan, Delivered, Expect, Key, TargetPlan
from worker.omnitron.access import Password, always
from worker.omnitron.client import OmnitronClient
from worker.planning.delivery import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from tests.integration.ledgers import HandClock
    from worker.deliver import Slip
    from worker.ledger import Ledger
    from worker.ledger.confirmations import Confirmation
    from worker.omnitron.access import LoginSlot
    from worker.planning.limiter import Target
    from worker.sandbox import RunningSandbox

CHANNEL = ChannelPlan(id=5, stock_lists=(1, 2), expect=Expect.ALL, poll=15.0, confirm_within=600.0)


class Desk:
    """One worker process's side of Omnitron. The rate is out of the way unless told otherwise."""

    def __init__(self, ledger: Ledger, sandbox: RunningSandbox, clock: HandClock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.plan = TargetPlan(
            base_url=sandbox.url,
            writes=True,
            timeout=5.0,
            settle=10.0,
            max_in_flight=32,
            rate=100_000.0,
        )
        self.password = "sandbox"
        self.login_slot: LoginSlot = always
        self.channel = CHANNEL
        self.stopped: Callable[[], bool] = lambda: False
        self._runner = asyncio.Runner()
        self._client: OmnitronClient | None = None
        ledger.write(lambda tx: channels.register(tx, [self.channel.id]))

    def close(self) -> None:
        if self._client is not None:
            self._runner.run(self._client.aclose())
        self._runner.close()

    def set(self, **plan: Any) -> None:
        """Change the plan; the client is made when it is first used."""
        self.plan = replace(self.plan, **plan)

    @property
    def client(self) -> OmnitronClient:
        if self._client is None:
            self._client = OmnitronClient(
                self.plan.base_url,
                lambda: Password("erp", self.password),
                timeout=self.plan.timeout,
                max_in_flight=self.plan.max_in_flight,
                on_login=self.login_slot,
            )
        return self._client

    def courier(self, **changes: Any) -> Courier:
        courier = Courier(
            ledger=self.ledger,
            client=self.client,
            plan=self.plan,
            channels=[self.channel],
            stopped=lambda: self.stopped(),  # noqa: PLW0108 - asked anew each time
        )
        return replace(courier, **changes)

    def deliver(self) -> Run:
        """Deliver until nothing is due or the target is paused."""

        async def run() -> Run:
            return await self.courier().run(seconds=20)

        return self._runner.run(run())

    def batch(self) -> Delivered:
        """Deliver one batch."""

        async def run() -> Run:
            return await self.courier().run(seconds=0)

        return self._runner.run(run()).delivered

    def finish(self, slip: Slip) -> Delivered:
        """Send what was claimed, and record what came of it."""

        async def run() -> Delivered:
            return await self.courier().deliver(slip, Watch())

        return self._runner.run(run())

    def together(self, *couriers: Courier) -> list[Run]:
        """Let couriers deliver at once."""

        async def run() -> list[Run]:
            return await asyncio.gather(*(courier.run(seconds=20) for courier in couriers))

        return self._runner.run(run())

    def drain(self, *, turns: int = 40) -> Delivered:
        """Deliver until nothing is left, letting every rest and pause go by."""
        total = Delivered()
        for _ in range(turns):
            run = self.deliver()
            total += run.delivered
            if run.wait is None:
                return total
            self.clock.forward(run.wait)
        raise AssertionError(f"still not drained: {run}")

    def poll(self, *, force: bool = True, **changes: Any) -> Confirmed:
        """Look at the channel."""

        async def run() -> Confirmed | None:
            watcher = Watcher(ledger=self.ledger, client=self.client, plan=self.plan, **changes)
            return await watcher.poll(self.channel, force=force)

        found = self._runner.run(run())
        assert found is not None
        return found

    def target(self) -> Target:
        with self.ledger.read() as connection:
            return target.read(connection)

    def confirmation(self, sku: str, *, stock_list: int = 1) -> Confirmation:
        def find(connection: Connection) -> list[Confirmation]:
            return confirmations.of_key(connection, Key(stock_list, sku))

        with self.ledger.read() as connection:
            (found,) = find(connection)
        return found

    def confirmed(self) -> dict[str, int]:
        """State -> how many levels, without those that are none."""
        with self.ledger.read() as connection:
            return {state: n for state, n in confirmations.counts(connection).items() if n}


def stocks(sandbox: RunningSandbox) -> dict[str, int]:
    """What Omnitron has in stock list 1."""
    return {
        name.removeprefix("1:"): record["stock"]
        for name, record in sandbox.state().items()
        if name.startswith("1:")
    }


def sent(sandbox: RunningSandbox, sku: str) -> list[int]:
    """Every stock that Omnitron took for a SKU, in order."""
    return [entry["stock"] for entry in sandbox.journal() if entry["sku"] == sku]


def requests(sandbox: RunningSandbox, method: str, part: str = "") -> int:
    """How many requests of a method came in whose path has a part."""
    return sum(
        row["count"]
        for row in sandbox.stats()["requests"]
        if row["method"] == method and part in row["path"]
    )
