"""A ledger of a process that dies at one of its writes, without a process for each death."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from worker.ledger import Ledger

T = TypeVar("T")


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Mortal:
    """Goes through to a ledger until a write kills it: just before it, or after its commit."""

    def __init__(self, ledger: Ledger, *, writes: int, commits: bool) -> None:
        self._ledger = ledger
        self._left = writes
        self._commits = commits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def read(self) -> AbstractContextManager[Connection]:
        self._require_life()
        return self._ledger.read()

    def write(self, work: Callable[[Connection], T]) -> T:
        self._require_life()
        self._left -= 1
        if self._left > 0:
            return self._ledger.write(work)
        if self._commits:
            self._ledger.write(work)
        raise Killed

    def _require_life(self) -> None:
        if self._left <= 0:
            raise Killed
