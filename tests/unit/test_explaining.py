from dataclasses import replace

import pytest

from worker.explaining import sentence
from worker.ledger.explain import Known
from worker.ledger.lists import KnownList
from worker.model import Key, Rank, Value
from worker.planning import limiter
from worker.planning.levels import created
from worker.planning.limiter import Target

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
LEVEL = created(Key(1, "A"), Value(7), source_id=1, pull_id=1, now=900.0)
KNOWN = Known(
    sku="A",
    at=1_000.0,
    target=UP,
    levels=[LEVEL],
    parts=[],
    changes=[],
    lines=[],
    failures=[],
    confirmations=[],
    events=[],
    pinned_by={},
    lists={},
    sources={1: "drop"},
    writes=True,
)


def told(target: Target = UP, rank: Rank = Rank.NORMAL, *, writes: bool = True) -> str:
    known = replace(KNOWN, target=target, writes=writes)
    return sentence(known, LEVEL._replace(rank=rank), when=str)


def test_a_due_level_goes_with_the_next_batch_while_omnitron_is_up() -> None:
    assert told().endswith("it goes with the next batch")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("down", "Omnitron does not take stock"),
        ("throttled", "Omnitron asks for fewer requests"),
        ("denied", "Omnitron refuses our credentials or rights"),
    ],
)
@pytest.mark.parametrize(
    ("paused_until", "then"),
    [
        (1_030.0, "the next try, of one level, is due at 1030.0"),
        (990.0, "one level is tried next, by the service or by: stocksync sync"),
    ],
)
def test_a_target_in_trouble_is_named_with_its_reason_and_what_comes_next(
    state: str, words: str, paused_until: float, then: str
) -> None:
    text = told(UP._replace(state=state, reason="Three in a row.", paused_until=paused_until))
    assert f"since {words} (Three in a row); {then}" in text


def test_a_pause_by_a_person_says_until_when_and_how_it_ends_sooner() -> None:
    text = told(UP._replace(state="paused", reason="moving house", paused_until=2_000.0))
    assert "sending is paused (moving house)" in text
    assert "after 2000.0, or with: stocksync target resume" in text


def test_after_a_pause_what_was_down_before_is_tried_first() -> None:
    paused = UP._replace(state="paused", reason="moving house", paused_until=2_000.0, step=3)
    assert "it is tried after" in told(paused)
    text = told(limiter.as_of(paused, now=2_000.0))
    assert "Omnitron does not take stock" in text
    assert "one level is tried next" in text


def test_a_list_that_stands_still_says_why_and_when_it_is_tried_again() -> None:
    stopped = KnownList(1, "Main", "", None, "Omnitron does not take it.", 1_060.0, 1)
    text = sentence(replace(KNOWN, lists={1: stopped}), LEVEL, when=str)
    assert text.endswith("is refused: Omnitron does not take it; it is tried again at 1060.0")


def test_while_increases_are_paused_only_a_level_that_rises_waits() -> None:
    target = UP._replace(raises_paused_until=2_000.0)
    assert "increases are paused" in told(target)
    assert told(target, Rank.URGENT).endswith("it goes with the next batch")


def test_a_service_that_writes_nothing_says_so() -> None:
    assert 'omnitron.writes = "off"' in told(writes=False)
