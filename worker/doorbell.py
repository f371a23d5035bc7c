"""Rings queues, and hears them: a message that cannot be read is dropped, never fatal.

The messages of a queue wake a worker and say nothing that the ledger does not know, so a ring that
fails is a warning, and a queue that is long already is not rung.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES, redis

from connectors.fault import Point, point

if TYPE_CHECKING:
    from celery import Celery

log = structlog.get_logger(__name__)

LONG = 100
"""So many messages wait already: another one would change nothing."""


def ring(app: Celery, task: str, *args: str | int) -> bool:
    """Wake whoever does ``task``; False: not now, and the next ring will do as well.

    Returns within seconds even while the broker hangs.
    """
    point(Point.RINGING)
    queue: str = app.conf.task_routes[task]["queue"]
    try:
        with app.producer_pool.acquire(block=True, timeout=5) as producer:
            if waiting(producer.connection, queue) >= LONG:
                log.warning("queue_is_long", queue=queue)
                return False
            app.send_task(task, args=args, queue=queue, producer=producer, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("broker_unreachable", task=task, reason=f"{type(error).__name__}: {error}")
        return False
    point(Point.RUNG)
    return True


def waiting(connection: Any, queue: str) -> int:
    """How many messages wait in a queue."""
    try:
        return int(connection.default_channel._size(queue))  # noqa: SLF001 - a passive declare costs three calls
    except connection.connection_errors + connection.channel_errors as error:
        raise OperationalError(str(error)) from error


class Channel(redis.Channel):
    """Kombu's channel, but for messages that are no message: its own ends the worker on them.

    What was taken and not begun when a worker ends is not put back: another ring comes soon.
    """

    do_restore = False

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # not in the stubs
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("message_unreadable", error=type(error).__name__)
            return True


class Transport(redis.Transport):
    """Kombu's Redis transport with that channel."""

    Channel = Channel


def use_tolerant_transport() -> None:
    """Let all Redis addresses of this process be spoken to through `Transport`."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"
