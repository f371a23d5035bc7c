"""What one sales channel has not taken yet, and the batches in which its app takes it."""

from __future__ import annotations

import enum
import itertools
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from worker.sandbox.stocks import Stock, iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from worker.sandbox.settings import SandboxChannel

CONTENT_TYPES: Sequence[Mapping[str, Any]] = (
    {"id": 17, "app_label": "products", "model": "product"},
    {"id": 41, "app_label": "stocks", "model": "productstock"},
    {"id": 52, "app_label": "integrations", "model": "batchrequest"},
)
STOCK_TYPE = CONTENT_TYPES[1]


class BatchState(enum.StrEnum):
    """The states of a batch request, as the vendor's channel-app names them."""

    INITIALIZED = "initialized"
    COMMIT = "commit"
    SENT_TO_REMOTE = "sent_to_remote"
    ONGOING = "ongoing"
    DONE = "done"
    FAIL = "fail"


class Change(enum.StrEnum):
    """Which part of a feed is asked for."""

    INSERTS = "inserts"  # never taken
    UPDATES = "updates"  # taken before, changed since
    BOTH = "inserts_or_updates"


@dataclass(slots=True, kw_only=True)
class Batch:
    """One batch request; objects: the version date of each stock taken, by pk."""

    pk: int
    channel: int
    local_batch_id: str
    content_type: Any = None
    status: BatchState = BatchState.INITIALIZED
    remote_batch_id: str | None = None
    objects: dict[int, str] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return the batch request as the API shows it."""
        return {
            "pk": self.pk,
            "channel": self.channel,
            "local_batch_id": self.local_batch_id,
            "remote_batch_id": self.remote_batch_id,
            "content_type": self.content_type,
            "status": self.status.value,
        }


@dataclass(slots=True, kw_only=True)
class Action:
    """What the channel's app did with one stock last."""

    pk: int
    channel: int
    object_id: int
    status: str
    version_date: str
    local_batch_id: str
    remote_id: str | None = None

    def record(self) -> dict[str, Any]:
        """Return the integration action as the API shows it."""
        return {
            "pk": self.pk,
            "channel": self.channel,
            "content_type": STOCK_TYPE,
            "object_id": self.object_id,
            "remote_id": self.remote_id,
            "version_date": self.version_date,
            "state": {},
            "status": self.status,
            "local_batch_id": self.local_batch_id,
        }


class ChannelFeed:
    """One channel's feed, batches and integration actions."""

    def __init__(self, channel: SandboxChannel) -> None:
        self.channel = channel
        self.batches: dict[int, Batch] = {}
        self.actions: dict[int, Action] = {}
        self._lists = {channel.main_list, *channel.extra_lists}
        self._stocks: dict[int, Stock] = {}
        self._fresh: dict[int, Stock] = {}
        self._taken: set[int] = set()
        self._batch_pks = itertools.count(1)
        self._action_pks = itertools.count(1)

    def offer(self, stock: Stock) -> None:
        """Put a stock that channels begin to see differently into the feed, if it is ours."""
        if stock.stock_list in self._lists:
            self._stocks[stock.pk] = stock
            self._fresh[stock.pk] = stock

    def stock(self, pk: int) -> Stock | None:
        """Return the stock, None where this channel does not see it."""
        return self._stocks.get(pk)

    def waiting(self, change: Change, lists: Iterable[int]) -> Iterator[Stock]:
        """Yield what the channel has not taken yet, the longest waiting first."""
        wanted = frozenset(lists)
        for pk, stock in self._fresh.items():
            if stock.stock_list in wanted and self._is(change, pk):
                yield stock

    def _is(self, change: Change, pk: int) -> bool:
        return change is Change.BOTH or (pk in self._taken) == (change is Change.UPDATES)

    def open_batch(self) -> Batch:
        """Create a batch request."""
        batch = Batch(
            pk=next(self._batch_pks), channel=self.channel.id, local_batch_id=str(uuid.uuid4())
        )
        self.batches[batch.pk] = batch
        return batch

    def move(
        self, batch: Batch, status: BatchState, objects: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Bring a batch to another state.

        Commit takes its objects out of the feed. Done keeps them out and makes their actions
        ``success``, or ``error`` where the object has a ``failed_reason_type``. Fail makes them all
        ``error`` and gives them back.
        """
        for item in objects:
            self._note(batch, item)
        batch.status = status
        if status is BatchState.DONE:
            self._finish(batch, objects)
        elif status is BatchState.FAIL:
            self._give_back(batch)

    def _note(self, batch: Batch, item: Mapping[str, Any]) -> None:
        pk, version_date = item["pk"], item.get("version_date")
        stock = self._stocks.get(pk)
        if stock is None or stock.seen is None:
            return
        date = version_date or batch.objects.get(pk) or iso(stock.seen.modified)
        batch.objects[pk] = date
        if date == iso(stock.seen.modified):  # an older version leaves the newer one in the feed
            self._fresh.pop(pk, None)
        self._act(batch, pk, date, item.get("remote_id"))

    def _act(self, batch: Batch, pk: int, date: str, remote_id: str | None) -> None:
        before = self.actions.get(pk)
        self.actions[pk] = Action(
            pk=before.pk if before else next(self._action_pks),
            channel=self.channel.id,
            object_id=pk,
            status="processing",
            version_date=date,
            local_batch_id=batch.local_batch_id,
            remote_id=remote_id or (before.remote_id if before else None),
        )

    def _finish(self, batch: Batch, objects: Sequence[Mapping[str, Any]]) -> None:
        failed = {item["pk"] for item in objects if item.get("failed_reason_type")}
        for pk in batch.objects:
            self._conclude(batch, pk, "error" if pk in failed else "success")
            self._taken.add(pk)

    def _give_back(self, batch: Batch) -> None:
        for pk, date in batch.objects.items():
            self._conclude(batch, pk, "error")
            stock = self._stocks[pk]
            if stock.seen is not None and date == iso(stock.seen.modified):
                self._fresh[pk] = stock

    def _conclude(self, batch: Batch, pk: int, status: str) -> None:
        action = self.actions[pk]
        if action.local_batch_id == batch.local_batch_id:
            action.status = status

    def consume(self, *, limit: int, done: bool = True) -> int:
        """Play the channel's app once: take up to limit stocks and finish; return how many."""
        stocks = list(itertools.islice(self.waiting(Change.BOTH, self._lists), limit))
        batch = self.open_batch()
        objects = [
            {"pk": stock.pk, "version_date": iso(stock.seen.modified)}
            for stock in stocks
            if stock.seen is not None
        ]
        self.move(batch, BatchState.COMMIT, objects)
        self.move(batch, BatchState.DONE if done else BatchState.FAIL)
        return len(objects)
