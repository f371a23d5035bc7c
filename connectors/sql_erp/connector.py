"""A SQL source: which statement to run from where, and whether it would run at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from connectors.contract import (
    Checkpoint,
    Chunk,
    Finding,
    KeptRow,
    Kind,
    Listing,
    Position,
    Settlement,
    Waiting,
)
from connectors.errors import ConnectorError, SourceMisconfigured
from connectors.sql_erp.checking import in_the_way, try_statements
from connectors.sql_erp.counters import IntegerCursor, TextCursor
from connectors.sql_erp.offer import Cursor, SqlOffer
from connectors.sql_erp.options import CursorType, SqlOptions
from connectors.sql_erp.rows import reread
from connectors.sql_erp.rowversions import RowversionCursor
from connectors.sql_erp.session import backend_of, session
from connectors.sql_erp.statement import parse
from connectors.sql_erp.timestamps import DEFAULT_START, TimestampCursor

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXTS_AS_MOMENTS = frozenset({"sqlite", "postgresql"})
"""Databases that take a text for a moment, whatever the column is."""


@dataclass(frozen=True, slots=True)
class SqlErp:
    """Stock as an ERP's own database states it; implements `connectors.contract.Connector`.

    ``query`` runs as a delta with ``:cursor``, ``full_query`` as a snapshot; without a ``query``
    every read is a snapshot. Both name their columns ``sku``, ``stock``, optionally ``warehouse``,
    ``unit_type``, ``sold_quantity_unreported``, ``extra_field``, ``cursor_value`` (required in
    ``query``) and ``row_key``; case does not matter. ``row_key`` is accepted for statements that
    were written for paging and is ignored: a result is one stream here, so pages cannot split rows
    that share one cursor value. On SQLite without WAL a writer waits while a result is read.
    """

    options: SqlOptions

    @property
    def has_full(self) -> bool:
        """Whether there is a ``full_query``, which alone can see keys that are gone."""
        return self.options.full_query is not None

    def look(
        self, checkpoint: Checkpoint | None, *, full: bool, held: Position | None = None
    ) -> Listing:
        """Offer the statement that is due, without connecting: it is run when the offer is read.

        That is ``full_query`` at the first look and where ``full`` asks for it, else ``query`` from
        the checkpoint less the overlap; full without a ``full_query`` is ``query`` from its start.
        While a pull is held only a snapshot is offered that is wanted, or all that there is.

        Raises SourceMisconfigured for a statement, URL or stored cursor that cannot be.
        """
        offer = self._offer(checkpoint, full=full)
        wanted = full or self.options.query is None
        if held is None or (wanted and offer.kind is Kind.SNAPSHOT):
            return Listing(offers=(offer,))
        reason = "A pull of this source is held; it goes on after approve or discard."
        return Listing(offers=(), waiting=(Waiting(label=offer.label, reason=reason),))

    def settle(self, position: Position, settlement: Settlement, reason: str = "") -> None:
        """Do nothing: an ERP is only read, so there is nothing to tidy up."""

    def accepting(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return the checkpoint as it is: a query names its columns itself."""
        return checkpoint

    def reread(self, kept: KeptRow, checkpoint: Checkpoint | None) -> Chunk | None:  # noqa: ARG002 - of the contract
        """Read a kept row again; it names its columns itself."""
        return reread(kept)

    def expire(self, seconds: float) -> int:  # noqa: ARG002 - of the contract
        """Nothing of a query is ever put away."""
        return 0

    def check(self) -> Sequence[Finding]:
        """Connect, run each statement for one row, and say what this source cannot see."""
        try:
            offers = self._all_offers()
            with session(self.options) as reading:
                found = try_statements(offers, reading, self.options)
        except ConnectorError as error:
            return (in_the_way(error),)
        return (*found, *self._blind_spots())

    def checkpoint_at(self, cursor: str, checkpoint: Checkpoint | None = None) -> Checkpoint:
        """Build the checkpoint that goes on from a cursor as a person writes it (``rewind``).

        Raises SourceMisconfigured where it does not fit the cursor type.
        """
        return {**(checkpoint or {}), "cursor": self._cursor().canonical(cursor)}

    def _offer(self, checkpoint: Checkpoint | None, *, full: bool) -> SqlOffer:
        query, full_query = self.options.query, self.options.full_query
        if full_query is not None and (full or checkpoint is None or query is None):
            return self._run(full_query, Kind.SNAPSHOT, checkpoint)
        if query is not None:
            return self._run(query, Kind.DELTA, None if full else checkpoint)
        raise SourceMisconfigured(
            f"Source {self.options.name} has neither query nor full_query.",
            remedy="Write the query that states what changed, or full_query for everything.",
            place="query",
        )

    def _all_offers(self) -> list[SqlOffer]:
        whole = self._offer(None, full=True)
        if self.options.query is None or whole.kind is Kind.DELTA:
            return [whole]
        return [self._run(self.options.query, Kind.DELTA, None), whole]

    def _run(self, text: str, kind: Kind, since: Checkpoint | None) -> SqlOffer:
        label = "query" if kind is Kind.DELTA else "full_query"
        statement = parse(text, label=label, dialect=backend_of(self.options))
        if kind is Kind.SNAPSHOT and "cursor" in statement.binds:
            raise _no_snapshot()
        cursor = self._cursor()
        if since and since.get("cursor") is not None:
            cursor.canonical(str(since["cursor"]))
        return SqlOffer(
            options=self.options, statement=statement, kind=kind, cursor=cursor, since=since
        )

    def _cursor(self) -> Cursor:
        options = self.options
        if options.cursor_type is CursorType.TEXT:
            return TextCursor(start=str(options.start or ""))
        if options.cursor_type is CursorType.INTEGER:
            start = IntegerCursor().canonical(str(options.start or 0))
            return IntegerCursor(start=int(start), overlap=int(options.overlap))
        if options.cursor_type is CursorType.ROWVERSION:
            return self._rowversions()
        cursor = TimestampCursor(
            zone=_zone(options.timezone),
            overlap=timedelta(seconds=options.overlap),
            start=str(options.start or DEFAULT_START),
            texts=backend_of(options) in _TEXTS_AS_MOMENTS,
        )
        cursor.canonical(cursor.start)
        return cursor

    def _rowversions(self) -> RowversionCursor:
        if backend_of(self.options) != "mssql":
            raise SourceMisconfigured(
                "cursor_type is rowversion, and only SQL Server has those.",
                remedy="Choose timestamp, integer or text.",
                place="cursor_type",
            )
        return RowversionCursor(start=RowversionCursor().canonical(str(self.options.start or "0")))

    def _blind_spots(self) -> Sequence[Finding]:
        if self.options.cannot_see:
            return [Finding(level="warning", message=each) for each in self.options.cannot_see]
        if self.has_full:
            return ()
        return (
            Finding(
                level="warning",
                message="Without full_query this source cannot see deleted rows, nor changes "
                "that leave the cursor untouched (bulk updates, reservations, dates reached).",
                remedy="Add a full_query and a full_schedule, once a night say.",
            ),
        )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise SourceMisconfigured(
            f"{name[:64]!r} is not a time zone.",
            remedy="Use an IANA name, like Europe/Istanbul.",
            place="timezone",
        ) from error


def _no_snapshot() -> SourceMisconfigured:
    return SourceMisconfigured(
        "full_query binds :cursor, so it would not state everything, "
        "and what it leaves out would be taken for gone.",
        remedy="Take :cursor out of full_query; what changed is for query.",
        place="full_query",
    )
