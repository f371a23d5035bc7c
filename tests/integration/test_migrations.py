"""The ledger is created, upgraded and refused as its revision asks for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from tests.databases import fresh_database
from tests.integration.ledgers import MIGRATIONS, created_at, differences
from worker.errors import ExitCode, LedgerNotReady, UsageError
from worker.ledger import Ledger, migrating, schema, target
from worker.ledger.database import network_filesystem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from tests.databases import Server


@pytest.fixture(params=["sqlite", "postgresql"])
def missing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger that nobody has created yet."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'var' / 'ledger.db'}"
    else:
        server: Server = request.getfixturevalue("postgres")
        url = fresh_database(server)
    ledger = Ledger(url)
    yield ledger
    ledger.close()


def at_revision(ledger: Ledger, revision: str) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})

    ledger.write(work)


def at_first_day(ledger: Ledger) -> None:
    """A ledger as the first version made it, that has sent to an Omnitron."""
    created_at(ledger, "0001")
    ledger.write(_use)


def _use(connection: Connection) -> None:
    connection.execute(text("INSERT INTO target (id, state, rate) VALUES (1, 'up', 0)"))
    target.bind(connection, "https://acme.example")


def test_models_and_migrations_agree(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert differences(connection) == []


def test_the_wanted_revision_is_the_head_of_the_migrations() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == migrating.wanted()


def test_partial_indexes_keep_their_condition(ledger: Ledger) -> None:
    with ledger.read() as connection:
        there = {
            index["name"]: index["dialect_options"]
            for table in ("level", "batch", "confirmation", "failure")
            for index in inspect(connection).get_indexes(table)
        }
    wanted = [
        index
        for table in (schema.level, schema.batch, schema.confirmation, schema.failure)
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    ]
    assert len(wanted) == 13
    for index in wanted:
        assert f"{'sqlite' if ledger.sqlite else 'postgresql'}_where" in there[index.name]


def test_keys_sort_by_code_point_in_every_table(postgres_url: str) -> None:
    query = text(
        "SELECT table_name, column_name, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'sku'"
    )
    ledger = Ledger(postgres_url)
    with ledger.read() as connection:
        collations = {(table, name): found for table, name, found in connection.execute(query)}
    ledger.close()
    assert len(collations) == 6
    assert set(collations.values()) == {"C"}


def test_a_ledger_that_is_not_there_says_how_to_create_it(missing: Ledger) -> None:
    with pytest.raises(LedgerNotReady, match="there is no ledger at") as caught:
        migrating.require(missing)
    assert missing.place in caught.value.message
    assert "stocksync migrate" in caught.value.remedy
    assert caught.value.exit_code is ExitCode.USAGE


def test_looking_for_a_ledger_creates_none(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    assert migrating.found(Ledger(f"sqlite:///{path}")) is None
    assert not path.exists()


def test_migrating_creates_the_folder_and_a_ledger_that_is_ready(missing: Ledger) -> None:
    assert migrating.migrate(missing) == (None, migrating.wanted())
    migrating.require(missing)


def test_an_older_ledger_is_refused_until_it_is_upgraded_and_keeps_what_it_knows(
    missing: Ledger,
) -> None:
    at_first_day(missing)
    with pytest.raises(LedgerNotReady, match="older than this program"):
        migrating.require(missing)
    assert migrating.migrate(missing) == ("0001", migrating.wanted())
    migrating.require(missing)
    with missing.read() as connection:
        assert target.base_url(connection) == "https://acme.example"
        assert differences(connection) == []


def test_a_program_of_the_first_day_can_write_a_ledger_that_was_upgraded_beneath_it(
    missing: Ledger,
) -> None:
    at_first_day(missing)
    with missing.read() as connection:
        known = [column["name"] for column in inspect(connection).get_columns("target")]
    migrating.migrate(missing)
    names = ", ".join(known)
    values = ", ".join("2" if name == "id" else name for name in known)
    copied = text(f"INSERT INTO target ({names}) SELECT {values} FROM target")

    missing.write(lambda connection: connection.execute(copied))


def test_migrating_twice_changes_nothing(ledger: Ledger) -> None:
    def content(connection: Connection) -> list[tuple[object, ...]]:
        return [tuple(row) for row in connection.execute(text("SELECT * FROM target"))]

    with ledger.read() as connection:
        before = content(connection)
    assert migrating.migrate(ledger) == (migrating.wanted(), migrating.wanted())
    with ledger.read() as connection:
        assert content(connection) == before


def test_a_newer_ledger_is_refused_and_left_alone(ledger: Ledger) -> None:
    at_revision(ledger, "9999")
    for refuse in (migrating.require, migrating.migrate):
        with pytest.raises(LedgerNotReady, match="made by a newer stocksync"):
            refuse(ledger)
    assert migrating.found(ledger) == "9999"


def test_an_older_ledger_says_how_to_upgrade_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "wanted", lambda: "a later revision")
    with pytest.raises(LedgerNotReady, match="is older than this program") as caught:
        migrating.require(ledger)
    assert caught.value.remedy == "run: stocksync migrate"


def test_a_ledger_on_another_kind_of_database_is_refused() -> None:
    with pytest.raises(UsageError, match="'mysql") as caught:
        Ledger("mysql+pymysql://u:canary-password@h/db")
    assert "canary" not in f"{caught.value.message}{caught.value.remedy}"


MOUNTS = """\
/dev/vda1 / ext4 rw 0 0
filer:/export {share} nfs4 rw 0 0
tmpfs {share}/local tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"), [("share", "nfs4"), ("share/local", None), ("elsewhere", None)]
)
def test_a_network_share_is_recognised_by_the_mount_that_holds_the_folder(
    tmp_path: Path, folder: str, kind: str | None
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS.format(share=tmp_path / "share"))
    assert network_filesystem(tmp_path / folder / "var", mounts=mounts) == kind


def test_a_mount_point_with_a_blank_in_its_name_is_recognised(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    share = str(tmp_path / "my share").replace(" ", r"\040")
    mounts.write_text(f"//filer/x {share} cifs rw 0 0\n")
    assert network_filesystem(tmp_path / "my share" / "var", mounts=mounts) == "cifs"


def test_a_system_without_a_list_of_mounts_is_not_refused(tmp_path: Path) -> None:
    assert network_filesystem(tmp_path, mounts=tmp_path / "none") is None


def test_a_ledger_on_a_network_share_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "network_filesystem", lambda _folder: "nfs4")
    with pytest.raises(UsageError, match="network share") as caught:
        migrating.migrate(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"))
    assert "PostgreSQL" in caught.value.remedy
    assert not Path(tmp_path / "ledger.db").exists()
