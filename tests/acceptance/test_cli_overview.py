"""`status`, `health` and `explain`, run as people and scripts run them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.operating import Workplace
from worker.sandbox import RunningSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHANNEL = "\n[[channels]]\nid = 5\nstock_lists = [1]\n"
PROMISED = {
    *("ok", "version", "instance", "at", "heartbeat_at", "oldest_due_seconds", "levels"),
    *("confirmations", "failures", "held_pulls", "sources", "target"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A place where two levels are in sync, one row was rejected, and a value changed once."""
    folder: Path = tmp_path_factory.mktemp("overview")
    with RunningSandbox() as sandbox:
        made = Workplace(folder)
        made.configure(sandbox.url, more=CHANNEL)
        made.run("migrate")
        made.drop("a.csv", A=3, B=0, BAD="x")
        made.run("sync", code=1)
        made.drop("b.csv", A=4, B=0, BAD="x")
        made.run("sync", code=1)
        yield made


def test_status_has_every_promised_key_and_its_levels_sum_up(place: Workplace) -> None:
    document = place.json("status", code=1)
    assert document.keys() >= PROMISED
    levels = document["levels"]
    assert sum(count for name, count in levels.items() if name != "total") == levels["total"] == 2
    assert document["confirmations"] == {
        "waiting": 0,
        "confirmed": 2,
        "unconfirmed": 0,
        "overwritten": 0,
    }
    source = document["sources"][0]
    assert (source["name"], source["state"], source["cursor"]) == ("drop", "active", "b.csv")
    assert source["last_pull"]["rejected"] == 1
    assert document["target"]["state"] == "up"


def test_status_says_what_a_person_has_to_do(place: Workplace) -> None:
    document = place.json("status", code=1)
    assert document["ok"] is False
    assert document["failures"]["open"] == 1
    assert "stocksync failures" in place.run("status", code=1).out


def test_health_judges_the_heartbeat_alone(place: Workplace) -> None:
    assert place.json("health", code=1)["heartbeat_at"] is None
    assert place.json("health", "--max-age", "soon", code=2)["error"]["kind"] == "usage"


@pytest.mark.parametrize("command", [["status"], ["health"], ["failures"], ["explain", "A"]])
def test_who_only_looks_waits_for_no_import_that_is_not_needed(
    place: Workplace, command: list[str]
) -> None:
    heavy = {"aiohttp", "alembic", "celery", "connectors.sql_erp", "httpx", "psycopg", "pymysql"}
    script = (
        "import atexit, sys; from worker.cli import main;"
        f" atexit.register(lambda: print('imported', sorted({heavy!r} & set(sys.modules))));"
        " main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        cwd=place.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.endswith("imported []\n"), done


def test_explain_tells_what_should_be_what_is_and_why(place: Workplace) -> None:
    document = place.json("explain", "A")
    level = document["levels"][0]
    assert (level["state"], level["stock"], level["sent_stock"]) == ("in_sync", 4, 4)
    assert "Omnitron should show 4" in level["sentence"]
    assert "nothing is left to do" in level["sentence"]
    assert (level["parts"][0]["file"], level["parts"][0]["line"]) == ("b.csv", 2)
    assert level["channels"][0]["seen"] == 4
    assert [each["what"] for each in document["history"]].count("batch") == 2
    moments = [each["at"] for each in document["history"]]
    assert moments == sorted(moments)


def test_explain_at_an_earlier_time_tells_what_it_was_then(place: Workplace) -> None:
    history = place.json("explain", "A")["history"]
    first = next(each["at"] for each in history if each["what"] == "batch")
    sentence = place.json("explain", "A", "--at", first)["levels"][0]["sentence"]
    assert "should have shown 3" in sentence


def test_explain_tells_of_a_row_that_was_rejected(place: Workplace) -> None:
    document = place.json("explain", "BAD")
    assert document["levels"] == []
    assert document["failures"][0]["reason"] == "not_a_number"


def test_explain_of_an_unknown_sku_names_the_like_of_it(place: Workplace) -> None:
    error = place.json("explain", "a", code=2)["error"]
    assert "A" in error["remedy"]
