"""What an ERP has said, file by file, and what its stock therefore is: a model of the source."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.model import Key, Missing, PullStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from worker.ledger.pulls import Pull

LIST_OF = {"MAIN": 1, "OUTLET": 2}
_WAREHOUSE_OF = {number: name for name, number in LIST_OF.items()}
_LONG_AGO = 1_700_000_000
REJECT = None
"""What a row says that no rule can take."""


@dataclass(frozen=True, slots=True)
class Said:
    """One file: rows, and whether they are everything that there is."""

    rows: Mapping[Key, int | None]
    is_all: bool


@dataclass(kw_only=True)
class Truth:
    """The stock of every key by what was applied so far; done: the pulls that count already."""

    folder: Path
    missing: Missing
    files: dict[str, Said] = field(default_factory=dict)
    stocks: dict[Key, int] = field(default_factory=dict)
    absent: set[Key] = field(default_factory=set)
    done: set[int] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)

    def say(self, rows: Mapping[Key, int | None], *, is_all: bool) -> None:
        """Write a complete file."""
        number = len(self.files) + 1
        name = f"full_{number:03}.csv" if is_all else f"part_{number:03}.csv"
        lines = [f"{key.sku},{_WAREHOUSE_OF[key.stock_list]},{_cell(rows[key])}" for key in rows]
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in ("sku,wh,stock", *lines)))
        os.utime(path, (_LONG_AGO + number, _LONG_AGO + number))
        self.files[name] = Said(dict(rows), is_all)

    def follow(self, history: Iterable[Pull]) -> None:
        """Take over what pulls have done since, in the order of their files."""
        fresh = [pull for pull in history if pull.id not in self.done and _took_effect(pull)]
        for pull in sorted(fresh, key=lambda pull: _order(pull.label)):
            self.done.add(pull.id)
            self._apply(self.files[pull.label])

    def _apply(self, said: Said) -> None:
        good = {key: stock for key, stock in said.rows.items() if stock is not REJECT}
        self.stocks |= {key: max(stock, 0) for key, stock in good.items()}
        self.absent -= set(good)
        gone = set(self.stocks) - set(said.rows) if said.is_all else set()
        if self.missing is Missing.ZERO:
            self.stocks |= dict.fromkeys(gone, 0)
        if self.missing is Missing.PARK:
            self.absent |= gone

    def unread(self, history: Iterable[Pull]) -> set[str]:
        """Files that are neither applied nor overtaken by a snapshot nor dropped by a person."""
        pulls = list(history)
        ended = {pull.label for pull in pulls if pull.id in self.done}
        newest = max((_order(name) for name in ended if self.files[name].is_all), default="")
        overtaken = {
            pull.label
            for pull in pulls
            if pull.status in {PullStatus.SUPERSEDED, PullStatus.DISCARDED}
            and _order(pull.label) < newest
        }
        return set(self.files) - ended - overtaken - self.dropped


def _took_effect(pull: Pull) -> bool:
    if pull.status == PullStatus.APPLYING:
        return pull.pages_applied == pull.pages
    return pull.status in {PullStatus.APPLIED, PullStatus.UNCHANGED}


def _order(name: str) -> str:
    """Names of both kinds sort by their number."""
    return name.rpartition("_")[2]


def _cell(stock: int | None) -> str:
    return "many" if stock is REJECT else str(stock)
