"""`stocksync run`: everything under one supervisor, with real processes and the real broker."""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from tests.acceptance.services import Place, place, stocks
from tests.processes import STOCKSYNC, Running, alive, children, running, socket_of, until
from worker.sandbox import RunningSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with RunningSandbox() as sandbox:
        unused = "[stock_lists]\nNOWHERE = 9"  # something to be warned of
        made = place(tmp_path_factory.mktemp("service"), sandbox, more=unused)
        yield made
        made.ledger.close()


@pytest.fixture(scope="module")
def service(at: Place) -> Iterator[Running]:
    with running(*STOCKSYNC, "run", folder=at.folder) as started:
        until(lambda: len(started.events("worker_ready")) == 3)
        yield started


@pytest.fixture
def broker(service: Running) -> Iterator[redis.Redis]:
    client = redis.Redis(unix_socket_path=str(socket_of(service.pid_of("broker"))))
    yield client
    client.close()


@pytest.fixture
def slow(at: Place) -> Iterator[None]:
    """Omnitron takes its time for each answer."""
    number = at.sandbox.order("delay", method="POST", path="*product_stock*", after=0.5)
    yield
    at.sandbox.lift(number)


def test_what_is_dropped_arrives_and_is_confirmed(at: Place, service: Running) -> None:
    wanted = stocks("A", 50)
    at.drop("a.csv", wanted)
    at.arrive(wanted)
    until(lambda: at.count("state = 'confirmed' AND sku LIKE 'A%'", "confirmation") == 50)
    assert service.process.poll() is None


def test_a_broker_flushed_again_and_again_loses_nothing(at: Place, broker: redis.Redis) -> None:
    wanted = stocks("B", 600)
    at.drop("b.csv", wanted)
    until(lambda: broker.flushall() and at.shown(wanted))
    at.arrive(wanted)


@pytest.mark.usefixtures("slow")
def test_a_killed_child_is_replaced_and_its_levels_go_again(at: Place, service: Running) -> None:
    wanted = stocks("C", 100)
    at.drop("c.csv", wanted)
    until(lambda: at.count("claim_token IS NOT NULL AND sku LIKE 'C%'"))
    (child,) = children(service.pid_of("deliver"))
    os.kill(child, signal.SIGKILL)
    at.arrive(wanted)
    assert children(service.pid_of("deliver")) != [child]


def test_a_killed_worker_is_started_again_and_leaves_no_child(at: Place, service: Running) -> None:
    worker = service.pid_of("pull")
    orphans = children(worker)
    os.kill(worker, signal.SIGKILL)
    until(lambda: service.pid_of("pull") != worker)
    assert until(lambda: not any(map(alive, orphans)))
    wanted = stocks("D", 20)
    at.drop("d.csv", wanted)
    at.arrive(wanted)


def test_work_goes_on_after_the_broker_hung(at: Place, service: Running) -> None:
    broker = service.pid_of("broker")
    before = len(service.events("broker_unreachable"))
    os.kill(broker, signal.SIGSTOP)
    try:
        until(lambda: len(service.events("broker_unreachable")) > before or _told_often(service))
    finally:
        os.kill(broker, signal.SIGCONT)
    wanted = stocks("E", 20)
    at.drop("e.csv", wanted)
    at.arrive(wanted)


def _told_often(service: Running) -> bool:
    return any(e["warning"] == "broker_unreachable" for e in service.events("warning_repeated"))


def test_work_goes_on_after_the_broker_was_killed(at: Place, service: Running) -> None:
    broker = service.pid_of("broker")
    os.kill(broker, signal.SIGKILL)
    until(lambda: service.pid_of("broker") != broker)
    wanted = stocks("F", 20)
    at.drop("f.csv", wanted)
    at.arrive(wanted)


class Evil:
    """Would leave a file behind if anybody unpickled it."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (self.path,))


def envelope(body: bytes, *, task: str, content_type: str) -> bytes:
    """A message as Celery's protocol 2 has it."""
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-encoding": "binary" if "pickle" in content_type else "utf-8",
            "content-type": content_type,
            "headers": {"lang": "py", "task": task, "id": "1", "root_id": "1"},
            "properties": {
                "correlation_id": "1",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": "acme.deliver"},
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": "tag",
            },
        }
    ).encode()


def test_garbage_in_a_queue_runs_no_code_and_ends_no_worker(
    at: Place, service: Running, broker: redis.Redis
) -> None:
    worker = service.pid_of("deliver")
    trap = at.folder / "trap"
    nested = b"[[], {}, {}]"
    garbage = [
        b"\xff\xfe garbage",
        b"{}",
        b"[1, 2",
        envelope(
            pickle.dumps(Evil(trap)), task="deliver", content_type="application/x-python-serialize"
        ),
        envelope(nested, task="os.system", content_type="application/json"),
        envelope(b"no json", task="deliver", content_type="application/json"),
        envelope(
            b'[["; DROP TABLE level", 7], {}, {}]', task="deliver", content_type="application/json"
        ),
    ]
    broker.lpush("stocksync:acme:acme.deliver", *garbage)
    broker.lpush("stocksync:acme:acme.pull", *garbage[:3])
    wanted = stocks("G", 20)
    at.drop("g.csv", wanted)
    at.arrive(wanted)
    assert not trap.exists()
    assert service.pid_of("deliver") == worker
    assert alive(worker)


def test_every_line_of_the_merged_log_is_an_event_with_time_and_level(service: Running) -> None:
    events = [json.loads(line) for line in service.text.splitlines()[:-1]]
    assert all({"timestamp", "level", "event"} <= event.keys() for event in events)


def test_a_warning_of_the_configuration_is_told_once(service: Running) -> None:
    assert "NOWHERE" in service.events("configuration_warning")[0]["reason"]
    assert service.text.count("NOWHERE") == 1


def test_the_broker_warns_of_nothing_that_concerns_nobody(service: Running) -> None:
    said = [event["line"] for event in service.events("output")]
    assert not any("overcommit" in line for line in said)


def test_a_second_run_is_refused_and_names_the_first(at: Place, service: Running) -> None:
    with running(*STOCKSYNC, "run", folder=at.folder) as second:
        assert second.process.wait(30) == 2
    assert f"process {service.process.pid}" in second.text


def test_no_secret_is_in_the_log_or_in_a_command_line(service: Running) -> None:
    pids = [service.pid_of(name) for name in ("pull", "deliver", "confirm", "beat")]
    lines = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
    assert b"sandbox" not in lines
    assert '"password' not in service.text


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Place]:
    with RunningSandbox() as sandbox:
        made = place(tmp_path, sandbox)
        yield made
        made.ledger.close()


def test_sigterm_finishes_what_is_in_flight_and_leaves_nothing_claimed(other: Place) -> None:
    other.sandbox.order("delay", method="POST", path="*product_stock*", after=0.5)
    wanted = stocks("H", 300)
    other.drop("h.csv", wanted)
    with running(*STOCKSYNC, "run", folder=other.folder) as service:
        until(lambda: other.count("claim_token IS NOT NULL"))
        until(other.sandbox.state)
        started = [int(event["pid"]) for event in service.events("started")]
        pids = [*started, *(child for pid in started for child in children(pid))]
        socket = socket_of(service.pid_of("broker"))
        assert service.end() == 128 + signal.SIGTERM
        assert not service.events("killed")
    assert not any(map(alive, pids))
    assert not socket.parent.exists()
    assert other.count("claim_token IS NOT NULL") == 0
    assert other.count("status = 'sending'", "batch") == 0
    sent = {f"1:{sku}" for sku in _sent(other)}
    assert sent == set(other.sandbox.state())


def _sent(at: Place) -> list[str]:
    with at.ledger.read() as connection:
        query = "SELECT sku FROM level WHERE sent_revision = revision"
        return list(connection.exec_driver_sql(query).scalars())


def test_the_sandbox_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    with running(*STOCKSYNC, "sandbox", "--port", "0", "--json", folder=tmp_path) as sandbox:
        until(lambda: '"url"' in sandbox.text)
        assert sandbox.end() == 0
    assert json.loads(sandbox.text)["url"].startswith("http://127.0.0.1:")


def test_two_sandboxes_cannot_share_a_port(tmp_path: Path) -> None:
    with RunningSandbox() as first:
        port = first.url.rpartition(":")[2]
        with running(*STOCKSYNC, "sandbox", "--port", port, folder=tmp_path) as second:
            assert second.process.wait(30) == 2
    assert "choose another port" in second.text
