"""`failures replay`, and what it shares with `batches replay`: choose, ask, carry out, tell."""

# ruff: noqa: PLC0415 - `--help` is quick, since what only some runs need is imported by them

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.failures import failures
from worker.cli.nouns import Yes, agreed
from worker.cli.session import Session, table
from worker.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.ledger.events import Subject
    from worker.ledger.failures import Failure
    from worker.model import Key
    from worker.pull import Rejudged
    from worker.replay import Choice, Chosen, Replayed

ASK_FROM = 100
"""More keys than this are replayed only after a question, at a terminal."""

_SHOWN = 50
_INSTEAD = {
    "row": "let the ERP state it again, or mend the rejects file",
    "file": "mend the file (it lies in the failed folder) and drop it again",
    "source": "put the source right; it is tried again by itself",
    "channel": "nothing can be sent for it; the channel is read again by itself",
    "item": "let the ERP state the key again, or dismiss the failure",
}
_MEANINGS = {
    "replayed": "due again, with the value that the ERP states today",
    "moved_on": "the ERP has said something newer, which goes by itself",
    "already_sent": "Omnitron has the current value",
    "waiting": "due, in flight or at rest already, or its source is busy, paused or held",
    "rejected": "rows that today's rules reject too",
}


@failures.command()
def replay(
    context: typer.Context,
    *,
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID]...")] = None,
    every: Annotated[bool, typer.Option("--all", help="All open ones.")] = False,
    reason: Annotated[str | None, typer.Option(help="Those open for this reason.")] = None,
    source: Annotated[str | None, typer.Option(help="Those open of this source.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say per key what would happen; change nothing.")
    ] = False,
    yes: Yes = False,
) -> ExitCode:
    """Send parked levels again, with today's values, and judge rejected rows by today's rules."""
    from worker.ledger.events import of_failures
    from worker.replay import Choice

    session: Session = context.obj
    choice = Choice(ids=ids or (), reason=reason, source=source)
    _require_choice(choice, every=every)
    if not dry_run:
        _finish_interrupted(session)
    chosen = _chosen(session, choice)
    count = len(chosen.keys) + len(chosen.rows)
    many = count > ASK_FROM and not dry_run
    if many and not agreed(session, f"Replay {count} keys and rows?", yes=yes):
        return ExitCode.ATTENTION
    subject = of_failures(choice.ids, reason=choice.reason, source=choice.source)
    carried = carry_out(session, chosen, subject=subject, dry_run=dry_run)
    return ExitCode.ATTENTION if ids and chosen.others else carried


def carry_out(
    session: Session,
    chosen: Chosen,
    *,
    subject: str | Subject,
    revisions: dict[Key, int] | None = None,
    dry_run: bool = False,
) -> ExitCode:
    """Replay what was chosen and tell what became of each key."""
    from worker.bootstrap import actor
    from worker.replay import replay as replay_keys

    answers: Sequence[Replayed] = ()
    if chosen.keys or chosen.lists:
        answers = replay_keys(
            session.ledger,
            chosen.keys,
            actor=actor(),
            subject=subject,
            stock_lists=chosen.lists,
            unseen=chosen.unseen,
            revisions=revisions,
            dry_run=dry_run,
        )
    judged = _judged(session, chosen.rows, dry_run=dry_run)
    counts = Counter(answer.answer.value for answer in answers)
    counts.update(row.answer.value for row in judged if row.answer is not None)
    document = _document(answers, counts, chosen, judged, dry_run=dry_run)
    session.show(document, lambda: _tell(session, answers, counts, chosen, judged, dry_run=dry_run))
    left = any(row.answer in {None, "rejected"} for row in judged)
    return ExitCode.ATTENTION if left else ExitCode.OK


def _finish_interrupted(session: Session) -> None:
    """Apply the rows that a replay which died had decided: their failures are closed already."""
    from worker.bootstrap import actor
    from worker.pull import finish
    from worker.pull.lease import SourceBusy, SourcePaused

    for name in session.service.sources:
        try:
            reports = finish(session.service.turn(name, actor=actor()))
        except (SourceBusy, SourcePaused):
            continue  # who reads it now finishes it, or its first pull after the pause
        for report in reports:
            session.remark(f"pull {report.pull_id} of {name}, interrupted before, is applied now")


def _judged(session: Session, rows: Sequence[Failure], *, dry_run: bool) -> list[Rejudged]:
    """Judge kept rows, source by source; each of them is named in what is written down."""
    from worker.bootstrap import actor
    from worker.ledger.events import of_failures
    from worker.pull import Rejudged, rejudge

    found: list[Rejudged] = []
    for name in sorted({failure.source for failure in rows}):
        own = [failure for failure in rows if failure.source == name]
        if name not in session.service.sources:
            why = f"source {name!r} is not configured"
            found += [Rejudged(failure=failure, answer=None, why=why) for failure in own]
            continue
        turn = session.service.turn(name, actor=actor())
        subject = of_failures([failure.id for failure in own])
        found += rejudge(turn, own, subject=subject, dry_run=dry_run)
    return found


def _require_choice(choice: Choice, *, every: bool) -> None:
    narrowed = choice.reason is not None or choice.source is not None
    if sum([bool(choice.ids), every, narrowed]) != 1:
        raise UsageError(
            "say which failures to replay, in one way",
            remedy="by number, or --all, or by --reason and --source; add --dry-run to see first",
            place="command line",
        )


def _chosen(session: Session, choice: Choice) -> Chosen:
    from worker.ledger import failures as failures_ledger
    from worker.replay import choose

    with session.ledger.read() as connection:
        known = {failure.id for failure in failures_ledger.numbered(connection, choice.ids)}
        unknown = sorted(set(choice.ids) - known)
        if unknown:
            numbers = ", ".join(map(str, unknown))
            raise UsageError(
                f"there is no failure {numbers}", remedy="look at the open ones: stocksync failures"
            )
        return choose(connection, choice)


def _document(
    answers: Sequence[Replayed],
    counts: Counter[str],
    chosen: Chosen,
    judged: Sequence[Rejudged],
    *,
    dry_run: bool,
) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        **{answer: counts[answer] for answer in _MEANINGS},
        "stock_lists": list(chosen.lists),
        "not_replayable": [
            {"id": f.id, "kind": f.kind, "reason": f.reason, "remedy": _INSTEAD[f.kind]}
            for f in chosen.others
        ]
        + [
            {"id": f.id, "kind": f.kind, "reason": f.reason, "remedy": row.why}
            for row in judged
            if row.answer is None and (f := row.failure)
        ],
        "keys": [
            {"stock_list": a.key.stock_list, "sku": a.key.sku, "answer": a.answer, "stock": a.stock}
            for a in answers
        ],
        "rows": [
            {
                "id": row.failure.id,
                "stock_list": None if row.key is None else row.key.stock_list,
                "sku": row.failure.sku if row.key is None else row.key.sku,
                "answer": row.answer,
                "stock": row.stock,
                "why": row.why,
            }
            for row in judged
            if row.answer is not None
        ],
    }


def _tell(
    session: Session,
    answers: Sequence[Replayed],
    counts: Counter[str],
    chosen: Chosen,
    judged: Sequence[Rejudged],
    *,
    dry_run: bool,
) -> None:
    if dry_run:
        _tell_keys(session, answers)
    _tell_rows(session, judged)
    if dry_run:
        session.out.print("this is what would happen; nothing was changed")
    for answer, meaning in _MEANINGS.items():
        if counts[answer]:
            session.out.print(f"{counts[answer]} {answer}: {meaning}")
    for number in chosen.lists:
        session.out.print(f"stock list {number} is tried again")
    if not answers and not chosen.lists and not judged:
        session.out.print("there is nothing to send again")
    if counts["replayed"] and not dry_run:
        session.out.print("they go with the running service, or now: stocksync deliver")
    _tell_others(session, chosen.others)


def _tell_keys(session: Session, answers: Sequence[Replayed]) -> None:
    columns = ("#stock list", "sku", "answer", "#stock")
    rows = [(a.key.stock_list, a.key.sku, a.answer.value, a.stock) for a in answers[:_SHOWN]]
    session.out.print(table("per key", columns, rows))
    if len(answers) > _SHOWN:
        session.out.print(f"and {len(answers) - _SHOWN} more; all of them with --json")


def _tell_rows(session: Session, judged: Sequence[Rejudged]) -> None:
    if not judged:
        return
    columns = ("#failure", "sku", "answer", "#stock", "")
    rows = [
        (row.failure.id, row.failure.sku, row.answer or "not judged", row.stock, row.why)
        for row in judged[:_SHOWN]
    ]
    session.out.print(table("rejected rows, judged again", columns, rows))
    if len(judged) > _SHOWN:
        session.out.print(f"and {len(judged) - _SHOWN} more; all of them with --json")


def _tell_others(session: Session, others: Sequence[Failure]) -> None:
    for kind, count in Counter(failure.kind for failure in others).items():
        session.out.print(f"{count} of kind {kind} cannot be replayed: {_INSTEAD[kind]}")
