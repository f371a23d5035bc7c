"""The end of a model run: every fault is over, time goes by, and what must be, is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration import promises
from worker.ledger import batches
from worker.model import FailureKind, Key, PullStatus
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
        elif not stage.erp.unread(stage.history()):
            return
    raise AssertionError(f"never read: {stage.erp.unread(stage.history())}")


def drain(stage: Stage) -> None:
    """Deliver until nothing is left, letting every rest and pause go by."""
    resume_target(stage.ledger, actor="the end")
    crew, worker = stage.crew, stage.crew.workers[0]
    for _ in range(_MANY):
        wait = crew.deliver(worker, [])
        if wait is None and not any(level.claim_token for level in stage.look().levels.values()):
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
    levels = stage.look().levels
    for key, level in levels.items():
        if level.park_reason is not None:
            assert _about(key) & (told | dismissed), f"{key} is parked, and nobody is told"
            continue
        record = stage.omnitron.stocks[key]
        assert record.stock == stage.truth.shown(key), f"{key} is stale, and nobody is told"
    missing = {key for key, level in levels.items() if level.park_reason == MISSING_IN_SOURCE}
    assert missing == stage.truth.absent


def close(stage: Stage, *, dismissed: set[About]) -> None:
    """Every fault is over: first as it is, then after what was late, then after people's help."""
    for worker in stage.crew.workers:
        worker.forget()
    stage.omnitron.catch_up()
    stage.omnitron.refusing.clear()
    read_everything(stage)
    settle(stage, dismissed=dismissed)
    while stage.omnitron.held:
        stage.omnitron.land(0)
    settle(stage, dismissed=dismissed)
    help_out(stage)
    settle(stage, dismissed=dismissed)
    parked = {key for key, level in stage.look().levels.items() if level.park_reason is not None}
    assert {key for key in parked if not _about(key) & dismissed} <= stage.truth.absent
    _require_sums(stage)


def help_out(stage: Stage) -> None:
    """A person ends every override, takes rows that were rejected, and replays what is open."""
    for key in [*stage.truth.pins]:
        stage.unpin(key)
    stage.rule(takes_negative=True)
    stage.replay()
    read_everything(stage)
    held_back = {pull.id for pull in stage.history() if pull.status == PullStatus.DISCARDED}
    left = [f for f in stage.failures() if f.kind == FailureKind.ROW]
    left = [f for f in left if stage.truth.reads(f.value or "") and f.pull_id not in held_back]
    assert not left, f"readable by today's rules, and not judged again: {left}"


def _require_sums(stage: Stage) -> None:
    with stage.ledger.read() as connection:
        for batch in batches.latest(connection, limit=1_000):
            promises.a_batch_adds_up(connection, batch)


def _about(key: Key) -> set[About]:
    """A failure is about a key, or about the unknown products of its list."""
    return {(key.stock_list, key.sku), (key.stock_list, None)}
