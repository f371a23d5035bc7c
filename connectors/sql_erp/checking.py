"""What `stocksync check` says of the statements of a SQL source: each is run for one row.

Changes nothing, and knows no database by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Finding, Kind
from connectors.errors import ConnectorError
from connectors.sql_erp.rows import EXTRA, SOLD

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.contract import Chunk
    from connectors.sql_erp.offer import SqlOffer, Watch
    from connectors.sql_erp.options import SqlOptions
    from connectors.sql_erp.rows import Columns
    from connectors.sql_erp.session import Session

_ALONG = {"unit_type": "unit_type", "sold": SOLD, "extra": EXTRA}
"""What is a part of a level's value beside its number: in `Columns`, and as people write it."""


def try_statements(
    offers: Sequence[SqlOffer], reading: Session, options: SqlOptions
) -> list[Finding]:
    """Run each statement for one row, and say what is wrong with it, or between them."""
    found = [Finding(level="ok", message=f"connected to {reading.server}")]
    seen: list[Columns] = []
    for offer in offers:
        findings, columns = _try(offer, reading, options)
        found += findings
        seen += [columns] if columns is not None else []
    return [*found, *_disagreement(seen)]


def in_the_way(error: ConnectorError) -> Finding:
    """Make a finding of what stops a source from being read."""
    place = f"{error.place}: " if error.place else ""
    return Finding(level="error", message=f"{place}{error.message}", remedy=error.remedy)


def _try(
    offer: SqlOffer, reading: Session, options: SqlOptions
) -> tuple[list[Finding], Columns | None]:
    try:
        sample, watch, columns = offer.sample(reading)
    except ConnectorError as error:
        reading.start_over()
        return [in_the_way(error), *_unbound(offer)], None
    doubts = [
        *_unbound(offer),
        *_strange(offer, watch),
        *_unread(offer, sample),
        *_without_unit(offer, columns, options),
    ]
    good = Finding(level="ok", message=f"{offer.label} runs and has the columns it needs")
    return doubts or [good], columns


def _unbound(offer: SqlOffer) -> Iterator[Finding]:
    if offer.kind is Kind.DELTA and "cursor" not in offer.statement.binds:
        hidden = "cursor" in offer.statement.hidden
        where = ", as its :cursor stands in a comment or a literal" if hidden else ""
        yield Finding(
            level="warning",
            message=f"{offer.label} does not bind :cursor{where}: each pull reads everything",
            remedy="Compare the column of cursor_value with it: WHERE changed_at >= :cursor.",
        )


def _strange(offer: SqlOffer, watch: Watch) -> Iterator[Finding]:
    if watch.strange is not None:
        yield Finding(
            level="warning",
            message=f"{offer.label} runs; a cursor_value fits no cursor: "
            f"{str(watch.strange)[:64]!r}",
            remedy="Rows without a fitting cursor_value are read, but move no cursor.",
        )


def _unread(offer: SqlOffer, sample: Chunk) -> Iterator[Finding]:
    """Say what the first row would be rejected for, or that there was none."""
    for reject in sample.rejects:
        yield Finding(
            level="warning",
            message=f"{offer.label} runs, but its first row would be rejected: {reject.message}",
            remedy=reject.remedy,
        )
    if not sample.rows and not sample.rejects:
        yield Finding(
            level="warning",
            message=f"{offer.label} runs but returns no row, so its values were not seen",
            remedy="Check `start`, and that :cursor is compared with a column of cursor_type.",
        )


def _without_unit(offer: SqlOffer, columns: Columns, options: SqlOptions) -> Iterator[Finding]:
    if options.units and columns.unit_type is None:
        yield Finding(
            level="warning",
            message=f"{offer.label} has no column unit_type, so the configured units do nothing",
            remedy="Name it in the statement, like `unit AS unit_type`, or take units out.",
        )


def _disagreement(seen: Sequence[Columns]) -> Iterator[Finding]:
    """Compare two statements: what one says would stand beside what the other says, or undo it."""
    if len({columns.warehouse is None for columns in seen}) > 1:
        yield Finding(
            level="error",
            message="only one of query and full_query has the column warehouse, so what one states "
            "would be added to what the other states",
            remedy="Name it in both, or in neither.",
        )
    for name, written in _ALONG.items():
        if len({getattr(columns, name) is None for columns in seen}) > 1:
            yield Finding(
                level="warning",
                message=f"only one of query and full_query has the column {written}, so "
                "levels would change with each of them",
                remedy="Name it in both, or in neither.",
            )
