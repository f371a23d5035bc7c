from dataclasses import replace

import pytest

from worker.errors import ExitCode
from worker.model import SourceState
from worker.planning.standing import (
    LATE,
    ChannelStanding,
    LevelCounts,
    SourceStanding,
    Standing,
    TargetStanding,
    concerns,
)

URL = "https://acme.omnitron.example"
TARGET = TargetStanding(
    state="up",
    reason=None,
    since=None,
    rate=20.0,
    paused_until=0.0,
    raises_paused_until=0.0,
    base_url=URL,
)
WELL = Standing(at=1_000.0, levels=LevelCounts(total=3, in_sync=3), target=TARGET)


def codes(standing: Standing) -> list[ExitCode]:
    return [concern.code for concern in concerns(standing, base_url=URL)]


def with_source(state: SourceState, held: int | None = None) -> Standing:
    return replace(WELL, sources=[SourceStanding(name="drop", state=state, held_pull_id=held)])


def test_what_heals_by_itself_within_moments_concerns_nobody() -> None:
    busy = replace(
        WELL,
        levels=LevelCounts(total=3, due=1, in_flight=1, waiting=1),
        target=replace(TARGET, state="throttled"),
        confirmations={"waiting": 3},
        oldest_due_at=WELL.at - 30,
    )
    assert codes(busy) == []


@pytest.mark.parametrize("state", ["down", "denied"])
def test_an_omnitron_that_takes_nothing_is_out_of_reach(state: str) -> None:
    assert codes(replace(WELL, target=replace(TARGET, state=state))) == [ExitCode.UNREACHABLE]


def test_another_omnitron_than_the_configured_one_outweighs_all() -> None:
    other = replace(TARGET, base_url="https://other.example", state="down")
    assert codes(replace(WELL, target=other)) == [ExitCode.USAGE, ExitCode.UNREACHABLE]


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (SourceState.UNREACHABLE, ExitCode.UNREACHABLE),
        (SourceState.FAILING, ExitCode.ATTENTION),
        (SourceState.PAUSED, ExitCode.ATTENTION),
    ],
)
def test_a_source_that_is_not_read_is_told(state: SourceState, code: ExitCode) -> None:
    assert codes(with_source(state)) == [code]


def test_a_held_pull_is_told_with_the_command_that_shows_it() -> None:
    (concern,) = concerns(with_source(SourceState.HELD, held=7), base_url=URL)
    assert (concern.code, "pulls show 7" in concern.remedy) == (ExitCode.ATTENTION, True)


def test_a_pause_is_not_told_with_the_reason_of_a_held_pull() -> None:
    both = replace(with_source(SourceState.PAUSED, held=7).sources[0], reason="an empty snapshot")
    paused, held = concerns(replace(WELL, sources=[both]), base_url=URL)
    assert paused.message == "source drop was paused by a person"
    assert held.message.endswith("is held: an empty snapshot")


def test_a_channel_that_cannot_be_read_is_out_of_reach() -> None:
    channel = ChannelStanding(id=5, state="unreadable", reason="404", polled_at=None, counts={})
    assert codes(replace(WELL, channels=[channel])) == [ExitCode.UNREACHABLE]


@pytest.mark.parametrize("state", ["unconfirmed", "overwritten"])
def test_what_a_channel_never_came_to_show_needs_a_person(state: str) -> None:
    assert codes(replace(WELL, confirmations={state: 1})) == [ExitCode.ATTENTION]


def test_parked_levels_and_open_failures_need_a_person() -> None:
    parked = replace(WELL, levels=LevelCounts(total=1, parked=1), open_failures=1)
    assert codes(parked) == [ExitCode.ATTENTION, ExitCode.ATTENTION]


def test_a_level_that_nobody_sends_for_long_is_told() -> None:
    assert codes(replace(WELL, oldest_due_at=WELL.at - LATE - 1)) == [ExitCode.ATTENTION]
