"""Bind, serve, stop: the sandbox as a process."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from worker.sandbox.gate import Gate
from worker.sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from worker.sandbox.settings import SandboxConfig

try:
    import uvloop as loops
except ImportError:  # there is none for Windows
    loops = asyncio  # type: ignore[misc]

GRACE_SECONDS = 0.2
"""Answers that are being delayed on order are cut off rather than waited for."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return the fastest loop there is."""
    return loops.new_event_loop()


class SandboxError(Exception):
    """The sandbox cannot start; carries a message and a remedy for people."""

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


def loopback(host: str) -> str:
    """Return the address to bind; raises SandboxError for one that others can reach."""
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError:
        address = None
    if address is None or not address.is_loopback:
        raise SandboxError(
            f"the sandbox does not listen on {host}: it has no secrets and must not be reached "
            "from elsewhere",
            remedy="use 127.0.0.1, ::1 or localhost",
        )
    return str(address)


@asynccontextmanager
async def listening(world: World, *, host: str, port: int) -> AsyncIterator[str]:
    """Serve a world; yields the base URL. port 0: a free one."""
    address = loopback(host)
    runner = web.ServerRunner(
        web.Server(Gate(world), access_log=None), shutdown_timeout=GRACE_SECONDS
    )
    await runner.setup()
    try:
        await _bind(runner, address, port)
        bound = runner.addresses[0][1]
        yield f"http://[{address}]:{bound}" if ":" in address else f"http://{address}:{bound}"
    finally:
        await runner.cleanup()


async def _bind(runner: web.ServerRunner, address: str, port: int) -> None:
    try:
        await web.TCPSite(runner, address, port, backlog=1024).start()
    except OSError as error:
        raise SandboxError(
            f"the sandbox cannot listen on {address}:{port}: {error.strerror}",
            remedy="choose another port; 0 takes a free one",
        ) from error


def serve(
    config: SandboxConfig,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    on_ready: Callable[[str], None] = print,
) -> None:
    """Serve until SIGTERM or SIGINT; on_ready gets the base URL once calls are answered.

    Raises SandboxError where it cannot listen. Signals are heard in the main thread only.
    """
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(World(config), host, port, on_ready))


async def _serve(world: World, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with listening(world, host=host, port=port) as url:
        on_ready(url)
        await stop.wait()
