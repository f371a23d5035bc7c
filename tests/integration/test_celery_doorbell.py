"""Ringing a real broker: quick, bounded, under the instance's name, and harmless where it fails."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
import redis

from tests.processes import broker_server, until
from worker.beat import BellScheduler, Rings
from worker.bootstrap import build
from worker.doorbell import LONG, ring
from worker.tasks import application

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from celery import Celery

    from tests.processes import Running
    from worker.broker import Broker

CONFIGURATION = """
instance = "acme"
[omnitron]
base_url = "http://127.0.0.1:9"
token = "t"
[[sources]]
name = "drop"
type = "csv"
path = "drop"
mode = "snapshot"
stock_list = 1
columns = { sku = "sku", stock = "stock" }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Broker, Running]]:
    with broker_server(tmp_path_factory.mktemp("broker")) as started:
        yield started


@pytest.fixture
def client(server: tuple[Broker, Running]) -> Iterator[redis.Redis]:
    client = redis.Redis(unix_socket_path=str(server[0].socket))
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def app(server: tuple[Broker, Running], client: redis.Redis, tmp_path: Path) -> Iterator[Celery]:
    (tmp_path / "stocksync.toml").write_text(CONFIGURATION)
    service = build(tmp_path / "stocksync.toml", environ={})
    app = application(service, broker_url=server[0].url)
    yield app
    app.close()


def test_a_ring_leaves_one_small_message(app: Celery, client: redis.Redis) -> None:
    assert ring(app, "pull", "drop")
    (message,) = client.lrange("stocksync:acme:acme.pull", 0, -1)
    assert len(message) < 2_000


def test_every_key_carries_the_instance(app: Celery, client: redis.Redis) -> None:
    ring(app, "pull", "drop")
    ring(app, "deliver")
    assert {key.startswith(b"stocksync:acme:") for key in client.scan_iter()} == {True}


def test_a_long_queue_is_not_rung(app: Celery, client: redis.Redis) -> None:
    for _ in range(LONG):
        assert ring(app, "deliver")
    assert not ring(app, "deliver")
    assert client.llen("stocksync:acme:acme.deliver") == LONG


def test_a_long_queue_does_not_keep_another_from_being_rung(
    app: Celery, client: redis.Redis
) -> None:
    client.rpush("stocksync:acme:acme.deliver", *["x"] * LONG)
    assert ring(app, "pull", "drop")


def test_ringing_a_broker_that_hangs_comes_back(
    app: Celery, server: tuple[Broker, Running]
) -> None:
    assert ring(app, "deliver")
    os.kill(server[1].process.pid, signal.SIGSTOP)
    try:
        assert not ring(app, "deliver")
    finally:
        os.kill(server[1].process.pid, signal.SIGCONT)
    assert until(lambda: ring(app, "deliver"))


def test_ringing_a_broker_that_is_not_there_comes_back(tmp_path: Path) -> None:
    (tmp_path / "stocksync.toml").write_text(CONFIGURATION)
    service = build(tmp_path / "stocksync.toml", environ={})
    app = application(service, broker_url=f"redis+socket://{tmp_path}/none?virtual_host=0")
    assert not ring(app, "deliver")


def test_beat_rings_again_after_the_broker_was_away(app: Celery, client: redis.Redis) -> None:
    scheduler = BellScheduler(app)
    scheduler.tick()
    client.flushall()
    assert until(lambda: scheduler.tick() and client.llen("stocksync:acme:acme.deliver"))


def test_beat_rings_for_all_that_is_due() -> None:
    rings = Rings({"deliver": 1.0, "upkeep": 30.0}, now=100.0)
    assert rings.due(100.0) == ["deliver", "upkeep"]
    assert rings.due(100.5) == []
    assert rings.wait(100.5) == pytest.approx(0.5)
    assert rings.due(101.0) == ["deliver"]


def test_beat_does_not_catch_up_on_what_it_missed() -> None:
    rings = Rings({"deliver": 1.0}, now=0.0)
    assert rings.due(3_600.0) == ["deliver"]
    assert rings.due(3_600.5) == []


def test_the_brokers_folder_is_ours_alone(server: tuple[Broker, Running]) -> None:
    assert server[0].folder.stat().st_mode & 0o777 == 0o700
    assert not list(server[0].folder.glob("*.rdb"))


def test_the_broker_listens_on_no_port(server: tuple[Broker, Running], client: redis.Redis) -> None:
    assert client.config_get("port") == {"port": "0"} or client.config_get("port") == {
        b"port": b"0"
    }


def test_two_brokers_do_not_meet(tmp_path: Path, server: tuple[Broker, Running]) -> None:
    with broker_server(tmp_path) as (other, _running):
        assert other.socket != server[0].socket


def test_a_removed_broker_leaves_nothing(tmp_path: Path) -> None:
    with broker_server(tmp_path) as (broker, _running):
        folder = broker.folder
    assert not folder.exists()
