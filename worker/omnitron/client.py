"""Omnitron as this service uses it: one upsert, and reading back. Knows no ledger and no rules.

Besides logins and upserts it only ever sends GET (`design.md` I9). Of one event loop per process.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from worker.model import Answer, Key, StockList, StockRecord, Value
from worker.omnitron.access import Access, LoginSlot, ReadCredentials, always
from worker.omnitron.exchange import Call, Exchange, Reply
from worker.omnitron.failures import reading_error, unreadable
from worker.omnitron.redaction import Redaction
from worker.omnitron.transport import Flight
from worker.omnitron.wire import (
    WORDS,
    Envelope,
    StockPage,
    envelope,
    http_date,
    is_foreign,
    parse_json,
    stock_list,
    stock_record,
    stock_row,
    upsert_body,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

POST_CAP = 1024 * 1024
LIST_CAP = 16 * 1024 * 1024
EXCERPT = 500

LOOKUP_PKS = 50
"""At most so many pks in one `pk__in`: what the vendor's own clients ask for."""

PAGE_LIMIT = 100
MOST_PAGES = 200

RESOURCES = ("product_stocks", "extra_product_stocks")
"""A channel's two resources: its catalogue's main stock list, and the extra ones."""

_T = TypeVar("_T")


class OmnitronClient:
    """One Omnitron.

    credentials: called at each login, so that changed secret files are seen. timeout: seconds for
    a whole request, a login included. max_in_flight: connections at most; more requests queue.
    on_login: asks for the login slot, see `LoginSlot`. transport: for tests and special networks.

    Reading raises OmnitronDenied, OmnitronThrottled, OmnitronAnswerError or OmnitronUnreachable.
    oddities counts what reading passed over: ``unreadable_record``, ``foreign_next`` (an answer
    named a next page on another origin; pages are asked for by number, so nothing went there) and
    ``foreign_record`` (one that was not asked for).
    """

    def __init__(  # noqa: PLR0913 - what one Omnitron needs, by keyword
        self,
        base_url: str,
        credentials: ReadCredentials,
        *,
        timeout: float,
        max_in_flight: int,
        on_login: LoginSlot = always,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.oddities: Counter[str] = Counter()
        self._timeout = timeout
        self._redaction = Redaction(spared=WORDS)
        self._exchange = Exchange(
            base_url, timeout=timeout, connections=max_in_flight, transport=transport
        )
        self._access = Access(
            self._exchange,
            credentials,
            on_login=on_login,
            timeout=timeout,
            redaction=self._redaction,
        )
        self._upsert_url = self._exchange.url("api/i1/product_stock/")

    async def upsert(self, key: Key, value: Value) -> Answer:
        """Create or change one stock. Remote trouble of every kind is an answer, never an error.

        Raises only for a value that cannot be put into JSON (ValueError, TypeError: a defect).
        """
        content = upsert_body(key, value)
        call = Call(method="POST", url=self._upsert_url, cap=POST_CAP, content=content)
        reply = await self._deliver(call)
        return reply if isinstance(reply, Answer) else self._answer(reply, key, value)

    async def sign_in(self) -> None:
        """Make sure that there is a token, by a login if need be."""
        token = await self._access.token()
        if isinstance(token, Answer):
            raise reading_error(token, "the login")

    async def product_stocks(self, *, page: int, limit: int = PAGE_LIMIT) -> StockPage:
        """Read one page (from 1) of what Omnitron has."""
        url = self._exchange.url("api/i1/product_stock/", limit=limit, page=page)
        found = await self._page(url)
        rows = [row for row in map(stock_row, found.records) if row is not None]
        return StockPage(
            rows=rows,
            total=found.total,
            skipped=self._skipped(found, rows),
            more=found.following is not None and bool(found.records),
            foreign_next=self._is_foreign(found),
        )

    async def stock_lists(self) -> list[StockList]:
        """Read all stock lists, page by page, at most `MOST_PAGES`."""
        lists: dict[int, StockList] = {}
        for page in range(1, MOST_PAGES + 1):
            url = self._exchange.url("api/i1/stock_list/", limit=PAGE_LIMIT, page=page)
            found = await self._page(url)
            fresh = {item.pk: item for item in self._read(found, stock_list)}
            has_new = not fresh.keys() <= lists.keys()
            lists |= fresh
            if found.following is None or not has_new:
                return list(lists.values())
        raise unreadable(f"the stock lists go on after {MOST_PAGES} pages")

    async def feed(
        self, channel_id: int, resource: str, page: int, *, limit: int = PAGE_LIMIT
    ) -> list[StockRecord]:
        """Read one page (from 1) of what a channel has not taken yet; it takes nothing away."""
        path = f"{_channel_path(channel_id, resource)}inserts_or_updates/"
        found = await self._page(self._exchange.url(path, limit=limit, page=page))
        return self._read(found, stock_record)

    async def lookup(self, channel_id: int, resource: str, pks: Sequence[int]) -> list[StockRecord]:
        """Read what a channel shows of these records, at most `LOOKUP_PKS`; absent ones lack."""
        if len(pks) > LOOKUP_PKS:
            raise ValueError(f"{len(pks)} pks, at most {LOOKUP_PKS} at a time")
        path, wanted = _channel_path(channel_id, resource), set(pks)
        joined = ",".join(map(str, pks))
        records: dict[int, StockRecord] = {}
        for page in range(1, len(pks) + 1):
            url = self._exchange.url(path, pk__in=joined, limit=PAGE_LIMIT, page=page)
            found = await self._page(url)
            known = len(records)
            records |= {item.pk: item for item in self._wanted(found, wanted)}
            if found.following is None or len(records) == known:
                break
        return list(records.values())

    async def channel_exists(self, channel_id: int) -> bool:
        """Try whether a channel can be read: False where Omnitron answers 404."""
        path = _channel_path(channel_id, RESOURCES[0])
        reply = await self._deliver(self._get(self._exchange.url(path, limit=1, page=1)))
        if isinstance(reply, Reply) and reply.status == 404:  # noqa: PLR2004 - HTTP
            return False
        self._body(reply)
        return True

    async def aclose(self) -> None:
        """Give up logins under way and close every connection."""
        await self._access.aclose()
        await self._exchange.aclose()

    async def _deliver(self, call: Call) -> Reply | Answer:
        """Make a call under the total deadline; an `Answer` where there was no token for it."""
        flight = Flight(left=False)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._authorised(call, flight)
        except TimeoutError:
            sent = flight.left is not False
            return Reply(None, None, sent, "read_timeout" if sent else "connect_timeout")

    async def _authorised(self, call: Call, flight: Flight) -> Reply | Answer:
        token = await self._access.token()
        if isinstance(token, Answer):
            return token
        reply = await self._exchange.send(call, token=token, flight=flight)
        if reply.status != 401:  # noqa: PLR2004 - HTTP
            return reply
        flight.left = False  # what was refused has not been applied
        renewed = await self._access.token(refused=token)
        if isinstance(renewed, Answer):
            return renewed
        return await self._exchange.send(call, token=renewed, flight=flight)

    def _answer(self, reply: Reply, key: Key, value: Value) -> Answer:
        body, is_json = _parsed(reply)
        if is_json:
            body = self._clean(body, key, value)
        return Answer(
            status=reply.status,
            body=body,
            is_json=is_json,
            sent=reply.sent,
            error=reply.error,
            retry_after=reply.retry_after,
            date=http_date(reply.date),
            excerpt=self._excerpt(reply, body),
        )

    def _clean(self, body: Any, key: Key, value: Value) -> Any:
        """Mask secrets, but leave what we sent as it is, since its echo is the proof."""
        if not isinstance(body, dict):
            return self._redaction.body(body)
        echo = {"product_sku": key.sku, "unit_type": value.unit_type}
        if value.extra is not None and "extra_field" in body:
            echo["extra_field"] = orjson.loads(value.extra)
        spared = {name: item for name, item in echo.items() if name in body and body[name] == item}
        return self._redaction.body(body) | spared

    def _excerpt(self, reply: Reply, body: Any) -> str:
        if not reply.content:
            return ""
        if body is None:
            return self._redaction.text(reply.content.decode("utf-8", "replace"))[:EXCERPT]
        return orjson.dumps(body).decode()[:EXCERPT]

    def _get(self, url: httpx.URL) -> Call:
        return Call(method="GET", url=url, cap=LIST_CAP)

    async def _page(self, url: httpx.URL) -> Envelope:
        reply = await self._deliver(self._get(url))
        if isinstance(reply, Reply) and reply.status == 404 and url.params.get("page", "1") != "1":  # noqa: PLR2004 - HTTP
            return Envelope([], None, None)  # there are fewer pages by now than were announced
        body = self._body(reply)
        try:
            found = envelope(body)
        except ValueError as error:
            raise unreadable(f"{url.path} answered {error}") from error
        self.oddities["foreign_next"] += self._is_foreign(found)
        return found

    def _body(self, reply: Reply | Answer) -> Any:
        """Take the JSON of a good answer, else raise."""
        if isinstance(reply, Answer):
            raise reading_error(reply, "the login")
        body, is_json = _parsed(reply)
        if reply.status == 200 and is_json:  # noqa: PLR2004 - HTTP
            return body
        excerpt = self._excerpt(reply, self._redaction.body(body))
        raise reading_error(
            Answer(
                status=reply.status,
                sent=reply.sent,
                error=reply.error,
                retry_after=reply.retry_after,
                date=http_date(reply.date),
                excerpt=excerpt,
            ),
            "reading",
        )

    def _read(self, found: Envelope, reader: Callable[[Any], _T | None]) -> list[_T]:
        records = [item for item in map(reader, found.records) if item is not None]
        self._skipped(found, records)
        return records

    def _skipped(self, found: Envelope, records: Sequence[object]) -> int:
        skipped = len(found.records) - len(records)
        self.oddities["unreadable_record"] += skipped
        return skipped

    def _wanted(self, found: Envelope, wanted: set[int]) -> list[StockRecord]:
        records = self._read(found, stock_record)
        asked = [item for item in records if item.pk in wanted]
        self.oddities["foreign_record"] += len(records) - len(asked)
        return asked

    def _is_foreign(self, found: Envelope) -> bool:
        following = found.following
        return following is not None and is_foreign(following, origin=self._exchange.origin)


def _parsed(reply: Reply) -> tuple[Any, bool]:
    if not reply.content:
        return None, False
    try:
        return parse_json(reply.content), True
    except ValueError:
        return None, False


def _channel_path(channel_id: int, resource: str) -> str:
    if resource not in RESOURCES:
        raise ValueError(f"no resource {resource!r} of a channel, only {', '.join(RESOURCES)}")
    return f"api/v1/channel/{channel_id:d}/{resource}/"
