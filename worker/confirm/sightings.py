"""What the records of a channel prove about levels, and what that makes go again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from worker.ledger import batches, confirmations, levels
from worker.model import ConfirmState, Expect
from worker.planning.confirming import (
    LAG_SHARE,
    Expected,
    Seen,
    Sent,
    Sight,
    judge,
    landed_since,
    must_heal,
    shows,
    written_after,
)
from worker.planning.levels import healed, resent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.ledger.batches import Line
    from worker.ledger.confirmations import Confirmation
    from worker.model import ChannelPlan, Key, StockRecord
    from worker.planning.levels import Level

_NEVER_SHOWN = 20
"""As many levels that a channel never showed go again at one poll."""


@dataclass(kw_only=True)
class Sightings:
    """What one look at a channel has seen. settle: seconds that a key rests after a doubt.

    unreadable: seconds in all that the channel could not be read; confirmed, healed: how many;
    resources: which resource showed which stock list.
    """

    ledger: Ledger
    channel: ChannelPlan
    settle: float
    unreadable: float = 0.0
    confirmed: int = 0
    healed: int = 0
    resources: dict[int, str] = field(default_factory=dict)

    def judge(
        self,
        connection: Connection,
        resource: str,
        records: Mapping[tuple[int, int], StockRecord],
    ) -> set[Key]:
        """Hold records, by pk and stock list, against what was sent; returns their keys."""
        found = confirmations.of_pks(connection, self.channel.id, [pk for pk, _ in records])
        about = {row.key: records[name] for name, row in found.items() if name in records}
        there = levels.by_keys(connection, about, lock=True)  # nobody delivers them meanwhile
        known = confirmations.of_keys(connection, self.channel.id, about)
        odd = [key for key, row in known.items() if not shows(about[key], _expected(row))]
        history = batches.values_sent(connection, odd)
        now = self.ledger.now(connection)
        changed = []
        for key, row in known.items():
            self.resources[key.stock_list] = resource
            lines = history.get(key, [])
            seen = judge(_expected(row), about[key], _sent(lines))
            after = self._after(row, about[key], seen, now)
            if seen.sight is Sight.OLDER and key in there:
                landed = landed_since(about[key], _expected(row), self._doubtful(lines, now))
                if landed or not _is_healed(row):
                    after = self._heal(connection, after, about[key], there[key], now)
            changed.append(after)
        confirmations.save(connection, changed)
        return set(about)

    def _doubtful(self, lines: Iterable[Line], now: float) -> list[Sent]:
        """What was in doubt lately, so that it may still land."""
        since = now - self.channel.confirm_within
        return _sent(line for line in lines if line.doubtful and (line.at or 0.0) > since)

    def _after(
        self, row: Confirmation, record: StockRecord, seen: Seen, now: float
    ) -> Confirmation:
        looked = row._replace(
            seen_stock=record.stock,
            seen_modified=record.modified,
            seen_at=now,
            looked_at=now,
            other=seen.other,
            other_modified=seen.other_modified,
            seen="older" if seen.sight is Sight.OLDER else row.seen,
        )
        if seen.sight is Sight.CONFIRMED:
            self.confirmed += row.state != ConfirmState.CONFIRMED
            return looked._replace(
                state=ConfirmState.CONFIRMED,
                confirmed_revision=seen.revision,
                confirmed_at=now,
                seen=None,
            )
        if seen.sight is Sight.OVERWRITTEN:
            return looked._replace(state=ConfirmState.OVERWRITTEN)
        if row.state == ConfirmState.CONFIRMED:
            return looked._replace(state=ConfirmState.WAITING, since=now)
        return self._given_up(looked, now) if row.state == ConfirmState.WAITING else looked

    def _heal(
        self,
        connection: Connection,
        row: Confirmation,
        record: StockRecord,
        level: Level,
        now: float,
    ) -> Confirmation:
        """Send the newest value once more, unless something newer goes anyway."""
        if level.revision != row.revision or level.park_reason is not None:
            return row
        due = must_heal(
            record,
            posted_at=row.posted_at,
            sent_at=level.sent_at or now,
            settle=self.settle,
            confirm_within=self.channel.confirm_within,
            now=now,
        )
        if not due:
            return row
        is_proven = written_after(record, posted_at=row.posted_at)
        after = healed(level, has=record.stock if is_proven else None, now=now)
        levels.save(connection, [after])
        confirmations.mark_healed(connection, row.key, revision=after.revision)
        self.healed += 1
        return row._replace(healed_revision=after.revision)

    def miss(self, connection: Connection, rows: Sequence[Confirmation], *, told: bool) -> None:
        """Take note that these were asked for and not shown.

        told: whether that means anything; False: they may be among what could not be read.
        """
        keys = [row.key for row in rows]
        there = levels.by_keys(connection, keys, lock=True)  # nobody delivers them meanwhile
        now = self.ledger.now(connection)
        fresh = confirmations.of_keys(connection, self.channel.id, keys)
        waiting = [
            row._replace(looked_at=now)
            for row in fresh.values()
            if row.state != ConfirmState.CONFIRMED
        ]
        after = [self._given_up(row, now) for row in waiting] if told else waiting
        if told and self.channel.expect is Expect.ALL:
            after = self._sent_again(connection, after, there, now)
        confirmations.save(connection, after)
        if self.channel.expect is Expect.LISTED:
            self._forget_never_shown(connection, after)

    def _forget_never_shown(self, connection: Connection, rows: Iterable[Confirmation]) -> None:
        """A channel need not show what it does not list."""
        never = [
            row.key for row in rows if row.state == ConfirmState.UNCONFIRMED and row.seen_at is None
        ]
        confirmations.forget(connection, self.channel.id, never)

    def _sent_again(
        self,
        connection: Connection,
        rows: Sequence[Confirmation],
        there: Mapping[Key, Level],
        now: float,
    ) -> list[Confirmation]:
        """Send once more what the channel has never shown: Omnitron may have dropped the write.

        Once for each key, a few at a time: a channel without the product would never show it.
        """
        late = [row for row in rows if self._is_long_unseen(row, now)]
        gone = {
            row.key: there[row.key]
            for row in late[: max(0, _NEVER_SHOWN - self.healed)]
            if row.key in there
            and there[row.key].revision == row.revision
            and there[row.key].park_reason is None
        }
        levels.save(connection, [resent(level, now=now) for level in gone.values()])
        for key, level in gone.items():
            confirmations.mark_healed(connection, key, revision=level.revision + 1)
        self.healed += len(gone)
        return [
            row._replace(healed_revision=row.revision + 1) if row.key in gone else row
            for row in rows
        ]

    def _is_long_unseen(self, row: Confirmation, now: float) -> bool:
        """Whether it was never shown, and not sent again for that, for longer than mere lag."""
        if row.state != ConfirmState.WAITING:
            return False
        if row.seen_at is not None or row.healed_revision is not None:
            return False
        return self._waited(row, now) >= LAG_SHARE * self.channel.confirm_within

    def _given_up(self, row: Confirmation, now: float) -> Confirmation:
        """`confirm_within` is over, not counting the time the channel could not be read."""
        if row.state != ConfirmState.WAITING:
            return row
        if self._waited(row, now) < self.channel.confirm_within:
            return row
        seen = row.seen or ("never" if row.seen_at is None else "older")
        return row._replace(state=ConfirmState.UNCONFIRMED, seen=seen)

    def _waited(self, row: Confirmation, now: float) -> float:
        """For how many seconds the channel could have shown it."""
        return now - row.since - max(self.unreadable - row.unreadable_before, 0.0)


def _is_healed(row: Confirmation) -> bool:
    """Whether this revision is itself a heal: what no doubt explains is healed once."""
    return row.healed_revision is not None and row.revision <= row.healed_revision


def _expected(row: Confirmation) -> Expected:
    return Expected(
        row.revision, row.stock, row.unit_type, row.posted_at, row.other, row.other_modified
    )


def _sent(lines: Iterable[Line]) -> list[Sent]:
    return [Sent(line.revision, line.stock, line.unit_type) for line in lines]
