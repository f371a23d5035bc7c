"""Parts whose warehouse counts for another stock list by today's rules, carried to that list.

So that the new list has what the old one loses, also where a pull states only what changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.ledger import parts
from worker.model import PAGE_ROWS, UNREAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from worker.ledger import Ledger

CARRIED = -1
"""The place of a statement that no row of the pull made."""


def carried(
    ledger: Ledger, source_id: int, list_of: Callable[[str], int | None]
) -> Iterator[list[tuple[Any, ...]]]:
    """Pages of statements in the shape of `worker.ledger.lines.Stated`, for the new lists."""
    after: tuple[int, str, str] | None = None
    while True:
        with ledger.read() as connection:
            page = parts.contents_after(connection, source_id, after, limit=4 * PAGE_ROWS)
        if not page:
            return
        after = page[-1][:3]
        yield [
            (target, row[1], row[2], None if row[3] == UNREAD else row[3], *row[4:], CARRIED)
            for row in page
            if (target := list_of(row[2])) is not None and target != row[0]
        ]
