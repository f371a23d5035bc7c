"""The end of a model run: every fault is over, time goes by, and what must be, is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.model import FailureKind, Key
from worker.operating import resume_source, resume_target
from worker.planning.levels import MISSING_IN_SOURCE

if TYPE_CHECKING:
    from tests.integration.stage import Stage

About = tuple[int | None, str | None]
"""Stock list and SKU of a failure."""

_MANY = 60
_LONGER_THAN_ANY_LEASE = 130.0
_HALF_OF_CONFIRM_WITHIN = 301.0


def read_everything(stage: Stage) -> None:
    """Pull until every file has found its end; a person approves what is held."""
    resume_source(stage.ledger, stage.plan.name, actor="the end")
    for _ in range(_MANY):
        stage.wait(_LONGER_THAN_ANY_LEASE)
        stage.pull()
        if held := stage.held:
            stage.approve(held)
        elif not stage.truth.unread(stage.history()):
            return
    raise AssertionError(f"never read: {stage.truth.unread(stage.history())}")


def drain(stage: Stage) -> None:
    """Deliver until nothing is left, letting every rest and pause go by."""
    resume_target(stage.ledger, actor="the end")
    worker = stage.workers[0]
    for _ in range(_MANY):
        wait = stage.deliver(worker, [])
        if wait is None and not any(level.claim_token for level in stage.levels().values()):
            return
        stage.wait(_LONGER_THAN_ANY_LEASE if wait is None else wait)
    raise AssertionError("never drained")


def settle(stage: Stage, *, dismissed: set[About]) -> None:
    """Let the channel be read and what it shows be healed; then all is equal, or visible."""
    for _ in range(_MANY):
        drain(stage)
        found = stage.confirm()
        if not found.waiting and not found.healed:
            break
        stage.wait(_HALF_OF_CONFIRM_WITHIN)
    drain(stage)
    _require_equal(stage, dismissed)


def _require_equal(stage: Stage, dismissed: set[About]) -> None:
    told = {(f.stock_list, f.sku) for f in stage.failures() if f.kind == FailureKind.ITEM}
    for key, level in stage.levels().items():
        if level.park_reason is not None:
            assert _about(key) & (told | dismissed), f"{key} is parked, and nobody is told"
            continue
        record = stage.omnitron.stocks[key]
        assert record.stock == stage.truth.stocks[key], f"{key} is stale, and nobody is told"
    missing = {k for k, v in stage.levels().items() if v.park_reason == MISSING_IN_SOURCE}
    assert missing == stage.truth.absent


def close(stage: Stage, *, dismissed: set[About]) -> None:
    """Every fault is over: first as it is, then after what was late, then after a replay."""
    for worker in stage.workers:
        worker.forget()
    stage.omnitron.catch_up()
    read_everything(stage)
    settle(stage, dismissed=dismissed)
    while stage.omnitron.held:
        stage.omnitron.land(0)
    settle(stage, dismissed=dismissed)
    stage.replay()
    settle(stage, dismissed=dismissed)
    parked = {k for k, v in stage.levels().items() if v.park_reason is not None}
    assert {key for key in parked if not _about(key) & dismissed} <= stage.truth.absent


def _about(key: Key) -> set[About]:
    """A failure is about a key, or about the unknown products of its list."""
    return {(key.stock_list, key.sku), (key.stock_list, None)}
