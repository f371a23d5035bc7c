"""A rejected row that was kept as a line, read once more by what is configured today. Pure."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from connectors.csv_drop.layout import by_places
from connectors.csv_drop.refusals import RAW_BYTES
from connectors.csv_drop.rows import RowReader
from connectors.csv_drop.table import numbered_rows
from connectors.errors import ConnectorError

if TYPE_CHECKING:
    from connectors.contract import Chunk, KeptRow
    from connectors.csv_drop.known_layout import KnownLayout
    from connectors.csv_drop.options import CsvOptions

_OF_SHAPE = frozenset({"short_row", "long_row"})
_CUT = RAW_BYTES - 3
"""A line of so many bytes was cut, perhaps within a sign."""


def reread(kept: KeptRow, known: KnownLayout, options: CsvOptions) -> Chunk | None:
    """Read a kept line; None where its cells, or the columns that they stand in, are not known.

    known: of the line's own file, whose header is not kept.
    """
    if kept.reason in _OF_SHAPE or len(kept.raw.encode()) >= _CUT or not known.fits(options):
        return None
    try:
        rows = numbered_rows(io.StringIO(kept.raw, newline="\n"), options.format, place="kept")
        found = [cells for _, cells in rows]
    except ConnectorError:
        return None
    places = {seen.configured: seen.position for seen in known.columns.values()}
    if len(found) != 1 or len(found[0]) < max(places.values()):
        return None
    layout = by_places(options, places, found[0])
    return RowReader(layout, options).read([(kept.place, found[0])])
