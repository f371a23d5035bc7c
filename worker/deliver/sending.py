"""Sending: the lines of a slip, many in flight, one per key, each in its slot."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from connectors.fault import Point, point
from worker.ledger.clock import boottime
from worker.model import AnswerClass, Outcome
from worker.planning.answers import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.deliver.slip import Answered
    from worker.model import Claimed
    from worker.omnitron.client import OmnitronClient

log = structlog.get_logger(__name__)

_TICK = 0.001
_GLANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Fills in the answers of one batch. stopped: says when to start nothing more."""

    client: OmnitronClient
    stopped: Callable[[], bool]
    batch: Answered

    async def run(self, *, senders: int) -> None:
        """Send until the lines, the lease or the target's patience are used up."""
        numbered = iter(enumerate(self.batch.slip.lines))
        count = min(senders, len(self.batch.slip.lines))
        await asyncio.gather(*(self._sender(numbered) for _ in range(count)))
        self.batch.watch.reconsider(self.batch.answers)

    async def _sender(self, numbered: Iterator[tuple[int, Claimed]]) -> None:
        slip, watch = self.batch.slip, self.batch.watch
        for number, line in numbered:
            await self._until(slip.first_slot + number * slip.interval)
            if self._ends() or boottime() > slip.start_until:
                return
            if line.key.stock_list in watch.lists:
                continue
            point(Point.SENDING)
            outcome = watch.in_company(line, await self._upsert(line))
            self.batch.answers[line] = outcome
            point(Point.ANSWERED)
            watch.see(line, outcome)

    def _ends(self) -> bool:
        return bool(self.batch.watch.stopped) or self.stopped()

    async def _until(self, moment: float) -> None:
        # a stop comes from a signal, which sets no event of this loop: glance at it now and then
        while (ahead := moment - boottime()) > _TICK and not self._ends():  # noqa: ASYNC110
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
