"""A place to work in: a configuration, a drop folder, a ledger, and the real program beside it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from worker.cli import main
from worker.sandbox import RunningSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLES = """
[[sources]]
name = "drop"
type = "csv"
path = "drop"
mode = "{mode}"
stock_list = 1
stable_for = 0
[sources.columns]
sku = "sku"
stock = "stock"
[sources.guard]
first_pull = "{first_pull}"
max_zero_ratio = 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How one run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True)
class Workplace:
    """A folder with a configuration; runs `stocksync` in it."""

    folder: Path

    def configure(
        self, url: str, *, mode: str = "snapshot", first_pull: str = "apply", more: str = ""
    ) -> None:
        """Write the configuration for an Omnitron at ``url``."""
        (self.folder / "drop").mkdir(exist_ok=True)
        top = f'[omnitron]\nbase_url = "{url}"\nusername = "erp"\npassword = "sandbox"\n'
        rate = "requests_per_second = 2000\nsettle_seconds = 1\n"
        tables = TABLES.format(mode=mode, first_pull=first_pull)
        (self.folder / "stocksync.toml").write_text(top + rate + tables + more)

    def drop(self, name: str, **stock: object) -> None:
        """Drop a file; the keywords are its rows."""
        rows = "".join(f"{sku},{value}\n" for sku, value in stock.items())
        (self.folder / "drop" / name).write_text("sku,stock\n" + rows)

    def run(self, *arguments: str, code: int | None = 0) -> Ran:
        """Run the program's own entry point in this process and expect an exit code (None: any)."""
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        out, err = io.StringIO(), io.StringIO()
        config = str(self.folder / "stocksync.toml")
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main([*arguments, "--config", config])
        except SystemExit as end:
            ran = Ran(code=int(end.code or 0), out=out.getvalue(), err=err.getvalue())
        finally:
            for number, action in before.items():
                signal.signal(number, action)
        assert code is None or ran.code == code, (arguments, ran)
        return ran

    def spawn(self, *arguments: str, code: int = 0) -> Ran:
        """Run the program as a process of its own, as people do."""
        done = subprocess.run(
            [sys.executable, "-m", "worker.cli", *arguments],
            cwd=self.folder,
            env=os.environ | {"STOCKSYNC_ACTOR": "ayse", "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        ran = Ran(code=done.returncode, out=done.stdout, err=done.stderr)
        assert ran.code == code, (arguments, ran)
        return ran

    def json(self, *arguments: str, code: int | None = 0) -> Any:
        """Run the program for a script; returns its document."""
        return self.run(*arguments, "--json", code=code).document


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """An Omnitron of the test's own."""
    with RunningSandbox() as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A configured place with a ledger, whose first pull is applied."""
    monkeypatch.setenv("STOCKSYNC_ACTOR", "ayse")
    monkeypatch.setenv("COLUMNS", "200")
    made = Workplace(tmp_path)
    made.configure(sandbox.url)
    made.run("migrate")
    return made
