"""The steps by hand, run as people and scripts run them: the real program against the sandbox."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.operating import Workplace
from tests.processes import until
from worker.sandbox import RunningSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHANNEL = "\n[[channels]]\nid = 5\nstock_lists = [1]\n"


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, sandbox: RunningSandbox) -> Workplace:
    made = Workplace(tmp_path)
    made.configure(sandbox.url, more=CHANNEL)
    made.run("migrate")
    return made


def test_sync_carries_a_dropped_file_through_to_the_channel(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=3, B=0)
    document = place.json("sync")
    pulled = document["pulls"][0]
    assert (pulled["source"], pulled["status"], pulled["read"]) == ("drop", "applied", 2)
    assert (pulled["changed"], pulled["rejected"]) == (2, 0)
    assert document["delivered"] == {"sent": 2, "superseded": 0, "parked": 0, "waiting": 0}
    assert (document["confirmed"], document["held"]) == (2, 0)
    assert sandbox.state()["1:A"]["stock"] == 3
    status = place.json("status")
    assert status["ok"] is True
    assert status["levels"]["in_sync"] == status["levels"]["total"] == 2


def test_the_steps_by_hand_do_what_sync_does(place: Workplace, sandbox: RunningSandbox) -> None:
    place.drop("a.csv", A=3)
    assert place.json("pull", "drop")["pulls"][0]["status"] == "applied"
    assert not sandbox.state()
    assert place.json("deliver")["delivered"]["sent"] == 1
    assert place.json("confirm")["confirmed"] == 1


def test_a_dry_run_shows_the_plan_and_leaves_everything_as_it_was(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=3, BAD="x", HALF="0.5")
    document = place.json("sync", "--dry-run", code=1)
    assert (document["pulls"][0]["changed"], document["pulls"][0]["rejected"]) == (1, 2)
    rejects = document["pulls"][0]["rejects"]
    assert [(row["line"], row["reason"]) for row in rejects] == [
        (3, "not_a_number"),
        (4, "fraction"),
    ]
    assert document["would_send"] == 1
    assert document["pulls"][0]["changes"][0]["after"] == 3
    shown = place.run("pull", "drop", "--dry-run", code=1).out
    assert "nothing was written" in shown
    assert (place.folder / "drop" / "a.csv").exists()
    assert place.json("status")["levels"]["total"] == 0
    assert not sandbox.state()


def rest_for(place: Workplace, seconds: int) -> None:
    """From now on a file is read when nobody has written to it for so long."""
    written = place.folder / "stocksync.toml"
    written.write_text(written.read_text().replace("stable_for = 0", f"stable_for = {seconds}"))


@pytest.mark.parametrize("command", [["sync"], ["pull", "drop"]])
def test_a_file_that_was_dropped_just_before_is_waited_for(
    place: Workplace, command: list[str]
) -> None:
    rest_for(place, 2)
    place.drop("a.csv", A=3)
    document = place.json(*command)
    assert [pull["label"] for pull in document["pulls"]] == ["a.csv"]
    assert document["not_ready"] == []


def test_no_command_waits_long_for_a_file_but_says_what_it_waits_for(place: Workplace) -> None:
    rest_for(place, 3_600)
    place.drop("a.csv", A=3)
    assert place.json("sync")["pulls"] == []
    [rest] = place.json("pull", "drop")["not_ready"]
    assert rest["label"] == "a.csv"
    assert "written to" in rest["reason"]
    assert "not ready yet: a.csv" in place.run("sync").out


def test_an_outage_ends_a_sync_with_3_and_keeps_the_work(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.drop("a.csv", A=3)
    number = sandbox.order("status", status=503)
    down = place.run("sync", "--patience", "0", code=3)
    assert "nothing is lost" in down.out
    document = place.json("status", code=3)
    assert (document["ok"], document["target"]["state"]) == (False, "down")
    assert document["levels"]["waiting"] + document["levels"]["due"] == 1
    sandbox.lift(number)
    assert place.json("sync")["delivered"]["sent"] == 1


def test_a_rejected_row_ends_a_sync_with_1(place: Workplace) -> None:
    place.drop("a.csv", A=3, BAD="x")
    assert place.json("sync", code=1)["pulls"][0]["rejected"] == 1


def test_an_unknown_source_is_a_usage_error_that_names_the_known_ones(place: Workplace) -> None:
    error = place.json("pull", "dorp", code=2)["error"]
    assert error["kind"] == "usage"
    assert "drop" in error["remedy"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_sync_in_order_and_it_says_so_in_a_line(
    place: Workplace, sandbox: RunningSandbox, number: signal.Signals
) -> None:
    place.drop("a.csv", A=3)
    sandbox.order("status", method="POST", path="*/product_stock/", status=503)
    program = subprocess.Popen(
        [sys.executable, "-m", "worker.cli", "sync", "--patience", "50"],
        cwd=place.folder,
        env=os.environ.copy(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: any("product_stock" in str(row) for row in sandbox.stats()["requests"]))
    program.send_signal(number)
    _, err = program.communicate(timeout=30)
    assert program.returncode == 128 + number, err
    assert f"ended by {number.name}: what was done is recorded" in err
    assert "Traceback" not in err
    assert place.json("status", code=3)["levels"]["in_flight"] == 0


def test_ctrl_c_while_the_program_still_starts_shows_no_traceback() -> None:
    script = """
import signal, sys

class Interrupter:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            signal.raise_signal(signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started us may ignore it
sys.meta_path.insert(0, Interrupter())
from worker.cli import main
main(["status"])
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")
