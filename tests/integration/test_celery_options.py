"""What every task and the application promise, and what the configuration makes beat ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from worker.bootstrap import Service, build
from worker.celery_app import QUEUES, queue_name
from worker.tasks import application

if TYPE_CHECKING:
    from pathlib import Path

    from celery import Celery

CONFIGURATION = """
instance = "acme"
[omnitron]
base_url = "http://127.0.0.1:9"
token = "t"
[[channels]]
id = 5
stock_lists = [1]
poll = "2s"
[[sources]]
name = "drop"
type = "csv"
path = "drop"
mode = "snapshot"
stock_list = 1
schedule = "*/10 * * * *"
columns = { sku = "sku", stock = "stock" }
[[sources]]
name = "quick"
type = "csv"
path = "quick"
mode = "delta"
stock_list = 1
every = "2s"
columns = { sku = "sku", stock = "stock" }
"""


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "stocksync.toml").write_text(CONFIGURATION)
    return build(tmp_path / "stocksync.toml", environ={})


@pytest.fixture
def app(service: Service) -> Celery:
    return application(service, broker_url="redis+socket:///nowhere?virtual_host=0")


def own_tasks(app: Celery) -> dict[str, object]:
    return {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}


def test_there_are_four_tasks(app: Celery) -> None:
    assert sorted(own_tasks(app)) == ["confirm", "deliver", "pull", "upkeep"]


@pytest.mark.parametrize("name", ["confirm", "deliver", "pull", "upkeep"])
def test_every_task_is_acknowledged_early_bounded_in_time_and_without_a_result(
    app: Celery, name: str
) -> None:
    task = app.tasks[name]
    assert task.acks_late is False
    assert task.reject_on_worker_lost is False
    assert task.ignore_result is True
    assert task.serializer == "json"
    assert task.time_limit > 0
    assert not getattr(task, "autoretry_for", ())
    assert app.conf.task_routes[name]["queue"] in {queue_name("acme", queue) for queue in QUEUES}


def test_nothing_but_json_is_accepted_and_nothing_is_kept(app: Celery) -> None:
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert app.conf.result_backend == "disabled://"
    assert app.conf.task_ignore_result


def test_nobody_can_control_a_worker_from_outside(app: Celery) -> None:
    assert app.conf.worker_enable_remote_control is False
    assert app.conf.worker_send_task_events is False


def test_the_broker_may_be_slow_and_may_go_away(app: Celery) -> None:
    transport = app.conf.broker_transport_options
    assert transport["socket_timeout"] == transport["socket_connect_timeout"] == 5
    assert transport["health_check_interval"] == 25
    assert transport["socket_keepalive"] is True
    assert transport["ack_emulation"] is False
    assert app.conf.broker_connection_retry_on_startup
    assert app.conf.broker_connection_max_retries is None
    assert app.conf.task_publish_retry is False


def test_times_are_utc(app: Celery) -> None:
    assert app.conf.enable_utc
    assert app.conf.timezone == "UTC"


def test_only_configured_queues_exist(app: Celery) -> None:
    assert [queue.name for queue in app.conf.task_queues] == [f"acme.{each}" for each in QUEUES]
    assert app.conf.task_create_missing_queues is False


def test_beat_rings_often_for_what_the_ledger_finds_due(app: Celery) -> None:
    rung = {
        name: (entry["task"], entry["schedule"], entry["args"])
        for name, entry in app.conf.beat_schedule.items()
    }
    assert rung == {
        "deliver": ("deliver", 1.0, ()),
        "upkeep": ("upkeep", 30.0, ()),
        "pull drop": ("pull", 5.0, ("drop",)),
        "pull quick": ("pull", 1.0, ("quick",)),
        "confirm 5": ("confirm", 1.0, (5,)),
    }
