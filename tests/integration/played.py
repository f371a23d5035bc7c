"""Omnitron as a part that is played at the client's seam: every request has its fate told."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from worker.model import Answer, Key, StockRecord, Value
from worker.planning.limiter import LEAST_RATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.integration.ledgers import HandClock
    from worker.deliver import Slip

RESOURCE_OF = {1: "product_stocks", 2: "extra_product_stocks"}
HELD_AT_MOST = 600.0
"""Seconds after which a request that is held somewhere on its way never lands."""


class Fate(enum.StrEnum):
    """What becomes of one request."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN_PRODUCT = "unknown_product"
    LIST_STOPPED = "list_stopped"
    FORBIDDEN = "forbidden"  # we may not write to this list
    UNHEARD = "unheard"  # applied, but the answer is lost
    LOST = "lost"  # neither applied nor answered
    LATE = "late"  # not answered, and applied some time later
    NO_PROOF = "no_proof"  # applied, and answered with a page for people
    THROTTLED = "throttled"
    DENIED = "denied"
    REFUSED = "refused"  # never left us
    FAULT = "fault"


IN_DOUBT = {Fate.UNHEARD, Fate.LOST, Fate.LATE, Fate.NO_PROOF}
_UNKNOWN = {"product_sku": ["Object with sku does not exist."]}
_WITHOUT_EFFECT = {
    Fate.REJECTED: Answer(status=400, body={"stock": ["Not today."]}, is_json=True),
    Fate.UNKNOWN_PRODUCT: Answer(status=400, body=_UNKNOWN, is_json=True),
    Fate.LIST_STOPPED: Answer(status=400, body={"stock_list": ["Closed."]}, is_json=True),
    Fate.FORBIDDEN: Answer(status=403, body={"stock_list": ["Not yours."]}, is_json=True),
    Fate.LOST: Answer(status=None, sent=True, error="read_timeout"),
    Fate.LATE: Answer(status=None, sent=True, error="read_timeout"),
    Fate.THROTTLED: Answer(status=429, retry_after="3"),
    Fate.DENIED: Answer(status=403),
    Fate.REFUSED: Answer(status=None, sent=False, error="refused"),
    Fate.FAULT: Answer(status=500),
}


class Write(NamedTuple):
    """One write that took effect; late: long after it was sent."""

    key: Key
    revision: int
    value: Value
    late: bool


class Held(NamedTuple):
    """A request that is still somewhere on its way."""

    key: Key
    revision: int
    value: Value
    since: float


@dataclass(kw_only=True)
class Omnitron:
    """What it has, what its channel shows, and everything that was ever written.

    lagging: the channel does not see new writes for the time being. refusing: lists that take
    nothing for the time being, and how they say so.
    """

    clock: HandClock
    stocks: dict[Key, StockRecord] = field(default_factory=dict)
    shown: dict[Key, StockRecord] = field(default_factory=dict)
    journal: list[Write] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    doubted_at: dict[Key, float] = field(default_factory=dict)
    lagging: bool = False
    refusing: dict[int, Fate] = field(default_factory=dict)

    def receive(self, key: Key, value: Value, revision: int, fate: Fate) -> Answer:
        """Take one request."""
        self.clock.forward(0.01)
        if fate is not Fate.REFUSED:
            fate = self.refusing.get(key.stock_list, fate)
        if fate in IN_DOUBT:
            self.doubted_at[key] = self.clock.now
        if fate is Fate.LATE:
            self.held.append(Held(key, revision, value, self.clock.now))
        if fate in _WITHOUT_EFFECT:
            return _WITHOUT_EFFECT[fate]
        record = self._write(Write(key, revision, value, late=False))
        if fate is Fate.UNHEARD:
            return _WITHOUT_EFFECT[Fate.LOST]
        if fate is Fate.NO_PROOF:
            return Answer(status=200, body=None, is_json=False)
        return Answer(
            status=201,
            body={
                "id": record.pk,
                "product_sku": key.sku,
                "stock_list": key.stock_list,
                "stock": record.stock,
            },
            is_json=True,
            date=float(int(self.clock.now)),
        )

    def land(self, number: int) -> None:
        """Let a request that was held up take effect now."""
        self.clock.forward(0.01)
        request = self.held.pop(number)
        self._write(Write(request.key, request.revision, request.value, late=True))

    def forget(self) -> None:
        """Nothing that is held for too long ever lands."""
        self.held = [one for one in self.held if self.clock.now - one.since < HELD_AT_MOST]

    def catch_up(self) -> None:
        """The channel sees everything again."""
        self.lagging = False
        self.shown = dict(self.stocks)

    def _write(self, write: Write) -> StockRecord:
        known = self.stocks.get(write.key)
        record = StockRecord(
            pk=len(self.stocks) + 1 if known is None else known.pk,
            stock_list=write.key.stock_list,
            stock=write.value.stock,
            unit_type=None,
            modified=self.clock.now,
        )
        self.stocks[write.key] = record
        self.journal.append(write)
        if not self.lagging:
            self.shown[write.key] = record
        return record


@dataclass(kw_only=True)
class Line:
    """One worker's line to Omnitron, by the interface of `OmnitronClient` as far as it is used.

    arriving: called with each request before it is taken. waits: lets time go by while reading, for
    a moment at least as long as two requests are apart.
    """

    omnitron: Omnitron
    arriving: Callable[[Line, Key, Value, int], None]
    waits: Callable[[float], None]
    slip: Slip | None = None
    fates: Iterator[Fate] = field(default_factory=lambda: iter(()))
    oddities: Counter[str] = field(default_factory=Counter)

    async def upsert(self, key: Key, value: Value) -> Answer:
        assert self.slip is not None
        (revision,) = [line.revision for line in self.slip.lines if line.key == key]
        fate = next(self.fates, Fate.ACCEPTED)
        if fate is not Fate.REFUSED:
            self.arriving(self, key, value, revision)
        return self.omnitron.receive(key, value, revision, fate)

    async def feed(self, _channel: int, resource: str, page: int) -> list[StockRecord]:
        return self._records(resource) if page == 1 else []

    async def lookup(self, _channel: int, resource: str, pks: Sequence[int]) -> list[StockRecord]:
        return [record for record in self._records(resource) if record.pk in pks]

    def _records(self, resource: str) -> list[StockRecord]:
        self.waits(1 / LEAST_RATE)
        return [
            record
            for key, record in self.omnitron.shown.items()
            if RESOURCE_OF[key.stock_list] == resource
        ]
