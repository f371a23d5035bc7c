"""A sandbox in a thread of this process, for tests and the demo."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Self, TypeVar

from worker.sandbox.faults import Fault, FaultKind
from worker.sandbox.server import listening, new_event_loop
from worker.sandbox.settings import SandboxChannel, SandboxConfig, SandboxList, SandboxUser
from worker.sandbox.stocks import write_record
from worker.sandbox.validation import Write
from worker.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

START_SECONDS = 10.0

T = TypeVar("T")


class RunningSandbox:
    """A context manager; every method may be called from any thread, and after the end too.

    Raises SandboxError on entering where it cannot listen.
    """

    def __init__(
        self, config: SandboxConfig | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.url = ""
        self._host = host
        self._port = port
        self._world = World(config or SandboxConfig())
        self._loop = new_event_loop()
        self._stop = asyncio.Event()
        self._ready: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self.url = self._ready.result(START_SECONDS)
        except BaseException:
            self._thread.join(START_SECONDS)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_SECONDS)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            async with listening(self._world, host=self._host, port=self._port) as url:
                self._ready.set_result(url)
                await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits for the start
            if not self._ready.done():
                self._ready.set_exception(error)

    def _ask(self, question: Callable[[], T]) -> T:
        if not self._thread.is_alive():
            return question()
        answer: Future[T] = Future()

        def ask() -> None:
            try:
                answer.set_result(question())
            except Exception as error:  # noqa: BLE001 - handed to the thread that asked
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(ask)
        return answer.result(START_SECONDS)

    def state(self) -> dict[str, dict[str, Any]]:
        """Return every record by ``stock_list:sku``; channel_stock: what channels see, or None."""
        return self._ask(self._world.state)

    def journal(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the accepted writes after number `since`, oldest first."""
        return [entry._asdict() for entry in self._ask(lambda: self._world.journal.since(since))]

    def stats(self) -> dict[str, Any]:
        """Return the counts of requests and of concurrency."""
        return self._ask(self._world.stats.report)

    def order(self, fault: Fault | FaultKind | str, /, **fields: Any) -> int:
        """Order a fault, given whole or as a kind and its fields; return its number."""
        whole = fault if isinstance(fault, Fault) else Fault(kind=FaultKind(fault), **fields)
        return self._ask(lambda: self._world.book.order(whole))

    def lift(self, number: int | None = None) -> int:
        """Take back one fault, or all; return how many."""
        return self._ask(lambda: self._world.book.lift(number))

    def faults(self) -> list[dict[str, Any]]:
        """Return the orders and how often each struck."""
        return self._ask(self._world.book.records)

    def adjust(self, **changes: Any) -> None:
        """Change settings while running; raises ValueError for one that cannot be."""
        self._ask(lambda: self._world.adjust(changes))

    def revoke_tokens(self) -> int:
        """Make every token invalid; return how many there were."""
        return self._ask(self._world.access.revoke)

    def add_list(self, stock_list: SandboxList) -> None:
        """Create a stock list."""
        self._ask(lambda: self._world.add_list(stock_list))

    def add_channel(self, channel: SandboxChannel) -> None:
        """Create a channel."""
        self._ask(lambda: self._world.add_channel(channel))

    def add_user(self, username: str, password: str) -> None:
        """Create a user, or change the password."""
        user = SandboxUser(username=username, password=password)
        self._ask(lambda: self._world.access.add(user))

    def set_products(self, skus: Iterable[str] | None) -> None:
        """Say which SKUs exist; None: any does."""
        self._ask(lambda: self._world.set_products(skus))

    def edit(self, sku: str, stock: int, *, stock_list: int = 1) -> dict[str, Any]:
        """Write a stock as somebody in the back office would; return the record."""
        write = Write(sku, stock_list, stock, None, None, None)
        written = self._ask(lambda: self._world.write(write, by="back_office"))
        return write_record(written.stock, written.version)

    def consume(self, channel: int, *, limit: int = 100, done: bool = True) -> int:
        """Let a channel's app take up to limit stocks; return how many it took."""
        return self._ask(lambda: self._consume(channel, limit=limit, done=done))

    def _consume(self, channel: int, *, limit: int, done: bool) -> int:
        self._world.show()
        return self._world.feeds[channel].consume(limit=limit, done=done)

    def reset(self) -> None:
        """Go back to the start: no stocks, no tokens, no faults, an empty journal."""
        self._ask(self._world.reset)
