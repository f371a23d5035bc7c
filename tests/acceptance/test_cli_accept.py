"""A file of another layout is held back, reported, and read once a person has accepted it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.operating import place, sandbox

if TYPE_CHECKING:
    from tests.acceptance.operating import Workplace

__all__ = ["place", "sandbox"]


def test_a_moved_column_waits_for_a_person_and_goes_out_once_accepted(place: Workplace) -> None:
    place.drop("s_1.csv", A=1)
    place.run("pull", "drop")
    (place.folder / "drop" / "s_2.csv").write_text("stock,sku\n7,A\n")
    place.run("pull", "drop", code=1)
    [failure] = place.json("failures", code=None)
    assert (failure["kind"], failure["source"]) == ("file", "drop")
    assert "'stock' was column 2 and is column 1" in failure["message"]
    assert place.json("sources", "accept", "drop")["accepted"] is True
    [pulled] = place.json("pull", "drop")["pulls"]
    assert (pulled["status"], pulled["changed"]) == ("applied", 1)
    assert place.json("failures", code=None) == []


def test_where_nothing_is_remembered_there_is_nothing_to_accept(place: Workplace) -> None:
    assert place.json("sources", "accept", "drop")["accepted"] is False
    place.run("sources", "accept", "never", code=2)
