"""The judgement: what was read, sent and seen, and whether it is what the ERP and the files say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.demo import drop, erp
from worker.demo.comparison import Expected, Key, compare
from worker.demo.configuration import ERP_FILE
from worker.demo.remote import shown
from worker.demo.report import Report
from worker.demo.timing import measure

if TYPE_CHECKING:
    from worker.demo.scene import Facts, Scene


def judge(scene: Scene, facts: Facts) -> Report:
    """Put the report together, after the service has ended."""
    writes = scene.remote.writes()
    glance = scene.watch.glance()
    if glance is None:  # pragma: no cover - the story has read the ledger all the time
        raise AssertionError
    return Report(
        seconds=scene.screen.seconds,
        folder=scene.folder if scene.options.keep else None,
        transactions=scene.writer.transactions,
        readings=scene.watch.readings(),
        rejected=scene.watch.rejected(),
        accepted=sum(write["by"] == "api" for write in writes),
        sent=scene.watch.sent(),
        at_once=int(scene.remote.stats()["max_in_flight_per_key"]),
        glance=glance,
        timing=measure(scene.writer.commits, shown(writes), since=facts.approval.at),
        comparison=compare(_truth(scene, facts), scene.remote.state()),
        facts=facts,
    )


def _truth(scene: Scene, facts: Facts) -> dict[Key, Expected]:
    """What the ERP's tables and the rows of the last file say, by the demo's own arithmetic."""
    of_erp = erp.available(scene.folder / ERP_FILE)
    of_files = drop.expected(facts.second)
    return {
        **{key: Expected(stock, "qty") for key, stock in of_erp.items()},
        **{key: Expected(*value) for key, value in of_files.items()},
    }
