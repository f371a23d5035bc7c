"""The words, sums and exit codes that everything else rests on."""

from __future__ import annotations

from itertools import permutations

import pytest

from worker import errors
from worker.errors import ExitCode, StocksyncError
from worker.model import (
    AnswerClass,
    BatchStatus,
    ConfirmState,
    Delivered,
    LevelState,
    PullStatus,
    Rank,
    SourceState,
    TargetState,
)

PROMISED = {
    LevelState: "in_sync due in_flight waiting parked retired overridden",
    TargetState: "up throttled denied down paused",
    ConfirmState: "waiting confirmed unconfirmed overwritten",
    SourceState: "active paused held failing stale unreachable rules_changed",
    PullStatus: "running applying applied unchanged held discarded superseded failed",
    BatchStatus: "sending done partial lost",
}


@pytest.mark.parametrize(("words", "promised"), PROMISED.items(), ids=str)
def test_states_are_called_what_was_promised(words: type, promised: str) -> None:
    assert {word.value for word in words} == set(promised.split())  # type: ignore[attr-defined]


def test_states_of_a_level_stand_in_the_order_in_which_they_fit() -> None:
    assert [state.value for state in LevelState] == [
        "retired",
        "overridden",
        "parked",
        "in_flight",
        "waiting",
        "due",
        "in_sync",
    ]


def test_ranks_sort_in_the_order_of_sending() -> None:
    pinned, load = [Rank.PINNED_LOWER, Rank.PINNED], [Rank.BACKFILL_LOWER, Rank.BACKFILL]
    assert sorted(Rank) == [*pinned, Rank.URGENT, Rank.NORMAL, *load]
    assert [int(rank) for rank in sorted(Rank)] == [-2, -1, 0, 1, 2, 3]


def test_every_answer_has_a_word_of_its_own() -> None:
    assert len({answer.value for answer in AnswerClass}) == len(AnswerClass)


def test_what_runs_delivered_adds_up_field_by_field() -> None:
    one = Delivered(sent=1, superseded=2, parked=3, waiting=4)
    other = Delivered(sent=10, superseded=20, parked=30, waiting=40)

    assert one + other == Delivered(sent=11, superseded=22, parked=33, waiting=44)
    assert one + Delivered() == one


# --- exit codes -----------------------------------------------------------------------------


def test_of_several_exit_codes_the_worst_wins_in_any_order() -> None:
    order = [70, 2, 3, 1, 0]
    for first in range(len(order)):
        rest = order[first:]
        for some in permutations(rest):
            assert ExitCode.worst(*map(ExitCode, some)) == order[first]


def test_nothing_at_all_is_well() -> None:
    assert ExitCode.worst() is ExitCode.OK


EXITS = {
    StocksyncError: 1,
    errors.UsageError: 2,
    errors.LedgerNotReady: 2,
    errors.WrongTarget: 2,
    errors.Unreachable: 3,
    errors.LedgerUnreachable: 3,
    errors.BrokerUnreachable: 3,
    errors.OmnitronUnreachable: 3,
    errors.OmnitronDenied: 3,
    errors.OmnitronLoginWaits: 3,
    errors.OmnitronThrottled: 3,
    errors.OmnitronAnswerError: 3,
}


@pytest.mark.parametrize(("kind", "code"), EXITS.items(), ids=str)
def test_an_error_knows_its_exit_code(kind: type[StocksyncError], code: int) -> None:
    assert kind("it broke").exit_code == code


def test_every_error_of_ours_is_in_the_table() -> None:
    found = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, StocksyncError)
    }

    assert found == set(EXITS)


def test_every_error_has_a_kind_of_its_own_for_scripts() -> None:
    assert len({kind.kind for kind in EXITS}) == len(EXITS)


def test_an_error_carries_message_remedy_and_place() -> None:
    error = errors.UsageError("no such source", remedy="name another", place="stocksync.toml:3")

    assert (str(error), error.message) == ("no such source", "no such source")
    assert (error.remedy, error.place) == ("name another", "stocksync.toml:3")


def test_a_throttled_error_knows_how_long_and_an_answer_error_which_status() -> None:
    assert errors.OmnitronThrottled("slow down", retry_after=30.0).retry_after == 30.0
    assert errors.OmnitronAnswerError("no envelope", status=200).status == 200
