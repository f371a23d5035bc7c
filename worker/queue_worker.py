"""One Celery worker: a parent that hears the queue, and forked children that do the work."""

from __future__ import annotations

import logging
import signal
import warnings
from typing import TYPE_CHECKING, Any

import structlog
from celery import signals
from celery.apps.worker import Worker
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from celery.worker import state
from celery.worker.consumer import consumer
from kombu.transport.virtual.base import UndeliverableWarning

from worker.celery_app import queue_name

if TYPE_CHECKING:
    from celery import Celery

    from worker.bootstrap import Service
    from worker.stopping import StopFlag

log = structlog.get_logger(__name__)


class QueueWorker(Worker):
    """Celery's worker program without its banner, and with our way to end.

    SIGTERM or SIGINT: hear nothing more, and let the children finish what is in flight and release
    the rest. A second one: end at once; what was in flight rests and goes again later.
    """

    flag: StopFlag
    signal_heard: int = 0

    def emit_banner(self) -> None:
        """Say nothing: standard output is not for logs."""

    def set_process_status(self, info: str) -> None:
        """Leave the title as it is."""

    def install_platform_tweaks(self, worker: object) -> None:  # noqa: ARG002 - Celery's signature
        """Hear signals our way."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._heard)

    def _heard(self, number: int, _frame: object) -> None:
        if self.signal_heard:
            state.should_terminate = 0  # type: ignore[assignment]  # Celery reads an exit code
            return
        self.signal_heard = number
        self.flag.stop_all()
        state.should_stop = 0  # type: ignore[assignment]  # as above


def heals_itself(record: logging.LogRecord) -> bool:
    """Make a warning that says the same each time of Celery's error at each try to connect."""
    told = consumer.CONNECTION_ERROR  # type: ignore[attr-defined]  # not in its stubs
    if record.msg == told and isinstance(record.args, tuple):
        record.msg = f"broker_unreachable, tried again by itself: {record.args[1]}"
        record.levelno, record.levelname, record.args = logging.WARNING, "WARNING", ()
    return True


def serve(
    app: Celery, service: Service, *, queue: str, concurrency: int, stop: StopFlag
) -> tuple[int, int]:
    """Work on one queue until a signal comes; returns the signal and Celery's exit code.

    The process must hold no connection: children are forked from it.
    """

    def close(**_fields: object) -> None:
        service.close()

    def ready(**_fields: object) -> None:
        log.info("worker_ready", queue=queue, concurrency=concurrency)

    # it warns of root in a line of many; what it fears is pickle, which is not accepted here
    warnings.filterwarnings("ignore", category=SecurityWarning)
    # and, at each loss of the connection, of tasks that are acknowledged late: ours are not
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
    # and, as it ends, of messages that nobody hears any more: that they may vanish is agreed
    warnings.filterwarnings("ignore", category=UndeliverableWarning)
    logging.getLogger(consumer.__name__).addFilter(heals_itself)
    signals.worker_process_shutdown.connect(close, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    worker = QueueWorker(**_arguments(app, service, queue=queue, concurrency=concurrency))
    worker.flag = stop
    worker.start()
    log.info("worker_ended", queue=queue)
    return worker.signal_heard, worker.exitcode or 0


def _arguments(app: Celery, service: Service, *, queue: str, concurrency: int) -> dict[str, Any]:
    return {
        "app": app,
        "hostname": f"{queue}@{service.instance}",
        "queues": [queue_name(service.instance, queue)],
        "pool": "prefork",
        "concurrency": concurrency,
        "optimization": "fair",
        "loglevel": "WARNING",
        "quiet": True,
        "without_gossip": True,
        "without_mingle": True,
        "without_heartbeat": True,
    }
