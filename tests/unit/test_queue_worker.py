"""What Celery says of a broker that is away is one warning, which repeats."""

import logging

from celery.worker.consumer.consumer import CONNECTION_ERROR

from worker.queue_worker import heals_itself

AWAY = ConnectionError("refused")


def said(msg: str, *arguments: object) -> logging.LogRecord:
    record = logging.LogRecord("celery", logging.ERROR, "", 0, msg, arguments, None)
    assert heals_itself(record)
    return record


def test_each_try_to_connect_is_the_same_warning() -> None:
    first = said(CONNECTION_ERROR, "redis://h", AWAY, "Trying again in 2.00 seconds... (1/None)")
    later = said(CONNECTION_ERROR, "redis://h", AWAY, "Trying again in 4.00 seconds... (2/None)")
    assert first.getMessage() == "broker_unreachable, tried again by itself: refused"
    assert (first.levelname, first.msg) == ("WARNING", later.msg)


def test_every_other_error_stays_one() -> None:
    assert said("consumer: %s", AWAY).levelno == logging.ERROR
