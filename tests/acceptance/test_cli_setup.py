"""`init`, `migrate`, `check`, `config` and the rules of every command, as people type them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.operating import Workplace
from worker.sandbox import RunningSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHANNEL = "\n[[channels]]\nid = {channel}\nstock_lists = [{stock_list}]\n"
SECRET = "sandbox"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with RunningSandbox() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, sandbox: RunningSandbox) -> Workplace:
    made = Workplace(tmp_path)
    made.configure(sandbox.url, more=CHANNEL.format(channel=5, stock_list=1))
    return made


def test_init_writes_a_configuration_and_never_overwrites_it(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    assert "stocksync.toml" in place.run("init").out
    text = (tmp_path / "stocksync.toml").read_text()
    assert "never overwrites" in place.run("init", "--template", "sql", code=2).err
    assert (tmp_path / "stocksync.toml").read_text() == text


def test_only_migrate_makes_a_ledger(place: Workplace) -> None:
    for command in (["status"], ["sync"], ["health"], ["migrate", "--check"]):
        error = place.json(*command, code=2)["error"]
        assert (error["kind"], error["remedy"]) == ("ledger", "create it: stocksync migrate")
    assert str(place.folder / "var" / "stocksync.db") in place.run("migrate").out
    assert place.json("migrate", "--check")["did"] == "unchanged"


def test_check_goes_through_everything_and_is_content(place: Workplace) -> None:
    place.run("migrate")
    document = place.json("check")
    assert document["ok"] is True
    subjects = {finding["subject"] for finding in document["findings"]}
    wanted = {"configuration", "ledger", "broker", "source drop", "omnitron", "stock lists"}
    assert subjects >= wanted | {"channel 5"}


def test_check_names_lists_and_channels_that_omnitron_does_not_have(
    place: Workplace, sandbox: RunningSandbox
) -> None:
    place.configure(sandbox.url, more=CHANNEL.format(channel=99, stock_list=77))
    place.run("migrate")
    shown = place.run("check", code=2).out
    assert "✗ stock lists: 77 (channels.99) is not in Omnitron" in shown
    assert "✗ channel 99" in shown


def test_check_without_a_ledger_still_tries_the_login(place: Workplace) -> None:
    shown = place.run("check", code=2).out
    assert "✗ ledger: there is no ledger" in shown
    assert "✓ omnitron: signed in" in shown


def test_check_offline_asks_nobody(place: Workplace) -> None:
    place.configure("http://127.0.0.1:9", more=CHANNEL.format(channel=5, stock_list=1))
    place.run("migrate")
    place.run("check", "--offline")
    assert place.run("check", code=3).out.count("✗ omnitron") == 1


def test_all_mistakes_of_a_configuration_are_told_at_once_without_values(place: Workplace) -> None:
    file = place.folder / "stocksync.toml"
    text = file.read_text().replace('mode = "snapshot"', 'mode = "hunter2"')
    file.write_text(text + "\n[alerts]\nurls = []\n")
    ran = place.run("status", "--json", code=2)
    assert len(ran.document["errors"]) == 2
    assert "hunter2" not in ran.out + ran.err


def test_config_masks_every_secret(place: Workplace) -> None:
    ran = place.run("config", "--json")
    found = {row["key"]: row for row in json.loads(ran.out)["settings"]}
    assert SECRET not in found["omnitron.password"]["value"]
    assert found["omnitron.base_url"]["origin"].startswith("stocksync.toml line")
    assert "•" in place.run("config").out


def test_a_wrong_option_is_a_usage_error_for_scripts_too(place: Workplace) -> None:
    assert place.json("status", "--nonsense", code=2)["error"]["kind"] == "usage"


def test_a_defect_ends_with_70_and_its_traceback_shows_no_values(place: Workplace) -> None:
    code = (
        "import worker.ledger.explain as reading\n"
        "def known(*_, **__):\n"
        "    secret = 'hunter' + '2'\n"
        "    raise RuntimeError('broken')\n"
        "reading.known = known\n"
        "from worker.cli import main\n"
        "main(['explain', 'A'])\n"
    )
    place.run("migrate")
    done = _python(code, place.folder)
    assert done.returncode == 70
    assert "a defect of stocksync: RuntimeError" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


def test_help_is_quick_since_it_imports_no_service(tmp_path: Path) -> None:
    code = (
        "import sys, worker.cli;"
        "heavy = {'celery', 'sqlalchemy', 'httpx', 'aiohttp', 'pydantic', 'alembic'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    assert _python(code, tmp_path).stdout.strip() == "[]"


def _python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
