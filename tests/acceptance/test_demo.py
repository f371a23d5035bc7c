"""The demo, as a person starts it: the real programs, in a session of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

from tests.processes import until
from worker.demo.catalogue import MISSING_PRODUCT

CLONE = Path(__file__).parents[2]
VAR = CLONE / "var"
DEADLINE_SECONDS = 300.0


def _start(*options: str, mark: str) -> subprocess.Popen[str]:
    # MARKED is inherited by every process that the demo starts, whatever becomes of its parent
    return subprocess.Popen(
        [sys.executable, "-m", "worker.cli", "demo", *options],
        cwd=CLONE,
        env={
            **os.environ,
            "MARKED": mark,
            "STOCKSYNC_OMNITRON__BASE_URL": "https://not-ours.invalid",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )


def _marked(mark: str) -> list[str]:
    """The command lines of all processes that carry the mark."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if f"MARKED={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended meanwhile, or is somebody else's
    return found


def _folders() -> set[Path]:
    return set(VAR.glob("demo-*")) if VAR.is_dir() else set()


def test_the_demo_tells_its_whole_story_and_leaves_nothing_behind() -> None:
    mark, before = uuid.uuid4().hex, _folders()
    demo = _start("--seconds", "4", "--products", "150", "--json", mark=mark)
    out, err = demo.communicate(timeout=DEADLINE_SECONDS)
    assert demo.returncode == 0, out + err
    report = json.loads(out)
    assert report["ok"]
    assert report["problems"] == []
    assert report["keys"]["compared"] == report["keys"]["equal"] == report["confirmed"] > 150
    assert report["approved"]["changed"] > 150
    replayed = report["replayed"]
    assert (replayed["sku"], replayed["answer"]) == (MISSING_PRODUCT, "replayed")
    [rejected] = report["rejected"]
    assert (rejected["file"], rejected["line"], rejected["value"]) == ("stok_2.csv", 9, "12,5O")
    assert rejected["remedy"]
    assert report["latency"]["samples"] > 0
    assert report["latency"]["missing"] == 0
    assert report["recorded"]["sent"] + report["recorded"]["superseded"] <= report["accepted"]
    assert "is held: it is the first pull" in err
    assert _marked(mark) == []
    assert _folders() <= before


def test_a_demo_that_is_interrupted_ends_in_order_and_leaves_nothing_behind() -> None:
    mark, before = uuid.uuid4().hex, _folders()
    demo = _start("--products", "100", mark=mark)
    until(
        lambda: any(line.rstrip().endswith("worker.cli run") for line in _marked(mark)),
        seconds=DEADLINE_SECONDS,
    )
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=DEADLINE_SECONDS)
    assert demo.returncode == 130, out + err
    assert "ended early" in out
    assert _marked(mark) == []
    assert _folders() <= before
