"""Faults to order: what they match, how often they strike. What they do is in `mischief`."""

from __future__ import annotations

import enum
import random
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations
from dataclasses import field
from fnmatch import fnmatchcase
from typing import Any

from pydantic.dataclasses import dataclass

from worker.sandbox.settings import CLOSED


class FaultKind(enum.StrEnum):
    """What can go wrong on order."""

    STATUS = "status"  # `status` with `body` (JSON, or a string sent as it is) and `headers`
    DELAY = "delay"  # nothing but the waits that every fault has: `before`, `after`
    RESET_UNREAD = "reset_unread"  # connection reset before the body is read
    RESET = "reset"  # connection reset instead of an answer; the write took effect
    RESET_ANSWER = "reset_answer"  # the answer breaks off in the middle; the write took effect
    WRONG_ECHO = "wrong_echo"  # the record with `changes` (default: another stock), less `drop`
    HTML = "html"  # 200 and a web page
    INVALID_JSON = "invalid_json"
    EMPTY = "empty"
    TRUNCATED_JSON = "truncated_json"  # complete by its Content-Length, half by its content
    DEEP_JSON = "deep_json"  # `size` nested arrays
    LOST = "lost"  # 201 and the record, but nothing is written
    UNPROPAGATED = "unpropagated"  # written, but no channel sees it
    TRICKLE = "trickle"  # the body byte by byte, `pause` seconds apart
    HUGE = "huge"  # a body of `size` bytes
    GZIP_BOMB = "gzip_bomb"  # a small body that unpacks to `size` bytes
    REDIRECT = "redirect"  # `status` (default 302) to `location`
    ECHO_HEADERS = "echo_headers"  # an error whose body repeats the request's headers
    FOREIGN_NEXT = "foreign_next"  # a page whose `next` is `location`
    SAME_PAGE = "same_page"  # a page whose `next` is itself, for ever


@dataclass(frozen=True, slots=True, kw_only=True, config=CLOSED)
class Fault:
    """One rule; of several that match a request the one ordered first strikes.

    Which requests: method, path (shell pattern), sku and stock_list of a write; None matches all.
    How often: the first `skip` matches pass, then each of the next `count` strikes (None: until
    lifted), with `probability` and its own `seed`.
    What: kind, and its fields as `FaultKind` says; applied: whether the write takes effect (None:
    as is usual for the kind); before, after: seconds to wait before it takes effect, and after.
    """

    kind: FaultKind
    method: str | None = None
    path: str | None = None
    sku: str | None = None
    stock_list: int | None = None
    count: int | None = None
    skip: int = 0
    probability: float = 1.0
    seed: int | None = None
    applied: bool | None = None
    before: float = 0.0
    after: float = 0.0
    status: int | None = None
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    location: str = "http://localhost:1/elsewhere/"
    size: int | None = None
    pause: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what could never strike."""
        if self.kind is FaultKind.RESET_UNREAD and self.needs_body:
            raise ValueError(
                "reset_unread does not read the body, so it cannot match a SKU or list"
            )

    @property
    def needs_body(self) -> bool:
        """Whether the request's body must be read to know if it matches."""
        return self.sku is not None or self.stock_list is not None

    def matches(self, method: str, path: str, key: tuple[int, str] | None) -> bool:
        """Tell whether this request is meant; key: (stock list, SKU) of a write."""
        if self.method is not None and self.method.upper() != method:
            return False
        if self.path is not None and not fnmatchcase(path, self.path):
            return False
        return not self.needs_body or (key is not None and self._matches_key(*key))

    def _matches_key(self, stock_list: int, sku: str) -> bool:
        return (self.sku is None or self.sku == sku) and (
            self.stock_list is None or self.stock_list == stock_list
        )


class Order:
    """A fault that was ordered, and what it has done so far."""

    def __init__(self, number: int, fault: Fault, seed: int) -> None:
        self.number = number
        self.fault = fault
        self.struck = 0
        self._passed = 0
        self._random = random.Random(seed if fault.seed is None else fault.seed)  # noqa: S311 - repeatable on purpose

    @property
    def spent(self) -> bool:
        """Whether it will never strike again."""
        return self.fault.count is not None and self.struck >= self.fault.count

    def strikes(self) -> bool:
        """Decide on one match of an order that is not spent."""
        if self._passed < self.fault.skip:
            self._passed += 1
            return False
        if self.fault.probability < 1.0 and self._random.random() >= self.fault.probability:
            return False
        self.struck += 1
        return True

    def record(self) -> dict[str, Any]:
        """Return it as JSON."""
        names = type(self.fault).__dataclass_fields__
        fields = {name: getattr(self.fault, name) for name in names}
        return {"id": self.number, "struck": self.struck, "spent": self.spent, **fields}


class FaultBook:
    """The orders, in the order in which they came in."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._orders: dict[int, Order] = {}
        self._last = 0

    def order(self, fault: Fault) -> int:
        """Add a fault; return its number."""
        self._last += 1
        self._orders[self._last] = Order(self._last, fault, self._seed + self._last)
        return self._last

    def lift(self, number: int | None = None) -> int:
        """Take back one order, or all; return how many."""
        numbers = list(self._orders) if number is None else [number]
        return sum(self._orders.pop(n, None) is not None for n in numbers)

    def unread(self, method: str, path: str) -> Fault | None:
        """Return the fault that strikes before the body is read, if one does."""
        return self._draw(method, path, None, unread=True) if self._orders else None

    def read(self, method: str, path: str, key: tuple[int, str] | None) -> Fault | None:
        """Return the fault that strikes once the body is read, if one does."""
        return self._draw(method, path, key, unread=False) if self._orders else None

    def _draw(
        self, method: str, path: str, key: tuple[int, str] | None, *, unread: bool
    ) -> Fault | None:
        for order in self._orders.values():
            fault = order.fault
            if order.spent or (fault.kind is FaultKind.RESET_UNREAD) is not unread:
                continue
            if fault.matches(method, path, key) and order.strikes():
                return fault
        return None

    def records(self) -> list[dict[str, Any]]:
        """Return all orders as JSON."""
        return [order.record() for order in self._orders.values()]
