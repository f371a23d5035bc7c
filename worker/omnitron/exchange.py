"""One HTTP exchange with Omnitron: request out, capped answer in. Knows no login, no meaning.

Every URL is put together here from the configured origin and a path of ours, so a token cannot
reach another origin (`design.md` I10). Requests go to the transport itself, without an
`httpx.AsyncClient` between: there is nothing that could follow a redirect, keep a cookie or look
for a proxy in the environment, and a request costs two thirds of the processor time.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import NamedTuple

import httpx

from worker.errors import UsageError
from worker.omnitron.transport import FLIGHT, NEVER_LEFT, AiohttpTransport, Flight, failure_name
from worker.omnitron.wire import decoded

CONNECT_TIMEOUT = 5.0
"""Seconds for one connection, TLS included; the request's own deadline may be shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to make. cap: bytes of its decoded answer that are read at most."""

    method: str
    url: httpx.URL
    cap: int
    content: bytes | None = None


class Reply(NamedTuple):
    """What came of a call. content is None where it could not be read whole; error says why."""

    status: int | None
    content: bytes | None
    sent: bool
    error: str = ""
    retry_after: str | None = None
    date: str | None = None


class Exchange:
    """The connections to one Omnitron; of one event loop, made when first used."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        connections: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._base = _checked_base(base_url)
        self._transport = transport or AiohttpTransport(connections=connections)
        self._timeout = httpx.Timeout(None, connect=min(CONNECT_TIMEOUT, timeout)).as_dict()

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port that everything goes to."""
        port = self._base.port or {"https": 443, "http": 80}[self._base.scheme]
        return self._base.scheme, self._base.host, port

    def url(self, path: str, **params: int | str) -> httpx.URL:
        """Join a path of ours (no leading slash) to the configured address."""
        url = self._base.copy_with(path=f"{self._base.path.rstrip('/')}/{path}")
        return url.copy_merge_params(params) if params else url

    async def send(self, call: Call, *, token: str | None, flight: Flight) -> Reply:
        """Make one call. Every transport error becomes a reply; cancellation passes through."""
        flight.left = None
        request = httpx.Request(
            call.method,
            call.url,
            content=call.content,
            headers=_headers(call, token),
            extensions={FLIGHT: flight, "timeout": self._timeout},
        )
        try:
            response = await self._transport.handle_async_request(request)
            try:
                return await _read(response, cap=call.cap)
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            sent = not isinstance(error, NEVER_LEFT)
            return Reply(None, None, sent=sent, error=failure_name(error))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


def _headers(call: Call, token: str | None) -> dict[str, str]:
    headers = {
        "User-Agent": "stocksync",
        "Accept": "application/json",
        "Accept-Encoding": "gzip" if call.method == "GET" else "identity",
    }
    if call.content is not None:
        headers["Content-Type"] = "application/json"
    if token is not None:
        headers["Authorization"] = f"Token {token}"
    return headers


async def _read(response: httpx.Response, *, cap: int) -> Reply:
    content, error = None, ""
    try:
        raw = await _capped(response, cap=cap)
        encoding = response.headers.get("content-encoding", "").strip().lower()
        content = decoded(raw, encoding=encoding, cap=cap)
    except ValueError:
        error = "unreadable_body"
    except httpx.TransportError as broken:
        error = failure_name(broken)
    return Reply(
        response.status_code,
        content,
        sent=True,
        error=error,
        retry_after=response.headers.get("retry-after"),
        date=response.headers.get("date"),
    )


async def _capped(response: httpx.Response, *, cap: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > cap:
            raise ValueError(f"a body of more than {cap} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _checked_base(base_url: str) -> httpx.URL:
    """Parse the configured address; errors never quote it, since it may hold a password."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise _unusable("it is not a URL") from error
    if url.userinfo or url.query or url.fragment:
        raise _unusable("it holds a user, a query or a fragment")
    if not url.host or not (url.scheme == "https" or (url.scheme == "http" and _is_local(url))):
        raise _unusable("it is not an https:// address (http:// is for loopback only)")
    return url


def _is_local(url: httpx.URL) -> bool:
    try:
        return url.host == "localhost" or ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


def _unusable(why: str) -> UsageError:
    return UsageError(
        f"The address of Omnitron cannot be used: {why}.",
        remedy="Set it to the address alone, such as https://acme.omnitron.example.",
        place="omnitron.base_url",
    )
