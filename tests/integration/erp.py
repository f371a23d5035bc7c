"""An ERP that writes files, each stating SKUs of warehouses, and what became of the files."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from worker.model import Key, PullStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from worker.ledger.pulls import Pull

LIST_OF = {"MAIN": 1, "ANNEX": 1, "OUTLET": 2}
_LONG_AGO = 1_700_000_000


class Part(NamedTuple):
    """One SKU in one warehouse."""

    warehouse: str
    sku: str

    @property
    def key(self) -> Key:
        """The level that it counts for."""
        return Key(LIST_OF[self.warehouse], self.sku)


@dataclass(frozen=True, slots=True)
class File:
    """Rows as they are written, part -> stock, and whether they are everything that there is."""

    rows: Mapping[Part, str]
    is_all: bool


@dataclass(kw_only=True)
class Erp:
    """Everything that it wrote; dropped: what a person discarded."""

    folder: Path
    files: dict[str, File] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)

    def say(self, rows: Mapping[Part, str], *, is_all: bool) -> None:
        """Write a complete file."""
        number = len(self.files) + 1
        name = f"full_{number:03}.csv" if is_all else f"part_{number:03}.csv"
        lines = [f"{part.sku},{part.warehouse},{stock}" for part, stock in rows.items()]
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in ("sku,wh,stock", *lines)))
        os.utime(path, (_LONG_AGO + number, _LONG_AGO + number))
        self.files[name] = File(dict(rows), is_all)

    def unread(self, history: Iterable[Pull]) -> set[str]:
        """Files that are neither applied nor outdone nor dropped by a person.

        A snapshot outdoes what was before it, and a file its exact copy that follows. A snapshot
        that is dropped has outdone other ones, while it was held in their place.
        """
        pulls = [pull for pull in history if pull.as_of is None]
        ended = {pull.label for pull in pulls if took_effect(pull)}
        over = {PullStatus.SUPERSEDED, PullStatus.DISCARDED}
        passed = {pull.label for pull in pulls if pull.status in over}
        outdone = {name for name in passed if _order(name) < self._newest(ended)}
        outdone |= {b for a, b in pairwise(self.files) if self.files[a] == self.files[b]} & passed
        held = {name for name in passed if self.files[name].is_all}
        outdone |= {name for name in held if _order(name) < self._newest(self.dropped)}
        return set(self.files) - ended - outdone - self.dropped

    def _newest(self, names: set[str]) -> str:
        """The order of the last snapshot among them."""
        return max((_order(name) for name in names if self.files[name].is_all), default="")


def took_effect(pull: Pull) -> bool:
    """Whether everything that a pull read is in the levels."""
    if pull.status == PullStatus.APPLYING:
        return pull.pages_applied == pull.pages
    return pull.status in {PullStatus.APPLIED, PullStatus.UNCHANGED}


def _order(name: str) -> str:
    """Names of both kinds sort by their number."""
    return name.rpartition("_")[2]
