"""One row for rate, breaker, pause and login: what each event does to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model import TargetPlan, TargetState
from worker.planning import limiter
from worker.planning.limiter import Target

NOW = 1_000_000.0
RATE = 20.0
PLAN = TargetPlan(
    base_url="https://omnitron.example",
    writes=True,
    timeout=15,
    settle=10,
    max_in_flight=32,
    rate=RATE,
)
UP = Target(
    state="up",
    reason=None,
    since=None,
    paused_until=0.0,
    raises_paused_until=0.0,
    rate=RATE,
    next_free=0.0,
    step=0,
    rate_changed_at=0.0,
    login_at=0.0,
)
PAUSED = limiter.paused(UP, reason="stock-taking", until=NOW + 7200, now=NOW)
LEASE = 56.0


def throttled(target: Target = UP, retry_after: float | None = None, now: float = NOW) -> Target:
    return limiter.throttled(target, plan=PLAN, reason="too fast", retry_after=retry_after, now=now)


def down(target: Target = UP, now: float = NOW) -> Target:
    return limiter.down(target, reason="refused", now=now)


def denied(target: Target = UP, now: float = NOW) -> Target:
    return limiter.denied(target, reason="401", now=now)


def recovered(target: Target, now: float) -> Target:
    return limiter.recovered(target, plan=PLAN, now=now)


# --- rate -----------------------------------------------------------------------------------


def test_a_429_halves_the_rate() -> None:
    assert throttled().rate == RATE / 2


@pytest.mark.parametrize(("later", "rate"), [(0.0, 10.0), (0.99, 10.0), (1.0, 5.0), (1.5, 5.0)])
def test_the_rate_is_halved_at_most_once_a_second(later: float, rate: float) -> None:
    assert throttled(throttled(), now=NOW + later).rate == rate


def test_the_rate_never_falls_below_the_floor() -> None:
    target = UP
    for second in range(50):
        target = throttled(target, now=NOW + 2 * second)

    assert target.rate == limiter.LEAST_RATE


def test_a_configured_rate_below_the_floor_is_kept() -> None:
    slow = PLAN.__class__(
        base_url=PLAN.base_url, writes=True, timeout=15, settle=10, max_in_flight=1, rate=0.1
    )
    target = limiter.recovered(UP, plan=slow, now=NOW)
    target = limiter.throttled(target, plan=slow, reason="", retry_after=None, now=NOW + 5)

    assert target.rate == 0.1


@pytest.mark.parametrize(
    ("later", "rate"), [(9.9, 10.0), (10.0, 11.0), (19.9, 11.0), (20.0, 12.0), (1e6, RATE)]
)
def test_a_twentieth_of_the_configured_rate_comes_back_every_ten_seconds(
    later: float, rate: float
) -> None:
    assert recovered(throttled(), NOW + later).rate == pytest.approx(rate)


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=40))
def test_the_rate_stays_between_the_floor_and_what_is_configured(
    events: list[tuple[float, bool]],
) -> None:
    target, now = UP, NOW
    for passed, too_fast in events:
        now += passed
        target = throttled(target, now=now) if too_fast else recovered(target, now)
        assert limiter.LEAST_RATE <= target.rate <= RATE


@given(st.lists(st.integers(0, 40), min_size=1, max_size=20))
def test_looking_often_recovers_no_faster_than_looking_once(waits: list[int]) -> None:
    target, now = throttled(), NOW
    for wait in waits:
        now += wait
        target = recovered(target, now)

    assert target.rate == pytest.approx(recovered(throttled(), now).rate)


@pytest.mark.parametrize("rate", [0.0, -1.0, RATE + 1])
def test_a_rate_that_cannot_be_becomes_the_configured_one(rate: float) -> None:
    assert recovered(UP._replace(rate=rate), NOW).rate == RATE


# --- slots ----------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 5)), max_size=40), st.floats(0.2, 100))
def test_slots_are_never_shared_and_never_closer_than_the_rate(
    claims: list[tuple[int, float]], rate: float
) -> None:
    target, now, free = UP._replace(rate=rate), NOW, 0.0
    for count, passed in claims:
        now += passed
        target, start = limiter.reserved(target, count=count, now=now)
        assert start >= max(now, free)
        free = target.next_free
        assert free == pytest.approx(start + count / rate)


@pytest.mark.parametrize("stop", [throttled, down, denied])
def test_a_stop_takes_back_no_slot_that_another_process_has(stop: object) -> None:
    target, _ = limiter.reserved(UP, count=40, now=NOW)

    assert stop(target).next_free >= target.next_free  # type: ignore[operator]


@pytest.mark.parametrize(("rate", "lines"), [(0.2, 1), (1.9, 1), (20.0, 20), (9_000.0, 500)])
def test_one_claim_takes_a_second_of_lines_but_never_more_than_500(rate: float, lines: int) -> None:
    assert limiter.slice_of(UP._replace(rate=rate)) == lines


@pytest.mark.parametrize("stop", [throttled, down, denied])
def test_after_a_stop_one_line_is_the_probe(stop: object) -> None:
    assert limiter.slice_of(stop(UP)) == 1  # type: ignore[operator]


# --- pauses ---------------------------------------------------------------------------------


def test_pauses_double_and_are_capped_at_a_minute() -> None:
    pauses, target, now = [], UP, NOW
    for _ in range(8):
        target = down(target, now)
        pauses.append(limiter.closed_for(target, now=now))
        now = target.paused_until

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_success_ends_the_stop_and_its_back_off() -> None:
    target = limiter.up(down(down()), now=NOW + 5)

    assert (target.state, target.reason, target.paused_until, target.step) == ("up", None, 0.0, 0)
    assert limiter.closed_for(target, now=NOW + 5) == 0


def test_up_stays_as_it_is() -> None:
    assert limiter.up(UP, now=NOW) == UP


def test_the_state_knows_since_when() -> None:
    first = down()

    assert first.since == NOW
    assert down(first, NOW + 5).since == NOW
    assert throttled(first, now=NOW + 7).since == NOW + 7


def test_omnitron_is_given_the_time_it_asks_for() -> None:
    assert limiter.closed_for(throttled(retry_after=30.0), now=NOW) == 30.0


def test_a_shorter_wait_does_not_shorten_a_longer_one() -> None:
    target = throttled(throttled(retry_after=60.0), retry_after=5.0, now=NOW + 1)

    assert target.paused_until == NOW + 60


@pytest.mark.parametrize("stop", [down, denied])
def test_another_trouble_does_not_shorten_the_wait_that_omnitron_asked_for(stop: object) -> None:
    target = stop(throttled(retry_after=300.0), now=NOW + 1)  # type: ignore[operator]

    assert target.paused_until == NOW + 300


def test_while_denied_there_is_one_probe_a_minute() -> None:
    target = denied(denied(denied()))

    assert limiter.closed_for(target, now=NOW) == 60.0


def test_the_probe_keeps_everybody_else_out() -> None:
    target = limiter.probing(down(), now=NOW + 1, lease=LEASE)

    assert limiter.closed_for(target, now=NOW + 2) == LEASE - 1


def probe_of(target: Target, at: float) -> Target:
    target, _ = limiter.reserved(target, count=1, now=at)
    return limiter.probing(target, now=at, lease=LEASE)


def test_a_probe_that_is_throttled_waits_as_told_and_not_for_its_lease() -> None:
    at = NOW + 3
    probing = probe_of(throttled(retry_after=3.0), at)

    assert throttled(probing, retry_after=2.0, now=at + 1).paused_until == at + 3


@pytest.mark.parametrize("stop", [down, denied])
def test_a_probe_that_fails_backs_off_from_its_answer_and_not_from_its_lease(stop: object) -> None:
    at = NOW + 60
    after = stop(probe_of(stop(UP), at), now=at + 1)  # type: ignore[operator]

    assert after.paused_until == at + 1 + (2.0 if stop is down else 60.0)


def test_a_probe_that_learnt_nothing_gives_its_turn_back() -> None:
    at = NOW + 1
    after = limiter.unprobed(probe_of(down(), at))

    assert limiter.closed_for(after, now=at + 1) == 0


def test_a_batch_that_learnt_nothing_does_not_shorten_the_wait_that_omnitron_asked_for() -> None:
    target = throttled(retry_after=30.0)

    assert limiter.unprobed(target) == target


# --- a person's pause -----------------------------------------------------------------------


@pytest.mark.parametrize("stop", [throttled, down, denied])
def test_no_answer_overwrites_a_persons_pause(stop: object) -> None:
    after = stop(PAUSED, now=NOW + 1)  # type: ignore[operator]

    assert (after.state, after.reason, after.paused_until) == (
        TargetState.PAUSED,
        "stock-taking",
        NOW + 7200,
    )
    assert limiter.up(PAUSED, now=NOW + 1).state == TargetState.PAUSED
    assert limiter.unprobed(PAUSED) == PAUSED


def test_even_while_paused_a_429_slows_us_down() -> None:
    assert throttled(PAUSED).rate == RATE / 2


def test_a_pause_ends_by_itself() -> None:
    assert limiter.as_of(PAUSED, now=NOW + 7199).state == TargetState.PAUSED
    after = recovered(PAUSED, NOW + 7200)

    assert (after.state, after.reason) == ("up", None)
    assert limiter.closed_for(after, now=NOW + 7200) == 0


def test_an_outage_after_a_pause_that_is_over_counts() -> None:
    assert down(PAUSED, now=NOW + 7200).state == TargetState.DOWN


@pytest.mark.parametrize("trouble", [down, denied])
def test_a_pause_that_came_upon_trouble_ends_with_a_probe(trouble: object) -> None:
    was = trouble(UP, now=NOW)  # type: ignore[operator]
    paused = limiter.paused(was, reason="by ayse", until=NOW + 60, now=NOW)
    after = recovered(paused, NOW + 60)
    assert (after.state, after.reason) == (TargetState.DOWN, limiter.UNTRIED)
    assert limiter.closed_for(after, now=NOW + 60) == 0
    assert limiter.slice_of(after) == 1
    assert limiter.up(after, now=NOW + 61).state == TargetState.UP


def test_a_pause_that_came_upon_a_429_simply_ends() -> None:
    paused = limiter.paused(throttled(), reason="by ayse", until=NOW + 60, now=NOW)
    assert recovered(paused, NOW + 60).state == TargetState.UP


def test_what_worked_while_it_was_paused_is_no_trouble_any_more() -> None:
    paused = limiter.paused(down(), reason="by ayse", until=NOW + 60, now=NOW)
    assert recovered(limiter.up(paused, now=NOW + 1), NOW + 60).state == TargetState.UP


def test_a_pause_of_raises_outlasts_a_pause_of_all() -> None:
    both = PAUSED._replace(raises_paused_until=NOW + 9000)

    assert limiter.as_of(both, now=NOW + 7200).raises_paused_until == NOW + 9000
    assert limiter.resumed(both, now=NOW + 1).raises_paused_until == 0.0


# --- logins ---------------------------------------------------------------------------------


def logins(target: Target, *, now: float, times: int) -> tuple[Target, list[float]]:
    waits = []
    for _ in range(times):
        target, wait = limiter.login_slot(target, now=now)
        waits.append(wait)
    return target, waits


def test_a_few_logins_may_come_at_once_and_then_one_every_ten_seconds() -> None:
    target, waits = logins(UP, now=NOW, times=7)
    assert waits == [0, 0, 0, 0, 0, 10, 10]

    _, later = logins(target, now=NOW + 10, times=2)
    assert later == [0, 10]


def test_logins_that_were_not_made_are_given_back_but_never_more_than_a_few() -> None:
    target, _ = logins(UP, now=NOW, times=5)
    _, waits = logins(target, now=NOW + 9_999, times=6)

    assert waits == [0, 0, 0, 0, 0, 10]


@given(st.lists(st.floats(0, 20), max_size=60))
def test_no_pattern_of_asking_gains_logins(gaps: list[float]) -> None:
    target, now, made = UP, NOW, 0
    for gap in gaps:
        now += gap
        target, wait = limiter.login_slot(target, now=now)
        made += wait == 0

    assert made <= limiter.LOGIN_BURST + (now - NOW) / limiter.LOGIN_EVERY + 1e-6


def test_a_lowered_rate_says_why_and_how_it_comes_back() -> None:
    slower = throttled(UP)
    why = limiter.why_slower(slower, plan=PLAN)
    assert why is not None
    assert f"lowered from {PLAN.rate:g}" in why
    assert limiter.why_slower(UP._replace(rate=PLAN.rate), plan=PLAN) is None
