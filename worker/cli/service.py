"""`worker`, `beat`, `run`, `sandbox`: what runs until it is told to end."""

# ruff: noqa: PLC0415 - `--help` must not wait for Celery and the sandbox to be imported

from __future__ import annotations

import enum
import sys
from typing import Annotated

import typer

from worker.cli.app import app
from worker.cli.session import Session
from worker.errors import ExitCode, UsageError

Checked = Annotated[
    bool, typer.Option(hidden=True, help="Our supervisor has looked at everything, and told.")
]


class Queue(enum.StrEnum):
    """What a worker can be for."""

    PULL = "pull"
    DELIVER = "deliver"
    CONFIRM = "confirm"


@app.command()
def run(context: typer.Context) -> ExitCode:
    """Run everything under one supervisor: broker, workers, beat. Ctrl-C ends it in order."""
    session = _served(context)
    from worker import service

    session.ended_by = service.run(session.service)
    return ExitCode.OK


@app.command()
def worker(
    context: typer.Context,
    queue: Annotated[Queue | None, typer.Option(help="Only this queue, in this process.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=32, help="Processes for --queue.")
    ] = None,
    checked: Checked = False,
) -> ExitCode:
    """Run Celery workers: one a queue under a supervisor, or the one of --queue."""
    session = _served(context, checked=checked)
    from worker import service

    if queue is None:
        if concurrency is not None:
            raise UsageError("--concurrency needs --queue", remedy="name one of the queues too")
        session.ended_by = service.run_workers(session.service)
        return ExitCode.OK
    return _work(session, queue.value, concurrency, checked=checked)


def _served(context: typer.Context, *, checked: bool = False) -> Session:
    """The session of a service: its log is where warnings are looked for, and it blocks nobody."""
    from config.sink import unblocking

    session: Session = context.obj
    sys.stderr = unblocking(sys.stderr, told=_lines_lost)
    session.warned = "nobody" if checked else "log"
    return session


def _lines_lost(lines: int) -> None:
    import structlog

    structlog.get_logger(__name__).warning("log_lines_lost", lines=lines)


def _work(session: Session, queue: str, concurrency: int | None, *, checked: bool) -> ExitCode:
    from worker import service
    from worker.queue_worker import serve
    from worker.stopping import StopFlag
    from worker.tasks import application

    broker_url = service.required_broker(session.service)
    if checked:
        session.service.close()
    else:
        service.check(session.service)
    stop = StopFlag()
    session.service.stopped = stop
    celery = application(session.service, broker_url=broker_url, stop=stop)
    number = concurrency or service.concurrency_of(session.service, queue)
    session.ended_by, code = serve(
        celery, session.service, queue=queue, concurrency=number, stop=stop
    )
    return ExitCode.DEFECT if code and not session.ended_by else ExitCode.OK


@app.command()
def beat(context: typer.Context, checked: Checked = False) -> ExitCode:
    """Ring for what may be due; any number of them does no harm."""
    session = _served(context, checked=checked)
    from worker import service
    from worker.beat import serve
    from worker.tasks import application

    broker_url = service.required_broker(session.service)
    _ = session.untouched_ledger
    session.service.close()
    session.ended_by = serve(application(session.service, broker_url=broker_url))
    return ExitCode.OK


@app.command()
def sandbox(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
    propagation: Annotated[
        float, typer.Option(min=0, help="Seconds until a channel shows a write.")
    ] = 2.0,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Requests per second, beyond it 429.")
    ] = None,
) -> ExitCode:
    """Run a local Omnitron to try things against, with faults to order; in memory only."""
    session: Session = context.obj
    from worker.sandbox import SandboxConfig, SandboxError, serve

    def ready(url: str) -> None:
        session.show({"url": url, "username": "erp"}, lambda: _WELCOME.format(url=url))
        sys.stdout.flush()

    config = SandboxConfig(propagation_seconds=propagation, requests_per_second=rate)
    try:
        serve(config, port=port, on_ready=ready)
    except SandboxError as error:
        raise UsageError(error.message, remedy=error.remedy) from error
    return ExitCode.OK


_WELCOME = """A local Omnitron answers at {url} (user erp, password sandbox).
  try it:      stocksync init && stocksync migrate && stocksync run, in another terminal
  look at it:  curl {url}/_sandbox/state
Ctrl-C ends it; it keeps nothing."""
