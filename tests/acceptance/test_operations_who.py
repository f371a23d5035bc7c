"""Every action of a person is on record with who and when, and shown where it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.operating import place, sandbox

if TYPE_CHECKING:
    from tests.acceptance.operating import Workplace
    from worker.sandbox import RunningSandbox

__all__ = ["place", "sandbox"]


def refused(place: Workplace, sandbox: RunningSandbox) -> None:
    """One key that Omnitron refuses, one that it does not know, and two rows that are rejected."""
    sandbox.set_products(["A", "B"])
    sandbox.order("status", status=400, body={"stock": ["too odd"]}, sku="B", count=1)
    place.drop("a.csv", A=1, B=2, N=3, C="x", D="y")
    place.run("sync", code=1)


def who(place: Workplace, failure: int) -> list[tuple[str, str]]:
    """Who did what to a failure."""
    events = place.json("failures", "show", str(failure)).get("events", [])
    return [(event["actor"], event["action"]) for event in events]


@pytest.mark.parametrize("chosen", [("--all",), ("--source", "drop"), ()])
def test_a_replay_of_many_is_on_record_at_each_of_them(
    place: Workplace, sandbox: RunningSandbox, chosen: tuple[str, ...]
) -> None:
    refused(place, sandbox)
    found = {(f["kind"], f["sku"]): f["id"] for f in place.json("failures")}
    assert len(found) == 4
    place.run("failures", "replay", *(chosen or map(str, found.values())), code=1)
    for (kind, _), number in found.items():
        assert ("ayse", "replay" if kind == "item" else "replay rows") in who(place, number)
    assert "ayse: replay" in place.run("explain", "N").out
    assert "ayse: replay" in place.run("explain", "B").out


def test_a_replay_of_more_numbers_than_a_line_holds_is_on_record_at_the_last_of_them_too(
    place: Workplace,
) -> None:
    place.drop("a.csv", A=1, **{f"R{number}": "x" for number in range(210)})
    place.run("pull", "drop", code=1)
    last, *others = [failure["id"] for failure in place.json("failures")]
    place.run("failures", "replay", "--yes", *map(str, [*others, last]), code=1)
    (event,) = place.json("failures", "show", str(last))["events"]
    assert (event["actor"], event["action"]) == ("ayse", "replay rows")
    assert sorted(event["detail"]["failures"]) == sorted([*others, last])
    assert "and 205 more" in event["subject"]


def test_a_replay_by_reason_is_on_record_at_what_has_this_reason_alone(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    refused(place, sandbox)
    found = {f["reason"]: f["id"] for f in place.json("failures")}
    place.run("failures", "replay", "--reason", "unknown_product")
    assert who(place, found["unknown_product"]) == [("ayse", "replay")]
    assert who(place, found["invalid_stock"]) == []
    place.run("deliver", code=1)
    assert who(place, found["unknown_product"]) == [("ayse", "replay")]


def test_what_failed_later_was_not_replayed(place: Workplace, sandbox: RunningSandbox) -> None:
    refused(place, sandbox)
    place.run("failures", "replay", "--all", code=1)
    place.drop("b.csv", A=1, B=2, N=3, C="x", D="y", E="z")
    place.run("sync", code=None)
    (late,) = [f["id"] for f in place.json("failures") if f["sku"] == "E"]
    assert who(place, late) == []


@pytest.mark.parametrize(("decision", "code"), [("approve", 0), ("discard", 0)])
def test_who_decided_a_held_pull_is_shown_with_it(
    place: Workplace, sandbox: RunningSandbox, decision: str, code: int
) -> None:
    place.configure(sandbox.url, first_pull="hold")
    place.drop("a.csv", A=1)
    place.run("pull", "drop", code=1)
    place.run("pulls", decision, "1", code=code)
    (event,) = place.json("pulls", "show", "1")["events"]
    assert (event["actor"], event["action"]) == ("ayse", decision)
    assert f"ayse: {decision} pull 1" in place.run("pulls", "show", "1").out


def test_who_paused_a_source_is_shown_while_it_rests(place: Workplace) -> None:
    place.run("sources", "pause", "drop", "--for", "2h")
    assert place.json("sources")[0]["paused_by"] == "ayse"
    status = place.json("status", code=1)
    assert status["sources"][0]["paused_by"] == "ayse"
    assert "source drop was paused by ayse" in place.run("status", code=1).out
    place.run("sources", "resume", "drop")
    assert place.json("sources")[0]["paused_by"] is None


def test_who_paused_increases_is_shown_while_they_rest(place: Workplace) -> None:
    place.run("target", "pause", "--for", "1h")
    place.run("target", "resume")
    assert place.json("status")["target"]["raises_paused_by"] is None
    place.run("target", "pause", "--raises", "--for", "2h")
    assert place.json("target")["raises_paused_by"] == "ayse"
    assert place.json("status")["target"]["raises_paused_by"] == "ayse"
    assert "by ayse, decreases go" in place.run("status").out
    assert "paused by ayse" in place.run("target").out


def test_who_replayed_a_batch_is_shown_with_it(place: Workplace, sandbox: RunningSandbox) -> None:
    refused(place, sandbox)
    number = str(place.json("batches")[0]["id"])
    place.run("batches", "replay", number)
    (event,) = place.json("batches", "show", number)["events"]
    assert (event["actor"], event["action"]) == ("ayse", "replay")
    assert f"ayse: replay batch {number}" in place.run("batches", "show", number).out


def test_what_people_did_to_a_source_and_to_the_target_is_listed_beside_them(
    place: Workplace,
) -> None:
    place.run("sources", "rewind", "drop", "")
    place.run("target", "pause", "--for", "1h")
    place.run("target", "resume")
    (source,) = place.json("sources")
    assert [(e["actor"], e["action"]) for e in source["events"]] == [("ayse", "rewind")]
    assert "ayse: rewind source drop to its beginning" in place.run("sources").out
    resumed, paused = place.json("target")["events"]
    assert (resumed["action"], paused["action"]) == ("resume", "pause")
    assert paused["detail"]["until"].endswith("Z")
    assert "ayse: resume target which was paused" in place.run("target").out
