"""What may happen to the broker (R1 to R9): a real Valkey, killed, flushed, stopped or full.

Nothing in it is worth keeping: whatever it loses, the next tick finds the work in the ledger. The
quick tests look at ringing alone; the thorough ones at the whole service, judged by `oracle`.
"""

from __future__ import annotations

import json
import random
import signal
import textwrap
import time
from typing import TYPE_CHECKING

import pytest
from kombu import Consumer

from tests.acceptance.services import stocks
from tests.faults.stage import LONG, Stage, launched, stage
from tests.processes import running, until
from worker.doorbell import ring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECONDS = 30.0
"""More than ringing may take on a busy machine; without a limit it would hang for ever."""

QUEUE = "stocksync:acme:acme.deliver"


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


def rings(on: Stage) -> bool:
    """Whether a ring gets through; it must come back either way."""
    app = on.app()
    began = time.monotonic()
    try:
        return ring(app, "deliver")
    finally:
        assert time.monotonic() - began < SECONDS
        app.close()


# --- ringing, while the broker suffers


def test_r3_a_pull_commits_and_comes_back_while_the_broker_is_down(on: Stage) -> None:
    on.says("a.csv", stocks("A", 20))
    on.bell.kill()
    app = on.app()
    app.tasks["pull"]("drop")
    app.close()
    assert on.at.count("revision > sent_revision") == 20


def test_r1_a_message_under_way_when_the_broker_dies_keeps_no_worker_from_the_next(
    on: Stage,
) -> None:
    app, taken = on.app(), []
    assert ring(app, "deliver")
    queue = next(queue for queue in app.conf.task_queues if queue.name == "acme.deliver")
    with app.connection_for_read() as connection, connection.channel() as channel:
        channel.basic_qos(0, 1, False)  # noqa: FBT003 - AMQP's order: size, count, for all
        with Consumer(channel, [queue], callbacks=[lambda _body, each: taken.append(each)]):
            connection.drain_events(timeout=SECONDS)
        assert not channel.qos.can_consume()
        on.bell.kill()
        taken[0].ack()
        assert channel.qos.can_consume()
    app.close()


def test_r4_ringing_through_a_half_open_connection_comes_back(on: Stage) -> None:
    on.relay.fall_silent()
    assert not rings(on)
    on.relay.hear_again()
    assert until(lambda: rings(on))


def test_r5_a_full_broker_takes_no_ring_and_does_no_harm(on: Stage) -> None:
    with on.bell.client() as client:
        client.config_set("maxmemory", 1)
        assert not rings(on)
        client.config_set("maxmemory", 0)
        assert rings(on)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Stage]:
    """A stage whose broker wants a password, and whose service has it from a file."""
    with stage(tmp_path) as made:
        with made.bell.client() as client:
            client.config_set("requirepass", "canary")
        use_password(made, "canary")
        yield made


def use_password(on: Stage, password: str) -> None:
    """Give the service a password for its broker."""
    path = on.at.folder / "stocksync.toml"
    lines = path.read_text().splitlines()
    url = f'broker_url = "redis://:{password}@127.0.0.1:{on.relay.port}/0"'
    path.write_text("\n".join(url if line.startswith("broker_url") else line for line in lines))


def test_r8_ringing_with_a_wrong_password_comes_back_and_tells_no_secret(
    locked: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    assert rings(locked)
    with locked.bell.client("canary") as client:
        client.config_set("requirepass", "another")
    locked.relay.drop()
    assert not rings(locked)
    told = "".join(capfd.readouterr())
    assert "broker_unreachable" in told
    assert "canary" not in told


def test_r8_ringing_where_no_secure_connection_can_be_made_comes_back(
    on: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    path = on.at.folder / "stocksync.toml"
    path.write_text(path.read_text().replace("redis://", "rediss://:canary@"))
    assert not rings(on)
    told = "".join(capfd.readouterr())
    assert "broker_unreachable" in told
    assert "canary" not in told


# --- the whole service


@pytest.mark.thorough
def test_r1_a_broker_killed_again_and_again_loses_no_work(on: Stage) -> None:
    with on.run("worker"), on.run("beat"):
        for turn in range(3):
            on.says("a.csv", stocks(f"A{turn}", 100))
            until(lambda turn=turn: on.at.count(f"sku LIKE 'A{turn}%'"), seconds=LONG)
            on.bell.kill()
            on.bell.start()
        on.judge(minimum=300)


@pytest.mark.thorough
def test_r2_a_broker_flushed_at_random_loses_no_work(on: Stage) -> None:
    chance = random.Random(2)
    with on.run("worker"), on.run("beat"), on.bell.client() as client:
        for turn in range(30):
            on.says("a.csv", stocks(f"A{turn % 3}", 10 + turn))
            time.sleep(chance.random() / 3)  # at random is what is meant here
            client.flushall()
        on.judge(minimum=100)


@pytest.mark.thorough
def test_r3_while_the_broker_is_down_health_is_red_and_it_drains_afterwards(on: Stage) -> None:
    with on.run("worker") as worker, on.run("beat") as beat:
        on.says("a.csv", stocks("A", 20))
        on.judge()
        on.bell.kill()
        on.says("b.csv", stocks("B", 50))
        until(lambda: not on.healthy(), seconds=LONG)
        assert (worker.process.poll(), beat.process.poll()) == (None, None)
        on.bell.start()
        on.judge(minimum=70)
        assert on.healthy()


@pytest.mark.thorough
def test_r4_work_goes_on_after_half_open_connections(on: Stage) -> None:
    with on.run("worker") as worker, on.run("beat") as beat:
        on.says("a.csv", stocks("A", 20))
        on.judge()
        on.relay.fall_silent()
        until(lambda: beat.events("broker_unreachable"), seconds=LONG)
        on.says("b.csv", stocks("B", 50))
        until(lambda: not on.healthy(), seconds=LONG)
        on.relay.hear_again()
        on.judge(minimum=70)
        assert (worker.process.poll(), beat.process.poll()) == (None, None)


@pytest.mark.thorough
def test_r4_work_goes_on_after_the_broker_stood_still(on: Stage) -> None:
    with on.run("worker") as worker, on.run("beat") as beat:
        on.says("a.csv", stocks("A", 20))
        on.judge()
        on.bell.signal(signal.SIGSTOP)
        try:
            until(lambda: beat.events("broker_unreachable"), seconds=LONG)
            on.says("b.csv", stocks("B", 50))
            until(lambda: not on.healthy(), seconds=LONG)
        finally:
            on.bell.signal(signal.SIGCONT)
        on.judge(minimum=70)
        assert (worker.process.poll(), beat.process.poll()) == (None, None)


@pytest.mark.thorough
def test_r5_work_goes_on_after_the_broker_was_full(on: Stage) -> None:
    with on.run("worker") as worker, on.run("beat") as beat, on.bell.client() as client:
        on.says("a.csv", stocks("A", 20))
        on.judge()
        client.config_set("maxmemory", 1)
        until(lambda: beat.events("broker_unreachable"), seconds=LONG)
        on.says("b.csv", stocks("B", 50))
        client.config_set("maxmemory", 0)
        on.judge(minimum=70)
        assert (worker.process.poll(), beat.process.poll()) == (None, None)


DIES_WITH_A_MESSAGE = textwrap.dedent("""
    import os, signal
    from kombu.transport.virtual import QoS
    QoS.append = lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL)
""")
"""Ends the process when it has taken a message and has not written down that it did."""


@pytest.mark.thorough
def test_r6_a_message_that_dies_with_its_worker_costs_a_ring_and_no_work(on: Stage) -> None:
    on.says("a.csv", stocks("A", 20))
    with on.run("beat"), on.run("worker", "--queue", "pull"):
        for _ in range(2):
            command = [*launched(DIES_WITH_A_MESSAGE), "worker", "--queue", "deliver"]
            with running(*command, folder=on.at.folder) as dying:
                assert dying.process.wait(LONG) == -signal.SIGKILL
        with on.run("worker", "--queue", "deliver"), on.run("worker", "--queue", "confirm"):
            on.judge(minimum=20)


@pytest.mark.thorough
def test_r7_garbage_in_every_queue_stops_nobody(on: Stage) -> None:
    unknown = {"body": "W10=", "headers": {"task": "of a later version", "id": "1"}}
    garbage = [b"\xff\xfe", b"{}", b"[1, 2", b"null", json.dumps(unknown).encode()]
    with on.run("worker") as worker, on.run("beat"), on.bell.client() as client:
        until(lambda: len(worker.events("worker_ready")) == 3, seconds=LONG)
        started = worker.events("started")
        for turn in range(10):
            for queue in ("pull", "deliver", "confirm"):
                client.lpush(f"stocksync:acme:acme.{queue}", *garbage)
            on.says("a.csv", stocks(f"A{turn}", 10))
        on.judge(minimum=100)
        assert worker.events("started") == started


@pytest.mark.thorough
def test_r8_a_password_that_changes_is_told_without_it_and_heals_when_it_fits_again(
    locked: Stage,
) -> None:
    with locked.run("worker") as worker, locked.run("beat") as beat:
        locked.says("a.csv", stocks("A", 20))
        locked.judge()
        with locked.bell.client("canary") as client:
            client.config_set("requirepass", "another")
        locked.relay.drop()
        locked.says("b.csv", stocks("B", 20))
        until(lambda: beat.events("broker_unreachable"), seconds=LONG)
        until(lambda: not locked.healthy(), seconds=LONG)
        with locked.bell.client("another") as client:
            client.config_set("requirepass", "canary")
        locked.relay.drop()
        locked.judge(minimum=40)
        assert "canary" not in worker.text + beat.text
    log_of = locked.at.folder.glob("*.log")
    assert not any("Traceback" in path.read_text() for path in log_of)


@pytest.mark.thorough
def test_r9_a_message_that_comes_again_and_again_while_its_task_runs_does_nothing_twice(
    on: Stage,
) -> None:
    number = on.at.sandbox.order("delay", method="POST", path="*product_stock*", after=0.5)
    on.says("a.csv", stocks("A", 200))
    assert rings(on)
    with on.bell.client() as client:
        (message,) = client.lrange(QUEUE, 0, 0)
    with (
        on.run("worker", "--queue", "pull"),
        on.run("worker", "--queue", "confirm"),
        on.run("worker", "--queue", "deliver", "--concurrency", "3"),
        on.run("beat"),
        on.bell.client() as client,
    ):
        until(lambda: on.at.count("claim_token IS NOT NULL"), seconds=LONG)
        client.lpush(QUEUE, *[message] * 30)
        on.at.sandbox.lift(number)
        on.judge(minimum=200)
