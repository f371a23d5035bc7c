"""The client against real connections on 127.0.0.1, played by a few lines of server each."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
import pytest

from worker.errors import (
    OmnitronAnswerError,
    OmnitronDenied,
    OmnitronThrottled,
    OmnitronUnreachable,
    UsageError,
)
from worker.model import Answer, AnswerClass, Key, StockList, StockRecord, Value
from worker.omnitron.access import FixedToken, Password
from worker.omnitron.client import LOOKUP_PKS, OmnitronClient
from worker.omnitron.redaction import Redaction
from worker.planning.answers import classify

KEY = Key(stock_list=2, sku="0001234")
VALUE = Value(stock=5)
RECORD = {"id": 77, "product_sku": "0001234", "stock_list": 2, "stock": 5, "unit_type": "qty"}
CANARY = "canary-token-f532e"
CANARY_PASSWORD = "canary-password-201"
DATE = "Mon, 01 Dec 2025 14:18:51 GMT"

T = TypeVar("T")


@dataclass
class Seen:
    """One request as the server saw it."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def is_login(self) -> bool:
        return "/auth/login/" in self.line


Respond = Callable[[Seen, asyncio.StreamWriter], Awaitable[bytes | None]]


@dataclass
class Server:
    """A server that answers as told; None from `respond` means that it has answered itself."""

    respond: Respond
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    open: dict[asyncio.StreamWriter, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logins(self) -> int:
        return sum(seen.is_login for seen in self.seen)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open[writer] = asyncio.current_task()  # type: ignore[assignment]
        try:
            while not writer.is_closing():
                seen = await read_request(reader)
                self.seen.append(seen)
                reply = await self.respond(seen, writer)
                if reply is not None:
                    writer.write(reply)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            del self.open[writer]
            writer.close()


async def read_request(reader: asyncio.StreamReader) -> Seen:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (item.partition(": ") for item in rest)}
    return Seen(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@asynccontextmanager
async def serving(respond: Respond) -> AsyncIterator[Server]:
    server = Server(respond)
    listener = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        talks = list(server.open.values())
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def http(status: int, body: Any = None, *headers: str, raw: bytes | None = None) -> bytes:
    content = raw if raw is not None else (b"" if body is None else orjson.dumps(body))
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", f"Date: {DATE}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def always(reply: bytes) -> Respond:
    async def respond(_: Seen, __: asyncio.StreamWriter) -> bytes:
        return reply

    return respond


def fixed() -> FixedToken:
    return FixedToken(CANARY)


@asynccontextmanager
async def client_of(
    url: str, credentials: Callable[[], Any] = fixed, **rest: Any
) -> AsyncIterator[OmnitronClient]:
    options = {"timeout": 5.0, "max_in_flight": 64} | rest
    client = OmnitronClient(url, credentials, **options)
    try:
        yield client
    finally:
        await client.aclose()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - any condition, with a deadline
            await asyncio.sleep(0.005)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def upserted(url: str, **rest: Any) -> Answer:
    async with client_of(url, **rest) as client:
        return await client.upsert(KEY, VALUE)


async def answered(respond: Respond, **rest: Any) -> Answer:
    async with serving(respond) as server:
        return await upserted(server.url, **rest)


def verdict(answer: Answer) -> AnswerClass:
    return classify(answer, KEY, VALUE, now=0.0).verdict


# The call itself


def test_an_upsert_posts_only_the_fields_that_are_there() -> None:
    async def requests() -> list[Seen]:
        async with serving(always(http(201, RECORD))) as server:
            await upserted(server.url + "/")
            return server.seen

    (seen,) = run(requests())
    assert seen.line == "POST /api/i1/product_stock/ HTTP/1.1"
    assert seen.headers["authorization"] == f"Token {CANARY}"
    assert orjson.loads(seen.body) == {"product_sku": "0001234", "stock_list": 2, "stock": 5}


def test_an_upsert_sends_extra_as_an_object_digit_by_digit() -> None:
    async def requests() -> list[Seen]:
        async with serving(always(http(201, RECORD))) as server, client_of(server.url) as client:
            extra = '{"ean":12345678901234567890123}'
            await client.upsert(KEY, Value(stock=5, unit_type="kg", sold=0, extra=extra))
            return server.seen

    (seen,) = run(requests())
    assert b'"extra_field":{"ean":12345678901234567890123}' in seen.body
    assert b'"sold_quantity_unreported":0' in seen.body


def test_a_good_answer_is_accepted_with_pk_and_date() -> None:
    answer = run(answered(always(http(201, RECORD))))
    assert (answer.status, answer.sent, answer.date) == (201, True, 1764598731.0)
    assert classify(answer, KEY, VALUE, now=0.0).remote_pk == 77


def test_a_path_in_the_address_is_kept() -> None:
    async def requests() -> list[Seen]:
        async with serving(always(http(201, RECORD))) as server:
            await upserted(server.url + "/omnitron/")
            return server.seen

    assert run(requests())[0].line.startswith("POST /omnitron/api/i1/product_stock/ ")


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.example",
        "ftp://127.0.0.1",
        "acme.example",
        "https://user:canary-token-f532e@acme.example",
        "https://acme.example/?x=1",
        "https://",
    ],
)
def test_an_address_that_is_not_safe_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        OmnitronClient(url, fixed, timeout=1.0, max_in_flight=1)
    assert CANARY not in str(caught.value)


# What left us and what did not


def test_a_refused_connection_was_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        answer = run(upserted(f"http://127.0.0.1:{taken.getsockname()[1]}"))
    assert (answer.status, answer.sent, answer.error) == (None, False, "refused")


def test_an_unknown_host_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    answer = run(upserted("https://omnitron.invalid"))
    assert (answer.sent, answer.error) == (False, "dns")


def test_a_failed_tls_handshake_was_not_sent() -> None:
    async def scene() -> Answer:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.write(b"HTTP/1.1 400 this is no TLS\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(talk, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            return await upserted(f"https://127.0.0.1:{port}")

    answer = run(scene())
    assert (answer.sent, answer.error) == (False, "tls")


def test_a_tls_handshake_that_never_ends_was_not_sent() -> None:
    async def scene() -> Answer:
        async with serving(always(b"")) as server:  # waits for a request that is no TLS hello
            return await upserted(server.url.replace("http:", "https:"), timeout=0.3)

    answer = run(scene())
    assert (answer.sent, answer.error) == (False, "connect_timeout")


def test_requests_beyond_the_connections_wait_their_turn() -> None:
    async def scene() -> list[Answer]:
        async with (
            serving(always(http(201, RECORD))) as server,
            client_of(server.url, max_in_flight=2) as client,
        ):
            return await asyncio.gather(*(client.upsert(KEY, VALUE) for _ in range(20)))

    assert {verdict(answer) for answer in run(scene())} == {AnswerClass.ACCEPTED}


def test_a_reset_after_the_body_left_is_in_doubt() -> None:
    async def reset(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    answer = run(answered(reset))
    assert (answer.status, answer.sent) == (None, True)
    assert answer.error in {"reset", "bad_http"}
    assert verdict(answer) is AnswerClass.IN_DOUBT


def test_a_connection_closed_without_an_answer_is_in_doubt() -> None:
    async def hang_up(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.close()

    answer = run(answered(hang_up))
    assert (answer.status, answer.sent, answer.error) == (None, True, "reset")


def test_a_kept_connection_that_the_server_closes_on_the_next_post_is_in_doubt() -> None:
    async def scene() -> tuple[Answer, int]:
        async def once(_: Seen, writer: asyncio.StreamWriter) -> bytes | None:
            if len(server.seen) == 1:
                return http(201, RECORD)
            writer.transport.abort()
            return None

        async with serving(once) as server, client_of(server.url, max_in_flight=1) as client:
            await client.upsert(KEY, VALUE)
            return await client.upsert(KEY, VALUE), len(server.seen)

    answer, requests = run(scene())
    assert (answer.sent, requests) == (True, 2)  # and it was not repeated behind our back


def test_a_kept_connection_that_was_closed_in_between_is_replaced() -> None:
    async def scene() -> Answer:
        async with (
            serving(always(http(201, RECORD))) as server,
            client_of(server.url, max_in_flight=1) as client,
        ):
            await client.upsert(KEY, VALUE)
            for writer in list(server.open):
                writer.close()
            await until(lambda: not server.open)
            return await client.upsert(KEY, VALUE)

    assert verdict(run(scene())) is AnswerClass.ACCEPTED


def trickle(first: bytes) -> Respond:
    async def respond(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while not writer.is_closing():
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.01)

    return respond


@pytest.mark.parametrize(
    "first",
    [b"HTTP/1.1 201 Created\r\nX-Slow: ", b"HTTP/1.1 201 Created\r\nContent-Length: 90000\r\n\r\n"],
    ids=["headers", "body"],
)
def test_a_trickled_answer_ends_at_the_deadline_in_doubt(first: bytes) -> None:
    answer = run(answered(trickle(first), timeout=1.0))
    assert (answer.status, answer.sent, answer.error) == (None, True, "read_timeout")


def test_a_cancelled_upsert_is_cancelled() -> None:
    async def scene() -> None:
        async with serving(trickle(b"HTTP/1.1 201 X\r\n")) as server:
            task = asyncio.create_task(upserted(server.url))
            await until(lambda: server.seen)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(scene())


# Bodies


def endless(head: bytes, chunk: bytes) -> Respond:
    async def respond(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(chunk)
            await writer.drain()

    return respond


def test_an_endless_body_is_cut_off() -> None:
    head = b"HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = run(answered(endless(head, b"10000\r\n" + b" " * 0x10000 + b"\r\n")))
    assert (answer.status, answer.is_json, answer.error) == (201, False, "unreadable_body")
    assert verdict(answer) is AnswerClass.IN_DOUBT


def test_a_gzip_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * (64 * 1024 * 1024), compresslevel=1)
    answer = run(answered(always(http(201, None, "Content-Encoding: gzip", raw=bomb))))
    assert (answer.status, answer.body, answer.error) == (201, None, "unreadable_body")


def test_a_compressed_answer_is_read() -> None:
    packed = gzip.compress(orjson.dumps(RECORD))
    answer = run(answered(always(http(201, None, "Content-Encoding: gzip", raw=packed))))
    assert verdict(answer) is AnswerClass.ACCEPTED


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>ok</html>",
        b'{"stock": NaN}',
        b'{"stock": 5',
        b"[" * 40 + b"]" * 40,
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_body_that_is_no_strict_json_is_no_proof(raw: bytes) -> None:
    answer = run(answered(always(http(201, raw=raw))))
    assert not answer.is_json
    assert verdict(answer) is AnswerClass.IN_DOUBT


def test_an_answer_that_is_no_http_is_in_doubt() -> None:
    answer = run(answered(always(b"hello\r\n\r\n")))
    assert (answer.status, answer.sent, answer.error) == (None, True, "bad_http")


def test_an_excerpt_says_nothing_that_omnitron_did_not_say() -> None:
    answer = run(answered(always(http(400, {"stock": ["too odd"]}))))
    assert answer.excerpt == '{"stock":["too odd"]}'


def test_an_excerpt_is_short_and_has_no_control_characters() -> None:
    answer = run(answered(always(http(502, raw=b"<h1>\x1b[31m\x00" + b"x" * 9000))))
    assert len(answer.excerpt) == 500
    assert answer.excerpt.isprintable()


# The token


class Gate:
    """A server that logs in, and accepts only the tokens that it has not revoked."""

    def __init__(self) -> None:
        self.good = ""
        self.logins = 0
        self.waiting = 0

    async def __call__(self, seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.is_login:
            self.logins += 1
            self.good = f"{CANARY}-{self.logins}"
            return http(200, {"key": self.good})
        if seen.headers.get("authorization") == f"Token {self.good}":
            return http(201, RECORD)
        return http(401, {"detail": "Invalid token."})


def password() -> Password:
    return Password("erp", CANARY_PASSWORD)


def test_a_login_sends_user_and_password_and_no_token() -> None:
    async def scene() -> Seen:
        async with serving(Gate()) as server:
            await upserted(server.url, credentials=password)
            return server.seen[0]

    seen = run(scene())
    assert seen.line == "POST /api/i1/auth/login/ HTTP/1.1"
    assert "authorization" not in seen.headers
    assert orjson.loads(seen.body) == {"username": "erp", "password": CANARY_PASSWORD}


def test_fifty_requests_share_the_first_login_and_the_renewal() -> None:
    async def scene() -> tuple[list[Answer], int]:
        gate = Gate()
        async with serving(gate) as server, client_of(server.url, password) as client:
            await asyncio.gather(*(client.upsert(KEY, VALUE) for _ in range(50)))
            gate.good = "revoked"
            answers = await asyncio.gather(*(client.upsert(KEY, VALUE) for _ in range(50)))
            return answers, gate.logins

    answers, logins = run(scene())
    assert {verdict(answer) for answer in answers} == {AnswerClass.ACCEPTED}
    assert logins == 2


def test_fifty_requests_share_a_login_that_fails() -> None:
    async def scene() -> tuple[list[Answer], int]:
        reply = always(http(400, {"non_field_errors": ["Unable to log in."]}))
        async with serving(reply) as server, client_of(server.url, password) as client:
            answers = await asyncio.gather(*(client.upsert(KEY, VALUE) for _ in range(50)))
            return answers, server.logins

    answers, logins = run(scene())
    assert {(answer.error, answer.sent) for answer in answers} == {("login_denied", False)}
    assert logins == 1


def test_a_second_401_is_denied() -> None:
    async def scene() -> tuple[Answer, Server]:
        async def never(seen: Seen, _: asyncio.StreamWriter) -> bytes:
            return http(200, {"key": "new"}) if seen.is_login else http(401, {"detail": "No."})

        async with serving(never) as server:
            return await upserted(server.url, credentials=password), server

    answer, server = run(scene())
    assert (answer.status, verdict(answer)) == (401, AnswerClass.DENIED)
    assert [seen.is_login for seen in server.seen] == [True, False, True, False]


def test_a_refused_fixed_token_is_denied_without_a_login() -> None:
    async def scene() -> tuple[Answer, Server]:
        async with serving(always(http(401))) as server:
            return await upserted(server.url), server

    answer, server = run(scene())
    assert (answer.error, verdict(answer)) == ("login_denied", AnswerClass.DENIED)
    assert len(server.seen) == 1


def test_a_fixed_token_that_was_replaced_is_read_again() -> None:
    async def scene() -> Answer:
        async def only_new(seen: Seen, _: asyncio.StreamWriter) -> bytes:
            is_new = seen.headers["authorization"] == "Token new"
            return http(201, RECORD) if is_new else http(401)

        tokens = iter(["old", "new"])
        async with serving(only_new) as server:
            return await upserted(server.url, credentials=lambda: FixedToken(next(tokens)))

    assert verdict(run(scene())) is AnswerClass.ACCEPTED


def test_a_login_waits_for_its_slot_without_a_request() -> None:
    async def scene() -> tuple[Answer, Server]:
        async def taken() -> float:
            return 6.2

        async with serving(Gate()) as server:
            return await upserted(server.url, credentials=password, on_login=taken), server

    answer, server = run(scene())
    assert (answer.error, answer.sent, answer.retry_after) == ("login_wait", False, "7")
    assert not server.seen


def test_a_throttled_login_throttles() -> None:
    answer = run(answered(always(http(429, None, "Retry-After: 9")), credentials=password))
    outcome = classify(answer, KEY, VALUE, now=0.0)
    assert (outcome.verdict, outcome.retry_after) == (AnswerClass.THROTTLED, 9.0)


def test_unreadable_credentials_are_denied() -> None:
    def missing() -> Password:
        raise FileNotFoundError("no such secret file")

    answer = run(answered(Gate(), credentials=missing))
    assert (answer.error, answer.sent) == ("credentials_unreadable", False)


@pytest.mark.parametrize("body", [{}, {"key": ""}, {"key": "a\r\nX-Evil: 1"}, {"key": 7}, []])
def test_a_login_without_a_usable_key_failed(body: Any) -> None:
    answer = run(answered(always(http(200, body)), credentials=password))
    assert (answer.error, verdict(answer)) == ("login_failed", AnswerClass.REMOTE_FAULT)


def test_the_deadline_includes_the_login() -> None:
    answer = run(answered(trickle(b"HTTP/1.1 200 X\r\nX: "), credentials=password, timeout=1.0))
    assert (answer.sent, verdict(answer)) == (False, AnswerClass.NOT_SENT)


# The token stays home


def test_a_redirect_is_not_followed() -> None:
    async def scene() -> tuple[Answer, Server]:
        async with serving(always(http(201, RECORD))) as other:
            headers = (f"Location: {other.url}/api/i1/product_stock/",)
            return await answered(always(http(307, None, *headers))), other

    answer, other = run(scene())
    assert (answer.status, verdict(answer)) == (307, AnswerClass.REMOTE_FAULT)
    assert not other.seen


def test_a_next_page_on_another_origin_is_flagged_and_never_asked() -> None:
    async def scene() -> tuple[Any, Server, Server]:
        async with serving(always(http(200, {"results": []}))) as other:
            page = {"count": 2, "next": f"{other.url}/?page=2", "results": [RECORD]}
            async with serving(always(http(200, page))) as server, client_of(server.url) as client:
                return await client.product_stocks(page=1, limit=1), server, other

    page, server, other = run(scene())
    assert (page.foreign_next, page.more, page.total) == (True, True, 2)
    assert server.seen[0].line.startswith("GET /api/i1/product_stock/?limit=1&page=1 ")
    assert not other.seen


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> tuple[Answer, Server]:
        async with serving(always(http(502))) as proxy:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url)
            return await answered(always(http(201, RECORD))), proxy

    answer, proxy = run(scene())
    assert answer.status == 201
    assert not proxy.seen


def test_cookies_are_not_kept() -> None:
    async def scene() -> list[Seen]:
        reply = always(http(201, RECORD, "Set-Cookie: session=1; Path=/"))
        async with serving(reply) as server, client_of(server.url) as client:
            await client.upsert(KEY, VALUE)
            await client.upsert(KEY, VALUE)
            return server.seen

    assert all("cookie" not in seen.headers for seen in run(scene()))


def test_no_secret_is_in_an_answer_a_repr_an_error_or_a_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def mirror(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        if seen.is_login:
            return http(200, {"key": CANARY})
        echo = {"detail": [seen.headers["authorization"], CANARY_PASSWORD], CANARY: "x"}
        return http(500 if "POST" in seen.line else 404, {"headers": seen.headers} | echo)

    async def scene() -> list[str]:
        async with serving(mirror) as server, client_of(server.url, password) as client:
            answer = await client.upsert(KEY, VALUE)
            with pytest.raises(OmnitronAnswerError) as caught:
                await client.product_stocks(page=1)
            parts = [client, *vars(client).values()]
            return [repr(answer), repr(caught.value), *map(repr, parts), repr(password())]

    caplog.set_level(logging.DEBUG)
    shown = "\n".join([*run(scene()), caplog.text])
    assert CANARY not in shown
    assert CANARY_PASSWORD not in shown


def test_a_short_secret_is_masked_where_it_is_a_word_of_its_own() -> None:
    redaction = Redaction()
    redaction.remember("sa")
    assert redaction.text("user sa, the same") == "user ***, the same"


def test_a_secret_in_an_accepted_record_is_masked_and_our_own_words_are_not() -> None:
    record = RECORD | {"unit_type": CANARY, "extra_field": {"authorization": CANARY}}
    answer = run(answered(always(http(201, record))))
    assert CANARY not in repr(answer)
    assert verdict(answer) is AnswerClass.ACCEPTED


def test_a_password_that_is_part_of_the_sku_or_a_field_name_spoils_no_proof() -> None:
    for secret in ("1234", "stock", "product_sku"):
        answer = run(answered(Gate(), credentials=lambda secret=secret: Password("erp", secret)))
        assert verdict(answer) is AnswerClass.ACCEPTED


def test_urls_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run(answered(always(http(201, RECORD))))
    assert "product_stock" not in caplog.text


# Reading back

FEED_RECORD = {
    "pk": 77,
    "product": 1,
    "unit_type": "qty",
    "stock": 5,
    "stock_list": 2,
    "modified_date": "2025-12-01T14:18:51.343Z",
}


def paged(*pages: list[Any]) -> Respond:
    async def respond(seen: Seen, _: asyncio.StreamWriter) -> bytes:
        number = int(seen.line.split("page=")[1].split()[0].split("&")[0])
        following = f"/?page={number + 1}" if number < len(pages) else None
        return http(200, {"count": 9, "next": following, "results": pages[number - 1]})

    return respond


async def read(respond: Respond, ask: Callable[[OmnitronClient], Awaitable[T]]) -> T:
    async with serving(respond) as server, client_of(server.url) as client:
        return await ask(client)


def test_stock_lists_of_all_pages_are_read() -> None:
    pages = paged([{"pk": 1, "name": "Main", "code": "WH-MAIN"}], [{"id": 2, "code": 7}, "odd"])
    lists = run(read(pages, lambda client: client.stock_lists()))
    assert lists == [
        StockList(pk=1, name="Main", code="WH-MAIN"),
        StockList(pk=2, name="", code="7"),
    ]


def test_reading_stops_at_a_page_that_repeats() -> None:
    body = {"count": 1, "next": "/?page=2", "results": [{"pk": 1, "name": "A", "code": ""}]}
    lists = run(read(always(http(200, body)), lambda client: client.stock_lists()))
    assert len(lists) == 1


def test_a_feed_is_a_bare_array_read_with_get_alone() -> None:
    async def scene() -> tuple[list[StockRecord], list[Seen], int]:
        reply = always(http(200, [FEED_RECORD, {"pk": "odd"}, None]))
        async with serving(reply) as server, client_of(server.url) as client:
            records = await client.feed(5, "extra_product_stocks", 3)
            return records, server.seen, client.oddities["unreadable_record"]

    records, (seen,), odd = run(scene())
    path = "/api/v1/channel/5/extra_product_stocks/inserts_or_updates/?limit=100&page=3"
    assert seen.line == f"GET {path} HTTP/1.1"
    assert records == [StockRecord(77, 2, 5, "qty", 1764598731.343)]
    assert odd == 2


def test_a_lookup_asks_by_pk_and_keeps_only_what_was_asked() -> None:
    async def scene() -> tuple[list[StockRecord], list[Seen], int]:
        pages = paged([FEED_RECORD, FEED_RECORD | {"pk": 5}], [FEED_RECORD | {"pk": 78}])
        async with serving(pages) as server, client_of(server.url) as client:
            records = await client.lookup(5, "product_stocks", [77, 78])
            return records, server.seen, client.oddities["foreign_record"]

    records, seen, foreign = run(scene())
    assert [record.pk for record in records] == [77, 78]
    assert "pk__in=77%2C78" in seen[0].line or "pk__in=77,78" in seen[0].line
    assert (len(seen), foreign) == (2, 1)


def test_a_lookup_of_too_many_is_a_defect() -> None:
    pks = range(1, LOOKUP_PKS + 2)
    with pytest.raises(ValueError, match="at most 50"):
        run(read(always(http(200)), lambda client: client.lookup(5, "product_stocks", pks)))


def test_a_channel_that_answers_404_does_not_exist() -> None:
    assert run(read(paged([]), lambda client: client.channel_exists(5)))
    assert not run(read(always(http(404)), lambda client: client.channel_exists(5)))


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (http(403), OmnitronDenied),
        (http(401), OmnitronDenied),
        (http(429, None, "Retry-After: 5"), OmnitronThrottled),
        (http(503, None, "Retry-After: 5"), OmnitronThrottled),
        (http(200, raw=b"<html>"), OmnitronAnswerError),
        (http(200, {"count": 1}), OmnitronAnswerError),
        (http(302, None, "Location: /"), OmnitronAnswerError),
        (http(404), OmnitronAnswerError),
        (http(500), OmnitronUnreachable),
    ],
)
def test_what_cannot_be_read_says_what_to_do(
    reply: bytes, error: type[OmnitronUnreachable]
) -> None:
    with pytest.raises(OmnitronUnreachable) as caught:
        run(read(always(reply), lambda client: client.product_stocks(page=1)))
    assert type(caught.value) is error
    assert caught.value.remedy
    assert getattr(caught.value, "retry_after", 5.0) == 5.0


def test_a_dead_host_is_unreachable() -> None:
    async def scene() -> None:
        async with client_of(f"http://127.0.0.1:{port}") as client:
            await client.sign_in()
            await client.stock_lists()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(OmnitronUnreachable, match="refuses connections"):
            run(scene())


def test_signing_in_raises_what_is_wrong_with_the_login() -> None:
    async def scene() -> None:
        async with (
            serving(always(http(400, {"non_field_errors": ["No."]}))) as server,
            client_of(server.url, password) as client,
        ):
            await client.sign_in()

    with pytest.raises(OmnitronDenied):
        run(scene())
