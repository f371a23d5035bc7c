"""Whether our own disks have room for a pull: the ledger's, and that of temporary files."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.ledger import Ledger


class NoRoom(ConnectorError):  # noqa: N818 - named by what is missing
    """A disk that a pull writes to has less space left than `retention.min_free`."""


def require_room(ledger: Ledger, min_free: int) -> None:
    """See that every disk of ours has ``min_free`` bytes left. Raises NoRoom."""
    for name, folder in _folders(ledger):
        free = shutil.disk_usage(folder).free
        if free < min_free:
            raise NoRoom(
                f"The disk of {name} ({folder}) has {_size(free)} left, less than {_size(min_free)}"
                " (retention.min_free); nothing is read until there is room. Delivery goes on.",
                remedy="Make room there; pulls go on by themselves.",
                place=str(folder),
            )


def _folders(ledger: Ledger) -> Iterator[tuple[str, Path]]:
    if ledger.sqlite and ledger.url.database:
        yield "the ledger", Path(ledger.url.database).absolute().parent
    yield "temporary files", Path(tempfile.gettempdir())


def _size(count: int) -> str:
    return f"{count / 1_000_000:,.0f} MB"
