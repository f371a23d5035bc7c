"""The deliver step: ledger → Omnitron. Claim, send, record; no transaction is open while sending.

What is sent is what the claiming statement returned, held in memory and never older than its
lease. No request starts that could outlive it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from connectors.fault import Point, point
from worker.ledger import batches, channels, confirmations, failures, levels, lists, sources, target
from worker.ledger.batches import Line
from worker.ledger.clock import boottime
from worker.ledger.confirmations import Accepted
from worker.ledger.failures import NewFailure, identity_of
from worker.model import (
    AnswerClass,
    BatchStatus,
    Claimed,
    Delivered,
    FailureKind,
    LineOutcome,
    Outcome,
)
from worker.planning import delivery, limiter
from worker.planning.answers import classify
from worker.planning.levels import expired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.model import ChannelPlan, TargetPlan
    from worker.omnitron.client import OmnitronClient
    from worker.planning.delivery import Settled, Watch
    from worker.planning.limiter import Target

log = structlog.get_logger(__name__)

LEASE_LOST = "lease_lost"
_MARGIN = 5.0
_TICK = 0.001
_GLANCE = 0.5
_MAY_HAVE_WRITTEN = {AnswerClass.ACCEPTED, AnswerClass.IN_DOUBT}
_TURN_AHEAD = 2.0
"""A claim whose first slot is further ahead than this is left to a later turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """One claimed batch: what to send, when the first slot is, and until when to start."""

    batch_id: int
    token: str
    lines: Sequence[Claimed]
    first_slot: float
    interval: float
    start_until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How a deliver run ended. wait: seconds until there is anything to do, None: nothing left."""

    delivered: Delivered = field(default_factory=Delivered)
    wait: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """What delivering works with. stopped: says when to start nothing more."""

    ledger: Ledger
    client: OmnitronClient
    plan: TargetPlan
    channels: Sequence[ChannelPlan]
    stopped: Callable[[], bool] = lambda: False
    on_progress: Callable[[Delivered], None] = lambda _delivered: None

    @property
    def lease(self) -> float:
        """Seconds that a claim holds: a slice of sending, one request, and some air."""
        return 3 * self.plan.timeout + limiter.SLICE_SECONDS + 2 * _MARGIN

    async def run(self, *, seconds: float) -> Run:
        """Deliver what is due, batch by batch, for about ``seconds``.

        Returns early where nothing is due or the target is paused; nobody sits blocked.
        """
        total, until, watch = Delivered(), boottime() + seconds, None
        while not self.stopped():
            claimed = self.claim()
            if not isinstance(claimed, Slip):
                return Run(delivered=total, wait=claimed[0], reason=claimed[1])
            point(Point.CLAIMED)
            watch = delivery.Watch(after=watch)
            total += await self._deliver(claimed, watch)
            self.on_progress(total)
            if boottime() >= until:
                break
        return Run(delivered=total, wait=0.0)

    def claim(self) -> Slip | tuple[float | None, str]:
        """Claim the next batch, or say how long there is nothing to do, and why."""
        token, before = uuid.uuid4().hex, boottime()
        return self.ledger.write(lambda connection: self._claim(connection, token, before))

    def _claim(
        self, connection: Connection, token: str, before: float
    ) -> Slip | tuple[float | None, str]:
        now = self.ledger.now(connection)
        expire(connection, settle=self.plan.settle, longest=10 * self.lease, now=now)
        row = limiter.recovered(target.read(connection, lock=True), plan=self.plan, now=now)
        closed = limiter.closed_for(row, now=now)
        if closed > 0:
            return (closed, row.reason or row.state) if levels.any_due(connection) else (None, "")
        if not self.plan.writes:
            return None, 'writes = "off"'
        if row.next_free - now > _TURN_AHEAD:
            return row.next_free - now - _TURN_AHEAD, "other processes use up the rate"
        batch_id = batches.open_batch(
            connection, token=token, worker=worker_name(), now=now, lease_until=now + self.lease
        )
        ticket = levels.Ticket(
            token=token,
            batch_id=batch_id,
            until=now + self.lease,
            raises=row.raises_paused_until <= now,
        )
        lines = levels.claim(connection, ticket, limit=limiter.slice_of(row), now=now)
        if not lines:
            batches.drop(connection, batch_id)
            return self._rest(connection, row, now)
        batches.add_lines(connection, batch_id, lines)
        probes = limiter.slice_of(row) == 1 and row.state != "up"
        row, start = limiter.reserved(row, count=len(lines), now=now)
        if probes:
            row = limiter.probing(row, now=now, lease=self.lease)
        target.save(connection, row)
        return Slip(
            batch_id=batch_id,
            token=token,
            lines=sorted(lines, key=lambda line: line.rank),
            first_slot=boottime() + start - now,
            interval=1.0 / row.rate,
            start_until=before + self.lease - self.plan.timeout - _MARGIN,
        )

    def _rest(self, connection: Connection, row: Target, now: float) -> tuple[float | None, str]:
        moment = levels.next_moment(connection)
        if moment is None:
            return None, ""
        if moment <= now < row.raises_paused_until:
            return row.raises_paused_until - now, "increases are paused"
        return max(moment - now, 0.5), "keys rest after an outcome in doubt, or their list does"

    async def _deliver(self, slip: Slip, watch: Watch) -> Delivered:
        answers = await self._send(slip, watch)
        return self.ledger.write(lambda tx: self._record(tx, slip, answers, watch))

    async def _send(self, slip: Slip, watch: Watch) -> dict[Claimed, Outcome]:
        answers: dict[Claimed, Outcome] = {}
        numbered = iter(enumerate(slip.lines))
        senders = min(self.plan.max_in_flight, len(slip.lines))
        await asyncio.gather(
            *(self._sender(slip, numbered, watch, answers) for _ in range(senders))
        )
        return answers

    async def _sender(
        self,
        slip: Slip,
        numbered: Iterator[tuple[int, Claimed]],
        watch: Watch,
        answers: dict[Claimed, Outcome],
    ) -> None:
        for number, line in numbered:
            await self._until(slip.first_slot + number * slip.interval, watch)
            if watch.stopped or self.stopped() or boottime() > slip.start_until:
                return
            if line.key.stock_list in watch.lists:
                continue
            point(Point.SENDING)
            answers[line] = await self._upsert(line)
            point(Point.ANSWERED)
            watch.see(line, answers[line])

    async def _until(self, moment: float, watch: Watch) -> None:
        # a stop comes from a signal, which sets no event of this loop: glance at it now and then
        while (ahead := moment - boottime()) > _TICK and not (watch.stopped or self.stopped()):  # noqa: ASYNC110
            await asyncio.sleep(min(ahead, _GLANCE))

    async def _upsert(self, line: Claimed) -> Outcome:
        try:
            answer = await self.client.upsert(line.key, line.value)
            return classify(answer, line.key, line.value, now=answer.date or 0.0)
        except Exception as error:  # one item's defect must not cost the others
            log.exception("defect", sku=line.key.sku, stock_list=line.key.stock_list)
            return Outcome(
                verdict=AnswerClass.DEFECT,
                reason="internal",
                message=f"stocksync could not put this level into a request: {error}",
            )

    def _record(
        self,
        connection: Connection,
        slip: Slip,
        answers: dict[Claimed, Outcome],
        watch: Watch,
    ) -> Delivered:
        now = self.ledger.now(connection)
        verdict = delivery.Verdict(
            any_accepted=any(o.verdict is AnswerClass.ACCEPTED for o in answers.values()),
            epidemic=watch.epidemic,
            settle=self.plan.settle,
            probing=delivery.still_epidemic(target.read(connection), answers.values()),
        )
        ours = levels.by_token(connection, slip.token)
        settled = {
            line: delivery.settle_level(
                ours[line.key], line, answers.get(line), verdict=verdict, now=now
            )
            for line in slip.lines
            if line.key in ours
        }
        levels.save(connection, (after.level for after in settled.values()))
        lines = [
            _line(slip, line, settled.get(line), answers.get(line), now) for line in slip.lines
        ]
        batches.record(connection, lines)
        self._expect(connection, settled, answers, now)
        self._fail(connection, slip, settled, answers, now)
        self._judge_target(connection, answers, watch, now)
        return self._close(connection, slip, lines, now)

    def _expect(
        self,
        connection: Connection,
        settled: dict[Claimed, Settled],
        answers: dict[Claimed, Outcome],
        now: float,
    ) -> None:
        accepted = [
            Accepted(
                line.key,
                line.revision,
                line.value,
                after.level.remote_pk,
                answers[line].date,
            )
            for line, after in settled.items()
            if line in answers and answers[line].verdict is AnswerClass.ACCEPTED
        ]
        failures.close_items(connection, [item.key for item in accepted], why="accepted", now=now)
        unreadable = {row.id: row.unreadable_seconds for row in channels.every(connection)}
        confirmations.expect(connection, accepted, self.channels, unreadable=unreadable, now=now)

    def _fail(
        self,
        connection: Connection,
        slip: Slip,
        settled: dict[Claimed, Settled],
        answers: dict[Claimed, Outcome],
        now: float,
    ) -> None:
        owners = sources.names_by_id(connection)
        parked = [
            _item_failure(
                line,
                after.parked,
                answers[line],
                batch_id=slip.batch_id,
                source=owners.get(after.level.source_id, ""),
            )
            for line, after in settled.items()
            if after.parked is not None
        ]
        stopped = {
            line.key.stock_list: outcome
            for line, outcome in answers.items()
            if outcome.verdict is AnswerClass.LIST_STOPPED
        }
        for stock_list, outcome in stopped.items():
            lists.stop(connection, stock_list, reason=outcome.message, now=now)
            parked.append(_list_failure(stock_list, outcome, slip.batch_id))
        going = {line.key.stock_list for line in settled} - set(stopped)
        self._lists_that_go(connection, settled, answers, going, now)
        failures.record(connection, parked, now=now)

    def _lists_that_go(
        self,
        connection: Connection,
        settled: dict[Claimed, Settled],
        answers: dict[Claimed, Outcome],
        going: set[int],
        now: float,
    ) -> None:
        stopped_before = {row.id for row in lists.every(connection) if row.stops}
        proven = {
            line.key.stock_list
            for line in settled
            if line in answers and answers[line].verdict is AnswerClass.ACCEPTED
        }
        recovered = going & proven & stopped_before
        if recovered:
            lists.go_on(connection, recovered)
            failures.close_lists(connection, recovered, why="accepted", now=now)

    def _judge_target(
        self,
        connection: Connection,
        answers: dict[Claimed, Outcome],
        watch: Watch,
        now: float,
    ) -> None:
        row = target.read(connection, lock=True)
        after = delivery.target_after(row, answers.values(), watch=watch, plan=self.plan, now=now)
        if after.state != row.state:
            log.warning("target", state=after.state, reason=after.reason, was=row.state)
        target.save(connection, after)
        if any(outcome.verdict in _MAY_HAVE_WRITTEN for outcome in answers.values()):
            target.bind(connection, self.plan.base_url)

    def _close(
        self, connection: Connection, slip: Slip, lines: Sequence[Line], now: float
    ) -> Delivered:
        ends = [line.outcome for line in lines]
        counts = {end.value: ends.count(end.value) for end in LineOutcome}
        whole = not counts["parked"] and not counts["waiting"]
        status = BatchStatus.DONE if whole else BatchStatus.PARTIAL
        if all(line.reason == LEASE_LOST for line in lines):
            status = BatchStatus.LOST
        batches.change(connection, slip.batch_id, status=status, ended_at=now, **counts)
        log.info("batch_done", batch=slip.batch_id, lines=len(lines), **counts)
        return Delivered(**counts)


def expire(connection: Connection, *, settle: float, longest: float, now: float) -> int:
    """Put the levels of dead workers in doubt, from their lease's end; returns how many."""
    lost = levels.expired(connection, now=now, longest=longest, limit=5_000)
    levels.save(connection, (expired(level, settle=settle, now=now) for level in lost.values()))
    for batch in batches.overdue(connection, now=now):
        _give_up(connection, batch, now)
    return len(lost)


def _give_up(connection: Connection, batch: batches.Batch, now: float) -> None:
    lines = [
        line._replace(outcome=LineOutcome.WAITING.value, reason="worker_lost", at=now)
        for line in batches.lines_of(connection, batch.id)
        if line.outcome is None
    ]
    batches.record(connection, lines)
    batches.change(
        connection,
        batch.id,
        status=BatchStatus.LOST,
        reason="its worker ended or stood still; the lines rest, then their current value goes",
        waiting=batch.waiting + len(lines),
        ended_at=now,
    )


def worker_name() -> str:
    """Host and process, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _line(
    slip: Slip,
    line: Claimed,
    settled: Settled | None,
    outcome: Outcome | None,
    now: float,
) -> Line:
    end = LineOutcome.WAITING if settled is None else settled.outcome
    reason = LEASE_LOST if settled is None else (outcome.reason if outcome else "not_started")
    return Line(
        batch_id=slip.batch_id,
        stock_list=line.key.stock_list,
        sku=line.key.sku,
        revision=line.revision,
        stock=line.value.stock,
        unit_type=line.value.unit_type,
        sold=line.value.sold,
        extra=line.value.extra,
        outcome=end.value,
        reason=reason or None,
        status=outcome.status if outcome else None,
        message=outcome.message if outcome and outcome.message else None,
        at=now,
    )


_REMEDIES = {
    "unknown_product": "create the product in Omnitron, then: stocksync failures replay",
    "forbidden": "give our user the right to write to this stock list, then replay",
    "no_proof": "look at the product in Omnitron; it answers without saying what it has",
    "internal": "report this as a defect, with the log of this time",
}
_REMEDY = "correct the value in the ERP (it then goes by itself), or the product, then replay"


def _item_failure(
    line: Claimed, reason: str, outcome: Outcome, *, batch_id: int, source: str
) -> NewFailure:
    return NewFailure(
        kind=FailureKind.ITEM,
        identity=identity_of(*line.key),
        reason=reason,
        message=outcome.message,
        remedy=_REMEDIES.get(reason, _REMEDY),
        source=source,
        stock_list=line.key.stock_list,
        sku=line.key.sku,
        value=str(line.value.stock),
        status=outcome.status,
        excerpt=outcome.excerpt or None,
        batch_id=batch_id,
    )


def _list_failure(stock_list: int, outcome: Outcome, batch_id: int) -> NewFailure:
    return NewFailure(
        kind=FailureKind.ITEM,
        identity=f"list:{stock_list}",
        reason="stock_list",
        message=outcome.message,
        remedy="correct the list in [stock_lists] or in Omnitron; it is tried again by itself",
        stock_list=stock_list,
        status=outcome.status,
        excerpt=outcome.excerpt or None,
        batch_id=batch_id,
    )
