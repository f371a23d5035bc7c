"""The target row's decisions: rate, breaker, pause, probe (`design.md` §6), as pure functions."""

from __future__ import annotations

from typing import NamedTuple

from worker.model import TargetPlan, TargetState

CUT_EVERY = 1.0
"""A 429 halves the rate at most once in this many seconds."""

RECOVER_EVERY = 10.0
RECOVER_SHARE = 0.05
"""Every ten seconds without a 429 give back this share of the configured rate."""

LEAST_RATE = 0.2
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
DENIED_PAUSE = 60.0
LOGIN_EVERY = 10.0
LOGIN_BURST = 5
UNTRIED = "it did not when sending was paused, and was not tried since"
SLICE_SECONDS = 1.0
MOST_LINES = 500


class Target(NamedTuple):
    """The target row, as far as decisions need it."""

    state: str
    reason: str | None
    since: float | None
    paused_until: float
    raises_paused_until: float
    rate: float
    next_free: float
    step: int
    rate_changed_at: float
    login_at: float


def recovered(target: Target, *, plan: TargetPlan, now: float) -> Target:
    """The rate after the time that went by without a 429, and the end of a pause that is over.

    The rate is never above the configured one.
    """
    target = as_of(target, now=now)
    if not 0 < target.rate <= plan.rate:
        return target._replace(rate=plan.rate, rate_changed_at=now)
    steps = int((now - target.rate_changed_at) / RECOVER_EVERY)
    if steps <= 0 or target.rate == plan.rate:
        return target
    rate = min(plan.rate, target.rate + steps * RECOVER_SHARE * plan.rate)
    return target._replace(
        rate=rate, rate_changed_at=target.rate_changed_at + steps * RECOVER_EVERY
    )


def why_slower(target: Target, *, plan: TargetPlan) -> str | None:
    """Why the rate is below the configured one; None where it is not."""
    if target.rate >= plan.rate:
        return None
    return (
        f"lowered from {plan.rate:g} since Omnitron asked for fewer requests;"
        f" {RECOVER_SHARE:.0%} of it come back every {RECOVER_EVERY:g} s"
    )


def slice_of(target: Target) -> int:
    """How many lines one claim may take: a second's worth; a single one as the probe."""
    if target.state not in {TargetState.UP, TargetState.PAUSED}:
        return 1
    return max(1, min(MOST_LINES, int(target.rate * SLICE_SECONDS)))


def reserved(target: Target, *, count: int, now: float) -> tuple[Target, float]:
    """Take ``count`` slots; returns when the first one starts. The slots are 1/rate apart."""
    start = max(target.next_free, now)
    return target._replace(next_free=start + count / target.rate), start


def probing(target: Target, *, now: float, lease: float) -> Target:
    """Keep everybody else out until the probe has its answer, or its lease is over."""
    return target._replace(paused_until=now + lease)


def up(target: Target, *, now: float) -> Target:
    """An answer proves that Omnitron works again."""
    if target.state in {TargetState.UP, TargetState.PAUSED} and target.step == 0:
        return target
    if target.state == TargetState.PAUSED:
        return target._replace(step=0)
    return target._replace(state=TargetState.UP, reason=None, since=now, paused_until=0.0, step=0)


def throttled(
    target: Target, *, plan: TargetPlan, reason: str, retry_after: float | None, now: float
) -> Target:
    """A 429, or a 503 with Retry-After: half the rate, and wait as told (else back off)."""
    slower = target
    if now - target.rate_changed_at >= CUT_EVERY or target.rate == plan.rate:
        rate = max(min(LEAST_RATE, plan.rate), target.rate / 2)
        slower = target._replace(rate=rate, rate_changed_at=now)
    wait = pause_of(target.step) if retry_after is None else retry_after
    return _stopped(slower, TargetState.THROTTLED, reason, wait, now)


def down(target: Target, *, reason: str, now: float) -> Target:
    """Nothing gets through: back off, then probe with one line."""
    return _stopped(target, TargetState.DOWN, reason, pause_of(target.step), now)


def denied(target: Target, *, reason: str, now: float) -> Target:
    """Our credentials are refused: one probe a minute, with secrets read afresh."""
    return _stopped(target, TargetState.DENIED, reason, DENIED_PAUSE, now)


def pause_of(step: int) -> float:
    """Seconds to wait before the next probe: doubling, capped at a minute."""
    return float(min(FIRST_PAUSE * 2.0 ** min(step, 10), LONGEST_PAUSE))


def _stopped(target: Target, state: TargetState, reason: str, wait: float, now: float) -> Target:
    if as_of(target, now=now).state == TargetState.PAUSED:
        return target
    is_told = state is TargetState.THROTTLED
    return target._replace(
        state=state,
        reason=reason,
        since=now if target.state != state else target.since,
        paused_until=max(_told_until(target), now + wait),
        next_free=max(target.next_free, now + wait) if is_told else target.next_free,
        step=target.step + 1,
    )


def doubled_once(before: Target, after: Target, *, claimed_at: float) -> Target:
    """The back-off doubles once for a trouble, however many workers met it at the same time.

    claimed_at: when those claimed whose answers led from ``before`` to ``after``.
    """
    met_together = after.state == before.state and claimed_at < (before.since or 0.0)
    return after._replace(step=min(after.step, before.step)) if met_together else after


def unprobed(target: Target) -> Target:
    """Nothing was learnt: the probe's reservation ends, what Omnitron has asked for stays."""
    if target.state == TargetState.PAUSED:
        return target
    return target._replace(paused_until=_told_until(target))


def _told_until(target: Target) -> float:
    """Until when Omnitron has asked us to wait: that moves the slots too, a probe's lease not."""
    return min(target.paused_until, target.next_free)


def as_of(target: Target, *, now: float) -> Target:
    """How the target stands at ``now``: a person's pause that is over has ended by itself.

    Trouble that a pause came upon is tried with one line, as it would have been.
    """
    if target.state != TargetState.PAUSED or target.paused_until > now:
        return target
    after = resumed(target, now=target.paused_until, raises_too=False)
    if not target.step:
        return after
    return after._replace(state=TargetState.DOWN, reason=UNTRIED, step=target.step)


def without_pauses_over(target: Target, *, now: float) -> tuple[Target, list[str]]:
    """The target after a person's pauses that are over, and which these are."""
    over = []
    if target.state == TargetState.PAUSED and target.paused_until <= now:
        over.append("sending")
    if 0 < target.raises_paused_until <= now:
        over.append("increases")
        target = target._replace(raises_paused_until=0.0)
    return as_of(target, now=now), over


def paused(target: Target, *, reason: str, until: float, now: float) -> Target:
    """A person stops all sending, whatever else holds it up."""
    asked = target.state == TargetState.THROTTLED  # that is over by then; the rate has learnt it
    return target._replace(
        state=TargetState.PAUSED,
        reason=reason,
        since=now,
        paused_until=until,
        next_free=0.0,
        step=0 if asked else target.step,
    )


def resumed(target: Target, *, now: float, raises_too: bool = True) -> Target:
    """Send again at once: ends a pause, and any back-off with it."""
    return target._replace(
        state=TargetState.UP,
        reason=None,
        since=now,
        paused_until=0.0,
        raises_paused_until=0.0 if raises_too else target.raises_paused_until,
        next_free=0.0,
        step=0,
    )


def login_slot(target: Target, *, now: float) -> tuple[Target, float]:
    """The right to log in: ten seconds a login over all processes, a few may come at once.

    Returns the target and 0, or the seconds to wait. (`login_at` is when the last slot is used up.)
    """
    used_up = min(max(target.login_at, now), now + LOGIN_BURST * LOGIN_EVERY)
    wait = used_up + LOGIN_EVERY - (now + LOGIN_BURST * LOGIN_EVERY)
    if wait > 0:
        return target, wait
    return target._replace(login_at=used_up + LOGIN_EVERY), 0.0


def closed_for(target: Target, *, now: float) -> float:
    """Seconds until Omnitron may be asked again; 0: now."""
    return max(target.paused_until - now, 0.0)
