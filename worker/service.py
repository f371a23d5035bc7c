"""What `run`, `worker` and `beat` are made of: which processes, after which checks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import structlog

from worker.broker import Broker, said
from worker.broker import prepare as prepare_broker
from worker.errors import OmnitronUnreachable, UsageError
from worker.ledger.sole import sole_runner
from worker.supervisor import Program, Supervisor
from worker.sync import prepare, require_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.bootstrap import Service

log = structlog.get_logger(__name__)

QUEUES = ("pull", "deliver", "confirm")
MOST_PULLS = 4
"""So many sources are pulled at the same time, unless told otherwise."""

_BEAT, _WORKERS, _BROKER = 0, 1, 2


def check(service: Service) -> None:
    """See that ledger and Omnitron fit, before anything is started.

    An Omnitron that cannot be reached only warns: delivery waits for it. Raises LedgerNotReady,
    LedgerUnreachable and WrongTarget.
    """
    service.ready_ledger()
    require_target(service)
    try:
        service.run(lambda: prepare(service))
    except OmnitronUnreachable as error:
        log.warning(error.kind, reason=error.message, remedy=error.remedy)
    finally:
        service.close()  # children are forked from here: nothing may be open


def required_broker(service: Service) -> str:
    """The configured broker's address. Raises UsageError where there is none."""
    url = service.loaded.settings.broker_url
    if url is None:
        raise UsageError(
            "there is no broker for a worker or a beat of its own",
            remedy="set broker_url, or let `stocksync run` bring its own broker",
            place="broker_url",
        )
    return url.reveal()


def concurrency_of(service: Service, queue: str) -> int:
    """How many children a queue has: as many as there are sources to pull, up to a few."""
    return max(1, min(MOST_PULLS, len(service.sources))) if queue == "pull" else 1


def run(service: Service) -> int:
    """Everything under one supervisor; returns the signal that ended it.

    Raises UsageError where another one runs on this ledger, and what `check` raises.
    """
    service.ready_ledger()
    with sole_runner(service.ledger):
        check(service)
        if service.loaded.settings.broker_url is not None:
            return _supervise(service, [*_workers(service, QUEUES), _beat(service)], {})
        broker = prepare_broker()
        programs = [_broker(broker), *_workers(service, QUEUES), _beat(service)]
        try:
            return _supervise(service, programs, {"STOCKSYNC_BROKER_URL": broker.url})
        finally:
            broker.remove()


def run_workers(service: Service) -> int:
    """One worker a queue under a supervisor; returns the signal that ended it."""
    required_broker(service)
    check(service)
    return _supervise(service, _workers(service, QUEUES), {})


def _supervise(service: Service, programs: Sequence[Program], environment: dict[str, str]) -> int:
    console = _console(service)
    environment = {**environment, "STOCKSYNC_LOG__FORMAT": "console" if console else "json"}
    return Supervisor(programs=programs, environment=environment, prefix=console).run()


def _console(service: Service) -> bool:
    wanted = service.loaded.settings.log.format
    return sys.stderr.isatty() if wanted is None else wanted == "console"


def _workers(service: Service, queues: Sequence[str]) -> list[Program]:
    return [
        Program(
            name=queue,
            command=_own(service, "worker", "--queue", queue, "--checked"),
            stage=_WORKERS,
            grace=service.target.timeout + 10.0,
        )
        for queue in queues
    ]


def _beat(service: Service) -> Program:
    return Program(name="beat", command=_own(service, "beat", "--checked"), stage=_BEAT, grace=8.0)


def _broker(broker: Broker) -> Program:
    return Program(
        name="broker",
        command=broker.command(),
        stage=_BROKER,
        grace=5.0,
        ready=broker.answers,
        said=said,
    )


def _own(service: Service, *words: str) -> list[str]:
    """A command line of this program, with the same configuration; no secret is in it."""
    path = service.loaded.path
    chosen = [] if path is None else ["--config", str(path)]
    return [sys.executable, "-P", "-m", "worker.cli", *chosen, *words]
