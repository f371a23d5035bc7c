"""The Celery application: its options, and the names of its queues. Knows no step and no ledger.

The broker is a doorbell: messages carry a name or an integer, are acknowledged before they are
acted on, and may be lost at any time. So nothing here asks for redelivery, results or delays.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, signals
from kombu import Queue

from worker.doorbell import use_tolerant_transport

QUEUES = ("pull", "deliver", "confirm")
"""Each has processes of its own, so that a long pull never delays a delivery."""

QUEUE_OF = {"pull": "pull", "deliver": "deliver", "confirm": "confirm", "upkeep": "confirm"}
"""Task -> queue."""

SOCKET_SECONDS = 5.0
"""How long the broker may take to answer; without it, publishing to a hung one never returns."""


def queue_name(instance: str, queue: str) -> str:
    """Name of a queue at the broker."""
    return f"{instance}.{queue}"


def create(*, instance: str, broker_url: str) -> Celery:
    """Make the application; connects to nothing. Tasks are installed by `worker.tasks`."""
    use_tolerant_transport()
    signals.setup_logging.connect(_logs_are_set_up)
    app = Celery(f"stocksync.{instance}", broker=broker_url, set_as_current=False)
    app.conf.update(options(instance))
    return app


def options(instance: str) -> dict[str, Any]:
    """Every option that matters, none left to a default."""
    return {
        **_MESSAGES,
        **_WORKERS,
        **_BROKER,
        "task_queues": [Queue(queue_name(instance, queue)) for queue in QUEUES],
        "task_routes": {
            task: {"queue": queue_name(instance, queue)} for task, queue in QUEUE_OF.items()
        },
        "task_default_queue": queue_name(instance, "confirm"),
        "broker_transport_options": {**_TRANSPORT, "global_keyprefix": f"stocksync:{instance}:"},
    }


def _logs_are_set_up(**_fields: object) -> None:
    """Keep Celery from setting up logs of its own, and from a line for every message."""
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.beat", "celery.apps.worker"):
        logging.getLogger(name).setLevel(logging.WARNING)


_MESSAGES = {
    "accept_content": ["json"],
    "task_serializer": "json",
    "result_serializer": "json",
    "event_serializer": "json",
    "result_backend": "disabled://",
    "task_ignore_result": True,
    "task_store_errors_even_if_ignored": False,
    "task_create_missing_queues": False,
    "task_acks_late": False,
    "task_acks_on_failure_or_timeout": True,
    "task_reject_on_worker_lost": False,
    "task_send_sent_event": False,
    "task_publish_retry": False,  # the next ring comes soon
    "task_always_eager": False,
    "enable_utc": True,
    "timezone": "UTC",
}

_WORKERS = {
    "worker_prefetch_multiplier": 1,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "worker_enable_remote_control": False,
    "worker_send_task_events": False,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "worker_max_tasks_per_child": 20_000,
    "worker_max_memory_per_child": 1_500_000,  # KiB; a child that grew beyond is replaced
    "worker_proc_alive_timeout": 30.0,
}

_BROKER = {
    "broker_connection_timeout": SOCKET_SECONDS,
    "broker_connection_retry": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,  # workers and beat outlive their broker
    "broker_heartbeat": None,
    "broker_pool_limit": 2,
}

_TRANSPORT = {
    "socket_timeout": SOCKET_SECONDS,
    "socket_connect_timeout": SOCKET_SECONDS,
    "socket_keepalive": True,
    "health_check_interval": 25,
    # acknowledgements at the broker are worth nothing here, and one that fails blocks its worker
    # for ever: it keeps its place among those that may be under way, and nothing more is taken
    "ack_emulation": False,
    "retry_on_timeout": False,
    # of a connection made for publishing: one try, then the caller goes on without
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
}
