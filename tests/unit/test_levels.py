"""The event table of the design page, row by row, and what holds for every sequence of events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model import Key, LevelState, Rank, Value
from worker.planning import levels
from worker.planning.levels import Level

NOW = 1_000_000.0
SETTLE = 10.0
NEW = levels.created(Key(1, "A"), Value(7), source_id=3, pull_id=5, now=NOW - 50)
CLAIM = {"claim_token": "t", "claim_until": NOW + 60, "batch_id": 9}
NO_CLAIM = {"claim_token": None, "claim_until": None, "batch_id": None}
IN_SYNC = NEW._replace(revision=4, sent_revision=4, sent_stock=7, due_since=0.0, remote_pk=77)
DUE = IN_SYNC._replace(revision=6, sent_stock=9, due_since=NOW - 30, attempts=2, not_before=NOW - 1)
FLYING = DUE._replace(**CLAIM)
PARKED = DUE._replace(park_reason="invalid_stock", parked_at=NOW - 5)
MOVED_ON = FLYING._replace(revision=7)
RESTING = DUE._replace(not_before=NOW + 20)

Event = Callable[[Level], Level]


def states(value: Value, pull_id: int = 8) -> Event:
    return lambda level: levels.stated(level, value, pull_id=pull_id, now=NOW)


def is_accepted(revision: int = 6, pk: int | None = 78) -> Event:
    return lambda level: levels.accepted(level, revision=revision, stock=7, pk=pk, now=NOW)


def is_rejected(level: Level) -> Level:
    return levels.rejected(level, revision=6, reason="invalid_stock", now=NOW)


def is_in_doubt(*, blame: bool) -> Event:
    return lambda level: levels.in_doubt(level, settle=SETTLE, now=NOW, blame=blame)


def is_expired(level: Level) -> Level:
    return levels.expired(level, settle=SETTLE, now=NOW + 61)


def is_resent(level: Level) -> Level:
    return levels.resent(level, now=NOW)


ANOTHER = states(Value(3))
SAME = states(Value(7))
STATED = {"stock": 3, "pull_id": 8, "changed_at": NOW, "rank": Rank.URGENT}
ACCEPTED = {
    **NO_CLAIM,
    "sent_revision": 6,
    "sent_stock": 7,
    "sent_at": NOW,
    "remote_pk": 78,
    "attempts": 0,
    "not_before": 0.0,
}
DOUBT = {**NO_CLAIM, "sent_stock": None, "rank": Rank.URGENT, "not_before": NOW + 4 * SETTLE}
LOST = DUE._replace(**CLAIM, attempts=0)

TABLE = {
    # a pull states another value
    "another value, in sync": (IN_SYNC, ANOTHER, {**STATED, "revision": 5, "due_since": NOW}),
    "another value, due": (DUE, ANOTHER, {**STATED, "revision": 7}),
    "another value, in flight": (FLYING, ANOTHER, {**STATED, "revision": 7}),
    "another value, at rest": (RESTING, ANOTHER, {**STATED, "revision": 7}),
    "another value, parked": (
        PARKED,
        ANOTHER,
        {**STATED, "revision": 7, "park_reason": None, "parked_at": None},
    ),
    "another value, unknown product": (
        PARKED._replace(park_reason="unknown_product"),
        ANOTHER,
        {**STATED, "revision": 7},
    ),
    # a pull states the same value
    "same value, in sync": (IN_SYNC, SAME, {"pull_id": 8}),
    "same value, in flight": (FLYING, SAME, {"pull_id": 8}),
    "same value, parked": (PARKED, SAME, {"pull_id": 8}),
    "same value, an older pull": (IN_SYNC, states(Value(7), pull_id=2), {}),
    # accepted
    "accepted": (FLYING, is_accepted(), {**ACCEPTED, "due_since": 0.0}),
    "accepted, no pk told": (
        FLYING,
        is_accepted(pk=None),
        {**ACCEPTED, "due_since": 0.0, "remote_pk": 77},
    ),
    "accepted, newer stated": (MOVED_ON, is_accepted(), {**ACCEPTED, "due_since": NOW - 50}),
    # item rejected
    "rejected": (
        FLYING,
        is_rejected,
        {**NO_CLAIM, "park_reason": "invalid_stock", "parked_at": NOW},
    ),
    "rejected, newer stated": (MOVED_ON, is_rejected, NO_CLAIM),
    # not sent / released
    "released": (FLYING, levels.released, NO_CLAIM),
    "released, newer stated": (MOVED_ON, levels.released, NO_CLAIM),
    # in doubt
    "in doubt, others accepted": (FLYING, is_in_doubt(blame=True), {**DOUBT, "attempts": 3}),
    "in doubt, none accepted": (FLYING, is_in_doubt(blame=False), DOUBT),
    "in doubt, newer stated": (MOVED_ON, is_in_doubt(blame=False), DOUBT),
    "in doubt for the first time": (
        LOST,
        is_in_doubt(blame=True),
        {**DOUBT, "not_before": NOW + SETTLE, "attempts": 1},
    ),
    # lease expired
    "lease expired": (
        LOST,
        is_expired,
        {**DOUBT, "not_before": NOW + 60 + SETTLE, "crashes": 1},
    ),
    "lease further ahead than any": (
        LOST._replace(claim_until=NOW + 9e9),
        is_expired,
        {**DOUBT, "not_before": NOW + 61 + SETTLE, "crashes": 1},
    ),
    # replay
    "replay": (
        PARKED._replace(crashes=2),
        levels.replayed,
        {"park_reason": None, "parked_at": None, "attempts": 0, "crashes": 0},
    ),
    "replay, at rest": (
        PARKED._replace(not_before=NOW + 20),
        levels.replayed,
        {"park_reason": None, "parked_at": None, "attempts": 0},
    ),
    # repair, re-send
    "re-send": (
        IN_SYNC,
        is_resent,
        {"revision": 5, "due_since": NOW, "rank": Rank.NORMAL},
    ),
    "re-send, due": (DUE, is_resent, {"revision": 7, "rank": Rank.URGENT}),
}


@pytest.mark.parametrize(("level", "event", "effect"), TABLE.values(), ids=TABLE)
def test_an_event_changes_what_the_table_says_and_nothing_else(
    level: Level, event: Event, effect: dict[str, object]
) -> None:
    before, after = level._asdict(), event(level)._asdict()

    assert {name: after[name] for name in after if after[name] != before[name]} == {
        name: value for name, value in effect.items() if value != before[name]
    }


FIRST_THAT_FITS = [
    ({"retired": True}, LevelState.RETIRED),
    ({"override_stock": 1}, LevelState.OVERRIDDEN),
    ({"park_reason": "no_proof"}, LevelState.PARKED),
    (CLAIM, LevelState.IN_FLIGHT),
    ({"revision": 4, "sent_revision": 4}, LevelState.IN_SYNC),
    ({"not_before": NOW + 1}, LevelState.WAITING),
    ({"withheld_until": NOW + 1}, LevelState.WAITING),
    ({}, LevelState.DUE),
]


@pytest.mark.parametrize("place", range(len(FIRST_THAT_FITS)))
def test_a_level_is_in_the_first_state_that_fits(place: int) -> None:
    bare = DUE._replace(not_before=0.0)
    for changes, _ in reversed(FIRST_THAT_FITS[place:]):
        bare = bare._replace(**changes)

    assert levels.state_of(bare, now=NOW, open_for_sending=True) is FIRST_THAT_FITS[place][1]


def test_a_level_waits_while_nothing_may_be_sent() -> None:
    assert levels.state_of(DUE, now=NOW, open_for_sending=False) is LevelState.WAITING
    assert levels.state_of(IN_SYNC, now=NOW, open_for_sending=False) is LevelState.IN_SYNC


def test_a_claim_whose_lease_is_over_is_not_in_flight() -> None:
    level = FLYING._replace(claim_until=NOW)

    assert levels.state_of(level, now=NOW, open_for_sending=True) is LevelState.DUE


@pytest.mark.parametrize(
    "value", [Value(8), Value(7, "kg"), Value(7, None, 2), Value(7, None, None, '{"bin":"A"}')]
)
def test_a_change_of_any_field_of_the_value_is_a_change(value: Value) -> None:
    after = levels.stated(IN_SYNC, value, pull_id=8, now=NOW)

    assert (after.revision, after.value) == (5, value)


RANKS = [
    (IN_SYNC, 6, Rank.URGENT, "lower than what was sent"),
    (IN_SYNC, 0, Rank.URGENT, "zero"),
    (IN_SYNC, 8, Rank.NORMAL, "higher"),
    (IN_SYNC._replace(sent_stock=None), 9, Rank.URGENT, "what was sent is unknown"),
    (NEW, 8, Rank.NORMAL, "never sent"),
    (NEW, 0, Rank.URGENT, "never sent, and zero"),
    (NEW._replace(not_before=NOW + 9), 8, Rank.URGENT, "the first send is in doubt"),
]


@pytest.mark.parametrize(("level", "stock", "rank"), [row[:3] for row in RANKS])
def test_the_rank_is_set_against_what_was_last_sent(level: Level, stock: int, rank: Rank) -> None:
    assert levels.stated(level, Value(stock), pull_id=8, now=NOW).rank is rank


@pytest.mark.parametrize(("level", "stock", "rank"), [row[:3] for row in RANKS])
def test_a_backfill_puts_off_only_what_may_wait(level: Level, stock: int, rank: Rank) -> None:
    after = levels.stated(level, Value(stock), pull_id=8, now=NOW, backfill=True)

    assert after.rank is (Rank.BACKFILL if rank is Rank.NORMAL else rank)


def test_a_new_level_at_zero_is_urgent() -> None:
    born = levels.created(Key(1, "A"), Value(0), source_id=3, pull_id=5, now=NOW)

    assert born.rank is Rank.URGENT
    assert NEW.rank is Rank.NORMAL


def test_a_value_that_fell_while_in_flight_is_urgent_once_the_old_one_is_accepted() -> None:
    fell = levels.stated(FLYING, Value(2), pull_id=8, now=NOW)

    assert is_accepted()(fell).rank is Rank.URGENT


def test_rests_double_and_are_capped_at_ten_minutes() -> None:
    rests = []
    level = LOST
    for _ in range(9):
        level = levels.in_doubt(level, settle=SETTLE, now=NOW, blame=True)
        rests.append(level.not_before - NOW)

    assert rests == [10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_an_outage_does_not_lengthen_the_rest_of_an_item() -> None:
    level = LOST
    for _ in range(9):
        level = levels.in_doubt(level, settle=SETTLE, now=NOW, blame=False)

    assert level.not_before == NOW + SETTLE


# --- every sequence of events ---------------------------------------------------------------

_VALUES = st.builds(Value, st.integers(0, 3), st.sampled_from([None, "qty"]))
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("state"), _VALUES),
        st.tuples(
            st.sampled_from(
                ["claim", "accept", "reject", "release", "doubt", "expire", "replay", "resend"]
            ),
            st.none(),
        ),
    ),
    max_size=30,
)
_OUTCOMES = {"accept", "reject", "release", "doubt", "expire"}


class Walk:
    """One level, taken through events as the steps would: outcomes only where a claim is out."""

    def __init__(self) -> None:
        self.level = NEW
        self.claimed = 0
        self.now = NOW
        self.pull = 5

    def take(self, name: str, value: Value | None) -> bool:
        """Apply one event; False: it cannot happen here."""
        self.now += 1
        flying = self.level.claim_token is not None
        if (name in _OUTCOMES and not flying) or (name == "claim" and not self._can_go()):
            return False
        self.level = self._after(name, value)
        return True

    def _can_go(self) -> bool:
        state = levels.state_of(self.level, now=self.now, open_for_sending=True)
        return state is LevelState.DUE

    def _after(self, name: str, value: Value | None) -> Level:
        level, now, claimed = self.level, self.now, self.claimed
        if value is not None:
            self.pull += 1
            return levels.stated(level, value, pull_id=self.pull, now=now)
        if name == "claim":
            self.claimed = level.revision
            return level._replace(claim_token="t", claim_until=now + 60, batch_id=1)
        events: dict[str, Callable[[], Level]] = {
            "accept": lambda: levels.accepted(level, revision=claimed, stock=1, pk=1, now=now),
            "reject": lambda: levels.rejected(level, revision=claimed, reason="x", now=now),
            "release": lambda: levels.released(level),
            "doubt": lambda: levels.in_doubt(level, settle=SETTLE, now=now, blame=True),
            "expire": lambda: levels.expired(level, settle=SETTLE, now=now),
            "replay": lambda: levels.replayed(level),
            "resend": lambda: levels.resent(level, now=now),
        }
        return events[name]()


@given(_STEPS)
def test_no_sequence_of_events_breaks_a_level(steps: list[tuple[str, Value | None]]) -> None:
    walk = Walk()
    for name, value in steps:
        before = walk.level
        if not walk.take(name, value):
            continue
        after = walk.level
        assert 0 <= after.sent_revision <= after.revision
        assert before.sent_revision <= after.sent_revision
        assert after.revision - before.revision in {0, 1}
        assert after.not_before <= walk.now + levels.REST_CAP
        assert (after.value == before.value) or after.revision > before.revision
        assert after.must_go <= (after.due_since > 0)
        if name in _OUTCOMES:
            assert (after.claim_token, after.claim_until, after.batch_id) == (None, None, None)
        else:
            assert after.claim_token == before.claim_token or name == "claim"


@given(_STEPS, _VALUES)
def test_stating_twice_is_stating_once(steps: list[tuple[str, Value | None]], value: Value) -> None:
    walk = Walk()
    for step in steps:
        walk.take(*step)
    once = levels.stated(walk.level, value, pull_id=99, now=NOW)

    assert levels.stated(once, value, pull_id=99, now=NOW + 5) == once


@given(_STEPS)
def test_replaying_twice_is_replaying_once_and_never_changes_what_would_go(
    steps: list[tuple[str, Value | None]],
) -> None:
    walk = Walk()
    for step in steps:
        walk.take(*step)
    once = levels.replayed(walk.level)

    assert levels.replayed(once) == once
    assert (once.value, once.revision, once.not_before) == (
        walk.level.value,
        walk.level.revision,
        walk.level.not_before,
    )


@given(walks=st.lists(_STEPS, max_size=8), open_for_sending=st.booleans())
def test_the_states_of_levels_sum_to_their_number(
    *, walks: list[list[tuple[str, Value | None]]], open_for_sending: bool
) -> None:
    there = []
    for steps in walks:
        walk = Walk()
        for step in steps:
            walk.take(*step)
        there.append(walk.level)
    counts = Counter(
        levels.state_of(level, now=NOW, open_for_sending=open_for_sending) for level in there
    )

    assert sum(counts[state] for state in LevelState) == len(there)
    assert not (counts[LevelState.DUE] and not open_for_sending)
