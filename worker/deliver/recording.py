"""Recording: what the answers to a batch mean for its levels, lines, lists and the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from worker.deliver.expiring import woken
from worker.deliver.failing import item_failure, list_failure
from worker.deliver.unknown import Asked, tell
from worker.ledger import batches, channels, confirmations, failures, levels, lists, sources, target
from worker.ledger.batches import NOT_STARTED, Line
from worker.ledger.confirmations import Accepted
from worker.model import PAGE_ROWS, AnswerClass, BatchStatus, Delivered, LineOutcome
from worker.planning import delivery, limiter
from worker.planning.levels import REST_CAP, UNKNOWN_PRODUCT, replayed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from worker.deliver.slip import Answered, Slip
    from worker.ledger.failures import NewFailure
    from worker.model import ChannelPlan, Claimed, Outcome, TargetPlan
    from worker.planning.delivery import Settled

log = structlog.get_logger(__name__)

LEASE_LOST = "lease_lost"
_MAY_HAVE_WRITTEN = {AnswerClass.ACCEPTED, AnswerClass.IN_DOUBT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One batch whose answers are written down at ``now``, inside the caller's transaction."""

    connection: Connection
    batch: Answered
    plan: TargetPlan
    channels: Sequence[ChannelPlan]
    now: float

    @property
    def slip(self) -> Slip:
        """What was claimed."""
        return self.batch.slip

    def make(self) -> Delivered:
        """Record everything. What is no longer claimed by this batch is left as it is."""
        settled = self._settled()
        levels.save(self.connection, (after.level for after in settled.values()))
        lines = [self._line(line, settled.get(line)) for line in self.slip.lines]
        batches.record(self.connection, lines)
        self._expect(settled)
        self._fail(settled)
        if settled:  # else it stood still, and what it learnt of Omnitron is as old
            self._judge_target()
        self._woken(settled)
        return self._close(lines)

    def _woken(self, settled: Mapping[Claimed, Settled]) -> None:
        lost = [line.key for line in self.slip.lines if line not in settled]
        if lost:
            woken(self.connection, lost, now=self.now)

    def _settled(self) -> dict[Claimed, Settled]:
        verdict, answers = self._verdict(), self.batch.answers
        ours = levels.by_token(self.connection, self.slip.token)
        return {
            line: delivery.settle_level(
                ours[line.key], line, answers.get(line), verdict=verdict, now=self.now
            )
            for line in self.slip.lines
            if line.key in ours
        }

    def _verdict(self) -> delivery.Verdict:
        outcomes = self.batch.answers.values()
        return delivery.Verdict(
            any_accepted=any(o.verdict is AnswerClass.ACCEPTED for o in outcomes),
            epidemic=self.batch.watch.epidemic,
            settle=self.plan.settle,
            probing=delivery.still_epidemic(target.read(self.connection), outcomes),
        )

    def _expect(self, settled: Mapping[Claimed, Settled]) -> None:
        """Close what had failed, and have every channel watched for what it should show now."""
        accepted = [
            Accepted(
                line.key, line.revision, line.value, settled[line].level.remote_pk, outcome.date
            )
            for line, outcome in self._answered(AnswerClass.ACCEPTED)
            if line in settled
        ]
        parked = {after.level.key for after in settled.values() if after.level.park_reason}
        keys = [item.key for item in accepted if item.key not in parked]  # else it is told as ever
        failures.close_items(self.connection, keys, why="accepted", now=self.now)
        unreadable = {row.id: row.unreadable_seconds for row in channels.every(self.connection)}
        confirmations.expect(
            self.connection, accepted, self.channels, unreadable=unreadable, now=self.now
        )

    def _answered(self, verdict: AnswerClass) -> Iterator[tuple[Claimed, Outcome]]:
        answers = self.batch.answers.items()
        return ((line, outcome) for line, outcome in answers if outcome.verdict is verdict)

    def _fail(self, settled: Mapping[Claimed, Settled]) -> None:
        stopped = {
            line.key.stock_list: outcome
            for line, outcome in self._answered(AnswerClass.LIST_STOPPED)
        } | self.batch.watch.forbidden
        for stock_list, outcome in stopped.items():
            lists.stop(self.connection, stock_list, reason=outcome.message, now=self.now)
        self._lists_that_go({line.key.stock_list for line in settled} - set(stopped), settled)
        self._tell_unknown(settled)
        told = [
            list_failure(stock_list, outcome, batch_id=self.slip.batch_id)
            for stock_list, outcome in stopped.items()
        ]
        failures.record(self.connection, [*self._parked(settled), *told], now=self.now)

    def _tell_unknown(self, settled: Mapping[Claimed, Settled]) -> None:
        asked = [
            Asked(
                after.level,
                self.batch.answers[line] if refused else None,
                refused and not line.unknown,
            )
            for line, after in settled.items()
            if line in self.batch.answers
            for refused in [after.parked == UNKNOWN_PRODUCT]
        ]
        tell(self.connection, asked, batch_id=self.slip.batch_id, now=self.now)

    def _parked(self, settled: Mapping[Claimed, Settled]) -> list[NewFailure]:
        owners = sources.names_by_id(self.connection)
        return [
            item_failure(
                line,
                after.parked,
                self.batch.answers[line],
                batch_id=self.slip.batch_id,
                source=owners.get(after.level.source_id, ""),
            )
            for line, after in settled.items()
            if after.parked not in {None, UNKNOWN_PRODUCT}
        ]

    def _lists_that_go(self, going: set[int], settled: Mapping[Claimed, Settled]) -> None:
        accepted = self._answered(AnswerClass.ACCEPTED)
        proven = {line.key.stock_list for line, _ in accepted if line in settled}
        if recovered := going & proven:
            lists.go_on(self.connection, recovered)
            failures.close_lists(self.connection, recovered, why="accepted", now=self.now)
            self._allowed_again(recovered)

    def _allowed_again(self, stock_lists: set[int]) -> None:
        """What was forbidden on a list goes again once the list takes anything."""
        before = self.now - REST_CAP
        again = levels.forbidden(self.connection, stock_lists, before=before, limit=PAGE_ROWS)
        levels.save(self.connection, map(replayed, again))

    def _judge_target(self) -> None:
        outcomes, watch = self.batch.answers.values(), self.batch.watch
        row = target.read(self.connection, lock=True)
        after = delivery.target_after(row, outcomes, watch=watch, plan=self.plan, now=self.now)
        after = limiter.doubled_once(row, after, claimed_at=self.slip.claimed_at)
        if after.state != row.state:
            log.warning("target", state=after.state, reason=after.reason, was=row.state)
        target.save(self.connection, after)
        if any(outcome.verdict in _MAY_HAVE_WRITTEN for outcome in outcomes):
            target.bind(self.connection, self.plan.base_url)

    def _close(self, lines: Sequence[Line]) -> Delivered:
        ends = [line.outcome for line in lines]
        counts = {end.value: ends.count(end.value) for end in LineOutcome}
        whole = not counts["parked"] and not counts["waiting"]
        status = BatchStatus.DONE if whole else BatchStatus.PARTIAL
        if all(line.reason == LEASE_LOST for line in lines):
            status = BatchStatus.LOST
        batch_id = self.slip.batch_id
        batches.change(self.connection, batch_id, status=status, ended_at=self.now, **counts)
        log.info("batch_done", batch=batch_id, lines=len(lines), **counts)
        return Delivered(**counts, ignored=self._ignored(lines))

    def _ignored(self, lines: Sequence[Line]) -> int:
        if self.plan.reports_unknown:
            return 0
        parked = [line for line in lines if line.outcome == LineOutcome.PARKED]
        return sum(line.reason == UNKNOWN_PRODUCT for line in parked)

    def _line(self, line: Claimed, settled: Settled | None) -> Line:
        outcome = self.batch.answers.get(line)
        end = LineOutcome.WAITING if settled is None else settled.outcome
        reason = LEASE_LOST if settled is None else (outcome.reason if outcome else NOT_STARTED)
        return Line(
            batch_id=self.slip.batch_id,
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
            at=self.now,
        )
