"""What every level should be by what was read so far: the model that the ledger is held against.

It takes from the ledger which pulls took effect, and works out by itself what that means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tests.integration.erp import Part, took_effect
from worker.model import Key, Missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.integration.erp import File
    from worker.ledger.pulls import Pull

UNREAD = None
"""What a warehouse has that was stated, but never so that it could be read."""


class Pin(NamedTuple):
    """What a person wants shown, and until when."""

    stock: int
    until: float


@dataclass(kw_only=True)
class Truth:
    """Levels by what was read.

    said: what each warehouse has; stocks: what they add up to; absent: keys that snapshots lack,
    and that are parked for it; kept: rejected rows of which nothing newer was read, with the pull
    that read them; brought: what pulls of such rows have in them.
    """

    missing: Missing
    takes_negative: bool = False
    said: dict[Part, int | None] = field(default_factory=dict)
    stocks: dict[Key, int] = field(default_factory=dict)
    absent: set[Key] = field(default_factory=set)
    pins: dict[Key, Pin] = field(default_factory=dict)
    kept: dict[tuple[Part, str], int] = field(default_factory=dict)
    brought: dict[int, dict[Part, str]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)

    def follow(self, history: Iterable[Pull], files: Mapping[str, File]) -> None:
        """Take over what pulls have done since."""
        for pull in history:
            if pull.as_of is not None and pull.id not in self.brought:
                self.brought[pull.id] = self._readable_of(pull.as_of)
            if pull.id in self.done or not took_effect(pull):
                continue
            self.done.add(pull.id)
            if pull.as_of is not None:
                self._bring_back(self.brought[pull.id], pull.as_of)
            elif pull.fingerprint is not None:  # else the very content of the last one
                self._read(files[pull.label], pull.id)

    def shown(self, key: Key) -> int:
        """What Omnitron should show."""
        return self.pins[key].stock if key in self.pins else self.stocks[key]

    def pin(self, key: Key, pin: Pin) -> None:
        """A person wants it shown, whatever the ERP says and even if it lacks the key."""
        self.pins[key] = pin
        self.absent.discard(key)

    def end_pins(self, now: float) -> None:
        """What is over is taken off."""
        self.pins = {key: pin for key, pin in self.pins.items() if pin.until > now}

    def _read(self, file: File, pull: int) -> None:
        before = dict(self.said)
        if file.is_all:
            self.kept.clear()
        for part, text in file.rows.items():
            if self.reads(text):
                self._state(part, text, self.kept)
            else:
                self.kept[part, text] = pull
                self.said.setdefault(part, UNREAD)
        self._restate(before, gone=set(before) - set(file.rows) if file.is_all else set())

    def reads(self, text: str) -> bool:
        """Whether the rules take it."""
        return text.removeprefix("-").isdigit() and (self.takes_negative or text[0] != "-")

    def _state(self, part: Part, text: str, outdated: Iterable[tuple[Part, str]]) -> None:
        self.said[part] = int(text)
        over = [row for row in outdated if row[0] == part]
        self.kept = {row: pull for row, pull in self.kept.items() if row not in over}

    def _restate(self, before: Mapping[Part, int | None], *, gone: set[Part]) -> None:
        """Make anew the levels of which anything has changed."""
        parked = {p for p in gone if self.missing is Missing.PARK and self.said[p] is not UNREAD}
        for part in gone:
            if self.missing is Missing.ZERO or self.said[part] is UNREAD:
                del self.said[part]
        for key in sorted({p.key for p in {*before, *self.said} if _differs(p, before, self.said)}):
            if key in self.stocks or any(p.key == key for p in self.said.keys() - parked):
                self._add_up(key)
        for part in parked & self.said.keys():
            del self.said[part]
            if part.key in self.stocks and part.key not in self.pins:
                self.absent.add(part.key)

    def _add_up(self, key: Key) -> None:
        """A level is neither made nor raised while a warehouse of it could not be read."""
        stated = [stock for part, stock in self.said.items() if part.key == key]
        read = [stock for stock in stated if stock is not UNREAD]
        total = max(sum(read), 0)
        if len(read) < len(stated) and total > self.stocks.get(key, -1):
            return
        if read or (key in self.stocks and self.missing is Missing.ZERO):
            self.stocks[key] = total
            self.absent.discard(key)

    def _readable_of(self, pull: int) -> dict[Part, str]:
        """Kept rows of a pull that today's rules take."""
        return {
            part: text for (part, text), at in self.kept.items() if at == pull and self.reads(text)
        }

    def _bring_back(self, rows: Mapping[Part, str], as_of: int) -> None:
        before = dict(self.said)
        for part, text in rows.items():
            self._state(part, text, [row for row, at in self.kept.items() if at <= as_of])
        self._restate(before, gone=set())


def _differs(
    part: Part, before: Mapping[Part, int | None], after: Mapping[Part, int | None]
) -> bool:
    return (part in before, before.get(part)) != (part in after, after.get(part))
