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

    from worker.ledger.failures import Failure
    from worker.model import Key
    from worker.replay import Choice, Chosen, Replayed

ASK_FROM = 100
"""More keys than this are replayed only after a question, at a terminal."""

_SHOWN = 50
_INSTEAD = {
    "row": "mend the row in the source; the next pull that reads it judges it anew",
    "file": "mend the file (it lies in the failed folder) and drop it again",
    "source": "put the source right; it is tried again by itself",
    "channel": "nothing can be sent for it; the channel is read again by itself",
    "item": "let the ERP state the key again, or dismiss the failure",
}
_MEANINGS = {
    "replayed": "due again, with the value that the ERP states today",
    "moved_on": "the ERP has said something newer, which goes by itself",
    "already_sent": "Omnitron has the current value",
    "waiting": "due, in flight or at rest already",
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
    """Send parked levels again, with today's values. Nothing that was stored is ever sent."""
    from worker.replay import Choice

    session: Session = context.obj
    choice = Choice(ids=ids or (), reason=reason, source=source)
    _require_choice(choice, every=every)
    chosen = _chosen(session, choice)
    many = len(chosen.keys) > ASK_FROM and not dry_run
    if many and not agreed(session, f"Replay {len(chosen.keys)} keys?", yes=yes):
        return ExitCode.ATTENTION
    carried = carry_out(session, chosen, subject=_subject(choice), dry_run=dry_run)
    return ExitCode.ATTENTION if ids and chosen.others else carried


def carry_out(
    session: Session,
    chosen: Chosen,
    *,
    subject: str,
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
            revisions=revisions,
            dry_run=dry_run,
        )
    counts = Counter(answer.answer.value for answer in answers)
    document = _document(answers, counts, chosen, dry_run=dry_run)
    session.show(document, lambda: _tell(session, answers, counts, chosen, dry_run=dry_run))
    return ExitCode.OK


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


def _subject(choice: Choice) -> str:
    if len(choice.ids) == 1:
        return f"failure {choice.ids[0]}"
    by = [f"{name} {value}" for name in ("reason", "source") if (value := getattr(choice, name))]
    return f"failures {', '.join([*map(str, choice.ids[:20]), *by])}".strip()


def _document(
    answers: Sequence[Replayed], counts: Counter[str], chosen: Chosen, *, dry_run: bool
) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        **{answer: counts[answer] for answer in _MEANINGS},
        "stock_lists": list(chosen.lists),
        "not_replayable": [
            {"id": f.id, "kind": f.kind, "reason": f.reason, "remedy": _INSTEAD[f.kind]}
            for f in chosen.others
        ],
        "keys": [
            {"stock_list": a.key.stock_list, "sku": a.key.sku, "answer": a.answer, "stock": a.stock}
            for a in answers
        ],
    }


def _tell(
    session: Session,
    answers: Sequence[Replayed],
    counts: Counter[str],
    chosen: Chosen,
    *,
    dry_run: bool,
) -> None:
    if dry_run:
        _tell_keys(session, answers)
        session.out.print("this is what would happen; nothing was changed")
    for answer, meaning in _MEANINGS.items():
        if counts[answer]:
            session.out.print(f"{counts[answer]} {answer}: {meaning}")
    for number in chosen.lists:
        session.out.print(f"stock list {number} is tried again")
    if not answers and not chosen.lists:
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


def _tell_others(session: Session, others: Sequence[Failure]) -> None:
    for kind, count in Counter(failure.kind for failure in others).items():
        session.out.print(f"{count} of kind {kind} cannot be replayed: {_INSTEAD[kind]}")
