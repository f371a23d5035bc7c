"""A held pull shows its plan and is decided by a person; the history shows every pull."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.operating import place, sandbox

if TYPE_CHECKING:
    from tests.acceptance.operating import Workplace
    from worker.sandbox import RunningSandbox

__all__ = ["place", "sandbox"]


def held(place: Workplace, sandbox: RunningSandbox, **stock: object) -> int:
    """Hold a first pull; returns its number."""
    place.configure(sandbox.url, first_pull="hold")
    place.drop("a.csv", **stock)
    place.run("pull", "drop", code=1)
    return int(place.json("pulls")[0]["id"])


def test_a_held_pull_shows_its_plan_and_the_commands_to_type_next(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    number = held(place, sandbox, A=7, B=2, C="x")
    shown = place.json("pulls", "show", str(number))
    assert (shown["status"], shown["read"], shown["rejected"]) == ("held", 3, 1)
    assert shown["lists"][0]["created"] == 2
    assert shown["largest_changes"][0] == {
        "stock_list": 1, "sku": "A", "before": None, "after": 7,
    }  # fmt: skip
    assert shown["rejected_rows"][0]["line"] == 4
    text = place.run("pulls", "show", str(number)).out
    assert f"stocksync pulls approve {number}" in text
    assert f"stocksync pulls discard {number}" in text


def test_who_pulls_again_is_told_that_a_pull_is_still_held(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    number = held(place, sandbox, A=7)
    again = place.json("pull", "drop", code=1)["pulls"]
    assert [(pull["id"], pull["status"]) for pull in again] == [(number, "held")]
    assert f"stocksync pulls approve {number}" in place.run("pull", "drop", code=1).out


def test_a_pull_tells_how_many_rows_were_passed_over(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    skips = '[[sources.skip_rows_where]]\ncolumn = "sku"\nequals = "TOPLAM"\n'
    place.configure(sandbox.url, more=skips)
    place.drop("a.csv", A=7, TOPLAM=7)
    place.run("pull", "drop")
    assert place.json("pulls", "show", "1")["skipped"] == 1
    assert "1 rows passed over" in place.run("pulls", "show", "1").out


def test_the_plan_names_what_goes_to_zero(place: Workplace, sandbox: RunningSandbox) -> None:
    place.drop("a.csv", A=7, B=2)
    place.run("pull", "drop")
    place.configure(sandbox.url, more="max_change_ratio = 0\nignore_below = 0\n")
    place.drop("b.csv", A=0, B=2)
    place.run("pull", "drop", code=1)
    shown = place.json("pulls", "show", "2")
    assert shown["going_to_zero"] == [{"stock_list": 1, "sku": "A", "before": 7, "after": 0}]
    assert shown["zeroed"] == 1


def test_approve_applies_what_was_staged_even_if_the_file_is_gone(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    number = held(place, sandbox, A=7)
    (place.folder / "drop" / "a.csv").unlink()
    assert place.json("pulls", "approve", str(number))["status"] == "applied"
    place.run("deliver")
    assert sandbox.state()["1:A"]["stock"] == 7


def test_approve_twice_ends_with_2_and_changes_nothing(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    number = held(place, sandbox, A=7)
    place.run("pulls", "approve", str(number))
    refused = place.json("pulls", "approve", str(number), code=2)
    assert "not held" in refused["error"]["message"]


def test_a_pull_weighed_by_other_rules_is_not_approved(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    number = held(place, sandbox, A=7)
    place.configure(sandbox.url, more="[sources.rules]\nbuffer = 2\n")
    refused = place.json("pulls", "approve", str(number), code=2)
    assert "rules" in refused["error"]["message"]


def test_discard_moves_the_file_to_the_failed_folder_with_the_reason(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    number = held(place, sandbox, A=7)
    place.run("pulls", "discard", str(number))
    failed = place.folder / "drop" / ".failed"
    assert (failed / "a.csv").exists()
    assert "ayse" in (failed / "a.csv.reason.txt").read_text()
    assert place.json("pulls", "list")[0]["status"] == "discarded"


def test_the_history_is_listed_with_the_promised_keys(place: Workplace) -> None:
    place.drop("a.csv", A=7)
    place.run("pull", "drop")
    pull = place.json("pulls", "--source", "drop")[0]
    promised = {"id", "source", "status", "read", "changed", "zeroed", "missing"}
    assert promised | {"rejected", "reason", "started_at"} <= set(pull)
    assert pull["started_at"].endswith("Z")


def test_an_unknown_pull_and_an_unknown_source_end_with_2(place: Workplace) -> None:
    assert place.json("pulls", "show", "9", code=2)["error"]["kind"] == "usage"
    assert "drop" in place.json("pulls", "--source", "x", code=2)["error"]["remedy"]


def test_the_program_itself_approves(place: Workplace, sandbox: RunningSandbox) -> None:
    number = held(place, sandbox, A=7)
    assert f"pull {number} is applied" in place.spawn("pulls", "approve", str(number)).out
