"""Tasks as a child of a worker does them, for a warm interpreter to fork."""

from __future__ import annotations

import os
from pathlib import Path

from worker.bootstrap import build
from worker.tasks import application


def work(task: str, *arguments: str) -> None:
    """Do one task, ringing the broker whose address is in BROKER."""
    service = build(Path("stocksync.toml"))
    service.ready_ledger()
    app = application(service, broker_url=os.environ["BROKER"])
    app.tasks[task](*arguments)
    service.close()
