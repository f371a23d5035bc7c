"""What `stocksync check` says of a drop folder. Opens the newest ready file, changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.contract import Finding, Waiting
from connectors.csv_drop.folder import Folder, NotThisFile
from connectors.csv_drop.head import head_of
from connectors.csv_drop.known_layout import unread_columns
from connectors.csv_drop.layout import shown
from connectors.csv_drop.table import first_row, open_table
from connectors.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.csv_drop.options import CsvOptions


def check_folder(
    folder: Folder, options: CsvOptions, waiting: Sequence[Waiting], newest: str | None
) -> list[Finding]:
    """Report on a folder that could be listed; newest: the last file that is ready."""
    return [
        _access(folder),
        *_waiting(waiting),
        *(_header(folder, options, newest) if newest is not None else [_nothing(options)]),
    ]


def _access(folder: Folder) -> Finding:
    """Say whether files can be moved away."""
    if folder.is_writable():
        return Finding(level="ok", message=f"The folder {folder.place} can be read and written to.")
    return Finding(
        level="error",
        message=f"The folder {folder.place} cannot be written to, so no file can be moved away.",
        remedy="Let the user that this service runs as write to it.",
    )


def _waiting(waiting: Sequence[Waiting]) -> Iterator[Finding]:
    """Name each file that waits, and why."""
    for rest in waiting:
        yield Finding(
            level="warning",
            message=f"The file {rest.label!r} is not ready: {rest.reason}",
            remedy="Nothing, if it is still being written; otherwise mend or remove it.",
        )


def _nothing(options: CsvOptions) -> Finding:
    """Say that there is no file to try the columns on."""
    return Finding(
        level="ok", message=f"No file that matches {options.pattern!r} is ready to be read."
    )


def _header(folder: Folder, options: CsvOptions, name: str) -> list[Finding]:
    """Try encoding and columns on the first part of a file."""
    try:
        with (
            folder.open(name) as (stream, _),
            head_of(stream, options.format, place=name) as text,
        ):
            first = first_row(text, options, place=name)
            text.seek(0)
            open_table(text, options, place=name)
    except ConnectorError as error:
        return [Finding(level="error", message=f"{name!r}: {error.message}", remedy=error.remedy)]
    except (OSError, NotThisFile) as error:
        return [Finding(level="warning", message=f"{name!r}: {error}", remedy="Try once more.")]
    good = Finding(level="ok", message=f"The columns were found in {name!r}.")
    return [good, *_unread(options, name, first[1] if first else ())]


def _unread(options: CsvOptions, name: str, header: Sequence[str]) -> Iterator[Finding]:
    """Name the columns of a pivot table that nothing reads: each may be a warehouse."""
    unread = unread_columns(options, header)
    if unread:
        yield Finding(
            level="warning",
            message=f"Columns of {name!r} that nothing reads: {shown(unread)}.",
            remedy="Add those that are warehouses to `columns.warehouses`.",
        )
