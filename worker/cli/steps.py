"""`sync`, `pull`, `deliver`, `confirm`: the steps by hand; each judges its own run."""

# ruff: noqa: PLC0415 - `--help` is quick, since the service is imported when a command runs

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.app import app
from worker.cli.progress import steps_shown
from worker.cli.session import Session
from worker.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.contract import Waiting
    from worker.pull.preview import Preview

Full = Annotated[bool, typer.Option("--full", help="Read snapshots where a source has them.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; write nothing.")]
Patience = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for what rests.")
]


@app.command()
def sync(
    context: typer.Context,
    *,
    source: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this source; may be repeated.")
    ] = None,
    full: Full = False,
    dry_run: DryRun = False,
    patience: Patience = 60.0,
    wait_confirm: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for the channels.")
    ] = 0.0,
) -> ExitCode:
    """Do the whole job once, in this process: pull, deliver, confirm."""
    session: Session = context.obj
    if dry_run:
        return _show_previews(session, source or list(session.service.sources), full=full)
    from worker.cli import reports
    from worker.sync import Job

    session.stop_on_signals()
    _ = session.ledger
    with steps_shown(session) as steps:
        report = Job(
            service=session.service,
            names=source or list(session.service.sources),
            full=full,
            patience=patience,
            wait_confirm=wait_confirm,
            on_pull=steps.pulled,
            on_deliver=steps.delivered,
        ).run()
    session.show(reports.of_sync(report), lambda: reports.sync_shown(session, report))
    return report.exit_code


@app.command()
def pull(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The source.")],
    *,
    dry_run: DryRun = False,
    full: Full = False,
) -> ExitCode:
    """Read one source and apply what differs; nothing is sent."""
    session: Session = context.obj
    session.service.source(name)
    if dry_run:
        return _show_previews(session, [name], full=full)
    from worker.bootstrap import actor
    from worker.cli import previews, reports
    from worker.pull import read_soon, still_held

    session.stop_on_signals()
    _ = session.ledger
    with steps_shown(session) as steps:
        turn = session.service.turn(name, full=full, actor=actor())
        pulled, waiting = read_soon(replace(turn, on_progress=steps.pulled))
    pulled += still_held(session.service.ledger, name, pulled)
    notes = previews.rule_notes(session.service.ledger, turn.plan)
    session.show(
        {
            "pulls": [reports.of_pull(report) for report in pulled],
            "not_ready": reports.of_waiting(waiting),
            "notes": notes,
        },
        lambda: reports.pulls_shown(session, pulled, waiting=waiting, notes=notes),
    )
    return ExitCode.worst(*(report.exit_code for report in pulled))


@app.command()
def deliver(context: typer.Context, *, patience: Patience = 60.0) -> ExitCode:
    """Send what is due to Omnitron until nothing is left."""
    from worker.cli import reports
    from worker.sync import drain, prepare

    session: Session = context.obj
    session.stop_on_signals()
    service = session.service
    _ = session.ledger
    with steps_shown(session) as steps:

        async def work() -> reports.Drained:
            await prepare(service, patience=patience)
            courier = service.courier(on_progress=steps.delivered)
            return reports.Drained(*await drain(courier, patience=patience))

        drained = service.run(work)
    session.show(reports.of_delivery(drained), lambda: reports.delivery_shown(session, drained))
    return drained.exit_code


@app.command()
def confirm(context: typer.Context) -> ExitCode:
    """Look whether the channels show what was sent; changes nothing in Omnitron."""
    from worker.cli import reports
    from worker.confirm import Confirmed
    from worker.sync import require_target

    session: Session = context.obj
    session.stop_on_signals()
    service = session.service
    _ = session.ledger
    require_target(service)

    async def work() -> list[Confirmed | None]:
        watcher = service.watcher()
        return [await watcher.poll(channel, force=True) for channel in service.channels]

    looks = [look for look in service.run(work) if look is not None]
    session.show(reports.of_looks(looks), lambda: reports.looks_shown(session, looks))
    unreadable = any(look.error is not None for look in looks)
    return ExitCode.UNREACHABLE if unreadable else ExitCode.OK


def _show_previews(session: Session, names: Sequence[str], *, full: bool) -> ExitCode:
    """Show what pulls would do; nothing is written, neither here nor there."""
    from worker.cli import previews
    from worker.pull.preview import preview

    for name in names:
        session.service.source(name)
    due = previews.due_now(session.untouched_ledger)
    found: list[Preview] = []
    waiting: list[Waiting] = []
    with steps_shown(session) as steps:
        for name in names:
            turn = replace(session.service.turn(name, full=full), on_progress=steps.pulled)
            offers, rests = preview(turn)
            found += offers
            waiting += rests
    plans = [session.service.source(name) for name in names]
    notes = [note for plan in plans for note in previews.rule_notes(session.service.ledger, plan)]
    document = previews.document(found, due=due, waiting=waiting) | {"notes": notes}
    session.show(
        document, lambda: previews.shown(session, found, due=due, waiting=waiting, notes=notes)
    )
    return ExitCode.worst(*(each.report.exit_code for each in found))
