"""What must hold whenever one looks at a ledger, whatever happened to it before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.integration.scenes import SOURCE
from worker.ledger import levels, lists, pulls, sources, status, target
from worker.model import Key, LevelState, PullStatus
from worker.planning.levels import state_of
from worker.planning.limiter import closed_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from worker.ledger import Ledger
    from worker.ledger.pulls import Pull
    from worker.ledger.sources import Source
    from worker.model import Value
    from worker.planning.levels import Level
    from worker.planning.limiter import Target
    from worker.planning.standing import LevelCounts

_DECIDED = {PullStatus.APPLYING, PullStatus.APPLIED, PullStatus.UNCHANGED}


@dataclass(frozen=True, kw_only=True)
class Look:
    """The ledger at one moment."""

    now: float
    levels: Mapping[Key, Level]
    history: Sequence[Pull]
    source: Source
    counts: LevelCounts
    target: Target
    stopped: set[int]


def look(ledger: Ledger, keys: Sequence[Key]) -> Look:
    """Read everything in one transaction."""
    with ledger.read() as connection:
        return _read(connection, keys, ledger.now(connection))


def _read(connection: Connection, keys: Sequence[Key], now: float) -> Look:
    source = sources.named(connection, SOURCE)
    assert source is not None
    return Look(
        now=now,
        levels=levels.by_keys(connection, keys),
        history=pulls.latest(connection, limit=1_000)[::-1],
        source=source,
        counts=status.level_counts(connection, now=now),
        target=target.read(connection),
        stopped={row.id for row in lists.every(connection) if row.stopped_until > now},
    )


def every_level_is_in_exactly_one_state(seen: Look) -> None:
    """The counts of `status` are those of the states, and sum to the total."""
    states = Counter(_state(level, seen) for level in seen.levels.values())
    assert {state: getattr(seen.counts, state) for state in LevelState} == {
        state: states[state] for state in LevelState
    }
    assert seen.counts.total == states.total() == len(seen.levels)


def _state(level: Level, seen: Look) -> LevelState:
    row = seen.target
    is_open = closed_for(row, now=seen.now) <= 0 and level.stock_list not in seen.stopped
    may_rise = row.raises_paused_until <= seen.now or level.rank == 0
    return state_of(level, now=seen.now, open_for_sending=is_open and may_rise)


def levels_are(stocks: Mapping[Key, int], seen: Look) -> None:
    """Every level has what its source says."""
    assert {key: level.stock for key, level in seen.levels.items()} == stocks


def a_revision_has_one_value(known: dict[tuple[Key, int], Value], seen: Look) -> None:
    """For ever; known: what was seen before, to which this look is added."""
    for key, level in seen.levels.items():
        assert known.setdefault((key, level.revision), level.shown) == level.shown
        assert level.sent_revision <= level.revision


def the_checkpoint_is_not_ahead(seen: Look) -> None:
    """What the checkpoint says was read is decided, so that its rows are durable."""
    checkpoint = seen.source.checkpoint
    passed = {name for name, *_ in checkpoint["applied"]} if checkpoint else set()
    assert passed <= {pull.label for pull in seen.history if pull.status in _DECIDED}
