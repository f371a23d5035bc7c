"""What the steps did, as documents for scripts and as tables and sentences for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from worker.cli.session import table
from worker.errors import ExitCode
from worker.model import Delivered, PullStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.contract import Waiting
    from worker.cli.session import Session
    from worker.confirm import Confirmed
    from worker.pull import PullReport
    from worker.sync import SyncReport


class Drained(NamedTuple):
    """How delivering ended. left: levels still must go; reason: why they have not."""

    delivered: Delivered
    left: bool
    reason: str

    @property
    def exit_code(self) -> ExitCode:
        """Levels left outweigh levels parked."""
        if self.left:
            return ExitCode.UNREACHABLE
        return ExitCode.ATTENTION if self.delivered.for_people else ExitCode.OK


def of_sync(report: SyncReport) -> dict[str, Any]:
    """`sync --json`."""
    return {
        "pulls": [of_pull(pull) for pull in report.pulls],
        "delivered": of_delivered(report.delivered),
        "confirmed": report.confirmed,
        "held": report.held,
        "left": report.left,
        "reason": report.reason or None,
        "errors": [
            {"kind": error.kind, "message": error.message, "remedy": error.remedy}
            for error in report.errors
        ],
        "not_ready": of_waiting(report.not_ready),
    }


def of_waiting(waiting: Sequence[Waiting]) -> list[dict[str, str]]:
    """What a source does not offer yet, each with the reason."""
    return [{"label": rest.label, "reason": rest.reason} for rest in waiting]


def of_pull(pull: PullReport) -> dict[str, Any]:
    """One pull of a document."""
    return {
        "source": pull.source,
        "status": pull.status,
        "read": pull.read,
        "changed": pull.changed,
        "rejected": pull.rejected,
        "missing": pull.missing,
        "incomplete": pull.incomplete,
        "id": pull.pull_id,
        "label": pull.label,
        "reason": pull.reason,
        "remedy": pull.error.remedy if pull.error else None,
    }


def of_delivered(delivered: Delivered) -> dict[str, int]:
    """Counts of levels."""
    return {
        "sent": delivered.sent,
        "superseded": delivered.superseded,
        "parked": delivered.parked,
        "waiting": delivered.waiting,
    }


def of_delivery(drained: Drained) -> dict[str, Any]:
    """`deliver --json`."""
    return {
        "delivered": of_delivered(drained.delivered),
        "left": drained.left,
        "reason": drained.reason or None,
    }


def of_looks(looks: Sequence[Confirmed]) -> dict[str, Any]:
    """`confirm --json`."""
    return {
        "confirmed": sum(look.confirmed for look in looks),
        "waiting": sum(look.waiting for look in looks),
        "channels": [
            {
                "id": look.channel_id,
                "confirmed": look.confirmed,
                "waiting": look.waiting,
                "healed": look.healed,
                "error": look.error.message if look.error else None,
            }
            for look in looks
        ],
    }


def pulls_shown(
    session: Session,
    pulls: Sequence[PullReport],
    *,
    waiting: Sequence[Waiting] = (),
    notes: Sequence[str] = (),
) -> None:
    """A table of pulls, and under it what to do about those that did not end well."""
    for note in notes:
        session.out.print(note)
    for rest in waiting:
        session.out.print(f"not ready yet: {rest.label}: {rest.reason}")
    if not pulls:
        session.out.print("Nothing new to read.")
        return
    columns = ("source", "what", "status", "#read", "#changed", "#rejected", "#missing")
    rows = [(p.source, p.label, p.status, p.read, p.changed, p.rejected, p.missing) for p in pulls]
    session.out.print(table("Pulls", columns, rows))
    for pull in pulls:
        for line in pull_remarks(pull):
            session.out.print(line)


def pull_remarks(pull: PullReport) -> list[str]:
    """What a person should know and do about a pull, line by line."""
    what = f"{pull.source} {pull.label}".strip()
    lines = []
    if pull.error is not None:
        lines.append(f"{what}: {pull.error.message}\n  remedy: {pull.error.remedy}")
    elif pull.status == PullStatus.HELD and pull.pull_id is not None:
        lines.append(
            f"{what} is held: {pull.reason}\n  look at it: stocksync pulls show {pull.pull_id};"
            f" then: stocksync pulls approve {pull.pull_id}, or discard"
        )
    elif pull.reason:
        lines.append(f"{what}: {pull.reason}")
    if pull.rejected:
        lines.append(f"{what}: {pull.rejected} rejected; see: stocksync failures")
    if pull.incomplete:
        lines.append(
            f"{what}: {pull.incomplete} levels wait until all of their rows can be read: neither"
            " sent for the first time nor raised"
        )
    return lines


def sync_shown(session: Session, report: SyncReport) -> None:
    """The whole run: pulls, what was delivered and seen, and what is left to do."""
    pulls_shown(session, report.pulls, waiting=report.not_ready)
    delivered = report.delivered
    session.out.print(_delivered_line(delivered))
    session.out.print(f"Confirmed by the channels: {report.confirmed}")
    for error in report.errors:
        session.out.print(f"Omnitron: {error.message}\n  remedy: {error.remedy}")
    _left(session, left=report.left, reason=report.reason, parked=delivered.for_people)


def delivery_shown(session: Session, drained: Drained) -> None:
    """What was delivered, and what is left to do."""
    session.out.print(_delivered_line(drained.delivered))
    parked = drained.delivered.for_people
    _left(session, left=drained.left, reason=drained.reason, parked=parked)


def looks_shown(session: Session, looks: Sequence[Confirmed]) -> None:
    """A line per channel."""
    if not looks:
        session.out.print("No channel to look at: none is configured, or another process looks.")
    for look in looks:
        text = f"channel {look.channel_id}: {look.confirmed} confirmed, {look.waiting} waiting"
        if look.healed:
            text += f", {look.healed} sent again since an older value was seen"
        if look.error is not None:
            text += f"; cannot be read: {look.error.message}\n  remedy: {look.error.remedy}"
        session.out.print(text)


def _delivered_line(delivered: Delivered) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in of_delivered(delivered).items())
    return f"Delivered: {counts}"


def _left(session: Session, *, left: bool, reason: str, parked: int) -> None:
    if parked:
        session.out.print(f"{parked} levels need you: stocksync failures")
    if left:
        because = f" ({reason})" if reason else ""
        session.out.print(
            f"Levels are left to send{because}; nothing is lost. They go with the next run:"
            " stocksync sync, or a running service; how it stands: stocksync status"
        )
