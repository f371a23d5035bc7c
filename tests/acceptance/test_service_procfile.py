"""The processes of the Procfile on PostgreSQL with a broker of their own, and their signals."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.services import Place, place, stocks
from tests.databases import Server, fresh_database
from tests.integration.scenes import say
from tests.processes import STOCKSYNC, broker_server, running, until
from worker.bootstrap import build
from worker.doorbell import ring
from worker.sandbox import RunningSandbox
from worker.service import required_broker
from worker.tasks import application

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def at(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("procfile")
    url = fresh_database(postgres)
    with RunningSandbox() as sandbox, broker_server(folder) as (broker, _server):
        more = f'database_username = "{postgres.user}"\nbroker_url = "{broker.url}"'
        made = place(folder, sandbox, ledger=url, more=more)
        yield made
        made.ledger.close()


def test_worker_and_beat_do_the_job_and_end_with_their_signal(at: Place) -> None:
    wanted = stocks("A", 50)
    at.drop("a.csv", wanted)
    with (
        running(*STOCKSYNC, "worker", folder=at.folder) as worker,
        running(*STOCKSYNC, "beat", folder=at.folder) as beat,
    ):
        at.arrive(wanted)
        assert beat.end() == 128 + signal.SIGTERM
        assert worker.end(signal.SIGINT) == 128 + signal.SIGINT
        assert not worker.events("killed")


def test_a_worker_whose_whole_group_gets_sigterm_leaves_nothing_claimed(at: Place) -> None:
    number = at.sandbox.order("delay", method="POST", path="*product_stock*", after=0.5)
    say(at.ledger, stocks("B", 300))
    service = build(at.folder / "stocksync.toml")
    app = application(service, broker_url=required_broker(service))
    with running(*STOCKSYNC, "worker", "--queue", "deliver", folder=at.folder) as deliver:
        assert ring(app, "deliver")
        until(lambda: at.count("claim_token IS NOT NULL"))
        os.killpg(deliver.process.pid, signal.SIGTERM)
        assert deliver.process.wait(30) == 128 + signal.SIGTERM
    assert at.count("claim_token IS NOT NULL") == 0
    assert at.count("status = 'sending'", "batch") == 0
    at.sandbox.lift(number)
    app.close()
