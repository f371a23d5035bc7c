"""What `stocksync check` looks at, one finding after the other. Changes nothing anywhere.

The only thing that it leaves behind is a used login slot, as every login does.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.csv_drop import CsvDrop, Ready
from connectors.csv_drop.strays import strays
from worker.errors import (
    ExitCode,
    LedgerNotReady,
    LedgerUnreachable,
    OmnitronDenied,
    OmnitronLoginWaits,
    OmnitronUnreachable,
    StocksyncError,
)
from worker.ledger import database, migrating
from worker.ledger.status import standing
from worker.planning.standing import concerns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from worker.bootstrap import Service
    from worker.model import StockList
    from worker.omnitron.client import OmnitronClient
    from worker.planning.standing import Standing

OK, WARNING, ERROR = "ok", "warning", "error"
_BROKER_SECONDS = 5.0
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `check`. level: ok, warning or error; code: what it ends the command with."""

    subject: str
    message: str
    level: str = OK
    remedy: str = ""
    code: ExitCode = ExitCode.OK


async def check(service: Service, *, offline: bool) -> AsyncIterator[Finding]:
    """Look at everything; ``offline``: at nothing beyond this machine's files and the ledger."""
    for finding in (*_configuration(service), *_ledger(service)):
        yield finding
    if offline:
        for finding in _folders(service):
            yield finding
    else:
        yield await _broker(service)
        for finding in _sources(service):
            yield finding
        async for finding in _omnitron(service):
            yield finding
    for finding in (*_strays(service), *_state(service)):
        yield finding


def _configuration(service: Service) -> Iterator[Finding]:
    loaded = service.loaded
    place = str(loaded.path) if loaded.path else "the environment alone"
    count = len(loaded.settings.sources)
    sources = "1 source" if count == 1 else f"{count} sources"
    yield Finding(subject="configuration", message=f"{place}: {sources}")
    for warning in loaded.warnings:
        yield Finding(
            subject="configuration",
            level=WARNING,
            message=f"{warning.place}: {warning.message}",
            remedy=warning.remedy,
        )
    if not count:
        yield Finding(
            subject="configuration",
            level=WARNING,
            message="no source is configured, so there is nothing to read",
            remedy="add one under [[sources]]; stocksync init shows how",
        )


def _ledger(service: Service) -> Iterator[Finding]:
    ledger = service.ledger
    share = None if ledger.path is None else database.network_filesystem(ledger.path.parent)
    if share is not None:
        yield Finding(
            subject="ledger",
            level=ERROR,
            message=f"{ledger.place} is on a network share ({share}), where SQLite cannot lock",
            remedy="use a local folder, or PostgreSQL",
            code=ExitCode.USAGE,
        )
    try:
        migrating.require(ledger)
    except (LedgerNotReady, LedgerUnreachable) as error:
        yield _wrong("ledger", error)
        return
    yield Finding(subject="ledger", message=f"{ledger.place}, version {migrating.wanted()}")
    if ledger.sqlite:
        yield _journal()


def _journal() -> Finding:
    version = ".".join(map(str, database.sqlite_version()))
    if database.wal_is_safe():
        return Finding(subject="ledger", message=f"SQLite {version} with a write-ahead log")
    wanted = ".".join(map(str, database.WAL_SAFE))
    return Finding(
        subject="ledger",
        level=WARNING,
        message=f"SQLite {version} with a rollback journal: right, but readers and writers wait",
        remedy=f"SQLite {wanted} or newer (the pysqlite3 wheel), or PostgreSQL",
    )


async def _broker(service: Service) -> Finding:
    secret = service.loaded.settings.broker_url
    if secret is None:
        return Finding(subject="broker", message="embedded: stocksync run starts it")
    from redis import Redis, RedisError  # noqa: PLC0415 - as above

    url = secret.reveal()
    service.redaction.add(url)
    place = service.broker_place
    options: dict[str, Any] = {
        "socket_timeout": _BROKER_SECONDS,
        "socket_connect_timeout": _BROKER_SECONDS,
    }
    try:
        with Redis.from_url(url.replace("redis+socket://", "unix://", 1), **options) as broker:
            broker.ping()
    except (RedisError, OSError, ValueError) as error:
        return Finding(
            subject="broker",
            level=ERROR,
            message=f"{place} does not answer ({type(error).__name__})",
            remedy="start it, or correct broker_url; left out, the embedded broker is used",
            code=ExitCode.UNREACHABLE,
        )
    return Finding(subject="broker", message=f"{place} answers")


def _folders(service: Service) -> Iterator[Finding]:
    for source in service.loaded.settings.sources:
        path = getattr(source, "path", None)
        if not isinstance(path, Path):  # of a remote folder, its connector says all
            continue
        subject = f"source {source.name}"
        if path.is_dir() and os.access(path, os.R_OK | os.W_OK | os.X_OK):
            yield Finding(subject=subject, message=f"the folder {path} can be read and written to")
        else:
            yield Finding(
                subject=subject,
                level=ERROR,
                message=f"the folder {path} is not there, or may not be read and written to",
                remedy="create it, or give this user the right to read and write there",
                code=ExitCode.UNREACHABLE,
            )


def _sources(service: Service) -> Iterator[Finding]:
    for name in service.sources:
        for found in service.connector(name).check():
            yield Finding(
                subject=f"source {name}",
                level=found.level,
                message=found.message,
                remedy=found.remedy,
                code=ExitCode.UNREACHABLE if found.level == ERROR else ExitCode.OK,
            )


def _strays(service: Service) -> Iterator[Finding]:
    """Name the files in drop folders that no source reads."""
    connectors = {name: service.connector(name) for name in service.sources}
    drops = {name: c.options for name, c in connectors.items() if isinstance(c, CsvDrop)}
    folders = dict.fromkeys(options.path for options in drops.values())
    for path in (folder for folder in folders if isinstance(folder, Path)):
        here = {name: options for name, options in drops.items() if options.path == path}
        patterns = [pattern for options in here.values() for pattern in options.patterns]
        marked = any(options.ready is Ready.MARKER for options in here.values())
        names = strays(path, patterns, markers=marked)
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            yield Finding(
                subject="source " + ", ".join(here),
                level=WARNING,
                message=f"no source reads {', '.join(names[:_NAMED])}{more} in {path}",
                remedy="correct pattern or full_pattern, or take the files away",
            )


async def _omnitron(service: Service) -> AsyncIterator[Finding]:
    client, lone = _client(service)
    try:
        try:
            await _sign_in(client)
        except OmnitronUnreachable as error:
            yield _wrong("omnitron", error)
            return
        yield Finding(subject="omnitron", message=f"signed in at {service.target.base_url}")
        async for finding in _stock_lists(service, client):
            yield finding
        async for finding in _channels(service, client):
            yield finding
    finally:
        if lone:
            await client.aclose()


async def _sign_in(client: OmnitronClient) -> None:
    try:
        await client.sign_in()
    except OmnitronLoginWaits as turn:  # seconds: other commands came just before
        await asyncio.sleep(turn.seconds)
        await client.sign_in()


def _client(service: Service) -> tuple[OmnitronClient, bool]:
    """The process's client, or, before there is a ledger to ask for the login, one of its own."""
    try:
        migrating.require(service.ledger)
    except StocksyncError:
        return service.lone_client(), True
    return service.client, False


async def _stock_lists(service: Service, client: OmnitronClient) -> AsyncIterator[Finding]:
    try:
        known = await client.stock_lists()
    except OmnitronUnreachable as error:
        yield _wrong("stock lists", error)
        return
    for finding in _lists_compared(service, {each.pk: each for each in known}):
        yield finding


def _lists_compared(service: Service, known: dict[int, StockList]) -> Iterator[Finding]:
    there = ", ".join(f"{each.pk} {each.name!r}" for each in known.values()) or "none"
    for number, places in sorted(_wanted_lists(service).items()):
        named = " and ".join(places)
        if number in known:
            each = known[number]
            message = f"{number} is {each.name!r} with the code {each.code!r} ({named})"
            yield Finding(subject="stock lists", message=message)
        else:
            yield Finding(
                subject="stock lists",
                level=ERROR,
                message=f"{number} ({named}) is not in Omnitron, which has: {there}",
                remedy="correct the number, or create the list in Omnitron",
                code=ExitCode.USAGE,
            )
    if any(plan.stock_list is None for plan in service.sources.values()):
        codes = sorted(each.code for each in known.values() if each.code)
        message = f"warehouses that name a list by its code: {', '.join(codes) or 'none'}"
        yield Finding(subject="stock lists", message=message)


def _wanted_lists(service: Service) -> dict[int, list[str]]:
    """Every stock list that the configuration names, with where it does."""
    settings = service.loaded.settings
    named: dict[int, list[str]] = {}
    for code, number in settings.stock_lists.items():
        named.setdefault(number, []).append(f"stock_lists.{code}")
    for source in settings.sources:
        if source.stock_list is not None:
            named.setdefault(source.stock_list, []).append(f"sources.{source.name}")
    for channel in settings.channels:
        for number in channel.stock_lists:
            named.setdefault(number, []).append(f"channels.{channel.id}")
    return named


async def _channels(service: Service, client: OmnitronClient) -> AsyncIterator[Finding]:
    if not service.channels:
        yield Finding(
            subject="channels",
            level=WARNING,
            message="no channel is configured, so nothing is ever confirmed",
            remedy="add one under [[channels]]",
        )
    for channel in service.channels:
        try:
            there = await client.channel_exists(channel.id)
        except OmnitronUnreachable as error:
            yield _wrong(f"channel {channel.id}", error)
            continue
        if there:
            yield Finding(subject=f"channel {channel.id}", message="can be read")
        else:
            yield Finding(
                subject=f"channel {channel.id}",
                level=ERROR,
                message="is not in Omnitron, or is not shown to our user",
                remedy="correct channels.id, or give our user the right to read it",
                code=ExitCode.USAGE,
            )


def _state(service: Service) -> Iterable[Finding]:
    """What the ledger knows to be wrong; see `stocksync status`."""
    ledger = service.ledger
    try:
        migrating.require(ledger)
        with ledger.read() as connection:
            now = ledger.now(connection)
            found = standing(connection, service.sources, plan=service.target, now=now)
    except StocksyncError:
        return []  # it was said above
    worries = [
        Finding(
            subject="state",
            level=WARNING if worry.code is ExitCode.ATTENTION else ERROR,
            message=worry.message,
            remedy=worry.remedy,
            code=worry.code,
        )
        for worry in concerns(found, base_url=service.target.base_url)
    ]
    return [*worries, *_new_rules(found)]


def _new_rules(found: Standing) -> Iterator[Finding]:
    """They heal by themselves, and may hold a pull."""
    for source in found.sources:
        for message, remedy in source.new_rules:
            yield Finding(
                subject=f"source {source.name}",
                level=WARNING,
                message=message,
                remedy=remedy.replace("NAME", source.name),
            )


def _wrong(subject: str, error: StocksyncError) -> Finding:
    remedy = error.remedy
    if isinstance(error, OmnitronDenied) and not remedy:
        remedy = "see omnitron.username and its password, and the rights of that user"
    return Finding(
        subject=subject, level=ERROR, message=error.message, remedy=remedy, code=error.exit_code
    )
