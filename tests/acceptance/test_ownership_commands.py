"""`sources rename`, `retire` and `adopt`, as they are typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.operating import place, sandbox

if TYPE_CHECKING:
    from tests.acceptance.operating import Workplace
    from worker.sandbox import RunningSandbox

__all__ = ["place", "sandbox"]

SECOND = """
[[sources]]
name = "other"
type = "csv"
path = "drop2"
mode = "snapshot"
stock_list = 1
stable_for = 0
columns = { sku = "sku", stock = "stock" }
guard = { first_pull = "apply", max_zero_ratio = 1 }
"""


def renamed(place: Workplace) -> None:
    file = place.folder / "stocksync.toml"
    file.write_text(file.read_text().replace('name = "drop"', 'name = "erp"'))


def test_a_source_that_was_renamed_keeps_its_history(place: Workplace) -> None:
    place.drop("a.csv", A=5)
    place.run("pull", "drop")
    renamed(place)
    place.run("sources")  # the first command that makes the new name known
    status = place.json("status", code=1)
    assert (status["levels"]["retired"], status["orphans"]) == (1, [{"name": "drop", "levels": 1}])
    (worry,) = status["concerns"]
    assert "source drop is configured no longer" in worry["message"]
    assert "sources rename drop NEW" in worry["remedy"]
    assert worry["message"] in place.run("check", "--offline", code=1).out
    assert place.json("sources", "rename", "drop", "erp") == {"name": "erp", "was": "drop"}
    place.run("deliver")
    status = place.json("status")
    assert (status["ok"], status["levels"]["retired"], status["orphans"]) == (True, 0, [])
    assert [pull["source"] for pull in place.json("pulls")] == ["erp"]


def test_a_retired_source_leaves_zeroes_or_what_was_there(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=5, B=0)
    place.run("sync")
    renamed(place)
    place.run("sources", "retire", "drop", code=2)
    assert place.json("status", code=1)["orphans"] == [{"name": "drop", "levels": 2}]
    assert place.json("sources", "retire", "drop", "--zero") == {
        "name": "drop", "levels": 2, "to_send": 1,
    }  # fmt: skip
    place.run("deliver")
    assert sandbox.state()["1:A"]["stock"] == 0
    place.run("sources")
    status = place.json("status")
    assert (status["ok"], status["levels"]["retired"]) == (True, 2)


def test_levels_that_a_person_keeps_need_nobody(place: Workplace) -> None:
    place.drop("a.csv", A=5)
    place.run("sync")
    renamed(place)
    place.run("sources", "retire", "drop", "--keep")
    assert place.json("status")["levels"]["retired"] == 1


def test_a_source_takes_over_by_command_what_another_owns(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.configure(sandbox.url, more=SECOND)
    (place.folder / "drop2").mkdir()
    place.drop("a.csv", A=5)
    place.run("pull", "drop")
    (place.folder / "drop2" / "a.csv").write_text("sku,stock\nA,9\n")
    place.run("pull", "other", code=None)
    (failure,) = place.json("failures", code=None)
    assert (failure["kind"], failure["reason"]) == ("source", "owned_elsewhere")
    assert place.json("sources", "adopt", "other") == {"name": "other", "keys": 1}
    (place.folder / "drop2" / "b.csv").write_text("sku,stock\nA,9\n")
    place.run("pull", "other")
    place.run("deliver")
    assert sandbox.state()["1:A"]["stock"] == 9
    assert place.json("failures") == []


def test_check_and_status_tell_of_rules_that_changed(place: Workplace) -> None:
    place.drop("a.csv", A=5)
    place.run("pull", "drop")
    file = place.folder / "stocksync.toml"
    file.write_text(file.read_text() + "[sources.rules]\nbuffer = 2\n")
    assert place.json("status", code=None)["sources"][0]["state"] == "rules_changed"
    told = place.run("check", "--offline", code=None).out
    assert "its rules are not those of its last pull" in told
    place.drop("b.csv", A=5)
    place.run("pull", "drop")
    assert place.json("status", code=None)["sources"][0]["state"] == "active"


def test_a_plan_tells_what_was_let_through(place: Workplace, sandbox: RunningSandbox) -> None:
    place.drop("a.csv", A=5, B=5)
    place.run("sync")
    limits = 'max_change_ratio = 0\nignore_below = 0\nwhile_held = "decreases"\n'
    place.configure(sandbox.url, more=limits)
    place.drop("b.csv", A=4, B=9)
    place.run("sync", code=1)
    assert sandbox.state()["1:A"]["stock"] == 4
    assert place.json("pulls", "show", "2")["let_through"] == 1
    assert "1 of them only sink" in place.run("pulls", "show", "2").out
    assert "pull 2 is held and would make it 9: pulls show 2" in place.run("explain", "B").out
    assert "1 levels that only sank were let through" in place.run("pulls", "discard", "2").out
