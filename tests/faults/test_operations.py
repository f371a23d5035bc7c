"""What people do to it, twice, at once and by mistake (O1 to O8, P9): the real program, its files.

`docs/faults.md` says which test shows what.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.operating import Ran, Workplace, place, sandbox
from worker.cli.exporting import write_new
from worker.ledger import Ledger, target

if TYPE_CHECKING:
    from pathlib import Path

    from worker.sandbox import RunningSandbox

__all__ = ["place", "sandbox"]

EVERY = [f"S{number:02}" for number in range(60)]
PARKED = EVERY[::4]
"""One in four is refused, so it is no epidemic."""

REFUSED = {"stock": ["too odd"]}


def posted(sandbox: RunningSandbox, sku: str) -> list[int]:
    """Every stock that Omnitron took for a SKU."""
    return [entry["stock"] for entry in sandbox.journal() if entry["sku"] == sku]


def start(place: Workplace, *arguments: str, actor: str = "ayse", fault: str = "") -> Any:
    """Start the program as a process of its own."""
    environment = os.environ | {"STOCKSYNC_ACTOR": actor}
    environment |= {"STOCKSYNC_FAULT": fault} if fault else {}
    return subprocess.Popen(
        [sys.executable, "-m", "worker.cli", *arguments, "--json"],
        cwd=place.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: Any) -> Ran:
    out, err = process.communicate(timeout=90)
    return Ran(code=process.returncode, out=out, err=err)


@pytest.fixture
def refused(place: Workplace, sandbox: RunningSandbox) -> Workplace:
    """A place with some parked levels, which Omnitron would take now."""
    for sku in PARKED:
        sandbox.order("status", status=400, body=REFUSED, sku=sku, count=1)
    place.drop("a.csv", **dict.fromkeys(EVERY, 5))
    place.run("sync", code=None)
    assert place.json("status", code=None)["levels"]["parked"] == len(PARKED)
    return place


def test_o1_an_old_failed_batch_brings_nothing_back_after_newer_data_was_delivered(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    sandbox.order("status", status=400, body=REFUSED, sku="A", count=1)
    place.drop("a.csv", A=5, B=1)
    place.run("sync", code=1)
    (old,) = (str(failure["id"]) for failure in place.json("failures"))
    place.drop("b.csv", A=6, B=1)
    place.run("sync")
    assert place.json("batches", "replay", "1")["moved_on"] == 1
    assert place.json("failures", "replay", old)["already_sent"] == 1
    place.run("deliver")
    assert posted(sandbox, "A") == [6]


@pytest.mark.thorough
def test_o2_two_operators_and_a_running_delivery_have_one_effect_that_is_written_down(
    refused: Workplace, sandbox: RunningSandbox
) -> None:
    replay = ("failures", "replay", "--all")
    running = [
        start(refused, *replay, actor="ayse"),
        start(refused, *replay, actor="mehmet"),
        start(refused, "deliver"),
    ]
    first, second, _ = (ended(process) for process in running)
    assert first.document["replayed"] + second.document["replayed"] == len(PARKED)
    refused.run("deliver", code=None)
    assert {sku: posted(sandbox, sku) for sku in PARKED} == {sku: [5] for sku in PARKED}
    with closing(ledger_of(refused)) as ledger, ledger.read() as connection:
        done = connection.exec_driver_sql(
            "SELECT actor FROM event WHERE action = 'replay' ORDER BY actor"
        )
        assert [row[0] for row in done] == ["ayse", "mehmet"]
        revisions = connection.exec_driver_sql("SELECT DISTINCT revision FROM level")
        assert [row[0] for row in revisions] == [1]


@pytest.mark.thorough
def test_o2_a_rejected_row_that_two_judge_again_at_once_is_applied_once(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=1, B='"1,0"')
    place.run("sync", code=1)
    decimal_comma(place)
    running = [start(place, "failures", "replay", "--all", actor=who) for who in ("ayse", "can")]
    counts = [ended(process).document for process in running]
    assert any(count["replayed"] for count in counts)
    place.run("deliver")
    assert posted(sandbox, "B") == [1]
    assert place.json("failures") == []


@pytest.mark.thorough
def test_p9_a_replay_that_is_killed_did_all_or_nothing_and_is_simply_done_again(
    refused: Workplace, sandbox: RunningSandbox
) -> None:
    killed = 0
    while True:
        killed += 1
        done = ended(start(refused, "failures", "replay", "--all", fault=f"any:{killed}"))
        if done.code != -signal.SIGKILL:
            break
        assert refused.json("status", code=None)["levels"]["parked"] in {0, len(PARKED)}
    assert killed > 1
    assert refused.json("failures", "replay", "--all")["replayed"] == 0
    refused.run("deliver", code=None)
    assert {sku: posted(sandbox, sku) for sku in PARKED} == {sku: [5] for sku in PARKED}


@pytest.mark.thorough
def test_p9_rows_that_are_judged_again_by_a_killed_command_are_applied_once(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=1, B='"1,0"', C='"2,0"')
    place.run("sync", code=1)
    decimal_comma(place)
    killed = 0
    while True:
        killed += 1
        done = ended(start(place, "failures", "replay", "--all", fault=f"any:{killed}"))
        if done.code != -signal.SIGKILL:
            break
        free_the_source(place)
    assert killed > 1
    place.run("failures", "replay", "--all")
    place.run("deliver")
    assert {sku: posted(sandbox, sku) for sku in "ABC"} == {"A": [1], "B": [1], "C": [2]}
    assert place.json("failures") == []


@pytest.mark.thorough
def test_p9_a_replay_finishes_the_rows_that_a_killed_one_had_decided(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=1, B='"1,0"', C='"2,0"')
    place.run("sync", code=1)
    decimal_comma(place)
    for killed in count(1):
        assert ended(start(place, "failures", "replay", "--all", fault=f"any:{killed}")).code < 0
        free_the_source(place)
        if place.json("pulls")[0]["status"] == "applying":
            break
    assert place.json("failures") == []
    place.run("failures", "replay", "--all")
    assert place.json("pulls")[0]["status"] == "applied"
    place.run("deliver")
    assert {sku: posted(sandbox, sku) for sku in "ABC"} == {"A": [1], "B": [1], "C": [2]}


NASTY = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\tx", "\rx", 'a"b', "a,b\nc", "n\0ul", " =1"]


def test_o3_no_cell_of_an_export_is_run_by_a_spreadsheet_and_its_twin_is_exact(
    tmp_path: Path,
) -> None:
    documents = [{"sku": text, "message": f"{text} is wrong"} for text in NASTY]
    assert write_new(tmp_path / "out.csv", documents) == len(NASTY)
    assert write_new(tmp_path / "out.jsonl", documents) == len(NASTY)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as stream:
        cells = [row["sku"] for row in csv.DictReader(stream)]
    for text, cell in zip(NASTY, cells, strict=True):
        assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r"))
        assert cell.removeprefix("'") == text.replace("\0", "")
    exact = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert exact == documents


def test_o5_what_omnitron_echoes_of_our_secrets_is_kept_nowhere(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    echo = {"stock": ["you sent Authorization: Token 0123456789abcdef and password sandbox"]}
    sandbox.order("status", status=400, body=echo, sku="B", count=1)
    sandbox.order("echo_headers", status=422, sku="A", count=1)
    place.drop("a.csv", A=1, B=2)
    place.run("sync", "--patience", "3", code=None)
    (number,) = (str(failure["id"]) for failure in place.json("failures"))
    place.run("failures", "export", str(place.folder / "out.csv"))
    shown = place.json("failures", "show", number)
    assert "***" in shown["excerpt"]
    assert shown["status"] == 400
    texts = [json.dumps(shown), (place.folder / "out.csv").read_text()]
    texts += [place.run(*words).out for words in (("explain", "B"), ("batches", "show", "1"))]
    texts += [path.read_bytes().decode(errors="replace") for path in place.folder.glob("var/*")]
    for text in texts:
        assert "0123456789abcdef" not in text
        assert "password sandbox" not in text


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ('base_url = "http://127.0.0.1', 'base_url = "http://shop.example.com', "base_url"),
        ('base_url = "http://', 'base_url = "ftp://', "base_url"),
        ('password = "sandbox"\n', "", "password"),
        ('[[sources]]\nname = "drop"', "[[sources]]", "name"),
        ("[[sources]]", "[[channels]]\nid = 5\n[[channels]]\nid = 5\n[[sources]]", "channels"),
    ],
)
def test_o8_what_cannot_work_is_refused_at_the_start_with_its_place(
    place: Workplace, was: str, becomes: str, told: str
) -> None:
    file = place.folder / "stocksync.toml"
    text = file.read_text()
    assert was in text
    file.write_text(text.replace(was, becomes, 1))
    for command in ("run", "worker", "beat", "sync", "status"):
        error = place.json(command, code=2)["error"]
        assert told in f"{error['place']} {error['message']}"
        assert error["remedy"]
    assert "sandbox" not in place.run("sync", code=2).err


def test_o8_two_sources_of_one_name_are_refused(place: Workplace) -> None:
    file = place.folder / "stocksync.toml"
    text = file.read_text()
    file.write_text(text + text[text.index("[[sources]]") :])
    error = place.json("sync", code=2)["error"]
    assert "twice" in error["message"]
    assert "sources" in error["place"]


def test_a_parked_item_never_makes_health_red(place: Workplace, sandbox: RunningSandbox) -> None:
    sandbox.order("status", status=400, body=REFUSED, sku="A", count=1)
    place.drop("a.csv", A=5)
    place.run("sync", code=1)
    with closing(ledger_of(place)) as ledger:
        ledger.write(lambda tx: target.beat(tx, now=ledger.now(tx), every=1.0))
    assert place.json("status", code=1)["levels"]["parked"] == 1
    assert place.json("health")["ok"] is True


def ledger_of(place: Workplace) -> Ledger:
    return Ledger(f"sqlite:///{place.folder}/var/stocksync.db")


def free_the_source(place: Workplace) -> None:
    """Let the lease of a killed command be over, as it is after two minutes."""
    with closing(ledger_of(place)) as ledger:
        ledger.write(
            lambda tx: tx.exec_driver_sql("UPDATE source SET lease_until = 0, lease_token = NULL")
        )


def decimal_comma(place: Workplace) -> None:
    file = place.folder / "stocksync.toml"
    text = file.read_text()
    file.write_text(
        text.replace("[sources.guard]", '[sources.format]\ndecimal = ","\n[sources.guard]')
    )
