"""How the whole service stands, and what of it concerns a person: pure, from counts and states."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from worker.errors import ExitCode
from worker.model import SourceState, TargetState
from worker.planning.duration import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from worker.planning.fingerprints import Consequence

LATE = 900.0
"""Seconds after which a due level says that nobody delivers, or not fast enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelCounts:
    """Levels by state, the first that fits; together they are `total`."""

    total: int = 0
    in_sync: int = 0
    due: int = 0
    in_flight: int = 0
    waiting: int = 0
    parked: int = 0
    retired: int = 0
    overridden: int = 0

    @property
    def unsent(self) -> int:
        """Levels that Omnitron has yet to get."""
        return self.due + self.in_flight + self.waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStanding:
    """One configured source. cursor: how far it was read, for people; moments: ledger time.

    new_rules: what it means that they are not those of its last pull, and what may be done.
    """

    name: str
    state: SourceState
    reason: str | None = None
    since: float | None = None
    cursor: str | None = None
    next_at: float | None = None
    last_success_at: float | None = None
    held_pull_id: int | None = None
    paused_until: float | None = None
    paused_by: str | None = None
    last_pull: Mapping[str, object] | None = None
    new_rules: Sequence[Consequence] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStanding:
    """One configured channel: whether it can be read, and its confirmations by state."""

    id: int
    state: str
    reason: str | None
    polled_at: float | None
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStanding:
    """The one Omnitron. base_url: that the ledger has sent to, None before the first time."""

    state: str
    reason: str | None
    since: float | None
    rate: float
    rate_reason: str | None = field(default=None, kw_only=True)
    paused_until: float
    raises_paused_until: float
    raises_paused_by: str | None = field(default=None, kw_only=True)
    base_url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Everything that `status` shows, at one moment of the ledger's clock.

    orphans: sources configured no longer of which nobody has decided, with their levels.
    ignored: those of unknown products, where the configuration says that they concern nobody.
    """

    at: float
    levels: LevelCounts
    target: TargetStanding
    oldest_due_at: float | None = None
    heartbeat_at: float | None = None
    confirmations: Mapping[str, int] = field(default_factory=dict)
    open_failures: int = 0
    ignored_levels: int = 0
    ignored_failures: int = 0
    sources: Sequence[SourceStanding] = ()
    orphans: Mapping[str, int] = field(default_factory=dict)
    channels: Sequence[ChannelStanding] = ()

    @property
    def held_pulls(self) -> int:
        """Pulls that wait for approve or discard."""
        return sum(source.held_pull_id is not None for source in self.sources)

    @property
    def oldest_due_seconds(self) -> float | None:
        """For how long the level that waits longest has been due."""
        return None if self.oldest_due_at is None else max(self.at - self.oldest_due_at, 0.0)


class Concern(NamedTuple):
    """Something a person should know: how bad (an exit code), what, and what to do."""

    code: ExitCode
    message: str
    remedy: str


def concerns(standing: Standing, *, base_url: str) -> list[Concern]:
    """What is not as it should be, the worst first; empty: all is well.

    base_url: the configured Omnitron. What heals by itself within moments (a throttled target, a
    level that is due or in flight, a confirmation that waits) concerns nobody.
    """
    found = [
        *_of_target(standing.target, base_url),
        *(concern for source in standing.sources for concern in _of_source(source)),
        *(_of_orphan(name, levels) for name, levels in standing.orphans.items()),
        *_of_channels(standing),
        *_of_levels(standing),
    ]
    order = list(ExitCode)
    return sorted(found, key=lambda concern: order.index(concern.code))


def _of_target(target: TargetStanding, base_url: str) -> Iterator[Concern]:
    why = f": {target.reason}" if target.reason else ""
    if target.base_url is not None and target.base_url.rstrip("/") != base_url.rstrip("/"):
        yield Concern(
            ExitCode.USAGE,
            f"the ledger has sent to {target.base_url}, the configuration names {base_url}",
            "stocksync target rebind --new (another system) or --moved (the same one)",
        )
    if target.state == TargetState.DOWN:
        yield Concern(
            ExitCode.UNREACHABLE,
            f"Omnitron does not take stock{why}",
            "it is tried again by itself; see: stocksync check",
        )
    elif target.state == TargetState.DENIED:
        yield Concern(
            ExitCode.UNREACHABLE,
            f"Omnitron refuses our credentials or rights{why}",
            "correct them; they are read again at each try. See: stocksync check",
        )
    elif target.state == TargetState.PAUSED:
        yield Concern(
            ExitCode.ATTENTION,
            f"delivery was paused by a person{why}",
            "go on with: stocksync target resume",
        )


def _of_source(source: SourceStanding) -> Iterator[Concern]:
    why = f": {source.reason}" if source.reason else ""
    name = source.name
    if source.state is SourceState.UNREACHABLE:
        remedy = "it is tried again by itself; see: stocksync check"
        yield Concern(ExitCode.UNREACHABLE, f"source {name} cannot be reached{why}", remedy)
    elif source.state is SourceState.FAILING:
        remedy = "see: stocksync failures"
        yield Concern(ExitCode.ATTENTION, f"source {name} cannot be used{why}", remedy)
    elif source.state is SourceState.STALE:
        remedy = "see that the ERP still writes, and that this source points to where it does"
        yield Concern(
            ExitCode.ATTENTION, f"nothing was read from source {name} for too long{why}", remedy
        )
    elif source.state is SourceState.PAUSED:
        remedy = f"go on with: stocksync sources resume {name}"
        who = source.paused_by or "a person"
        yield Concern(ExitCode.ATTENTION, f"source {name} was paused by {who}", remedy)
    if source.held_pull_id is not None:
        number = source.held_pull_id
        yield Concern(
            ExitCode.ATTENTION,
            f"pull {number} of source {name} is held{why}",
            f"stocksync pulls show {number}, then: pulls approve {number}, or discard",
        )


def _of_orphan(name: str, levels: int) -> Concern:
    return Concern(
        ExitCode.ATTENTION,
        f"source {name} is configured no longer, and nobody feeds its levels: {levels}",
        f"it has a new name: stocksync sources rename {name} NEW; it is no more: stocksync sources"
        f" retire {name} --keep (or --zero). Keys that another source states pass to that one; if"
        " its files do not change: stocksync sources adopt OTHER",
    )


def _of_channels(standing: Standing) -> Iterator[Concern]:
    for channel in standing.channels:
        if channel.state == "unreadable":
            why = f": {channel.reason}" if channel.reason else ""
            yield Concern(
                ExitCode.UNREACHABLE,
                f"channel {channel.id} cannot be read{why}",
                "it is tried again by itself; see: stocksync check",
            )
    words = {
        "unconfirmed": "were sent but not seen in their channel in time",
        "overwritten": "were changed by somebody else after we sent them",
    }
    for state, words_of in words.items():
        if count := standing.confirmations.get(state, 0):
            yield Concern(
                ExitCode.ATTENTION, f"levels that {words_of}: {count}", "see: stocksync failures"
            )


def _of_levels(standing: Standing) -> Iterator[Concern]:
    if parked := standing.levels.parked - standing.ignored_levels:
        yield Concern(
            ExitCode.ATTENTION,
            f"levels are parked, each for its reason: {parked}",
            "see: stocksync failures",
        )
    if failures := standing.open_failures - standing.ignored_failures:
        yield Concern(
            ExitCode.ATTENTION,
            f"failures are open: {failures}",
            "see: stocksync failures",
        )
    late = standing.oldest_due_seconds or 0.0
    if standing.target.state == TargetState.UP and late > LATE:
        yield Concern(
            ExitCode.ATTENTION,
            f"a level has been due for {duration(late)}",
            "see that the service runs: stocksync health; or send now: stocksync sync",
        )
