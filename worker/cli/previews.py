"""What pulls would do, for `--dry-run`: as a document, and as counts and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.cli.reports import of_delivered, of_pull, of_waiting, pull_remarks
from worker.cli.session import table
from worker.ledger import sources, status
from worker.model import Delivered, PullStatus
from worker.planning.fingerprints import consequences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.contract import Waiting
    from worker.cli.session import Session
    from worker.ledger import Ledger
    from worker.model import SourcePlan
    from worker.pull.preview import Preview


def due_now(ledger: Ledger) -> int:
    """How many levels must go to Omnitron already, now or after their rest."""
    with ledger.read() as connection:
        counts = status.level_counts(connection, now=ledger.now(connection))
    return counts.due + counts.waiting + counts.in_flight


def rule_notes(ledger: Ledger, plan: SourcePlan) -> list[str]:
    """What rules of a source that changed mean, where a pull has not seen to it."""
    with ledger.read() as connection:
        source = sources.named(connection, plan.name)
    if source is None or source.held_pull_id is not None:
        return []  # what is held says what they change
    return [
        f"{plan.name}: {message}\n  remedy: {remedy.replace('NAME', plan.name)}"
        for message, remedy in consequences(source.fingerprint, plan.fingerprint)
    ]


def document(
    previews: Sequence[Preview], *, due: int, waiting: Sequence[Waiting]
) -> dict[str, Any]:
    """`sync --dry-run --json` and `pull --dry-run --json`: the keys of `sync`, and more."""
    return {
        "dry_run": True,
        "pulls": [_of(preview) for preview in previews],
        "delivered": of_delivered(Delivered()),
        "confirmed": 0,
        "held": sum(preview.report.status == PullStatus.HELD for preview in previews),
        "would_send": due + sum(preview.to_send for preview in previews),
        "not_ready": of_waiting(waiting),
    }


def _of(preview: Preview) -> dict[str, Any]:
    return {
        **of_pull(preview.report),
        "zeroed": preview.zeroed,
        "lists": {
            str(number): {
                "known": counts.known,
                "created": counts.created,
                "changed": counts.changed,
                "raised": counts.raised,
                "lowered": counts.lowered,
                "zeroed": counts.zeroed,
                "missing": counts.missing,
            }
            for number, counts in sorted(preview.counts.lists.items())
        },
        "changes": [
            {
                "stock_list": row.stock_list,
                "sku": row.sku,
                "before": row.before,
                "after": row.after,
                "line": row.place,
            }
            for row in preview.changes
        ],
        "rejects": [
            {
                "line": reject.place,
                "column": reject.column,
                "sku": reject.sku,
                "reason": reject.reason,
                "message": reject.message,
                "remedy": reject.remedy,
            }
            for reject in preview.rejects
        ],
    }


def shown(
    session: Session,
    previews: Sequence[Preview],
    *,
    due: int,
    waiting: Sequence[Waiting],
    notes: Sequence[str] = (),
) -> None:
    """Counts and tables, one offer after the other, and what would be sent."""
    session.out.print("A dry run: nothing was written, no file was moved, nothing was sent.")
    for note in notes:
        session.out.print(note)
    for preview in previews:
        _shown(session, preview)
    for rest in waiting:
        session.out.print(f"not ready yet: {rest.label}: {rest.reason}")
    if not previews:
        session.out.print("Nothing new to read.")
    total = due + sum(preview.to_send for preview in previews)
    session.out.print(f"Levels that would be sent to Omnitron: {total} ({due} of them are due now)")


def _shown(session: Session, preview: Preview) -> None:
    report = preview.report
    session.out.print(
        f"{report.source} {report.label}: would be {report.status}; {report.read} rows read,"
        f" {report.changed} levels changed, {preview.zeroed} to zero, {report.missing} missing,"
        f" {report.rejected} rejected"
    )
    for line in pull_remarks(report):
        session.out.print(f"  {line}")
    if preview.changes:
        session.out.print(_changes(preview))
    if preview.rejects:
        session.out.print(_rejects(preview))


def _changes(preview: Preview) -> object:
    rows = [
        (row.stock_list, row.sku, "new" if row.before is None else row.before, row.after, row.place)
        for row in preview.changes
    ]
    title = f"The largest changes ({len(rows)} of {preview.report.changed})"
    return table(title, ("list", "SKU", "#before", "#after", "#line"), rows)


def _rejects(preview: Preview) -> object:
    rows = [(each.place, each.sku, each.message, each.remedy) for each in preview.rejects]
    title = f"Rejected rows ({len(rows)} of {preview.report.rejected})"
    return table(title, ("#line", "SKU", "message", "remedy"), rows)
