"""Sources and the target: paused, resumed, rewound and rebound by a person, on record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.operating import place, sandbox
from worker.sandbox import RunningSandbox

if TYPE_CHECKING:
    from tests.acceptance.operating import Workplace

__all__ = ["place", "sandbox"]


def test_a_paused_source_is_not_pulled_and_says_how_to_go_on(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=1)
    until = place.json("sources", "pause", "drop", "--for", "2h")["paused_until"]
    refused = place.json("pull", "drop", code=1)["error"]
    assert "sources resume drop" in refused["remedy"]
    source = place.json("sources")[0]
    assert (source["state"], source["paused_until"]) == ("paused", until)
    place.run("sources", "resume", "drop")
    place.run("sync")
    assert sandbox.state()["1:A"]["stock"] == 1


def test_a_sync_that_passes_over_a_paused_source_says_so_and_is_not_well(place: Workplace) -> None:
    place.drop("a.csv", A=1)
    place.run("sources", "pause", "drop")
    pull = place.json("sync", code=1)["pulls"][0]
    assert pull["status"] == "paused"
    assert pull["reason"].startswith("nothing was read: source 'drop' is paused until")
    assert "sources resume drop" in place.run("sync", code=1).out


@pytest.mark.parametrize("text", ["2x", "0", "-1", ""])
def test_a_pause_wants_a_duration(place: Workplace, text: str) -> None:
    place.run("sources", "pause", "drop", f"--for={text}", code=2)


def test_only_configured_sources_can_be_paused(place: Workplace) -> None:
    assert "drop" in place.json("sources", "pause", "nope", code=2)["error"]["remedy"]


def test_a_rewound_drop_takes_a_file_again_that_counted_as_too_old(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    for name in ("a.csv", "b.csv"):
        place.drop(name, A=len(name) + ord(name[0]))
        place.run("pull", "drop")
    assert place.json("sources", "rewind", "drop", "a.csv")["cursor"] == "a.csv"
    place.drop("aa.csv", A=3)
    place.run("sync")
    assert sandbox.state()["1:A"]["stock"] == 3
    assert place.json("sources", "rewind", "drop", "")["cursor"] is None
    place.run("sources", "rewind", "drop", "never.csv", code=2)


def test_nothing_is_rewound_while_a_pull_is_held(place: Workplace, sandbox: RunningSandbox) -> None:
    place.configure(sandbox.url, first_pull="hold")
    place.drop("a.csv", A=1)
    place.run("pull", "drop", code=1)
    refused = place.json("sources", "rewind", "drop", "", code=2)["error"]
    assert "pulls show 1" in refused["remedy"]


def test_a_paused_target_gets_nothing_until_it_is_resumed(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=1)
    place.run("target", "pause", "--for", "1h")
    place.run("sync", "--patience", "0", code=3)
    shown = place.json("target")
    assert (shown["state"], shown["reason"]) == ("paused", "paused by ayse")
    assert sandbox.state() == {}
    place.run("target", "resume")
    assert place.json("target")["state"] == "up"
    place.run("sync")
    assert sandbox.state()["1:A"]["stock"] == 1


def test_a_pause_of_raises_lets_decreases_through(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=5, B=5)
    place.run("sync")
    place.run("target", "pause", "--raises")
    place.drop("b.csv", A=9, B=1)
    place.run("sync", "--patience", "0", code=3)
    assert [sandbox.state()[f"1:{sku}"]["stock"] for sku in "AB"] == [5, 1]


def test_another_omnitron_gets_everything_again_after_rebind_new(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=5, B=0)
    place.run("sync")
    with RunningSandbox() as other:
        place.configure(other.url)
        assert "rebind" in place.json("sync", code=2)["error"]["remedy"]
        answer = place.json("target", "rebind", "--new")
        assert (answer["was"], answer["levels"]) == (sandbox.url, 2)
        place.run("sync")
        assert {key: item["stock"] for key, item in other.state().items()} == {"1:A": 5, "1:B": 0}


def test_a_moved_omnitron_keeps_what_was_sent(place: Workplace) -> None:
    place.drop("a.csv", A=5)
    place.run("sync")
    with RunningSandbox() as other:
        place.configure(other.url)
        place.run("target", "rebind", "--moved")
        place.run("sync")
        assert other.state() == {}
    assert place.json("target")["bound_to"] == other.url


def test_rebind_wants_to_know_which(place: Workplace) -> None:
    place.run("target", "rebind", code=2)
    place.run("target", "rebind", "--new", "--moved", code=2)


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "--repair"),
        ("adopt",),
    ],
)
def test_what_is_not_built_yet_says_so(place: Workplace, words: tuple[str, ...]) -> None:
    assert "not built yet in this version" in place.json(*words, code=2)["error"]["message"]
