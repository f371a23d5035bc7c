"""One run of a statement: what the pull step reads, and the checkpoint that stands for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from connectors.contract import Checkpoint, Chunk, Kind, Position, Verdict
from connectors.errors import SourceMisconfigured
from connectors.sql_erp.rows import Columns, find_columns, read_chunk
from connectors.sql_erp.session import CHUNK_ROWS, Session, backend_of, session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from connectors.sql_erp.options import SqlOptions
    from connectors.sql_erp.statement import Statement


class Watch(Protocol):
    """Looks out for the highest cursor of one read; strange: a value that could not be read."""

    strange: object

    def add(self, values: Iterable[object]) -> None:
        """Take note of the values of some rows."""


class Cursor(Protocol):
    """How the values of ``cursor_value`` are read, compared and bound: one per cursor type."""

    def bound(self, checkpoint: Checkpoint | None, *, now: datetime) -> object:
        """Return what to bind as ``:cursor``."""

    def watch(self, *, now: datetime, active: bytes | None = None) -> Any:
        """Return a new Watch for one read that begins at ``now``, the source's clock.

        active: the lowest rowversion of a transaction still open then, None where there is none.
        """

    def after(self, checkpoint: Checkpoint | None, watch: Any, *, full: bool) -> dict[str, Any]:
        """Build the checkpoint after a read; full: of a full statement without a cursor."""

    def canonical(self, text: str) -> str:
        """Turn a cursor as a person writes it into the text that a checkpoint holds."""


@dataclass(slots=True, kw_only=True)
class SqlOffer:
    """One run of ``query`` or ``full_query``; always READ, as the ledger finds what is unchanged.

    since: the checkpoint to go on from, None to begin at the start.
    """

    options: SqlOptions
    statement: Statement
    kind: Kind
    cursor: Cursor
    since: Checkpoint | None
    verdict: Verdict = Verdict.READ
    remark: str = ""
    _reached: Checkpoint | None = field(default=None, init=False)

    @property
    def label(self) -> str:
        """``query`` or ``full_query``."""
        return self.statement.label

    @property
    def position(self) -> Position:
        """Which statement ran, and from where."""
        return {"label": self.label, "since": (self.since or {}).get("cursor")}

    def checkpoint(self) -> Checkpoint:
        """Where to go on; valid after `chunks` ended."""
        if self._reached is None:
            raise RuntimeError(f"{self.label} was not read to its end: it has no checkpoint yet")
        return self._reached

    def chunks(self) -> Iterator[Chunk]:
        """Run the statement and read its result in a stream, 5,000 rows at a time.

        Raises SourceUnreachable, SourceUnreadable, or SourceMisconfigured where the statement or
        its columns do not fit; the checkpoint is known only after the last chunk.
        """
        self._reached = None
        with session(self.options) as reading:
            now = reading.now()
            watch = self.cursor.watch(now=now, active=reading.active_rowversion())
            with reading.run(self.statement, self._binds(now)) as result:
                columns = self.columns(tuple(result.keys()))
                for first, page in _pages(result):
                    chunk = read_chunk(page, columns, first=first)
                    _note(watch, page, columns)
                    yield chunk
        self._conclude(watch, cursor_seen=columns.cursor_value is not None)

    def sample(self, reading: Session) -> tuple[Chunk, Watch, Columns]:
        """Run the statement for one row at most; return what it says, its cursor, its columns."""
        now = reading.now()
        watch: Watch = self.cursor.watch(now=now)
        with reading.run(self.statement, self._binds(now), rows=1) as result:
            columns = self.columns(tuple(result.keys()))
            page = result.fetchmany(1)
            _note(watch, page, columns)
        return read_chunk(page, columns, first=1), watch, columns

    def columns(self, names: Sequence[str]) -> Columns:
        """Find the columns of the result; a delta needs a cursor, some sources a warehouse."""
        also = ["warehouse"] if self.options.warehouses else []
        also += ["cursor_value"] if self.kind is Kind.DELTA else []
        return find_columns(names, label=self.label, also=also)

    def _binds(self, now: datetime) -> Mapping[str, object]:
        today = now.astimezone(ZoneInfo(self.options.timezone)).date()
        dated = today.isoformat() if backend_of(self.options) == "sqlite" else today
        return {"cursor": self.cursor.bound(self.since, now=now), "today": dated}

    def _conclude(self, watch: Any, *, cursor_seen: bool) -> None:
        reached = self.cursor.after(self.since, watch, full=not cursor_seen)
        if reached["cursor"] is None and watch.strange is not None:
            raise SourceMisconfigured(
                f"No cursor_value of {self.label} fits cursor_type "
                f"{self.options.cursor_type}, such as {str(watch.strange)[:64]!r}.",
                remedy="Correct cursor_type, or let the query state a fitting cursor_value.",
                place="cursor_type",
            )
        self._reached = reached


def _pages(result: Any) -> Iterator[tuple[int, Sequence[tuple[object, ...]]]]:
    """Yield the 1-based number of a page's first row, and its rows."""
    first = 1
    while page := result.fetchmany(CHUNK_ROWS):
        yield first, page
        first += len(page)


def _note(watch: Watch, page: Sequence[Sequence[object]], columns: Columns) -> None:
    if columns.cursor_value is not None:
        at = columns.cursor_value
        watch.add([cells[at] for cells in page])
