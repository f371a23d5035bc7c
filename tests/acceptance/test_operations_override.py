"""`override`: pinned, listed, explained, cleared and over by itself, in whole runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.operating import Workplace, place, sandbox
from tests.processes import until

if TYPE_CHECKING:
    from worker.sandbox import RunningSandbox

__all__ = ["place", "sandbox"]

PIN = ("override", "A", "--stock", "2", "--why", "stocktaking")


def stock(sandbox: RunningSandbox) -> int:
    return int(sandbox.state()["1:A"]["stock"])


@pytest.fixture
def sent(place: Workplace) -> Workplace:
    """A place whose Omnitron shows 5 of A."""
    place.drop("a.csv", A=5)
    place.run("sync")
    return place


def test_a_pin_is_sent_listed_and_explained_and_outlives_a_pull(
    sent: Workplace, sandbox: RunningSandbox
) -> None:
    made = sent.json(*PIN, "--for", "4h")
    assert (made["stock"], made["erp_stock"], made["by"]) == (2, 5, "ayse")
    sent.drop("b.csv", A=9)
    sent.run("sync")
    assert stock(sandbox) == 2
    (listed,) = sent.json("override", "list")
    assert (listed["stock"], listed["erp_stock"], listed["sent"]) == (2, 9, True)
    (level,) = sent.json("explain", "A")["levels"]
    assert level["state"] == "overridden"
    assert "should show 2 (ayse, at" in level["sentence"]
    assert "pinned it: stocktaking; beneath, source drop says 9" in level["sentence"]
    assert level["override"]["until"] == listed["until"]
    assert "ayse: override level 1/A to 2, until" in sent.run("explain", "A").out
    status = sent.json("status")
    assert (status["ok"], status["levels"]["overridden"]) == (True, 1)


def test_it_ends_by_itself_after_a_short_while(sent: Workplace, sandbox: RunningSandbox) -> None:
    sent.run(*PIN, "--for", "2s")
    sent.run("deliver")
    assert stock(sandbox) == 2

    def delivered() -> bool:
        sent.run("deliver")
        return stock(sandbox) == 5

    until(delivered)
    assert sent.json("override") == []


def test_it_is_cleared_by_a_person_whose_name_is_kept(
    sent: Workplace, sandbox: RunningSandbox
) -> None:
    sent.run(*PIN, "--for", "4h")
    assert "5, as the ERP says, goes out" in sent.run("override", "clear", "A").out
    assert sent.json("override", "clear", "A")["cleared"] is False
    sent.run("sync")
    assert stock(sandbox) == 5
    assert "ayse: clear override level 1/A" in sent.run("explain", "A").out


def test_what_cannot_be_meant_is_refused(sent: Workplace) -> None:
    whole = {"--stock": "2", "--for": "4h", "--why": "x"}
    wrong = [{"--stock": "-1"}, {"--stock": "2147483648"}, {"--why": " "}]
    wrong += [{"--stock": None}, {"--for": None}, {"--why": None}]  # type: ignore[list-item]
    for change in wrong:
        given = [pair for pair in (whole | change).items() if pair[1] is not None]
        options = [word for pair in given for word in pair]
        error = sent.json("override", "A", *options, code=2)["error"]
        assert next(iter(change)) in error["message"]
    for words in ((*PIN[:1], "B", *PIN[2:], "--for", "4h"), ("override", "clear", "B")):
        assert "nothing is known" in sent.json(*words, code=2)["error"]["message"]
    assert sent.json("override", "list") == []


def test_a_sku_may_be_named_like_a_word_of_the_command(sent: Workplace) -> None:
    sent.drop("b.csv", list=3, clear=4)
    sent.run("sync", code=None)
    for sku in ("list", "clear"):
        sent.run("override", sku, "--stock", "1", "--for", "1h", "--why", "x")
    assert [one["sku"] for one in sent.json("override", "list")] == ["clear", "list"]
    sent.run("override", "clear", "clear")
    assert [one["sku"] for one in sent.json("override", "list")] == ["list"]


def test_a_source_with_a_pin_is_not_retired(sent: Workplace, sandbox: RunningSandbox) -> None:
    sent.run(*PIN, "--for", "4h")
    text = (sent.folder / "stocksync.toml").read_text()
    (sent.folder / "stocksync.toml").write_text(text.replace('"drop"\ntype', '"other"\ntype'))
    error = sent.json("sources", "retire", "drop", "--keep", "--yes", code=2)["error"]
    assert "overridden, the first: 'A'" in error["message"]
