"""A pause that a person ordered ends by itself, and its end is told once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from tests.integration.scenes import say, source_of
from worker import pauses
from worker.operating import pause_source, pause_target

if TYPE_CHECKING:
    from tests.integration.delivering import Desk


def told(desk: Desk) -> list[str]:
    """What the upkeep tells of pauses that are over."""
    with capture_logs() as logs:
        pauses.end_over(desk.ledger)
    return [log["what"] for log in logs if log["event"] == "pause_ended"]


@pytest.fixture
def paused(desk: Desk) -> Desk:
    """A desk where everything that can be paused is, for a minute."""
    say(desk.ledger, {"A": 5})
    pause_source(desk.ledger, "drop", seconds=60.0, actor="ayse")
    for raises_only in (True, False):
        pause_target(desk.ledger, seconds=60.0, actor="ayse", raises_only=raises_only)
    return desk


def test_each_pause_that_is_over_is_told_once(paused: Desk) -> None:
    assert told(paused) == []
    paused.clock.forward(60)
    assert told(paused) == ["sending", "increases", "source"]
    assert told(paused) == []
    assert source_of(paused.ledger).paused_until is None
    assert (paused.target().state, paused.target().raises_paused_until) == ("up", 0.0)


def test_delivery_notices_by_itself_and_goes_on(paused: Desk) -> None:
    assert paused.deliver().delivered.sent == 0
    paused.clock.forward(61)
    with capture_logs() as logs:
        assert paused.deliver().delivered.sent == 1
    assert [log["what"] for log in logs if log["event"] == "pause_ended"] == [
        "sending",
        "increases",
    ]
