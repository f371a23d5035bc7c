"""The token: had by a login or fixed, renewed when Omnitron refuses it, one login at a time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

from worker.errors import StocksyncError
from worker.model import Answer
from worker.omnitron.exchange import Call, Exchange, Reply
from worker.omnitron.transport import Flight
from worker.omnitron.wire import http_date, parse_json

if TYPE_CHECKING:
    from worker.omnitron.redaction import Redaction

LOGIN_PATH = "api/i1/auth/login/"
LOGIN_CAP = 64 * 1024
LONGEST_TOKEN = 1024

_ASK_AGAIN = 1.0
"""Seconds after which a login slot is asked for again that could not be asked for."""

log = structlog.get_logger(__name__)

DENIED: Final = (400, 401, 403)
"""A login's statuses that mean: these credentials are not good."""


@dataclass(frozen=True, slots=True)
class Password:
    """A user of Omnitron; the token comes from a login."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token made by a person; there is nothing to log in with."""

    key: str = field(repr=False)


Credentials = Password | FixedToken

ReadCredentials = Callable[[], Credentials]
"""Reads the credentials afresh, so that a changed secret file is seen at the next login."""

LoginSlot = Callable[[], Awaitable[float]]
"""Asks whether this process may log in now: 0 for yes, else the seconds to wait."""


async def always() -> float:
    """Grant every login: for programs that share their Omnitron with no other process."""
    return 0.0


class Access:
    """Gives the token for the next request.

    A refusal is an `Answer` that was not sent, with one of these errors: ``login_wait`` (the slot
    was not granted; `retry_after` says when), ``login_denied``, ``login_throttled``,
    ``login_failed``, ``credentials_unreadable``, or the name of a transport error.
    """

    def __init__(
        self,
        exchange: Exchange,
        credentials: ReadCredentials,
        *,
        on_login: LoginSlot,
        timeout: float,
        redaction: Redaction,
    ) -> None:
        self._exchange = exchange
        self._credentials = credentials
        self._on_login = on_login
        self._timeout = timeout
        self._redaction = redaction
        self._token: str | None = None
        self._renewal: asyncio.Task[str | Answer] | None = None

    async def token(self, *, refused: str | None = None) -> str | Answer:
        """Return the token, or why there is none. refused: the one that Omnitron has just refused.

        All who wait at one time share one login and its result, also a bad one.
        """
        if self._token is not None and self._token != refused:
            return self._token
        if self._renewal is None:
            self._token = None
            self._renewal = asyncio.create_task(self._renew(refused))
            self._renewal.add_done_callback(self._renewed)
        return await asyncio.shield(self._renewal)

    async def aclose(self) -> None:
        """Give up a login that is under way."""
        renewal = self._renewal
        if renewal is not None:
            renewal.cancel()
            await asyncio.wait([renewal])

    def _renewed(self, task: asyncio.Task[str | Answer]) -> None:
        self._renewal = None
        if task.cancelled() or task.exception() is not None:
            return
        result = task.result()
        self._token = result if isinstance(result, str) else None

    async def _renew(self, refused: str | None) -> str | Answer:
        try:
            credentials = self._credentials()
        except (StocksyncError, OSError, ValueError) as error:
            return _refusal("credentials_unreadable", excerpt=self._redaction.text(str(error)))
        if isinstance(credentials, FixedToken):
            return self._fixed(credentials.key, refused)
        wait = await self._slot_wait()
        if wait > 0:
            return _refusal("login_wait", retry_after=str(math.ceil(wait)))
        return await self._log_in(credentials)

    async def _slot_wait(self) -> float:
        """Seconds until a login has its turn; a short while where nobody can say, for now."""
        try:
            return await self._on_login()
        except StocksyncError as error:
            log.warning("login_slot_unknown", reason=error.message)
            return _ASK_AGAIN

    def _fixed(self, key: str, refused: str | None) -> str | Answer:
        self._redaction.remember(key)
        if key == refused or not _is_token(key):
            return _refusal("login_denied", status=401)
        return key

    async def _log_in(self, credentials: Password) -> str | Answer:
        self._redaction.remember(credentials.password)
        flight = Flight(left=False)
        try:
            async with asyncio.timeout(self._timeout):
                call = self._login_call(credentials)
                reply = await self._exchange.send(call, token=None, flight=flight)
        except TimeoutError:
            return _refusal("connect_timeout" if flight.left is False else "read_timeout")
        return self._judged(reply)

    def _login_call(self, credentials: Password) -> Call:
        body = {"username": credentials.username, "password": credentials.password}
        return Call(
            method="POST",
            url=self._exchange.url(LOGIN_PATH),
            cap=LOGIN_CAP,
            content=orjson.dumps(body),
        )

    def _judged(self, reply: Reply) -> str | Answer:
        if reply.status is None:
            return _refusal(reply.error)
        key = _key(reply)
        if key is not None:
            self._redaction.remember(key)
            return key
        return Answer(
            status=reply.status,
            sent=False,
            error=_refusal_name(reply),
            retry_after=reply.retry_after,
            date=http_date(reply.date),
        )


def _refusal(
    error: str, *, status: int | None = None, retry_after: str | None = None, excerpt: str = ""
) -> Answer:
    return Answer(
        status=status, sent=False, error=error, retry_after=retry_after, excerpt=excerpt[:500]
    )


def _refusal_name(reply: Reply) -> str:
    if reply.status in DENIED:
        return "login_denied"
    is_throttle = reply.status == 429 or (reply.status == 503 and reply.retry_after is not None)  # noqa: PLR2004 - HTTP
    return "login_throttled" if is_throttle else "login_failed"


def _key(reply: Reply) -> str | None:
    if reply.status not in {200, 201} or reply.content is None:
        return None
    try:
        body: Any = parse_json(reply.content)
    except ValueError:
        return None
    key = body.get("key") if isinstance(body, dict) else None
    return key if _is_token(key) else None


def _is_token(key: Any) -> bool:
    """Whether it can stand in a header: visible ASCII, not too long."""
    return (
        isinstance(key, str)
        and 0 < len(key) <= LONGEST_TOKEN
        and all("!" <= letter <= "~" for letter in key)
    )
