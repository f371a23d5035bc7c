"""What must hold whenever one looks at a ledger, whatever happened to it before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.integration.scenes import SOURCE
from worker.ledger import batches, levels, lists, pulls, sources, status, target
from worker.model import (
    AnswerClass,
    BatchStatus,
    Key,
    LevelState,
    LineOutcome,
    PullStatus,
    TargetState,
)
from worker.planning.levels import state_of
from worker.planning.limiter import closed_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from tests.integration.truth import Truth
    from worker.ledger import Ledger
    from worker.ledger.batches import Batch
    from worker.ledger.pulls import Pull
    from worker.ledger.sources import Source
    from worker.model import Claimed, Outcome, Value
    from worker.planning.levels import Level
    from worker.planning.limiter import Target
    from worker.planning.standing import LevelCounts

_DECIDED = {PullStatus.APPLYING, PullStatus.APPLIED, PullStatus.UNCHANGED}
_OF_ITEMS = {
    AnswerClass.ACCEPTED,
    AnswerClass.REJECTED,
    AnswerClass.UNKNOWN_PRODUCT,
    AnswerClass.LIST_STOPPED,
    AnswerClass.FORBIDDEN,
}
_OF_LISTS = {AnswerClass.LIST_STOPPED, AnswerClass.FORBIDDEN}


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


def levels_are(truth: Truth, seen: Look) -> None:
    """Every level has what its source says, and every override is the one that a person made."""
    stocks = {key: level.stock for key, level in seen.levels.items()}
    assert stocks == truth.stocks, f"not as it was said: {stocks.items() ^ truth.stocks.items()}"
    pinned = {key: level.override_stock for key, level in seen.levels.items() if level.pinned}
    assert pinned == {key: pin.stock for key, pin in truth.pins.items()}


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


def what_is_pinned_goes_first(lines: Sequence[Claimed], seen: Look) -> None:
    """Of what was claimed together."""
    pinned = [seen.levels[line.key].pinned for line in lines]
    assert pinned == sorted(pinned, reverse=True)


def nothing_rises_against_a_pause(lines: Sequence[Claimed], seen: Look) -> None:
    """While increases are paused, nothing is claimed that would show more than was sent last."""
    if seen.target.raises_paused_until <= seen.now:
        return
    for line in lines:
        sent = seen.levels[line.key].sent_stock
        assert sent is None or line.value.stock <= sent, f"{line.key} rises"


def a_refusing_list_stops_alone(
    answers: Mapping[Claimed, Outcome], before: Look, after: Look
) -> None:
    """A batch in which all refusals are about items and lists stops nothing else."""
    if answers and {outcome.verdict for outcome in answers.values()} <= _OF_ITEMS:
        assert after.target.state in {TargetState.UP, TargetState.PAUSED}
    refused = {
        line.key.stock_list for line, outcome in answers.items() if outcome.verdict in _OF_LISTS
    }
    assert after.stopped - before.stopped <= refused


def a_batch_adds_up(connection: Connection, batch: Batch | None) -> None:
    """Once it is over, each of its lines has one outcome, and they are counted."""
    assert batch is not None
    assert batch.status != BatchStatus.SENDING
    ends = Counter(line.outcome for line in batches.lines_of(connection, batch.id))
    assert ends == +Counter({end.value: getattr(batch, end.value) for end in LineOutcome})
    assert ends.total() == batch.lines
