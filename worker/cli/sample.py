"""`sources sample`: looks at a file and proposes how to configure a source that reads it."""

# ruff: noqa: PLC0415 - `--help` is quick, since what only some runs need is imported by them

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.session import Session, printable, table
from worker.cli.sources import sources
from worker.errors import UsageError

if TYPE_CHECKING:
    from connectors.contract import Reject, Row
    from connectors.csv_drop.sampling import Proposal

_SHOWN = 10


@sources.command()
def sample(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file as the ERP writes it.")],
    rows: Annotated[int, typer.Option(min=0, help="How many rows to show as read.")] = _SHOWN,
) -> None:
    """Propose a [[sources]] block for a CSV file, to be confirmed; writes nothing."""
    from worker.cli.blocks import block_of

    session: Session = context.obj
    proposal = _proposal(file)
    block = block_of(proposal)
    document = {"file": str(file), "toml": block, **_document(proposal, rows)}
    session.show(document, lambda: _show(session, proposal, block, rows))


def _proposal(file: Path) -> Proposal:
    from connectors.csv_drop.sampling import propose
    from connectors.errors import ConnectorError

    if not file.is_file():
        raise UsageError(f"{file} is no file", remedy="name a CSV file as the ERP writes it")
    try:
        return propose(file.resolve())
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"{file} cannot be read: {reason}", remedy="see that you may") from error
    except ConnectorError as error:
        raise UsageError(error.message, remedy=error.remedy, place=error.place) from error


def _document(proposal: Proposal, shown: int) -> dict[str, Any]:
    return {
        "whole_file": proposal.whole,
        "doubts": list(proposal.doubts),
        "trouble": proposal.trouble or None,
        "read": len(proposal.rows) + len(proposal.rejects),
        "rejected": len(proposal.rejects),
        "warehouses": list(proposal.warehouses),
        "units": list(proposal.units),
        "rows": [_row(row) for row in proposal.rows[:shown]],
        "rejects": [_reject(bad) for bad in proposal.rejects[:shown]],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "line": row.place,
        "sku": row.sku,
        "warehouse": row.warehouse or None,
        "quantity": row.quantity,
        "unit": row.unit or None,
    }


def _reject(bad: Reject) -> dict[str, Any]:
    return {
        "line": bad.place,
        "column": bad.column,
        "value": bad.value,
        "reason": bad.reason,
        "message": bad.message,
        "remedy": bad.remedy,
    }


def _show(session: Session, proposal: Proposal, block: str, shown: int) -> None:
    session.out.print("Proposed, to be confirmed line by line; nothing was written:\n")
    session.out.print(printable(block))
    if proposal.trouble:
        session.out.print(printable(f"By this block the file cannot be read: {proposal.trouble}\n"))
    _show_rows(session, proposal, shown)
    if proposal.doubts:
        session.out.print("Uncertain:")
    for doubt in proposal.doubts:
        session.out.print(printable(f"- {doubt}"))


def _show_rows(session: Session, proposal: Proposal, shown: int) -> None:
    """Show the first rows and rejects as a pull would read them."""
    part = "the file" if proposal.whole else "its first MiB (totals: also its last 64 KiB)"
    session.out.print(
        f"By this block a pull reads {len(proposal.rows)} rows and rejects "
        f"{len(proposal.rejects)}, in {part}:"
    )
    if proposal.rows[:shown]:
        columns = ("#line", "sku", "warehouse", "#quantity", "unit")
        cells = [tuple(_row(row).values()) for row in proposal.rows[:shown]]
        session.out.print(table("first rows as read", columns, cells))
    if proposal.rejects[:shown]:
        broken = [(bad.place, bad.reason, bad.message) for bad in proposal.rejects[:shown]]
        session.out.print(table("first rejected rows", ("#line", "reason", "message"), broken))
