"""What is known of a SKU, in plain words: one sentence per level, and what happened, in time order.

Pure: takes what `ledger.explain` read. Moments become text through the ``when`` that is passed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from worker.deeds import done_by
from worker.model import LOWERING, UNREAD, ConfirmState, LevelState, PullStatus, TargetState
from worker.planning import limiter
from worker.planning.levels import state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from worker.ledger.batches import Line
    from worker.ledger.confirmations import Confirmation
    from worker.ledger.explain import Change, Known, Stated
    from worker.ledger.failures import Failure
    from worker.planning.levels import Level

    When = Callable[[float | None], str]


class _OfList(Protocol):
    """Anything that is about one stock list."""

    @property
    def stock_list(self) -> int:
        """Its number."""


_T = TypeVar("_T", bound=_OfList)


class Happening(NamedTuple):
    """One thing that happened. what: pull, batch, channel, failure, closed or person."""

    at: float
    what: str
    stock_list: int | None
    text: str


def state(known: Known, level: Level) -> LevelState:
    """The level's state at the moment of reading."""
    return state_of(level, now=known.at, open_for_sending=not _stopped(known, level))


def sentence(known: Known, level: Level, *, when: When) -> str:
    """What Omnitron should show, what it shows, and what happens next."""
    shown = level._replace(stock=level.shown.stock)
    words = f"stock list {level.stock_list}: Omnitron should show {_value(shown)}"
    origin = _pin(known, level, when) if level.pinned else _origin(known, level)
    return f"{words} ({origin}); {_has(level, when)}; {_next(known, level, when)}"


def unmade(known: Known) -> list[str]:
    """A sentence for each stock list of which something is stated, but no level made so far."""
    made = {level.stock_list for level in known.levels}
    lists = sorted({part.stock_list for part in known.parts if not part.gone} - made)
    why = "; ".join(
        f"{failure.message} (failure {failure.id})"
        for failure in known.failures
        if failure.closed_at is None
    )
    return [
        f"stock list {number}: nothing is sent yet, for not all of it can be applied:"
        f" {_said(_of_list(known.parts, number))}; {why or 'see: stocksync failures'}"
        for number in lists
    ]


def _said(parts: Iterable[Stated]) -> str:
    """What a source says, part by part."""
    return " + ".join(
        ("something unreadable" if part.quantity == UNREAD else part.quantity)
        + (f" in {part.warehouse}" if part.warehouse else "")
        for part in parts
        if not part.gone
    )


def seen_sentence(row: Confirmation, *, when: When) -> str:
    """What one channel was last seen to show."""
    head = f"channel {row.channel_id}"
    if row.state == ConfirmState.CONFIRMED:
        return f"{head} shows {_seen(row)}, confirmed {when(row.confirmed_at)}"
    if row.state == ConfirmState.OVERWRITTEN:
        return f"{head} shows {_seen(row)}, written by somebody else after us"
    if row.state == ConfirmState.UNCONFIRMED:
        shown = "nothing of it" if row.seen_at is None else f"{_seen(row)}, an older value"
        return f"{head} has not come to show {row.stock} in time: it shows {shown}"
    if row.seen_at is None:
        return f"{head} has yet to show {row.stock}, asked for since {when(row.since)}"
    return f"{head} last showed {_seen(row)} ({when(row.seen_at)}), and has yet to show {row.stock}"


def sentence_at(known: Known, level: Level, moment: float, *, when: When) -> str:
    """What the level was at an earlier moment, as far as the history reaches."""
    said = [c for c in _of_list(known.changes, level.stock_list) if c.at <= moment]
    said = [change for change in said if change.status != PullStatus.HELD]
    sent = [
        line
        for line in _of_list(known.lines, level.stock_list)
        if line.outcome in {"sent", "superseded"} and line.at is not None and line.at <= moment
    ]
    head = f"stock list {level.stock_list}, {when(moment)}: "
    if not said:
        return f"{head}nothing is known of that time (or the history does not reach so far)"
    should = f"Omnitron should have shown {said[-1].after} (pull {said[-1].pull_id})"
    if not sent:
        return f"{head}{should}, and nothing had been sent yet"
    last = sent[-1]
    return f"{head}{should}, and had been sent {last.stock} at {when(last.at)}"


def happenings(known: Known, *, when: When) -> list[Happening]:
    """Everything with a moment, oldest first."""
    found = [
        *(_of_change(change) for change in known.changes),
        *(_of_line(line) for line in known.lines),
        *(each for row in known.confirmations for each in _of_confirmation(row, when)),
        *(each for failure in known.failures for each in _of_failure(failure)),
        *(Happening(event.at, "person", None, done_by(event, when=when)) for event in known.events),
    ]
    return sorted(found, key=lambda happening: happening.at)


def _value(level: Level) -> str:
    unit = "" if level.unit_type in {None, "qty"} else f" {level.unit_type}"
    return f"{level.stock}{unit}"


def _origin(known: Known, level: Level) -> str:
    source = known.sources.get(level.source_id, "unknown")
    if level.zeroed:
        before = _value(level._replace(stock=level.vetted_stock or 0))
        return f"source {source} was not read for longer than zero_after, before: {before}"
    parts = [
        part
        for part in known.parts
        if part.stock_list == level.stock_list and part.source == source and not part.gone
    ]
    if not parts:
        return f"source {source}, pull {level.pull_id}"
    return f"source {source} says {_said(parts)}, changed by pull {level.pull_id}"


def _has(level: Level, when: When) -> str:
    if level.sent_at is None and level.sent_stock is None:
        return "nothing was sent yet"
    if level.sent_stock is None:
        return "what it has is unknown since an answer was lost"
    return f"it answered to have {level.sent_stock} at {when(level.sent_at)}"


def _stopped(known: Known, level: Level) -> bool:
    row = known.lists.get(level.stock_list)
    rests = row is not None and row.stopped_until > known.at
    return rests or limiter.closed_for(known.target, now=known.at) > 0


def _next(known: Known, level: Level, when: When) -> str:
    match state(known, level):
        case LevelState.RETIRED:
            words = "no configured source feeds it, so nothing more is sent"
        case LevelState.OVERRIDDEN:
            words = _pinned_next(known, level, when)
        case LevelState.PARKED:
            words = f"it is parked: {_why_parked(known, level)}"
        case LevelState.IN_FLIGHT:
            words = f"it is being sent now, in batch {level.batch_id}"
        case LevelState.WAITING:
            words = _why_waiting(known, level, when)
        case LevelState.DUE:
            words = _why_not_now(known, level, when) or "it goes with the next batch"
        case LevelState.IN_SYNC:
            words = _after_sent(known, level)
    return words


def _pinned_next(known: Known, level: Level, when: When) -> str:
    """What becomes of the pin, then of the level beneath."""
    beneath = level._replace(override_stock=None)
    pinned = "" if state(known, beneath) is LevelState.IN_SYNC else _next(known, beneath, when)
    after = f"then {_value(level)} goes, unless the ERP says another by then"
    end = f"the override ends {when(level.override_until)}, {after}"
    return f"{pinned}; {end}" if pinned else end


def _pin(known: Known, level: Level, when: When) -> str:
    event = known.pinned_by.get(level.stock_list)
    who = "a person" if event is None else f"{event.actor}, at {when(event.at)},"
    return f"{who} pinned it: {level.override_why}; beneath, {_origin(known, level)}"


def _why_parked(known: Known, level: Level) -> str:
    for failure in known.failures:
        same = failure.reason == level.park_reason and failure.stock_list == level.stock_list
        if same and failure.closed_at is None:
            message = failure.message.rstrip(".")
            return f"{failure.reason}: {message}; {failure.remedy} (failure {failure.id})"
    return f"{level.park_reason}; send it again with: stocksync failures replay"


def _why_waiting(known: Known, level: Level, when: When) -> str:
    row = known.lists.get(level.stock_list)
    if stopped := _why_not_now(known, level, when):
        return stopped
    if row is not None and row.stopped_until > known.at:
        why = (row.stopped_reason or "").rstrip(".")
        until = when(row.stopped_until)
        return f"it waits since its stock list is refused: {why}; it is tried again at {until}"
    if level.not_before > known.at:
        return f"it rests until {when(level.not_before)} since an answer was lost, then it goes"
    return "it goes as soon as all ready files of its source are read"


_TROUBLE = {
    TargetState.THROTTLED: "Omnitron asks for fewer requests",
    TargetState.DENIED: "Omnitron refuses our credentials or rights",
    TargetState.DOWN: "Omnitron does not take stock",
}


def _why_not_now(known: Known, level: Level, when: When) -> str:
    """What the target keeps it from, and what happens next; "" where it may go."""
    target, resume = known.target, "stocksync target resume"
    why = f" ({target.reason.rstrip('.')})" if target.reason else ""
    if not known.writes:
        return 'it waits since nothing is sent (omnitron.writes = "off")'
    if target.state == TargetState.PAUSED:
        until = when(target.paused_until)
        then = "is tried" if target.step else "goes"
        return f"it waits since sending is paused{why}; it {then} after {until}, or with: {resume}"
    if trouble := _TROUBLE.get(TargetState(target.state)):
        return f"it waits since {trouble}{why}; {_probe(known, when)}"
    if target.raises_paused_until > known.at and level.rank not in LOWERING:
        until = when(target.raises_paused_until)
        return f"it waits since increases are paused; it goes after {until}, or with: {resume}"
    return ""


def _probe(known: Known, when: When) -> str:
    """How a target that is not up comes back."""
    closed = limiter.closed_for(known.target, now=known.at) > 0
    moment = f"the next try, of one level, is due at {when(known.target.paused_until)}"
    soon = "one level is tried next, by the service or by: stocksync sync"
    return f"{moment if closed else soon}; when Omnitron takes it, all others follow"


def _after_sent(known: Known, level: Level) -> str:
    held = [
        change
        for change in _of_list(known.changes, level.stock_list)
        if change.status == PullStatus.HELD and change.after != level.stock
    ]
    if held:
        number = held[-1].pull_id
        return f"pull {number} is held and would make it {held[-1].after}: pulls show {number}"
    rows = _of_list(known.confirmations, level.stock_list)
    late = [row.channel_id for row in rows if row.state != ConfirmState.CONFIRMED]
    if late:
        return f"channel {', '.join(map(str, late))} has yet to show it"
    return "nothing is left to do"


def _seen(row: Confirmation) -> str:
    return "nothing" if row.seen_stock is None else str(row.seen_stock)


def _of_list(rows: Iterable[_T], stock_list: int) -> list[_T]:
    return [row for row in rows if row.stock_list == stock_list]


def _of_change(change: Change) -> Happening:
    place = f"{change.file} line {change.line}" if change.line else change.file
    said = f"says {change.quantity}" if change.quantity is not None else "rules changed"
    if change.change in {"gone", "park", "absent"}:
        said = "no longer states it"
    elif change.change == "unread":
        said = "says something unreadable"
    warehouse = f" for {change.warehouse}" if change.warehouse else ""
    before = "new" if change.before is None else str(change.before)
    held = ", held: not applied" if change.status == PullStatus.HELD else ""
    text = (
        f"pull {change.pull_id}: {change.source} {said}{warehouse} ({place});"
        f" {before} → {'nothing yet' if change.after is None else change.after}{held}"
    )
    return Happening(change.at, "pull", change.stock_list, text)


def _of_line(line: Line) -> Happening:
    outcome = line.outcome or "being sent"
    status = f", HTTP {line.status}" if line.status else ""
    why = f": {line.message or line.reason}" if line.message or line.reason else ""
    text = f"batch {line.batch_id}: {line.stock} (revision {line.revision}) {outcome}{status}{why}"
    return Happening(line.at or 0.0, "batch", line.stock_list, text)


def _of_confirmation(row: Confirmation, when: When) -> Iterator[Happening]:
    at = row.confirmed_at if row.state == ConfirmState.CONFIRMED else row.seen_at
    if at is not None:
        yield Happening(at, "channel", row.stock_list, seen_sentence(row, when=when))


def _of_failure(failure: Failure) -> Iterator[Happening]:
    text = f"failure {failure.id} ({failure.reason}): {failure.message}"
    yield Happening(failure.first_seen, "failure", failure.stock_list, text)
    if failure.closed_at is not None:
        why = f"failure {failure.id} closed: {failure.closed_why}"
        yield Happening(failure.closed_at, "closed", failure.stock_list, why)
