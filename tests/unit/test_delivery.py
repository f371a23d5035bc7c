"""What the answers to a batch mean for its levels, for the batch and for the target."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model import (
    AnswerClass,
    Claimed,
    Key,
    LineOutcome,
    Outcome,
    Rank,
    TargetPlan,
    TargetState,
    Value,
)
from worker.planning import limiter
from worker.planning.delivery import (
    Settled,
    Streak,
    Verdict,
    Watch,
    settle_level,
    streak_of,
    target_after,
)
from worker.planning.levels import Level, stated
from worker.planning.limiter import Target

NOW = 1_000_000.0
A = AnswerClass
L = LineOutcome
KEY = Key(1, "A")
LINE = Claimed(KEY, Value(7), revision=2, rank=Rank.NORMAL, attempts=0)
FLYING = Level(
    stock_list=1,
    sku="A",
    source_id=3,
    stock=7,
    unit_type=None,
    sold=None,
    extra=None,
    pull_id=5,
    changed_at=NOW - 50,
    revision=2,
    sent_revision=1,
    sent_stock=9,
    due_since=NOW - 50,
    claim_token="t",
    claim_until=NOW + 60,
    batch_id=9,
)
MOVED_ON = stated(FLYING, Value(3), pull_id=6, now=NOW - 1)
PLAN = TargetPlan(
    base_url="https://omnitron.example",
    writes=True,
    timeout=15,
    settle=10,
    max_in_flight=32,
    rate=20,
)
UP = Target(
    state="up",
    reason=None,
    since=None,
    paused_until=0.0,
    raises_paused_until=0.0,
    rate=20.0,
    next_free=0.0,
    step=0,
    rate_changed_at=0.0,
    login_at=0.0,
)
PAUSED = limiter.paused(UP, reason="stock-taking", until=NOW + 7200, now=NOW - 9)


def answer(verdict: AnswerClass, reason: str = "", **rest: Any) -> Outcome:
    return Outcome(verdict=verdict, reason=reason, message=rest.pop("message", reason), **rest)


ACCEPTED = answer(A.ACCEPTED, remote_pk=78)
REJECTED = answer(A.REJECTED, "invalid_stock")
UNKNOWN = answer(A.UNKNOWN_PRODUCT, "unknown_product")
IN_DOUBT = answer(A.IN_DOUBT, "read_timeout")
FAULT = answer(A.REMOTE_FAULT, "http_502")
REFUSED = answer(A.NOT_SENT, "refused")
LOGIN_WAIT = answer(A.NOT_SENT, "login_wait")
THROTTLED = answer(A.THROTTLED, "throttled", retry_after=30.0)
DENIED = answer(A.DENIED, "http_403")
LIST = answer(A.LIST_STOPPED, "stock_list")


def settled(
    outcome: Outcome | None,
    level: Level = FLYING,
    *,
    any_accepted: bool = True,
    epidemic: str = "",
) -> Settled:
    verdict = Verdict(any_accepted=any_accepted, epidemic=epidemic, settle=10.0)
    return settle_level(level, LINE, outcome, verdict=verdict, now=NOW)


def watched(*outcomes: Outcome, lists: tuple[int, ...] = (1,)) -> Watch:
    watch = Watch()
    for number, outcome in enumerate(outcomes):
        key = Key(lists[number % len(lists)], str(number))
        watch.see(LINE._replace(key=key), outcome)
    return watch


def target_of(
    *outcomes: Outcome, before: Target = UP, claimed_at: float = NOW, now: float = NOW
) -> Target:
    watch = watched(*outcomes)
    after = target_after(before, outcomes, watch=watch, plan=PLAN, now=now)
    return limiter.doubled_once(before, after, claimed_at=claimed_at)


# --- one level ------------------------------------------------------------------------------

# outcome -> line, park reason, whether it rests; then the line where a newer revision came
LEVELS = {
    "never started": (None, L.WAITING, None, False, L.SUPERSEDED),
    "accepted": (ACCEPTED, L.SENT, None, False, L.SUPERSEDED),
    "rejected": (REJECTED, L.PARKED, "invalid_stock", False, L.SUPERSEDED),
    "unknown product": (UNKNOWN, L.PARKED, "unknown_product", False, L.SUPERSEDED),
    "forbidden": (answer(A.FORBIDDEN, "forbidden"), L.PARKED, "forbidden", False, L.SUPERSEDED),
    "defect": (answer(A.DEFECT, "internal"), L.PARKED, "internal", False, L.SUPERSEDED),
    "list stopped": (LIST, L.WAITING, None, False, L.SUPERSEDED),
    "not sent": (REFUSED, L.WAITING, None, False, L.SUPERSEDED),
    "throttled": (THROTTLED, L.WAITING, None, False, L.SUPERSEDED),
    "denied": (DENIED, L.WAITING, None, False, L.SUPERSEDED),
    "in doubt": (IN_DOUBT, L.WAITING, None, True, L.SUPERSEDED),
    "remote fault": (FAULT, L.WAITING, None, True, L.SUPERSEDED),
}


@pytest.mark.parametrize("row", LEVELS.values(), ids=LEVELS)
def test_an_answer_settles_its_level(row: tuple[Any, ...]) -> None:
    outcome, line, park, rests, _ = row
    after = settled(outcome)

    assert (after.outcome, after.parked, after.level.park_reason) == (line, park, park)
    assert (after.level.not_before > NOW) is (rests or outcome is UNKNOWN)
    assert (after.level.claim_token, after.level.claim_until) == (None, None)
    assert after.level.must_go is (outcome is not ACCEPTED)


@pytest.mark.parametrize("row", LEVELS.values(), ids=LEVELS)
def test_a_newer_revision_supersedes_the_line_and_stays_due(row: tuple[Any, ...]) -> None:
    outcome, _, _, rests, line = row
    after = settled(outcome, MOVED_ON)

    assert (after.outcome, after.parked, after.level.park_reason) == (line, None, None)
    assert (after.level.not_before > NOW) is rests
    assert (after.level.must_go, after.level.value) == (True, Value(3))


def test_every_class_of_answer_is_in_the_table() -> None:
    assert {row[0].verdict for row in LEVELS.values() if row[0] is not None} == set(AnswerClass)


def test_what_is_recorded_as_sent_is_what_was_claimed() -> None:
    after = settled(ACCEPTED, MOVED_ON).level

    assert (after.sent_revision, after.sent_stock, after.remote_pk) == (2, 7, 78)


@pytest.mark.parametrize("outcome", [IN_DOUBT, FAULT])
def test_what_omnitron_has_after_a_doubt_is_unknown(outcome: Outcome) -> None:
    assert settled(outcome).level.sent_stock is None


def test_the_fifth_doubt_while_others_are_accepted_parks_the_item() -> None:
    fourth = settled(IN_DOUBT, FLYING._replace(attempts=3))
    fifth = settled(IN_DOUBT, FLYING._replace(attempts=4))

    assert (fourth.outcome, fourth.parked) == (L.WAITING, None)
    assert (fifth.outcome, fifth.parked, fifth.level.attempts) == (L.PARKED, "no_proof", 5)
    assert fifth.level.not_before > NOW


@pytest.mark.parametrize("attempts", [0, 4, 5, 50])
def test_an_outage_never_parks_an_item(attempts: int) -> None:
    after = settled(IN_DOUBT, FLYING._replace(attempts=attempts), any_accepted=False)

    assert (after.parked, after.level.attempts) == (None, attempts)


def test_a_newer_value_is_not_parked_for_the_doubts_of_the_old_one() -> None:
    after = settled(IN_DOUBT, MOVED_ON._replace(attempts=4))

    assert (after.outcome, after.parked) == (L.SUPERSEDED, None)


def test_keys_of_an_epidemic_are_released_unparked() -> None:
    after = settled(REJECTED, epidemic="invalid_stock")

    assert (after.outcome, after.parked, after.level.must_go) == (L.WAITING, None, True)
    assert after.level.not_before == 0


def test_an_answer_of_another_reason_still_parks_during_an_epidemic() -> None:
    assert settled(REJECTED, epidemic="invalid_unit_type").parked == "invalid_stock"


# --- epidemics ------------------------------------------------------------------------------


def test_twenty_alike_from_the_start_are_an_epidemic() -> None:
    assert watched(*[REJECTED] * 19).epidemic == ""
    watch = watched(*[REJECTED] * 20)

    assert (watch.epidemic, watch.stopped) == ("invalid_stock", "invalid_stock")


def test_twenty_alike_in_a_row_are_an_epidemic_later_too() -> None:
    assert watched(*[ACCEPTED] * 30, *[REJECTED] * 20).epidemic == "invalid_stock"


@pytest.mark.parametrize("between", [ACCEPTED, answer(A.REJECTED, "invalid_unit_type")])
def test_another_answer_between_them_ends_the_row(between: Outcome) -> None:
    watch = watched(*[REJECTED] * 19, between, *[REJECTED] * 19)

    assert (watch.epidemic, watch.stopped) == ("", "")


def test_a_row_of_like_answers_goes_on_over_small_batches() -> None:
    first = watched(*[REJECTED] * 10)
    second = Watch(after=first)
    for number in range(10):
        second.see(LINE._replace(key=Key(2, str(number))), REJECTED)

    assert (first.epidemic, second.epidemic) == ("", "invalid_stock")


def test_one_item_refused_again_and_again_is_no_epidemic() -> None:
    watch = Watch()
    for _ in range(100):
        watch.see(LINE, REJECTED)
    assert watch.epidemic == ""


def test_the_row_that_the_last_batches_ended_with_goes_on() -> None:
    old, new = (KEY, "invalid_stock"), (Key(1, "B"), "invalid_stock")
    assert streak_of([[new], [old]]) == Streak("invalid_stock", frozenset({KEY, Key(1, "B")}))
    assert streak_of([[new], [(KEY, None)], [old]]).keys == {Key(1, "B")}
    assert streak_of([[new], [(KEY, "invalid_unit_type")]]).keys == {Key(1, "B")}
    assert streak_of([[(KEY, "unknown_product")], [new]]) == Streak()


def test_unknown_products_are_no_epidemic() -> None:
    watch = watched(*[UNKNOWN] * 100)

    assert (watch.epidemic, watch.stopped) == ("", "")
    assert target_of(*[UNKNOWN] * 100).state == TargetState.UP


def test_a_stopped_list_is_no_epidemic() -> None:
    assert watched(*[LIST] * 100).stopped == ""


def test_a_row_of_forbidden_items_stops_their_list_and_nothing_else() -> None:
    forbidden = answer(A.FORBIDDEN, "forbidden")

    watch = watched(*[forbidden] * 20)

    assert (watch.epidemic, watch.stopped, watch.lists) == ("", "", {1})
    assert watch.forbidden == {1: forbidden}


@pytest.mark.parametrize("outcome", [IN_DOUBT, answer(A.DEFECT, "internal")])
def test_any_other_reason_can_be_an_epidemic(outcome: Outcome) -> None:
    assert watched(*[outcome] * 20).epidemic == outcome.reason


def test_an_epidemic_without_a_reason_releases_its_keys_too() -> None:
    bare = answer(A.REJECTED)

    assert settled(bare, epidemic=watched(*[bare] * 20).epidemic).parked is None


def test_an_epidemic_pauses_the_target_and_says_why() -> None:
    after = target_of(*[REJECTED] * 20)

    assert after.state == TargetState.DOWN
    assert after.reason == (
        "20 answers in a row failed alike, so it is not the items: invalid_stock"
    )


# --- when to start no more ------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [REFUSED, THROTTLED, DENIED, LOGIN_WAIT])
def test_one_answer_about_ourselves_stops_the_batch(outcome: Outcome) -> None:
    assert watched(ACCEPTED, outcome).stopped == outcome.reason


@pytest.mark.parametrize("outcome", [ACCEPTED, REJECTED, UNKNOWN, LIST, IN_DOUBT, FAULT])
def test_one_answer_about_an_item_stops_nothing(outcome: Outcome) -> None:
    assert watched(outcome).stopped == ""


def test_three_remote_faults_in_a_row_stop_the_batch() -> None:
    assert watched(FAULT, FAULT, ACCEPTED, FAULT, FAULT).stopped == ""
    assert watched(FAULT, FAULT, FAULT).stopped == "http_502"


def in_company(*outcomes: tuple[int, Outcome]) -> tuple[Watch, list[Outcome]]:
    """What the answers of (list, answer) mean beside each other, in this order."""
    watch, answers = Watch(), {}
    for number, (stock_list, outcome) in enumerate(outcomes):
        line = LINE._replace(key=Key(stock_list, str(number)))
        answers[line] = watch.in_company(line, outcome)
        watch.see(line, answers[line])
    watch.reconsider(answers)
    return watch, list(answers.values())


@pytest.mark.parametrize(
    "outcomes", [[(1, ACCEPTED), (2, DENIED)], [(2, DENIED), (1, ACCEPTED), (2, DENIED)]]
)
def test_rights_that_lack_for_one_list_alone_are_the_lists_matter(
    outcomes: list[tuple[int, Outcome]],
) -> None:
    watch, after = in_company(*outcomes)
    refused = [a for (_, said), a in zip(outcomes, after, strict=True) if said is DENIED]
    assert {(one.verdict, one.reason) for one in refused} == {(A.FORBIDDEN, "forbidden")}
    assert watch.stopped == ""


@pytest.mark.parametrize(
    "outcomes",
    [
        [(2, DENIED)],
        [(1, ACCEPTED), (1, DENIED)],
        [(1, ACCEPTED), (2, ACCEPTED), (2, DENIED)],
        [(1, REJECTED), (2, DENIED)],
        [(1, ACCEPTED), (2, answer(A.DENIED, "http_401"))],
    ],
)
def test_rights_that_lack_altogether_stop_the_batch(outcomes: list[tuple[int, Outcome]]) -> None:
    watch, after = in_company(*outcomes)
    assert watch.stopped != ""
    assert after[-1].verdict is A.DENIED


def test_an_error_on_a_stock_list_stops_that_list_alone() -> None:
    watch = watched(LIST, ACCEPTED, lists=(1, 2))

    assert (watch.lists, watch.stopped) == ({1}, "")


# --- the target -----------------------------------------------------------------------------

TARGETS = {
    "all accepted": ([ACCEPTED] * 3, "up"),
    "an item rejected": ([REJECTED], "up"),
    "a product unknown": ([UNKNOWN], "up"),
    "a list stopped": ([LIST], "up"),
    "in doubt": ([IN_DOUBT], "up"),
    "defect": ([answer(A.DEFECT, "internal")], "up"),
    "refused": ([REFUSED], "down"),
    "refused after others were accepted": ([ACCEPTED, REFUSED], "down"),
    "one fault alone": ([FAULT], "down"),
    "one fault among accepted": ([ACCEPTED, FAULT, ACCEPTED], "up"),
    "three faults in a row": ([ACCEPTED, FAULT, FAULT, FAULT], "down"),
    "throttled": ([ACCEPTED, THROTTLED], "throttled"),
    "throttled after a refusal": ([REFUSED, THROTTLED], "throttled"),
    "denied": ([ACCEPTED, DENIED], "denied"),
    "throttled and denied": ([DENIED, THROTTLED], "throttled"),
    "nothing started": ([], "up"),
    "login has to wait": ([LOGIN_WAIT], "up"),
    "login has to wait, others accepted": ([ACCEPTED, LOGIN_WAIT], "up"),
    "login has to wait, then refused": ([ACCEPTED, LOGIN_WAIT, REFUSED], "down"),
    "login has to wait, then faults": ([LOGIN_WAIT, FAULT], "down"),
}


@pytest.mark.parametrize(("outcomes", "state"), TARGETS.values(), ids=TARGETS)
def test_answers_decide_how_the_target_stands(outcomes: list[Outcome], state: str) -> None:
    assert target_of(*outcomes).state == state


PROBES = {
    "accepted": (ACCEPTED, "up"),
    "rejected": (REJECTED, "up"),
    "unknown product": (UNKNOWN, "up"),
    "list stopped": (LIST, "up"),
    "in doubt": (IN_DOUBT, "down"),
    "remote fault": (FAULT, "down"),
    "refused": (REFUSED, "down"),
    "throttled": (THROTTLED, "throttled"),
    "denied": (DENIED, "denied"),
}


def probing(before: Target) -> Target:
    row, _ = limiter.reserved(before, count=1, now=NOW - 1)
    return limiter.probing(row, now=NOW - 1, lease=56.0)


STOPPED = [
    limiter.down(UP, reason="refused", now=NOW - 60),
    limiter.denied(UP, reason="401", now=NOW - 90),
    limiter.throttled(UP, plan=PLAN, reason="429", retry_after=5.0, now=NOW - 60),
]


@pytest.mark.parametrize("before", STOPPED, ids=lambda target: target.state)
@pytest.mark.parametrize(("outcome", "state"), PROBES.values(), ids=PROBES)
def test_the_answer_to_the_probe_decides(before: Target, outcome: Outcome, state: str) -> None:
    after = target_of(outcome, before=probing(before))

    assert after.state == state
    wait = {"up": 0.0, "down": 2.0, "throttled": 30.0, "denied": 60.0}[state]
    assert limiter.closed_for(after, now=NOW) == wait
    assert after.step == (0 if state == "up" else 2)


@pytest.mark.parametrize("before", STOPPED, ids=lambda target: target.state)
@pytest.mark.parametrize("outcomes", [[], [LOGIN_WAIT]])
def test_a_probe_that_did_not_get_out_leaves_the_target_open_for_the_next(
    before: Target, outcomes: list[Outcome]
) -> None:
    after = target_of(*outcomes, before=probing(before))

    assert (after.state, after.step, after.reason) == (before.state, 1, before.reason)
    assert limiter.closed_for(after, now=NOW) == 0


@pytest.mark.parametrize("outcome", [REFUSED, FAULT, DENIED])
def test_of_many_workers_that_meet_one_trouble_only_the_first_doubles_the_back_off(
    outcome: Outcome,
) -> None:
    first = target_of(outcome, claimed_at=NOW - 5)
    later = first
    for n in range(9):
        later = target_of(outcome, before=later, claimed_at=NOW - 5, now=NOW + n / 10)
    assert (later.state, later.step) == (first.state, 1)
    probe = target_of(outcome, before=probing(later), claimed_at=NOW + 70, now=NOW + 71)
    assert probe.step == 2


def test_only_an_accepted_item_ends_an_epidemic() -> None:
    ill = target_of(*[REJECTED] * 20)

    still = target_of(REJECTED, before=probing(ill))
    assert (still.state, still.reason, still.step) == ("down", ill.reason, 2)
    assert target_of(ACCEPTED, before=probing(still)).state == "up"


def test_waiting_for_a_login_leaves_the_target_alone() -> None:
    assert target_of(LOGIN_WAIT) == UP
    assert target_of(ACCEPTED, LOGIN_WAIT) == UP


def test_the_longest_wait_that_was_asked_for_counts() -> None:
    waits = [answer(A.THROTTLED, "throttled", retry_after=wait) for wait in (2.0, 90.0, None)]

    assert target_of(*waits).paused_until == NOW + 90


def test_the_reason_is_told_in_omnitrons_words() -> None:
    after = target_of(answer(A.NOT_SENT, "dns", message="The name cannot be resolved."))

    assert after.reason == "The name cannot be resolved."


_OUTCOMES = st.sampled_from(
    [ACCEPTED, REJECTED, UNKNOWN, LIST, IN_DOUBT, FAULT, REFUSED, LOGIN_WAIT, THROTTLED, DENIED]
)


@given(st.lists(_OUTCOMES, max_size=30))
def test_no_answer_overwrites_a_persons_pause(outcomes: list[Outcome]) -> None:
    after = target_of(*outcomes, before=PAUSED)

    assert (after.state, after.reason, after.paused_until) == (
        "paused",
        "stock-taking",
        NOW + 7200,
    )


@given(st.lists(_OUTCOMES, max_size=30))
def test_a_target_that_is_up_is_open_and_one_that_is_not_is_closed(
    outcomes: list[Outcome],
) -> None:
    after = target_of(*outcomes)

    assert (limiter.closed_for(after, now=NOW) > 0) is (after.state != TargetState.UP)
