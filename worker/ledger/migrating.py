"""Creating and upgrading a ledger, and refusing one that does not fit this program.

Alembic is imported where a ledger is changed or does not fit: the others need not wait for it.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import contextlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sqlalchemy import inspect, text

from worker.errors import LedgerNotReady, UsageError
from worker.ledger.clock import SqliteClock
from worker.ledger.database import network_filesystem

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from worker.ledger.database import Ledger

_FOLDER = Path(__file__).parent / "migrations"


@cache
def wanted() -> str:
    """The revision that this program works with: the latest, by the numbers of their files.

    Looked up once: a process stays the program that it started as when newer files are installed.
    """
    return max(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py"))


def found(ledger: Ledger) -> str | None:
    """The revision of the ledger, None where there is none yet. Raises LedgerUnreachable."""
    if ledger.path is not None and not ledger.path.exists():
        return None
    with ledger.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        query = text("SELECT version_num FROM alembic_version")
        return cast("str | None", connection.execute(query).scalar_one_or_none())


def require(ledger: Ledger) -> None:
    """Raise LedgerNotReady where the ledger is missing, older or newer than this program."""
    revision = found(ledger)
    if revision is None:
        raise _not_ready(ledger, "there is no ledger at {place}", "create it: stocksync migrate")
    if revision == wanted():
        return
    if revision < wanted() and revision in _revisions():
        raise _not_ready(
            ledger, "the ledger at {place} is older than this program", "run: stocksync migrate"
        )
    raise _not_ready(
        ledger,
        "the ledger at {place} was made by a newer stocksync",
        "run the newer program, or point database_url at another ledger",
    )


def _revisions() -> set[str]:
    """All revisions whose files are here, those of a newer program's included."""
    from alembic.script import ScriptDirectory

    return {script.revision for script in ScriptDirectory(str(_FOLDER)).walk_revisions()}


def _not_ready(ledger: Ledger, message: str, remedy: str) -> LedgerNotReady:
    return LedgerNotReady(message.format(place=ledger.place), remedy=remedy, place="database_url")


def migrate(ledger: Ledger) -> tuple[str | None, str]:
    """Create or upgrade the ledger; returns the revisions before and after.

    Raises LedgerUnreachable, LedgerNotReady (it is newer) or UsageError (a network share).
    """
    if ledger.path is not None:
        _prepare_folder(ledger.path)
    before = found(ledger)
    if before is not None and before != wanted():
        _refuse_newer(ledger)
    ledger.write(_to_head)
    return before, wanted()


def _refuse_newer(ledger: Ledger) -> None:
    try:
        require(ledger)
    except LedgerNotReady as error:
        if "newer" in error.message:
            raise


def _prepare_folder(path: Path) -> None:
    kind = network_filesystem(path.parent)
    if kind is not None:
        raise UsageError(
            f"{path} is on a network share ({kind}), where SQLite cannot lock safely",
            remedy="use a local folder, or PostgreSQL: postgresql+psycopg://host/database",
            place="database_url",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"the folder {path.parent} cannot be made: {error.strerror}",
            remedy="create it, writable for the user that stocksync runs as",
            place="database_url",
        ) from error


def _to_head(connection: Connection) -> None:
    """All at once: a ledger of this version without its first rows would seem ready."""
    _upgrade(connection)
    _first_rows(connection)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    with _unlimited(connection):
        command.upgrade(config, "head")


def _unlimited(connection: Connection) -> AbstractContextManager[None]:
    if connection.dialect.name == "sqlite":
        return contextlib.nullcontext()
    from worker.ledger.postgres import unlimited

    return unlimited(connection)


def _first_rows(connection: Connection) -> None:
    there = connection.execute(text("SELECT count(*) FROM target")).scalar_one()
    if not there:
        connection.execute(text("INSERT INTO target (id, state, rate) VALUES (1, 'up', 0)"))
    if connection.dialect.name == "sqlite":
        SqliteClock().anchor(connection)
