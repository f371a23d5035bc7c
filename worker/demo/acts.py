"""The story, act by act; each waits for what the service does and leaves a fact for the report."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from worker.demo import drop
from worker.demo.configuration import DROP_FOLDER
from worker.demo.plan import plan_lines
from worker.demo.scene import Approval, Replay
from worker.demo.waiting import DemoFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from worker.demo.drop import Stock
    from worker.demo.programs import Finished, Programs
    from worker.demo.scene import Scene

T = TypeVar("T")

FIRST_FILE = "stok_1.csv"
SECOND_FILE = "stok_2.csv"

_PATIENCE = 120.0
"""Longer than anything here takes on a busy machine; reached only where something is broken."""


def create_ledger(programs: Programs) -> None:
    """What everybody does first."""
    _require(programs.command("migrate"))


def approve_first_pull(scene: Scene) -> Approval:
    """See that the ERP's first pull is held, look at its plan, and approve it by command."""
    held = scene.waiting.until(
        "the ERP's first pull is read and held", scene.watch.held, seconds=_PATIENCE
    )
    scene.screen.say(f"pull {held.id} is held: {held.reason}")
    number = str(held.id)
    plan = scene.programs.command("pulls", "show", number, "--json")
    _require(plan)
    scene.screen.say(f"$ stocksync pulls show {number} (in short)")
    scene.screen.show(plan_lines(plan.document()))
    approved = scene.programs.command("pulls", "approve", number)
    at = time.time()
    _require(approved)
    scene.screen.say(f"$ {approved.words}: {held.changed:,} changes are applied, not one more")
    return Approval(pull_id=held.id, reason=held.reason or "", changed=held.changed, at=at)


def open_trade(scene: Scene) -> None:
    """Let people work in the ERP."""
    scene.writer.start()
    scene.screen.say(f"the ERP has {scene.options.products:,} products and begins to trade")


def replay_refused(scene: Scene) -> Replay:
    """Wait for the product that Omnitron does not know, create it there, and replay."""
    failure = _until(
        scene, "Omnitron refuses the product that it does not know", scene.watch.refused
    )
    scene.screen.say(f"failure {failure.id}: {failure.message}")
    scene.remote.any_product()
    replayed = scene.programs.command("failures", "replay", str(failure.id), "--yes", "--json")
    _require(replayed)
    sku, answer = _answer(replayed.document())
    scene.screen.say(f"created in Omnitron; $ stocksync failures replay {failure.id}: {answer}")
    _until(scene, "the replayed item is accepted", lambda: scene.watch.refused() is None)
    scene.screen.say(f"{sku} is accepted, its failure has closed by itself")
    return Replay(failure_id=failure.id, sku=sku, message=failure.message, answer=answer)


def drop_second_file(scene: Scene) -> Sequence[Stock]:
    """Drop the next export, and wait until it is applied."""
    stocks = drop.changed(scene.stocks, seed=scene.options.seed)
    drop.drop(scene.folder / DROP_FOLDER, SECOND_FILE, stocks)
    scene.screen.say(f"the back office drops {SECOND_FILE}")
    applied = _until(scene, f"{SECOND_FILE} is applied", lambda: scene.watch.applied(SECOND_FILE))
    scene.screen.say(
        f"{SECOND_FILE}: {applied.read} rows read, {applied.changed} changed,"
        f" {applied.rejected} rejected"
    )
    return stocks


def trade_on(scene: Scene, *, until: float) -> None:
    """Let the ERP go on until the moment ``until`` of the wall clock, then end it."""
    scene.waiting.pause(until - time.time())
    scene.writer.end()
    if scene.writer.error is not None:
        raise DemoFailed(f"the sample ERP failed: {scene.writer.error}")
    scene.screen.say(f"the ERP rests after {scene.writer.transactions:,} transactions")


def settle(scene: Scene) -> None:
    """Wait until every source was read to its end twice more, all was sent, and all was seen.

    Twice: the first read to end after the last transaction may have begun before it.
    """
    for _ in range(2):
        _until(scene, "every source is read again", _read_since(scene, scene.watch.moment()))
    _until(
        scene,
        "everything is sent and confirmed",
        lambda: (glance := scene.watch.glance()) is not None and glance.settled,
    )


def _read_since(scene: Scene, moment: float) -> Callable[[], bool]:
    return lambda: min(scene.watch.successes().values()) > moment


def _until(scene: Scene, what: str, condition: Callable[[], T | None]) -> T:
    """Wait for something that cannot come while a pull is held, so say at once where one is."""

    def unheld() -> T | None:
        held = scene.watch.held()
        if held is not None:
            raise DemoFailed(f"pull {held.id} is held: {held.reason}; waited until {what}")
        return condition()

    return scene.waiting.until(what, unheld, seconds=_PATIENCE)


def _require(finished: Finished) -> None:
    if finished.code != 0:
        told = (finished.err or finished.out).strip()
        raise DemoFailed(f"`{finished.words}` ended with {finished.code}: {told[-800:]}")


def _answer(document: Any) -> tuple[str, str]:
    """The key that was refused, and what became of it: a word of `worker.replay.ReplayAnswer`."""
    if not document["keys"]:
        raise DemoFailed("there was nothing to replay")
    [key] = document["keys"]
    return str(key["sku"]), str(key["answer"])
