"""`init`, `migrate`, `check`, `config`: from nothing to a service that can start."""

# ruff: noqa: PLC0415 - `--help` is quick, since the service is imported when a command runs

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.app import app
from worker.cli.session import Session, printable, table
from worker.errors import ExitCode

if TYPE_CHECKING:
    from worker.checking import Finding

_MARKS = {"ok": "✓", "warning": "!", "error": "✗"}


@app.command()
def init(
    context: typer.Context,
    *,
    template: Annotated[str, typer.Option(help="csv, sql, or a preset such as odoo.")] = "csv",
) -> ExitCode:
    """Write a commented configuration and its folders; never overwrites."""
    from config.template import write_template

    session: Session = context.obj
    file = _file(session)
    written = write_template(file.parent, template, name=file.name)
    session.show({"written": [str(path) for path in written]}, lambda: _next_steps(written))
    return ExitCode.OK


def _file(session: Session) -> Path:
    """Where the configuration is to be: as every other command would look for it."""
    from config.loading import FILE_NAME, VARIABLE

    return (session.config or Path(os.environ.get(VARIABLE) or FILE_NAME)).absolute()


def _next_steps(written: list[Path]) -> str:
    lines = [f"wrote {path}" for path in written]
    return "\n".join([*lines, "Next: edit it, then: stocksync migrate, stocksync check"])


@app.command()
def migrate(
    context: typer.Context,
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say whether it is needed.")] = False,
) -> ExitCode:
    """Create or upgrade the ledger, and say where it is."""
    from worker.ledger import migrating

    session: Session = context.obj
    ledger = session.service.ledger
    before: str | None = migrating.wanted()
    after = migrating.wanted()
    if check:
        migrating.require(ledger)
    else:
        before, after = migrating.migrate(ledger)
        session.service.ready_ledger()
    did = _did(before, after)
    document = {"ledger": ledger.place, "before": before, "version": after, "did": did}
    session.show(document, lambda: f"{did}: {printable(ledger.place)}, version {after}")
    return ExitCode.OK


def _did(before: str | None, after: str) -> str:
    if before is None:
        return "created"
    return "unchanged" if before == after else "upgraded"


@app.command()
def check(
    context: typer.Context,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Only the configuration, the ledger and folders.")
    ] = False,
) -> ExitCode:
    """Try everything that the service needs: one line each, with the remedy."""
    from worker.checking import check as findings_of

    session: Session = context.obj
    found: list[Finding] = []

    async def work() -> None:
        async for finding in findings_of(session.service, offline=offline):
            found.append(finding)
            if not session.as_json:
                session.out.print(printable(_line(finding)))

    session.service.run(work)
    code = ExitCode.worst(*(finding.code for finding in found))
    document = {"ok": code is ExitCode.OK, "findings": [_finding(each) for each in found]}
    session.show(document, lambda: None)
    return code


def _line(finding: Finding) -> str:
    remedy = f"\n    remedy: {finding.remedy}" if finding.remedy else ""
    return f"{_MARKS[finding.level]} {finding.subject}: {finding.message}{remedy}"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "subject": finding.subject,
        "level": finding.level,
        "message": finding.message,
        "remedy": finding.remedy,
        "exit_code": int(finding.code),
    }


@app.command()
def config(context: typer.Context) -> ExitCode:
    """Show the effective configuration and where each value comes from; secrets masked."""
    from config import show

    session: Session = context.obj
    loaded = session.service.loaded
    session.show(
        show.document(loaded),
        lambda: table(
            str(loaded.path or "environment"), ("key", "value", "from"), show.rows(loaded)
        ),
    )
    return ExitCode.OK
