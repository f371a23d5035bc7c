"""Which kept rows can be judged again, what they say, and as old as which pull they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from connectors.contract import Chunk, KeptRow
from worker.ledger import parts, pulls
from worker.model import UNREAD, Key, PullStatus
from worker.pull.comparison import OF_LEVELS
from worker.pull.keeping import is_kept, kept_row, restated_row
from worker.pull.reading import mapped

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from connectors.contract import Checkpoint
    from worker.ledger.failures import Failure
    from worker.ledger.pulls import Pull
    from worker.ledger.sources import Source
    from worker.pull.report import Turn


_TOO_LONG_AGO = "it is too long ago to know what is newer; let the ERP state it again"


class Case(NamedTuple):
    """A failure that can be judged: its rows, with Omnitron's SKUs, as of a pull of this label."""

    failure: Failure
    chunk: Chunk
    as_of: int
    label: str


def recalled(connection: Connection, turn: Turn, source: Source, failure: Failure) -> Case | str:
    """What can be judged of a failure of kind ``row``, or why nothing can."""
    if failure.identity.startswith("all:"):
        return "only one of these rows was kept; mend the rejects file, or let it be read again"
    if source.checkpoint is None:
        return "its source begins anew with the next pull, which judges it anyway"
    if failure.reason in OF_LEVELS and failure.stock_list is not None:
        return _of_level(connection, source, failure)
    if failure.stock_list is not None:
        return "its rows contradict each other, and one was kept; let the ERP state it again"
    return _of_row(connection, turn, failure)


def _of_level(connection: Connection, source: Source, failure: Failure) -> Case | str:
    """The parts of a level that the rules could not make; they are in the ledger."""
    key = Key(failure.stock_list or 0, failure.sku or "")
    found = parts.by_keys(connection, source.id, [key]).get(key, [])
    there = [part for part in found if not part.gone and part.quantity != UNREAD]
    if not there:
        return "nothing is stated for it any more"
    chunk = Chunk([restated_row(part) for part in there], [])
    stated = pulls.numbered(connection, max(part.pull_id for part in there))
    return _TOO_LONG_AGO if stated is None else Case(failure, chunk, stated.id, stated.label)


def _of_row(connection: Connection, turn: Turn, failure: Failure) -> Case | str:
    """The row, by the pull that read it last; what a person discarded is not brought back."""
    pull = pulls.numbered(connection, failure.pull_id or 0)
    if pull is None:
        return _TOO_LONG_AGO
    if pull.status == PullStatus.DISCARDED:
        return f"pull {pull.id}, which read it, was discarded; let the ERP state it again"
    first = pull if pull.as_of is None else pulls.numbered(connection, pull.as_of)
    if first is None:
        return _TOO_LONG_AGO
    chunk = _reread(turn, _laid_out(pull, first), failure)
    if chunk is None:
        return "its row was not kept in a form that can be read again; let the ERP state it again"
    return Case(failure, chunk, first.id, first.label)


def _laid_out(pull: Pull, first: Pull) -> Checkpoint | None:
    """How the source's files were laid out when a row was read; a mended one has its own header."""
    is_mended = pull.as_of is not None and not is_kept(pull.position)
    return None if is_mended else first.checkpoint


def _reread(turn: Turn, checkpoint: Checkpoint | None, failure: Failure) -> Chunk | None:
    raw, place = failure.raw or "", failure.line or 0
    kept = kept_row(raw, place=place)
    if kept is not None:
        row, is_mapped = kept
        chunk = Chunk([row], [])
        return chunk if is_mapped else mapped(chunk, turn.plan)
    again = turn.connector.reread(KeptRow(raw, failure.reason, place), checkpoint)
    if again is None or not (again.rows or again.rejects):
        return None
    return mapped(_of_warehouse(again, failure.warehouse), turn.plan)


def _of_warehouse(chunk: Chunk, warehouse: str | None) -> Chunk:
    """Of a row of a pivot table, the one cell that was rejected."""
    if warehouse is None:
        return chunk
    return Chunk(
        [row for row in chunk.rows if row.warehouse == warehouse],
        [reject for reject in chunk.rejects if reject.warehouse in {None, warehouse}],
    )
