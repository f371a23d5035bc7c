"""`sync`, `pull`, `deliver`, `confirm`: the steps by hand; each judges its own run."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from worker.cli.app import app
from worker.cli.session import Session, table
from worker.errors import ExitCode
from worker.sync import Job, SyncReport


@app.command()
def sync(
    context: typer.Context,
    source: Annotated[list[str] | None, typer.Option(help="Only these sources.")] = None,
    full: Annotated[bool, typer.Option(help="Read snapshots where a source has them.")] = False,
    patience: Annotated[float, typer.Option(help="Seconds to wait for what rests.")] = 60.0,
    wait_confirm: Annotated[float, typer.Option(help="Seconds to wait for the channels.")] = 0.0,
) -> ExitCode:
    """Do the whole job once, in this process, with no broker."""
    session: Session = context.obj
    session.stop_on_signals()
    _ = session.ledger
    names = source or list(session.service.sources)
    job = Job(
        service=session.service,
        names=names,
        full=full,
        patience=patience,
        wait_confirm=wait_confirm,
    )
    report = job.run()
    session.show(_document(report), lambda: _tables(session, report))
    return report.exit_code


def _document(report: SyncReport) -> dict[str, Any]:
    return {
        "pulls": [
            {
                "source": pull.source,
                "status": pull.status,
                "read": pull.read,
                "changed": pull.changed,
                "rejected": pull.rejected,
                "id": pull.pull_id,
                "label": pull.label,
                "reason": pull.reason,
            }
            for pull in report.pulls
        ],
        "delivered": {
            "sent": report.delivered.sent,
            "superseded": report.delivered.superseded,
            "parked": report.delivered.parked,
            "waiting": report.delivered.waiting,
        },
        "confirmed": report.confirmed,
        "held": report.held,
    }


def _tables(session: Session, report: SyncReport) -> None:
    columns = ("source", "what", "status", "#read", "#changed", "#rejected", "reason")
    rows = [
        (p.source, p.label, p.status, p.read, p.changed, p.rejected, p.reason) for p in report.pulls
    ]
    session.out.print(table("pulls", columns, rows))
