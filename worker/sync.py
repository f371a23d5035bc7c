"""The whole job once, in this process, with no broker: pull, deliver until nothing is due, confirm.

Shares the ledger's limiter and leases with a service that may run beside it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from worker.deliver import require_address
from worker.errors import ExitCode, OmnitronLoginWaits, OmnitronUnreachable, WrongTarget
from worker.ledger import levels, lists
from worker.ledger.clock import boottime
from worker.model import Delivered
from worker.pull import PullReport, read_soon, still_held
from worker.pull.lease import SourceBusy, SourcePaused
from worker.zeroing import zero_unread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from connectors.contract import Waiting
    from worker.bootstrap import Service
    from worker.confirm import Confirmed
    from worker.deliver import Courier, Run
    from worker.model import ChannelPlan

log = structlog.get_logger(__name__)

_NOTICE = 0.2
"""Seconds after which a wait looks whether it is still wanted."""


PAUSED, BUSY = "paused", "busy"
"""How a source fared that was not read: a person has paused it, or another process reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a sync did.

    left: levels that still must go. errors: why Omnitron could not be used. not_ready: what the
    sources do not offer yet.
    """

    pulls: Sequence[PullReport] = ()
    delivered: Delivered = field(default_factory=Delivered)
    confirmed: int = 0
    held: int = 0
    left: bool = False
    reason: str = ""
    errors: Sequence[OmnitronUnreachable] = ()
    not_ready: Sequence[Waiting] = ()

    @property
    def exit_code(self) -> ExitCode:
        """What this run ends with."""
        codes = [pull.exit_code for pull in self.pulls]
        passed_over = any(pull.status == PAUSED for pull in self.pulls)
        if self.delivered.for_people or self.held or passed_over:
            codes.append(ExitCode.ATTENTION)
        if self.left or self.errors:
            codes.append(ExitCode.UNREACHABLE)
        return ExitCode.worst(*codes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One sync. patience: seconds to wait in all for a paused target and for keys at rest."""

    service: Service
    names: Sequence[str]
    full: bool = False
    patience: float = 60.0
    wait_confirm: float = 0.0
    on_pull: Callable[[str, int], None] = lambda _label, _rows: None
    on_deliver: Callable[[Delivered], None] = lambda _delivered: None

    def run(self) -> SyncReport:
        """Do it. Raises UsageError, WrongTarget, LedgerUnreachable; all else is in the report."""
        for name in self.names:
            self.service.source(name)
        return self.service.run(self._run)

    async def _run(self) -> SyncReport:
        errors: list[OmnitronUnreachable] = []
        usable = await self._prepared(errors)
        not_ready: list[Waiting] = []
        pulled = [report for name in self.names for report in self._pull(name, not_ready)]
        self._zero_unread()
        delivered, left, reason = Delivered(), self._anything_due(), ""
        if (usable or self._is_ours()) and self.service.target.writes:
            delivered, left, reason = await self._deliver()
        if delivered.sent and not left:  # it came back while we waited
            usable = True
            errors.clear()
        confirmed = await self._confirm(errors) if usable else 0
        return SyncReport(
            pulls=pulled,
            delivered=delivered,
            confirmed=confirmed,
            held=sum(report.status == "held" for report in pulled),
            left=left and self.service.target.writes,
            reason=reason,
            errors=errors,
            not_ready=not_ready,
        )

    def _zero_unread(self) -> None:
        """Take to zero what was not read for too long, for those who never run the upkeep."""
        plans = {name: self.service.source(name) for name in self.names}
        zero_unread(self.service.ledger, plans, stopped=self.service.stopped)

    def _is_ours(self) -> bool:
        """Whether levels may go to the configured Omnitron as soon as it can be reached."""
        try:
            require_target(self.service)
        except WrongTarget:
            return False
        return True

    async def _prepared(self, errors: list[OmnitronUnreachable]) -> bool:
        """Sign in, learn the stock lists, make sure that it is our Omnitron."""
        try:
            await prepare(self.service, patience=self.patience)
        except WrongTarget:
            raise
        except OmnitronUnreachable as error:
            errors.append(error)
            return False
        return True

    def _pull(self, name: str, not_ready: list[Waiting]) -> list[PullReport]:
        turn = self.service.turn(name, full=self.full)
        try:
            read = read_soon(replace(turn, on_progress=self.on_pull), patience=self.patience)
            not_ready += read.waiting
            return read.pulls + still_held(self.service.ledger, name, read.pulls)
        except SourcePaused as error:
            reason = f"nothing was read: {error.message}; {error.remedy}"
            return [PullReport(source=name, label="", status=PAUSED, reason=reason)]
        except SourceBusy as error:
            return [PullReport(source=name, label="", status=BUSY, reason=error.message)]

    async def _deliver(self) -> tuple[Delivered, bool, str]:
        courier = self.service.courier(on_progress=self.on_deliver)
        return await drain(courier, patience=self.patience)

    async def _confirm(self, errors: list[OmnitronUnreachable]) -> int:
        total, until = 0, boottime() + self.wait_confirm
        while True:
            found = [await self._poll(channel) for channel in self.service.channels]
            total += sum(one.confirmed for one in found if one is not None)
            unreadable = [one.error for one in found if one is not None and one.error is not None]
            waiting = sum(one.waiting for one in found if one is not None)
            if unreadable or not waiting or boottime() >= until or self.service.stopped():
                errors += unreadable
                return total
            await asyncio.sleep(min(0.5, max(until - boottime(), 0.0)))

    async def _poll(self, channel: ChannelPlan) -> Confirmed | None:
        return await self.service.watcher().poll(channel, force=True)

    def _anything_due(self) -> bool:
        with self.service.ledger.read() as connection:
            return levels.any_due(connection)


async def drain(courier: Courier, *, patience: float) -> tuple[Delivered, bool, str]:
    """Deliver until nothing is due, waiting at most ``patience`` seconds in all.

    Returns what was delivered, with the levels that wait at the end, whether any are left, and
    why.
    """
    total, waited = Delivered(), 0.0
    while True:
        run: Run = await courier.run(seconds=5.0)
        total += run.delivered
        left = run.wait is not None
        if run.wait is None or courier.stopped() or waited + run.wait > patience:
            return replace(total, waiting=_waiting(courier)), left, run.reason
        waited += run.wait
        await _rest(run.wait, stopped=courier.stopped)


def _waiting(courier: Courier) -> int:
    with courier.ledger.read() as connection:
        return levels.unsent_count(connection)


async def _rest(seconds: float, *, stopped: Callable[[], bool]) -> None:
    """Wait, but notice soon that a signal came."""
    until = boottime() + seconds
    while not stopped() and (ahead := until - boottime()) > 0:  # noqa: ASYNC110 - a signal sets it
        await asyncio.sleep(min(ahead, _NOTICE))


async def prepare(service: Service, *, patience: float = 0.0) -> None:
    """Sign in, see that the ledger belongs to this Omnitron, and learn its stock lists.

    patience: seconds to wait at most for our turn to log in, after other processes.
    Lists that cannot be read now only delay warehouses that are looked up by code. Raises
    WrongTarget (before the first write) or an OmnitronUnreachable.
    """
    await _sign_in(service, until=boottime() + patience)
    require_target(service)
    try:
        found = await service.client.stock_lists()
    except OmnitronUnreachable as error:
        log.warning("stock_lists_unread", reason=error.message)
        return

    def keep(connection: Connection) -> None:
        lists.seen(connection, found, now=service.ledger.now(connection))

    service.ledger.write(keep)


async def _sign_in(service: Service, *, until: float) -> None:
    while True:
        try:
            return await service.client.sign_in()
        except OmnitronLoginWaits as error:
            if service.stopped() or boottime() + error.seconds > until:
                raise
            await _rest(error.seconds, stopped=service.stopped)


def require_target(service: Service) -> None:
    """Raise WrongTarget where this ledger has sent to another Omnitron than the configured one."""
    with service.ledger.read() as connection:
        require_address(connection, service.target.base_url)
