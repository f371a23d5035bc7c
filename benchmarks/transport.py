"""Which transport carries the upserts: CPU and wall time per POST, by requests in flight.

A local server in another process answers small POSTs as Omnitron would; the figures are those of
the sending process. Run it with ``python -m benchmarks.transport [requests]``.

Measured on two shared x86_64 cores, Python 3.11, uvloop, November 2026 (requests/s and CPU of the
sender per request; ratios hold, absolute numbers do not):

    ==================================  ==============  ==============
    transport                           32 in flight    64 in flight
    ==================================  ==============  ==============
    aiohttp, without httpx              8,200  121 us   7,700  125 us
    ours (httpx over aiohttp)           3,300  305 us   3,100  318 us
    ours, whole client and the table    3,000  337 us   2,900  342 us
    httpx-aiohttp                       3,000  328 us   3,000  336 us
    pyreqwest behind httpx              2,500  388 us   2,000  373 us
    pyreqwest alone                    13,100   56 us  17,000   52 us
    httpx's own                           300 3329 us     125 7971 us
    ==================================  ==============  ==============

Behind httpx, what carries it hardly matters as long as it is not httpx's own pool. httpx-aiohttp
reports a connection that broke after the body had left as ConnectTimeout, so we have a transport
of our own over the same aiohttp. pyreqwest pays only without httpx, and is young.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import orjson
import uvloop
from aiohttp import web
from httpx_aiohttp import AiohttpTransport as ReadyMadeTransport

from worker.model import Key, Value
from worker.omnitron.access import FixedToken
from worker.omnitron.client import OmnitronClient
from worker.omnitron.transport import AiohttpTransport
from worker.planning.answers import classify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Post = Callable[[], Awaitable[object]]
    Close = Callable[[], Awaitable[None]]

PATH = "/api/i1/product_stock/"
KEY, VALUE = Key(stock_list=1, sku="SKU-1"), Value(stock=5, unit_type="qty")
BODY = orjson.dumps({"product_sku": "SKU-1", "stock_list": 1, "stock": 5, "unit_type": "qty"})
HEADERS = {"Authorization": "Token benchmark", "Content-Type": "application/json"}


def serve(ready: Any) -> None:
    """Answer POSTs with the record and an id, until the process is ended."""

    async def upsert(request: web.Request) -> web.Response:
        record = orjson.loads(await request.read()) | {"id": 1}
        return web.Response(body=orjson.dumps(record), status=201, content_type="application/json")

    async def main() -> None:
        app = web.Application()
        app.router.add_post(PATH, upsert)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        ready.put(runner.addresses[0][1])
        await asyncio.Event().wait()

    uvloop.run(main())


def through_httpx(transport: httpx.AsyncBaseTransport, url: str) -> tuple[Post, Close]:
    client = httpx.AsyncClient(transport=transport, trust_env=False, timeout=15)

    async def post() -> None:
        async with client.stream("POST", url, content=BODY, headers=HEADERS) as response:
            await response.aread()

    return post, client.aclose


def httpx_own(url: str, flights: int) -> tuple[Post, Close]:
    limits = httpx.Limits(max_connections=flights, max_keepalive_connections=flights)
    return through_httpx(httpx.AsyncHTTPTransport(limits=limits, trust_env=False), url)


def httpx_aiohttp(url: str, flights: int) -> tuple[Post, Close]:
    limits = httpx.Limits(max_connections=flights)
    return through_httpx(ReadyMadeTransport(limits=limits, trust_env=False), url)


def ours(url: str, flights: int) -> tuple[Post, Close]:
    return through_httpx(AiohttpTransport(connections=flights), url)


def plain_aiohttp(url: str, flights: int) -> tuple[Post, Close]:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=flights), cookie_jar=aiohttp.DummyCookieJar()
    )

    async def post() -> None:
        async with session.post(url, data=BODY, headers=HEADERS) as response:
            await response.read()

    return post, session.close


def whole_client(url: str, flights: int) -> tuple[Post, Close]:
    client = OmnitronClient(
        url.removesuffix(PATH),
        lambda: FixedToken("benchmark"),
        timeout=15,
        max_in_flight=flights,
    )

    async def post() -> None:
        classify(await client.upsert(KEY, VALUE), KEY, VALUE, now=0.0)

    return post, client.aclose


async def drive(post: Post, *, requests: int, flights: int) -> None:
    left = iter(range(requests))

    async def sender() -> None:
        for _ in left:
            await post()

    await asyncio.gather(*(sender() for _ in range(flights)))


async def measure(make: Callable[[str, int], tuple[Post, Close]], url: str, **size: int) -> str:
    post, close = make(url, size["flights"])
    await drive(post, requests=200, flights=size["flights"])
    cpu, wall = time.process_time(), time.perf_counter()
    await drive(post, **size)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    await close()
    per_item = cpu / size["requests"] * 1e6
    return f"{size['requests'] / wall:8.0f}/s {per_item:8.0f} us CPU"


def main(requests: int) -> None:
    ready: Any = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(ready,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ready.get(timeout=30)}{PATH}"
    for make in (plain_aiohttp, ours, whole_client, httpx_aiohttp, httpx_own):
        count = requests // 20 if make is httpx_own else requests
        for flights in (32, 64):
            found = uvloop.run(measure(make, url, requests=count, flights=flights))
            print(f"{make.__name__:16} {flights} in flight {found}", flush=True)
    server.terminate()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6000)
