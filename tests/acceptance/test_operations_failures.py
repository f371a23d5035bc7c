"""Failures and batches: shown with a remedy, sent again as of today, dismissed, exported."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

from tests.acceptance.operating import place, sandbox

if TYPE_CHECKING:
    import pytest

    from tests.acceptance.operating import Workplace
    from worker.sandbox import RunningSandbox

__all__ = ["place", "sandbox"]


def parked(place: Workplace, sandbox: RunningSandbox) -> None:
    """One key that Omnitron refused, and one row that was rejected."""
    sandbox.order("status", status=400, body={"stock": ["too odd"]}, sku="B", count=1)
    place.drop("a.csv", A=1, B=2, C="=x")
    place.run("sync", code=1)


def of_kind(place: Workplace, kind: str) -> str:
    """The number of the one open failure of a kind."""
    return str(next(f["id"] for f in place.json("failures") if f["kind"] == kind))


def test_failures_open_with_groups_that_name_the_remedy(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    parked(place, sandbox)
    text = place.run("failures").out
    assert "1 x not_a_number (row)" in text
    assert text.index("remedy:") < text.index("one by one")
    found = place.json("failures")[0]
    promised = {"id", "kind", "source", "stock_list", "sku", "reason", "message", "remedy"}
    assert promised | {"line", "first_seen", "last_seen", "attempts"} <= set(found)


def test_the_example_of_an_unreadable_file_names_the_file(place: Workplace) -> None:
    (place.folder / "drop" / "torn.csv").write_bytes(b"sku,stock\n\xff,1\n")
    place.run("sync", code=1)
    assert "for example 1: torn.csv: Line 2 is not utf-8" in place.run("failures").out


def test_a_replay_sends_the_value_of_today(place: Workplace, sandbox: RunningSandbox) -> None:
    parked(place, sandbox)
    answer = place.json("failures", "replay", "--all", code=1)
    assert (answer["replayed"], answer["keys"][0]["sku"]) == (1, "B")
    assert [(row["sku"], row["answer"]) for row in answer["rows"]] == [("C", "rejected")]
    place.run("deliver")
    assert sandbox.state()["1:B"]["stock"] == 2
    assert [f["kind"] for f in place.json("failures")] == ["row"]


def test_a_dry_run_says_what_would_happen_and_changes_nothing(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    parked(place, sandbox)
    number = of_kind(place, "item")
    for _ in range(2):
        assert place.json("failures", "replay", number, "--dry-run")["replayed"] == 1
    assert place.json("failures", "replay", number)["replayed"] == 1
    assert place.json("failures", "replay", number)["waiting"] == 1


def test_a_rejected_row_is_judged_again_by_the_configuration_of_today(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=1, B='"1,5"')
    place.run("sync", code=1)
    number = of_kind(place, "row")
    file = place.folder / "stocksync.toml"
    text = file.read_text()
    rules = '[sources.format]\ndecimal = ","\n[sources.rules]\nrounding = "floor"\n'
    file.write_text(text.replace("[sources.guard]", f"{rules}[sources.guard]"))
    assert place.json("failures", "replay", number, "--dry-run")["replayed"] == 1
    assert place.json("failures", "replay", number)["rows"][0]["answer"] == "replayed"
    assert place.json("failures", "replay", number)["waiting"] == 1
    place.run("deliver")
    assert sandbox.state()["1:B"]["stock"] == 1
    assert "replay" in place.run("failures", "show", number).out
    assert place.json("failures", "replay", number)["already_sent"] == 1


def test_a_replay_must_say_which_in_one_way(place: Workplace) -> None:
    place.run("failures", "replay", code=2)
    place.run("failures", "replay", "--all", "--reason", "x", code=2)
    place.run("failures", "replay", "77", code=2)


def test_a_batch_is_shown_and_what_it_left_over_is_sent_again(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    parked(place, sandbox)
    batch = place.json("batches")[0]
    assert (batch["status"], batch["lines"], batch["sent"], batch["parked"]) == ("partial", 2, 1, 1)
    number = str(batch["id"])
    shown = place.json("batches", "show", number)
    assert [(line["sku"], line["outcome"]) for line in shown["outcomes"]] == [
        ("B", "parked"),
        ("A", "sent"),
    ]
    assert place.json("batches", "replay", number)["replayed"] == 1
    place.run("deliver")
    assert place.json("batches", "replay", number)["already_sent"] == 1


def test_a_batch_that_the_erp_has_overtaken_has_moved_on(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    parked(place, sandbox)
    number = str(place.json("batches")[0]["id"])
    place.drop("b.csv", A=1, B=5)
    place.run("pull", "drop")
    assert place.json("batches", "replay", number)["moved_on"] == 1


def test_dismiss_closes_a_failure_with_who_and_why(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    parked(place, sandbox)
    number = of_kind(place, "item")
    place.run("failures", "dismiss", number, "--why", "sold out for good")
    shown = place.json("failures", "show", number)
    assert shown["closed_why"] == "dismissed by ayse: sold out for good"
    assert shown["events"][0]["actor"] == "ayse"
    assert [f["kind"] for f in place.json("failures")] == ["row"]
    place.run("failures", "dismiss", number, "--why", "again", code=2)


def test_exports_are_exact_or_safe_to_open_and_overwrite_nothing(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    parked(place, sandbox)
    for name in ("out.csv", "out.jsonl"):
        assert place.json("failures", "export", str(place.folder / name))["count"] == 2
        place.run("failures", "export", str(place.folder / name), code=2)
    place.run("failures", "export", str(place.folder / "out.xls"), code=2)
    with (place.folder / "out.csv").open(newline="") as stream:
        assert {row["value"] for row in csv.DictReader(stream)} == {"'=x", "2"}
    lines = (place.folder / "out.jsonl").read_text().splitlines()
    assert {json.loads(line)["value"] for line in lines} == {"=x", "2"}


def test_unknown_products_are_one_failure_that_names_every_sku(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    sandbox.set_products(["A"])
    place.drop("a.csv", A=1, B=2, C=3)
    place.run("sync", code=1)
    (failure,) = place.json("failures")
    assert (failure["reason"], failure["occurrences"]) == ("unknown_product", 2)
    number = str(failure["id"])
    assert place.json("failures", "show", number)["skus"] == ["B", "C"]
    assert "B, C" in place.run("failures", "show", number).out
    place.run("failures", "export", str(place.folder / "out.jsonl"))
    rows = [json.loads(line) for line in (place.folder / "out.jsonl").read_text().splitlines()]
    assert [(row["sku"], row["value"]) for row in rows] == [("B", "2"), ("C", "3")]
    sandbox.set_products(["A", "B", "C"])
    assert place.json("failures", "replay", number)["replayed"] == 2
    place.run("sync")


def test_unknown_products_that_are_ignored_are_listed_and_change_no_exit_code(
    place: Workplace, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKSYNC_OMNITRON__UNKNOWN_PRODUCTS", "ignore")
    sandbox.set_products(["A"])
    place.drop("a.csv", A=1, B=2)
    place.run("sync")
    assert place.json("status")["ok"]
    assert [failure["reason"] for failure in place.json("failures")] == ["unknown_product"]


def test_a_crowd_of_rejected_rows_says_where_its_rows_are(place: Workplace) -> None:
    place.drop("a.csv", A=1, **{f"R{number}": "x" for number in range(1_001)})
    place.run("sync", code=1)
    number = of_kind(place, "row")
    text = place.run("failures", "show", number).out
    assert "1001 rows; the first is line 3" in text
    assert "all of its rows are in the rejects file" in text
    assert f"failures replay {number}" not in text
    assert (place.folder / "drop" / ".rejected" / "a.mended.csv").exists()


def test_a_row_is_shown_as_it_was_read(place: Workplace) -> None:
    file = place.folder / "stocksync.toml"
    text = file.read_text().replace('stock = "stock"', 'stock = "stock"\nwarehouse = "wh"')
    file.write_text(text.replace("stock_list = 1\n", ""))
    (place.folder / "drop" / "a.csv").write_text("sku,stock,wh\nA,1,WH-NEW\n")
    place.run("sync", code=1)
    number = of_kind(place, "row")
    assert "raw          'A', '1', 'WH-NEW'" in place.run("failures", "show", number).out
    assert json.loads(place.json("failures", "show", number)["raw"])["row"]["sku"] == "A"
