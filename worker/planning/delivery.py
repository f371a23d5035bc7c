"""What the answers to one batch mean: for each level, for the batch, and for the target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from worker.model import AnswerClass, LineOutcome, Outcome, TargetState
from worker.planning import limiter
from worker.planning.levels import (
    REST_CAP,
    UNKNOWN_PRODUCT,
    accepted,
    in_doubt,
    rejected,
    released,
    unknown_product,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from worker.model import Claimed, Key, TargetPlan
    from worker.planning.levels import Level
    from worker.planning.limiter import Target

EPIDEMIC = 20
"""So many answers in a row with one reason and none accepted are not the items' fault."""

_EPIDEMIC_REASON = f"{EPIDEMIC} answers in a row failed alike, so it is not the items"
FAULTS_IN_A_ROW = 3
NO_PROOF_AFTER = 5

_ALIVE = {
    AnswerClass.ACCEPTED,
    AnswerClass.REJECTED,
    AnswerClass.UNKNOWN_PRODUCT,
    AnswerClass.LIST_STOPPED,
    AnswerClass.FORBIDDEN,
}
_PARKING = {
    AnswerClass.REJECTED: None,
    AnswerClass.UNKNOWN_PRODUCT: None,
    AnswerClass.FORBIDDEN: "forbidden",
    AnswerClass.DEFECT: "internal",
}
_STOPPING = {
    AnswerClass.NOT_SENT,
    AnswerClass.THROTTLED,
    AnswerClass.DENIED,
}
_RESTING = {AnswerClass.IN_DOUBT, AnswerClass.REMOTE_FAULT}
_NO_EPIDEMIC = {
    AnswerClass.ACCEPTED,
    AnswerClass.UNKNOWN_PRODUCT,
    AnswerClass.LIST_STOPPED,
}
LOGIN_WAIT = "login_wait"
NO_RIGHT = "http_403"


class Streak(NamedTuple):
    """Keys that were answered alike in a row, none accepted in between."""

    reason: str = ""
    keys: frozenset[Key] = frozenset()


def streak_of(batches: Iterable[Sequence[tuple[Key, str | None]]]) -> Streak:
    """The row that the last batches ended with, the latest first: what each parked, and why.

    A batch in which anything else happened than one reason ends the row.
    """
    streak = Streak()
    for lines in batches:
        reasons = {reason for _, reason in lines}
        reason = reasons.pop() or "" if len(reasons) == 1 else ""
        if reason in {"", UNKNOWN_PRODUCT} or streak.reason not in {"", reason}:
            break
        streak = Streak(reason, streak.keys | {key for key, _ in lines})
    return streak


class Watch:
    """Follows the answers of a batch as they come and says when to start no more requests.

    after: the batches before, so that a row of like answers goes on over small batches. login_in:
    seconds until a login has its turn, where a batch stopped for want of one (``LOGIN_WAIT``).
    lists: to start nothing more for; forbidden: those of them that a row of answers forbade us.
    """

    def __init__(self, *, after: Watch | Streak | None = None) -> None:
        streak = after.streak if isinstance(after, Watch) else after
        self.stopped = ""
        self.epidemic = ""
        self.login_in = 0.0
        self.lists: set[int] = set()
        self.forbidden: dict[int, Outcome] = {}
        self.streak: Streak = streak or Streak()
        self._faults = 0
        self._taking: set[int] = set()

    def in_company(self, line: Claimed, outcome: Outcome) -> Outcome:
        """An answer beside the others of its batch.

        A refusal of our rights, while other lists take what they get and its own takes nothing, is
        about that list, whether it says so or not.
        """
        stock_list = line.key.stock_list
        if outcome.verdict is AnswerClass.ACCEPTED:
            self._taking.add(stock_list)
        others = self._taking - {stock_list}
        if outcome.reason != NO_RIGHT or not others or stock_list in self._taking:
            return outcome
        message = f"Omnitron does not let us write to stock list {stock_list}."
        return replace(outcome, verdict=AnswerClass.FORBIDDEN, reason="forbidden", message=message)

    def reconsider(self, answers: dict[Claimed, Outcome]) -> None:
        """Take what came before another list had taken anything as `in_company` does now."""
        answers |= {line: self.in_company(line, outcome) for line, outcome in answers.items()}
        if all(outcome.reason != NO_RIGHT for outcome in answers.values()):
            self.stopped = "" if self.stopped == NO_RIGHT else self.stopped

    def see(self, line: Claimed, outcome: Outcome) -> None:
        """Take note of one answer."""
        verdict = outcome.verdict
        if verdict is AnswerClass.LIST_STOPPED:
            self.lists.add(line.key.stock_list)
        if outcome.reason == LOGIN_WAIT:
            self.login_in = outcome.retry_after or 1.0
        self._faults = self._faults + 1 if verdict is AnswerClass.REMOTE_FAULT else 0
        if verdict in _STOPPING or self._faults >= FAULTS_IN_A_ROW:
            self._stop(_reason_of(outcome))
        self._count(line.key, outcome)

    def _stop(self, reason: str) -> None:
        """Keep the first reason; having to wait for a login gives way to any other."""
        if self.stopped in {"", LOGIN_WAIT}:
            self.stopped = reason

    def _count(self, key: Key, outcome: Outcome) -> None:
        if outcome.verdict in _NO_EPIDEMIC:
            self.streak = Streak()
            return
        reason = _reason_of(outcome)
        before = self.streak.keys if reason == self.streak.reason else frozenset()
        self.streak = Streak(reason, before | {key})
        if len(self.streak.keys) >= EPIDEMIC:
            self._break_off(key.stock_list, outcome)

    def _break_off(self, stock_list: int, outcome: Outcome) -> None:
        """Stop a list that we may not write to, and everything where it is not the list's fault."""
        if outcome.verdict is AnswerClass.FORBIDDEN:
            self.forbidden[stock_list] = outcome
            self.lists.add(stock_list)
            self.streak = Streak()
            return
        self.epidemic = _reason_of(outcome)
        self._stop(self.epidemic)


def _reason_of(outcome: Outcome) -> str:
    return outcome.reason or outcome.verdict.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the answers of a batch mean together.

    probing: the batch tried whether an epidemic is over, and it is not.
    """

    any_accepted: bool
    epidemic: str
    settle: float
    probing: bool = False


class Settled(NamedTuple):
    """A level after its outcome; parked: the reason, where it was parked now."""

    level: Level
    outcome: LineOutcome
    parked: str | None


def settle_level(
    level: Level, line: Claimed, outcome: Outcome | None, *, verdict: Verdict, now: float
) -> Settled:
    """One level after its answer; None: it was never sent."""
    if outcome is not None and outcome.verdict not in _STOPPING:
        level = level._replace(crashes=0)  # its answer came, and our worker lives
    if outcome is None or outcome.verdict not in {*_PARKING, *_RESTING, AnswerClass.ACCEPTED}:
        return Settled(released(level), _unsent(level, line), None)
    if outcome.verdict is AnswerClass.ACCEPTED:
        after = accepted(
            level,
            revision=line.revision,
            stock=line.value.stock,
            pk=outcome.remote_pk,
            now=now,
        )
        return Settled(after, _line(level, line, LineOutcome.SENT), None)
    if outcome.verdict in _RESTING:
        return _doubtful(level, line, verdict=verdict, now=now)
    return _not_taken(level, line, outcome, verdict=verdict, now=now)


def _not_taken(
    level: Level, line: Claimed, outcome: Outcome, *, verdict: Verdict, now: float
) -> Settled:
    """One level that Omnitron does not take: parked, unless it is not the item's fault."""
    if verdict.epidemic and verdict.epidemic == _reason_of(outcome):
        return Settled(released(level), _unsent(level, line), None)
    if verdict.probing:  # not parked, but at rest: the next probe tries another item
        rests = released(level)._replace(not_before=now + REST_CAP)
        return Settled(rests, _unsent(level, line), None)
    if outcome.verdict is AnswerClass.UNKNOWN_PRODUCT:
        return _settled(unknown_product(level, revision=line.revision, now=now))
    return _parked(level, line, _PARKING[outcome.verdict] or outcome.reason, now)


def _parked(level: Level, line: Claimed, reason: str, now: float) -> Settled:
    return _settled(rejected(level, revision=line.revision, reason=reason, now=now))


def _settled(after: Level) -> Settled:
    parked = after.park_reason
    return Settled(after, LineOutcome.SUPERSEDED if parked is None else LineOutcome.PARKED, parked)


def _doubtful(level: Level, line: Claimed, *, verdict: Verdict, now: float) -> Settled:
    after = in_doubt(level, settle=verdict.settle, now=now, blame=verdict.any_accepted)
    if verdict.any_accepted and after.attempts >= NO_PROOF_AFTER:
        return _parked(after, line, "no_proof", now)
    return Settled(after, _unsent(level, line), None)


def _line(level: Level, line: Claimed, outcome: LineOutcome) -> LineOutcome:
    return LineOutcome.SUPERSEDED if level.revision > line.revision else outcome


def _unsent(level: Level, line: Claimed) -> LineOutcome:
    return _line(level, line, LineOutcome.WAITING)


def target_after(
    target: Target,
    outcomes: Iterable[Outcome],
    *,
    watch: Watch,
    plan: TargetPlan,
    now: float,
) -> Target:
    """The target row after the answers of one batch."""
    seen = [outcome for outcome in outcomes if outcome.reason != LOGIN_WAIT]
    if not seen:
        return limiter.unprobed(target)
    refused = _refused(target, seen, plan=plan, now=now)
    if refused is not None:
        return refused
    if watch.epidemic:
        return limiter.down(target, reason=_epidemic_reason(watch, seen), now=now)
    stopped = watch.stopped not in {"", LOGIN_WAIT}
    if not stopped and any(outcome.verdict in _ALIVE for outcome in seen):
        return _alive(target, seen, now=now)
    if stopped or _trouble(seen) or target.state != TargetState.UP:
        return limiter.down(target, reason=_reason(seen), now=now)
    return target


def _refused(target: Target, seen: list[Outcome], *, plan: TargetPlan, now: float) -> Target | None:
    """The target after an answer about ourselves: the longest wait asked for, or a denial."""
    asked = [outcome for outcome in seen if outcome.verdict is AnswerClass.THROTTLED]
    if asked:
        longest = max(asked, key=lambda outcome: outcome.retry_after or 0.0)
        return limiter.throttled(
            target,
            plan=plan,
            reason=longest.message,
            retry_after=longest.retry_after,
            now=now,
        )
    denied = next((o for o in seen if o.verdict is AnswerClass.DENIED), None)
    return None if denied is None else limiter.denied(target, reason=denied.message, now=now)


def _trouble(seen: list[Outcome]) -> bool:
    return any(o.verdict in {AnswerClass.NOT_SENT, AnswerClass.REMOTE_FAULT} for o in seen)


def _reason(seen: list[Outcome]) -> str:
    troubled = [o.message or o.reason for o in seen if o.verdict not in _ALIVE]
    return troubled[-1] if troubled else ""


def _epidemic_reason(watch: Watch, seen: list[Outcome]) -> str:
    example = next((o.message for o in seen if o.reason == watch.epidemic), watch.epidemic)
    return f"{_EPIDEMIC_REASON}: {example}"


def _alive(target: Target, seen: list[Outcome], *, now: float) -> Target:
    if still_epidemic(target, seen):
        return limiter.down(target, reason=target.reason or "", now=now)
    return limiter.up(target, now=now)


def still_epidemic(target: Target, seen: Collection[Outcome]) -> bool:
    """Only an accepted item ends an epidemic; a probe refused like the rest proves nothing."""
    ill = target.state == TargetState.DOWN and (target.reason or "").startswith(_EPIDEMIC_REASON)
    return ill and not any(o.verdict is AnswerClass.ACCEPTED for o in seen)
