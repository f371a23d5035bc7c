"""HTTP over aiohttp behind httpx's transport interface; knows nothing of Omnitron.

Why not httpx's own transport: its pool's work grows with the square of the requests in flight
(``benchmarks/transport.py``). Why not the ready-made ``httpx-aiohttp``: it reports a connection
that broke *after* the request had left as a connect timeout, and here that difference decides
whether a value may be sent again at once.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx

from connectors.fault import Point, point

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import SimpleNamespace

FLIGHT = "stocksync_flight"
"""The request extension under which a `Flight` travels."""

KEEP_ALIVE = 15.0
"""Seconds for which an idle connection is kept; the shorter, the fewer are found closed."""


@dataclass(slots=True)
class Flight:
    """How far one request has come. left: a connection was had, so bytes may have left us.

    None until a transport that keeps the record has taken the request; read None as "may have".
    """

    left: bool | None = None


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends httpx requests through one aiohttp session, made in the loop that sends first.

    No proxy of the environment, no cookies, no redirects, no decoding, no repeats of a POST.
    Raises ConnectError, ConnectTimeout or PoolTimeout only for requests that never left, and other
    httpx errors for those that may have.
    """

    def __init__(self, *, connections: int) -> None:
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it, return status and headers; the body is read by the caller, as it came."""
        flight = request.extensions.get(FLIGHT) or Flight()
        flight.left = False
        try:
            answer = await self._open_session().request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                timeout=_timeouts(request),
                trace_request_ctx=flight,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error, request, left=flight.left) from error
        point(Point.LEFT)
        return httpx.Response(
            answer.status, headers=answer.raw_headers, stream=_Body(answer, request)
        )

    async def aclose(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = _new_session(self._connections)
        return self._session


class _Body(httpx.AsyncByteStream):
    """The raw body of an answer, chunk by chunk."""

    def __init__(self, answer: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise _translated(error, self._request, left=True) from error

    async def aclose(self) -> None:
        """Give the connection back, or cut it if the body was not read to its end."""
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


def _new_session(connections: int) -> aiohttp.ClientSession:
    watch = aiohttp.TraceConfig()
    watch.on_connection_create_end.append(_has_left)
    watch.on_connection_reuseconn.append(_has_left)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=connections,
            keepalive_timeout=KEEP_ALIVE,
            ssl=httpx.create_ssl_context(trust_env=False),
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        trace_configs=[watch],
    )


async def _has_left(_session: aiohttp.ClientSession, context: SimpleNamespace, _: object) -> None:
    flight: Flight = context.trace_request_ctx
    flight.left = True


def _timeouts(request: httpx.Request) -> aiohttp.ClientTimeout:
    limits: dict[str, Any] = request.extensions.get("timeout", {})
    return aiohttp.ClientTimeout(
        total=None,
        connect=limits.get("pool"),
        sock_connect=limits.get("connect"),
        sock_read=limits.get("read"),
    )


def _translated(error: Exception, request: httpx.Request, *, left: bool) -> httpx.TransportError:
    """Name the error by what is certain: only what never left is a connect error."""
    kind = _late(error) if left else _early(error)
    return kind(str(error) or type(error).__name__, request=request)


def _early(error: Exception) -> type[httpx.TransportError]:
    is_timeout = isinstance(error, asyncio.TimeoutError)
    return httpx.ConnectTimeout if is_timeout else httpx.ConnectError


def _late(error: Exception) -> type[httpx.TransportError]:
    if isinstance(error, asyncio.TimeoutError):
        return httpx.ReadTimeout
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError):
        return httpx.RemoteProtocolError
    return httpx.ReadError


def failure_name(error: httpx.TransportError) -> str:
    """Name a transport error in a short stable word: ``dns``, ``refused``, ``reset`` …."""
    cause = error.__cause__
    for kinds, name in _CAUSES:
        if isinstance(cause, kinds):
            return name
    if isinstance(getattr(cause, "os_error", None), ConnectionRefusedError):
        return "refused"
    return next((name for kind, name in _NAMES if isinstance(error, kind)), "network")


_CAUSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    ((aiohttp.ClientConnectorDNSError, socket.gaierror), "dns"),
    (aiohttp.ClientSSLError, "tls"),
    (ConnectionRefusedError, "refused"),
)

_NAMES: tuple[tuple[type[httpx.TransportError], str], ...] = (
    (httpx.ConnectTimeout, "connect_timeout"),
    (httpx.PoolTimeout, "pool_timeout"),
    (httpx.ConnectError, "connect_failed"),
    (httpx.TimeoutException, "read_timeout"),
    (httpx.RemoteProtocolError, "bad_http"),
    (httpx.NetworkError, "reset"),
)
NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
)
"""Errors after which it is certain that nothing was sent."""
