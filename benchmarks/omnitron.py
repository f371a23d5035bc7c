"""The fastest Omnitron that there could be: takes an upsert, answers with the record; no more.

A raw protocol in a process of its own, so that the figures are those of the sender.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import orjson
import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator

UPSERT_PATH = "/api/i1/product_stock/"
_SPAWN = multiprocessing.get_context("spawn")
_HEAD = (
    b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
    b"Date: Sat, 21 Nov 2026 12:00:00 GMT\r\nContent-Length: "
)


class Upserts(asyncio.Protocol):
    """One connection: a body in, its record with an id out."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            size = _content_length(self._received[:end].lower())
            if len(self._received) < end + 4 + size:
                return
            body = self._received[end + 4 : end + 4 + size]
            self._received = self._received[end + 4 + size :]
            self._transport.write(_answer(body))


def _content_length(head: bytes) -> int:
    after = head.split(b"content-length:", 1)[1]
    return int(after.split(b"\r\n", 1)[0])


def _answer(body: bytes) -> bytes:
    record = orjson.loads(body)
    record["id"] = zlib.crc32(record["product_sku"].encode()) + 1
    written = orjson.dumps(record)
    return _HEAD + str(len(written)).encode() + b"\r\n\r\n" + written


@contextmanager
def running() -> Iterator[str]:
    """Run it while the block lasts; yields its base address."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join(timeout=10)


def _serve(pipe: Any) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Upserts, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())
