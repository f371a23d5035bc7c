"""The one place that builds collaborators out of the configuration.

A process imports what it builds, when it builds it: a command that only looks at the ledger waits
neither for the connectors nor for an HTTP client.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import asyncio
import getpass
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

import structlog
from sqlalchemy import make_url

from config.loading import Loaded, load
from config.logs import configure_logs
from config.plans import channel_plan, instance, source_plan, target_plan
from config.secret import mask_url
from config.settings import CsvSource, reads_warehouses
from connectors import fault
from worker.errors import UsageError
from worker.ledger import Ledger, channels, migrating, sources, target, waits
from worker.ledger.clock import SqliteClock
from worker.planning import limiter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sqlalchemy import Connection

    from config.redaction import Redaction
    from config.settings import Source, SqlSource
    from connectors.contract import Connector
    from connectors.csv_drop import CsvDrop
    from connectors.csv_drop.places import Place
    from connectors.sql_erp import SqlErp
    from worker.confirm import Watcher
    from worker.deliver import Courier
    from worker.model import ChannelPlan, Delivered, SourcePlan, TargetPlan
    from worker.omnitron.access import Credentials, LoginSlot
    from worker.omnitron.client import OmnitronClient
    from worker.pull import Turn

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(kw_only=True)
class Service:
    """Everything one process works with, made when first asked for, and for as long as it lives.

    stopped: says when to start nothing more (a signal came).
    """

    loaded: Loaded
    redaction: Redaction
    stopped: Callable[[], bool] = lambda: False
    _runners: dict[int, asyncio.Runner] = field(default_factory=dict)
    _clients: dict[int, OmnitronClient] = field(default_factory=dict)

    @cached_property
    def ledger(self) -> Ledger:
        """The local database, not yet looked at."""
        settings = self.loaded.settings
        url = make_url(settings.database_url)
        if settings.database_username is not None:
            url = url.set(username=settings.database_username)
        if settings.database_password is not None:
            url = url.set(password=settings.database_password.reveal())
        return Ledger(url)

    @property
    def instance(self) -> str:
        """The name that queues, broker keys and logs carry."""
        return instance(self.loaded.settings)

    @property
    def broker_place(self) -> str | None:
        """Where the configured broker is, without secrets; None: the embedded one."""
        url = self.loaded.settings.broker_url
        return None if url is None else mask_url(url.reveal())

    @cached_property
    def target(self) -> TargetPlan:
        """How Omnitron is written to."""
        return target_plan(self.loaded.settings)

    @cached_property
    def channels(self) -> list[ChannelPlan]:
        """The sales channels to watch."""
        return [channel_plan(channel) for channel in self.loaded.settings.channels]

    @cached_property
    def sources(self) -> dict[str, SourcePlan]:
        """What the pull step must know of each source, by name."""
        settings = self.loaded.settings
        return {source.name: source_plan(settings, source) for source in settings.sources}

    def source(self, name: str) -> SourcePlan:
        """The plan of one source. Raises UsageError for a name that is not configured."""
        if name not in self.sources:
            known = ", ".join(self.sources) or "none"
            raise UsageError(
                f"there is no source {name!r}", remedy=f"the configured ones are: {known}"
            )
        return self.sources[name]

    def connector(self, name: str) -> Connector:
        """A connector for one source."""
        self.source(name)
        source = next(s for s in self.loaded.settings.sources if s.name == name)
        return _connector(source, self.loaded.settings.timezone)

    def ready_ledger(self) -> Ledger:
        """The ledger, fit for this program, with today's sources and channels made known.

        Raises LedgerNotReady or LedgerUnreachable.
        """
        migrating.require(self.ledger)
        self.ledger.write(self._register)
        return self.ledger

    def _register(self, connection: Connection) -> None:
        target.read(connection, lock=True)  # in turn: of two that start at once, one would fail
        if self.ledger.sqlite:
            SqliteClock().anchor(connection)  # once per boot, so that all processes read one clock
        waits.keep_pace(connection, self.ledger.now)
        sources.register(connection, self.sources, now=self.ledger.now(connection))
        channels.register(connection, [channel.id for channel in self.channels])

    def turn(self, name: str, *, full: bool = False, actor: str | None = None) -> Turn:
        """One turn of a source."""
        from worker.pull import Turn

        return Turn(
            ledger=self.ledger,
            connector=self.connector(name),
            plan=self.source(name),
            full=full,
            actor=actor,
            min_free=self.loaded.settings.retention.min_free,
            stopped=self.stopped,
        )

    def courier(
        self, *, on_progress: Callable[[Delivered], None] = lambda _delivered: None
    ) -> Courier:
        """What delivers, on this process's one client."""
        from worker.deliver import Courier

        return Courier(
            ledger=self.ledger,
            client=self.client,
            plan=self.target,
            channels=self.channels,
            stopped=self.stopped,
            on_progress=on_progress,
        )

    def watcher(self) -> Watcher:
        """What confirms, on this process's one client."""
        from worker.confirm import Watcher

        return Watcher(
            ledger=self.ledger, client=self.client, plan=self.target, stopped=self.stopped
        )

    @property
    def client(self) -> OmnitronClient:
        """This process's one client; a forked child makes its own."""
        if os.getpid() not in self._clients:
            self._clients[os.getpid()] = self._connected(self._login_slot)
        return self._clients[os.getpid()]

    def lone_client(self) -> OmnitronClient:
        """A client that asks no ledger for its login, for `check` before there is a ledger.

        The caller closes it.
        """
        from worker.omnitron.access import always

        return self._connected(always)

    def _connected(self, on_login: LoginSlot) -> OmnitronClient:
        from worker.omnitron.client import OmnitronClient

        return OmnitronClient(
            self.target.base_url,
            self._credentials,
            timeout=self.target.timeout,
            max_in_flight=self.target.max_in_flight,
            on_login=on_login,
        )

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run a coroutine on this process's one event loop."""

        async def body() -> T:
            return await work()

        if os.getpid() not in self._runners:
            self._runners[os.getpid()] = asyncio.Runner(loop_factory=_loop_factory())
        return self._runners[os.getpid()].run(body())

    def close(self) -> None:
        """Give everything back that this process opened."""
        client = self._clients.pop(os.getpid(), None)
        if client is not None:
            self.run(client.aclose)
        runner = self._runners.pop(os.getpid(), None)
        if runner is not None:
            runner.close()
        self.ledger.close()

    def _credentials(self) -> Credentials:
        from worker.omnitron.access import FixedToken, Password

        omnitron = self.loaded.settings.omnitron
        if omnitron.token is not None:
            key = omnitron.token.reveal()
            self.redaction.add(key)
            return FixedToken(key)
        password = omnitron.password.reveal() if omnitron.password is not None else ""
        self.redaction.add(password)
        return Password(omnitron.username or "", password)

    async def _login_slot(self) -> float:
        return self.ledger.write(self._take_login_slot)

    def _take_login_slot(self, connection: Connection) -> float:
        row = target.read(connection, lock=True)
        after, wait = limiter.login_slot(row, now=self.ledger.now(connection))
        if not wait:
            target.save(connection, after)
        return wait


def build(
    config: Path | None,
    *,
    environ: Mapping[str, str] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Service:
    """Load the configuration, set up the logs, and make the service; opens nothing yet.

    Raises ConfigurationError with all mistakes.
    """
    environment = os.environ if environ is None else environ
    loaded = load(config, environment, Path.cwd())
    settings = loaded.settings
    redaction = configure_logs(
        settings.log.level,
        settings.log.format,
        instance=instance(settings),
        zone=settings.zone,
        secrets=loaded.secrets(),
    )
    _arm(environment.get("STOCKSYNC_FAULT"))
    return Service(loaded=loaded, redaction=redaction, stopped=stopped)


def _arm(order: str | None) -> None:
    """Let a test kill this process at a crash point; see CONTRIBUTING."""
    if not order:
        return
    try:
        fault.arm(fault.Order.from_text(order))
    except ValueError as error:
        raise UsageError(
            str(error),
            remedy="unset STOCKSYNC_FAULT; it is for tests alone",
            place="environment STOCKSYNC_FAULT",
        ) from error
    log.warning("fault_armed", order=order, remedy="unset STOCKSYNC_FAULT unless this is a test")


def actor(environ: Mapping[str, str] | None = None) -> str:
    """Who acts: STOCKSYNC_ACTOR, else SUDO_USER, else the login name."""
    environment = os.environ if environ is None else environ
    named = environment.get("STOCKSYNC_ACTOR") or environment.get("SUDO_USER")
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def _connector(source: Source, timezone: str) -> Connector:
    if isinstance(source, CsvSource):
        return _csv_drop(source, timezone)
    return _sql_erp(source, timezone)


def _csv_drop(source: CsvSource, timezone: str) -> CsvDrop:
    from connectors import csv_drop as csv

    return csv.CsvDrop(
        csv.CsvOptions(
            path=_place(source),
            columns=csv.CsvColumns(**dict(source.columns)),
            mode=source.mode,
            pattern=source.pattern,
            ready=csv.Ready(source.ready),
            stable_for=source.stable_for,
            trailer=source.trailer,
            final_newline=csv.FinalNewline(source.final_newline),
            format=csv.CsvFormat(
                **{**dict(source.format), "empty": csv.Empty(source.format.empty)}
            ),
            skip_rows_where=tuple(csv.Skip(**dict(skip)) for skip in source.skip_rows_where),
            full_pattern=source.full_pattern,
            order=csv.OrderBy(source.order),
            name_time=source.name_time,
            timezone=timezone,
            after=csv.After(source.after),
        )
    )


def _place(source: CsvSource) -> Place:
    """Where the files of a source are."""
    if isinstance(source.path, Path):
        return source.path
    from connectors.csv_drop.places import SSH_PORT, FsspecPlace, SftpPlace

    if not source.path.lower().startswith("sftp://"):
        return FsspecPlace(
            url=source.path,
            username=source.username or "",
            password=source.password.reveal if source.password else None,
            options=source.storage_options,
        )
    address = urlsplit(source.path)
    return SftpPlace(
        host=address.hostname or "",
        port=address.port or SSH_PORT,
        path=unquote(address.path),
        username=source.username or "",
        password=source.password.reveal if source.password else None,
        key_file=source.key_file,
        known_hosts=source.known_hosts,
    )


def _sql_erp(source: SqlSource, timezone: str) -> SqlErp:
    from connectors import presets
    from connectors import sql_erp as sql

    preset = presets.load(source.preset) if source.preset else None
    return sql.SqlErp(
        sql.SqlOptions(
            name=source.name,
            url=source.url,
            query=source.query,
            username=source.username,
            password=source.password.reveal if source.password else None,
            cursor_type=sql.CursorType(source.cursor_type),
            start=source.start,
            overlap=source.overlap,
            timezone=source.timezone or timezone,
            full_query=source.full_query,
            isolation=sql.Isolation(source.isolation) if source.isolation else None,
            cannot_see=preset.cannot_see if preset else (),
            warehouses=reads_warehouses(source),
            units=bool(source.units),
        )
    )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
