"""What each kind of fault does to an answer: one table, one small function each."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web

from worker.sandbox.faults import Fault, FaultKind
from worker.sandbox.reply import Reply
from worker.sandbox.stocks import Fate

PAGE = (
    "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head>"
    "<body><h1>Bad Gateway</h1><script>alert('from a proxy')</script></body></html>"
)
CHUNK = 1 << 20
HUGE_BYTES = 64 * CHUNK
DEEP_LEVELS = 100_000
RESET_AT_ONCE = struct.pack("ii", 1, 0)
JSON = "application/json"

Answer = Callable[[web.BaseRequest, Fault, Reply], Awaitable[web.StreamResponse]]


class Mischief(NamedTuple):
    """fate: what becomes of the write unless the order says otherwise; answer: what is sent."""

    fate: Fate
    answer: Answer


def fate_of(fault: Fault | None) -> Fate:
    """Return what becomes of the write of a request that meets this fault."""
    if fault is None:
        return Fate.APPLIED
    if fault.applied is None:
        return TABLE[fault.kind].fate
    return Fate.APPLIED if fault.applied else Fate.REFUSED


async def answer(request: web.BaseRequest, fault: Fault, reply: Reply) -> web.StreamResponse:
    """Answer as the fault demands; reply is what would have been said without it."""
    return await TABLE[fault.kind].answer(request, fault, reply)


def cut(request: web.BaseRequest) -> web.Response:
    """Reset the connection now; the response that is returned never arrives."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_ONCE)
        transport.abort()
    return web.Response()


async def _usual(_request: web.BaseRequest, _fault: Fault, reply: Reply) -> web.StreamResponse:
    return reply.response()


async def _status(_request: web.BaseRequest, fault: Fault, _reply: Reply) -> web.StreamResponse:
    status = 500 if fault.status is None else fault.status
    if isinstance(fault.body, str):
        return _text(fault.body, status=status, headers=fault.headers)
    payload = {"detail": "A server error occurred."} if fault.body is None else fault.body
    return Reply(status, payload, fault.headers).response()


def _text(
    body: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    kind = "text/html" if body.lstrip().startswith("<") else JSON
    given = dict(headers or {})
    return web.Response(body=body.encode(), status=status, headers={"Content-Type": kind, **given})


async def _reset(request: web.BaseRequest, _fault: Fault, _reply: Reply) -> web.StreamResponse:
    return cut(request)


async def _reset_answer(
    request: web.BaseRequest, _fault: Fault, reply: Reply
) -> web.StreamResponse:
    body = reply.encoded()
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": JSON})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response


async def _wrong_echo(_request: web.BaseRequest, fault: Fault, reply: Reply) -> web.StreamResponse:
    record = dict(reply.payload)
    record.update(fault.changes or ({} if fault.drop else {"stock": record.get("stock", 0) + 1}))
    for name in fault.drop:
        record.pop(name, None)
    return Reply(fault.status or reply.status, record).response()


async def _html(_request: web.BaseRequest, fault: Fault, _reply: Reply) -> web.StreamResponse:
    return _text(PAGE, status=fault.status or 200, headers=fault.headers)


async def _invalid_json(
    _request: web.BaseRequest, fault: Fault, _reply: Reply
) -> web.StreamResponse:
    return _text("{'id': NaN, not json", status=fault.status or 200)


async def _empty(_request: web.BaseRequest, fault: Fault, _reply: Reply) -> web.StreamResponse:
    return _text("", status=fault.status or 200)


async def _truncated(_request: web.BaseRequest, fault: Fault, reply: Reply) -> web.StreamResponse:
    body = reply.encoded()
    status = fault.status or reply.status
    return web.Response(body=body[: len(body) // 2], status=status, content_type=JSON)


async def _deep_json(_request: web.BaseRequest, fault: Fault, _reply: Reply) -> web.StreamResponse:
    levels = fault.size or DEEP_LEVELS
    return _text("[" * levels + "]" * levels, status=fault.status or 200)


async def _trickle(request: web.BaseRequest, fault: Fault, reply: Reply) -> web.StreamResponse:
    async def drops() -> AsyncIterator[bytes]:
        for byte in reply.encoded():
            yield bytes([byte])
            await asyncio.sleep(fault.pause)

    return await _stream(request, reply.status, drops())


async def _huge(request: web.BaseRequest, fault: Fault, reply: Reply) -> web.StreamResponse:
    return await _stream(request, fault.status or reply.status, _padded(fault.size or HUGE_BYTES))


async def _gzip_bomb(request: web.BaseRequest, fault: Fault, reply: Reply) -> web.StreamResponse:
    async def packed() -> AsyncIterator[bytes]:
        gzip = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
        async for block in _padded(fault.size or HUGE_BYTES):
            yield gzip.compress(block)
            await asyncio.sleep(0)  # other requests go on while this one packs
        yield gzip.flush()

    status = fault.status or reply.status
    return await _stream(request, status, packed(), {"Content-Encoding": "gzip"})


async def _padded(size: int) -> AsyncIterator[bytes]:
    yield b'{"id": "'
    block = b"0" * CHUNK
    for start in range(0, size, CHUNK):
        yield block[: size - start]
    yield b'"}'


async def _stream(
    request: web.BaseRequest,
    status: int,
    blocks: AsyncIterator[bytes],
    headers: Mapping[str, str] | None = None,
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={"Content-Type": JSON, **(headers or {})})
    try:
        await response.prepare(request)
        async for block in blocks:
            if block:
                await response.write(block)
        await response.write_eof()
    except ConnectionError:
        pass  # the caller has heard enough, which is what it should do
    return response


async def _redirect(_request: web.BaseRequest, fault: Fault, _reply: Reply) -> web.StreamResponse:
    return Reply(fault.status or 302, {}, {"Location": fault.location}).response()


async def _echo_headers(
    request: web.BaseRequest, fault: Fault, _reply: Reply
) -> web.StreamResponse:
    headers = {str(name): value for name, value in request.headers.items()}
    seen = {"headers": headers, "path": request.path}
    payload = {"detail": "A server error occurred.", "request": seen}
    return Reply(fault.status or 500, payload).response()


async def _foreign_next(
    _request: web.BaseRequest, fault: Fault, reply: Reply
) -> web.StreamResponse:
    return _with_next(reply, fault.location)


async def _same_page(request: web.BaseRequest, _fault: Fault, reply: Reply) -> web.StreamResponse:
    return _with_next(reply, str(request.url))


def _with_next(reply: Reply, address: str) -> web.Response:
    payload: Any = reply.payload
    if isinstance(payload, dict) and "results" in payload:
        payload = {**payload, "next": address}
    return reply._replace(payload=payload).response()


TABLE: Mapping[FaultKind, Mischief] = {
    FaultKind.STATUS: Mischief(Fate.REFUSED, _status),
    FaultKind.DELAY: Mischief(Fate.APPLIED, _usual),
    FaultKind.RESET_UNREAD: Mischief(Fate.REFUSED, _reset),
    FaultKind.RESET: Mischief(Fate.APPLIED, _reset),
    FaultKind.RESET_ANSWER: Mischief(Fate.APPLIED, _reset_answer),
    FaultKind.WRONG_ECHO: Mischief(Fate.APPLIED, _wrong_echo),
    FaultKind.HTML: Mischief(Fate.REFUSED, _html),
    FaultKind.INVALID_JSON: Mischief(Fate.REFUSED, _invalid_json),
    FaultKind.EMPTY: Mischief(Fate.REFUSED, _empty),
    FaultKind.TRUNCATED_JSON: Mischief(Fate.APPLIED, _truncated),
    FaultKind.DEEP_JSON: Mischief(Fate.REFUSED, _deep_json),
    FaultKind.LOST: Mischief(Fate.LOST, _usual),
    FaultKind.UNPROPAGATED: Mischief(Fate.UNPROPAGATED, _usual),
    FaultKind.TRICKLE: Mischief(Fate.APPLIED, _trickle),
    FaultKind.HUGE: Mischief(Fate.APPLIED, _huge),
    FaultKind.GZIP_BOMB: Mischief(Fate.APPLIED, _gzip_bomb),
    FaultKind.REDIRECT: Mischief(Fate.REFUSED, _redirect),
    FaultKind.ECHO_HEADERS: Mischief(Fate.REFUSED, _echo_headers),
    FaultKind.FOREIGN_NEXT: Mischief(Fate.APPLIED, _foreign_next),
    FaultKind.SAME_PAGE: Mischief(Fate.APPLIED, _same_page),
}
