"""Delivering by real processes, of which one item kills each that sends it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.delivering import stocks
from tests.integration.scenes import level_of, reasons, say
from tests.processes import running

if TYPE_CHECKING:
    from tests.integration.ledgers import HandClock
    from worker.ledger import Ledger
    from worker.sandbox import RunningSandbox

ROOT = Path(__file__).parents[2]
DELIVER = (sys.executable, "-m", "tests.integration.courier_process")
BEFORE = {"PYTHONPATH": str(ROOT)}


@pytest.mark.thorough
def test_p10_one_item_that_kills_its_process_each_time_is_parked_and_the_others_flow(
    ledger: Ledger, clock: HandClock, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    others = {f"S{number}": 5 for number in range(9)}
    say(ledger, others | {"POISON": 5})
    hands = tmp_path / "clock"
    deaths = 0
    for _ in range(30):
        hands.write_text(str(clock()))
        url = ledger.url.render_as_string(hide_password=False)
        with running(
            *DELIVER, url, sandbox.url, str(hands), folder=tmp_path, environment=BEFORE
        ) as child:
            deaths += child.process.wait(60) == -signal.SIGKILL
        if level_of(ledger, "POISON").park_reason is not None and stocks(sandbox) == others:
            break
        clock.forward(20)
    assert level_of(ledger, "POISON").park_reason == "crashed"
    assert stocks(sandbox) == others
    assert reasons(ledger) == ["crashed"]
    assert deaths == 5
