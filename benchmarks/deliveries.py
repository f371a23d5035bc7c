"""The whole deliver step beside a bare client that posts the same bodies to the same server."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
import requests
import uvloop

from benchmarks.measuring import Child, Sample, measured
from benchmarks.omnitron import UPSERT_PATH, running
from benchmarks.services import STOCK_LIST, service
from worker.ledger import bulk, schema
from worker.model import Key, Value
from worker.planning.levels import Level, created

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

IN_FLIGHT = 32
_HEADERS = {"Authorization": "Token benchmark", "Content-Type": "application/json"}
_DUE_AGAIN = "UPDATE level SET revision = revision + 1, stock = (stock + 1) % 1000, due_since = 1"


@contextmanager
def whole_step(*, omnitron: str, ledger: str, items: int) -> Iterator[Callable[[], Sample]]:
    """Make a contender: claim, send, record, with one channel that expects every level."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        made = service(Path(folder), omnitron=omnitron, ledger=ledger)
        made.ledger.write(lambda connection: fill(connection, items))

        def deliver() -> Sample:
            made.ledger.write(make_due)
            with measured(items) as found:
                run = made.run(lambda: made.courier().run(seconds=600))
            if run.delivered.sent != items:
                raise RuntimeError(f"unexpected: {run}")
            return found[0]

        yield deliver
        made.close()


def fill(connection: Connection, items: int) -> None:
    """Write levels into an empty ledger, in sync."""
    rows = [
        created(Key(STOCK_LIST, f"SKU-{n:09}"), Value(n % 97), source_id=1, pull_id=1, now=1.0)
        for n in range(items)
    ]
    in_sync = [row._replace(sent_revision=1, sent_stock=row.stock) for row in rows]
    bulk.insert(connection, schema.level, Level._fields, in_sync)


def make_due(connection: Connection) -> None:
    """Let every level change, so that all must go."""
    connection.exec_driver_sql(
        _DUE_AGAIN.replace("%", "%%") if _is_postgres(connection) else _DUE_AGAIN
    )


def _is_postgres(connection: Connection) -> bool:
    return connection.dialect.name == "postgresql"


def bodies(items: int) -> list[bytes]:
    """What a script would post."""
    rows = (
        {"product_sku": f"SKU-{n:09}", "stock_list": STOCK_LIST, "stock": n % 97}
        for n in range(items)
    )
    return list(map(orjson.dumps, rows))


@contextmanager
def plain_aiohttp(*, omnitron: str, items: int) -> Iterator[Callable[[], Sample]]:
    """Make a contender: aiohttp on uvloop, as many in flight as the whole step has."""

    async def post_all(left: Any) -> None:
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
        async with aiohttp.ClientSession(connector=connector, headers=_HEADERS) as session:

            async def sender() -> None:
                for body in left:
                    async with session.post(omnitron + UPSERT_PATH, data=body) as answer:
                        await answer.read()

            await asyncio.gather(*(sender() for _ in range(IN_FLIGHT)))

    def deliver() -> Sample:
        left = iter(bodies(items))
        with measured(items) as found:
            uvloop.run(post_all(left))
        return found[0]

    yield deliver


@contextmanager
def requests_loop(*, omnitron: str, items: int) -> Iterator[Callable[[], Sample]]:
    """Make a contender: one `requests` session in a loop, as most integration scripts do it."""

    def deliver() -> Sample:
        with measured(items) as found, requests.Session() as session:
            session.trust_env = False
            for body in bodies(items):
                session.post(omnitron + UPSERT_PATH, data=body, headers=_HEADERS).json()
        return found[0]

    yield deliver


def measure(*, items: int, rounds: int, postgres: str | None) -> dict[str, list[Sample]]:
    """All figures by name, interleaved, one sample a round; the first round is not counted."""
    with running() as omnitron:
        few = max(items // 5, 200)
        contenders = {
            "deliver, SQLite": Child(whole_step, omnitron=omnitron, ledger="", items=items),
            "plain aiohttp": Child(plain_aiohttp, omnitron=omnitron, items=items),
            "requests in a loop": Child(requests_loop, omnitron=omnitron, items=few),
        }
        if postgres is not None:
            contenders["deliver, PostgreSQL"] = Child(
                whole_step, omnitron=omnitron, ledger=postgres, items=items
            )
        found: dict[str, list[Sample]] = {name: [] for name in contenders}
        for number in range(rounds + 1):
            for name, child in contenders.items():
                sample = child.sample()
                if number:
                    found[name].append(sample)
        for child in contenders.values():
            child.close()
    return found
