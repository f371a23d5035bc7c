"""What a ring sets off: the ledger says what is due, and a ring for nothing does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from tests.integration.scenes import say, stocks_of
from worker.bootstrap import Service, build
from worker.chores import Chores
from worker.errors import LedgerNotReady, UsageError, WrongTarget
from worker.ledger import levels, lists, sources, target
from worker.pull.lease import Lease

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from worker.sandbox import RunningSandbox

CONFIGURATION = """
database_url = "{ledger}"
[omnitron]
base_url = "{url}"
username = "erp"
password = "sandbox"
requests_per_second = 1000
[[channels]]
id = 5
stock_lists = [1]
[[sources]]
name = "drop"
type = "csv"
path = "drop"
mode = "snapshot"
stock_list = 1
stable_for = 0
zero_after = "2h"
guard = {{ first_pull = "apply" }}
columns = {{ sku = "sku", stock = "stock" }}
"""


class Bell:
    """Remembers what was rung."""

    def __init__(self) -> None:
        self.rung: list[tuple[object, ...]] = []

    def __call__(self, *words: object) -> None:
        self.rung.append(words)


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def service(sqlite_url: str, sandbox: RunningSandbox, tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "drop").mkdir()
    text = CONFIGURATION.format(ledger=sqlite_url, url=sandbox.url)
    (tmp_path / "stocksync.toml").write_text(text)
    service = build(tmp_path / "stocksync.toml", environ={})
    service.ready_ledger()
    yield service
    service.close()


@pytest.fixture
def chores(service: Service, bell: Bell) -> Chores:
    return Chores(service=service, ring=bell)


def drop(service: Service, name: str, **stocks: int) -> None:
    rows = "".join(f"{sku},{stock}\n" for sku, stock in stocks.items())
    (service.loaded.folder / "drop" / name).write_text("sku,stock\n" + rows)


def now(service: Service) -> float:
    with service.ledger.read() as connection:
        return service.ledger.now(connection)


def change_source(service: Service, **values: object) -> None:
    def work(connection: object) -> None:
        found = sources.named(connection, "drop")  # type: ignore[arg-type]
        assert found is not None
        sources.change(connection, found.id, **values)  # type: ignore[arg-type]

    service.ledger.write(work)


def source_of(service: Service) -> sources.Source:
    with service.ledger.read() as connection:
        found = sources.named(connection, "drop")
    assert found is not None
    return found


def test_a_pull_that_changed_something_rings_for_delivery(
    chores: Chores, service: Service, bell: Bell
) -> None:
    drop(service, "a.csv", A=1)
    chores.pull("drop")
    assert bell.rung == [("deliver",)]


def test_a_pull_that_changed_nothing_rings_for_nothing(chores: Chores, bell: Bell) -> None:
    chores.pull("drop")
    assert bell.rung == []


def test_a_source_that_is_not_due_is_left_alone(chores: Chores, service: Service) -> None:
    chores.pull("drop")
    drop(service, "a.csv", A=1)
    chores.pull("drop")
    assert (service.loaded.folder / "drop" / "a.csv").exists()


def test_a_source_is_pulled_when_its_time_has_come(chores: Chores, service: Service) -> None:
    chores.pull("drop")
    drop(service, "a.csv", A=1)
    change_source(service, next_at=now(service))
    chores.pull("drop")
    assert not (service.loaded.folder / "drop" / "a.csv").exists()


def test_a_paused_source_is_not_pulled(chores: Chores, service: Service) -> None:
    drop(service, "a.csv", A=1)
    change_source(service, paused_until=now(service) + 60)
    chores.pull("drop")
    assert (service.loaded.folder / "drop" / "a.csv").exists()


def test_a_source_that_another_process_pulls_is_left_to_it(
    chores: Chores, service: Service, bell: Bell
) -> None:
    drop(service, "a.csv", A=1)
    lease = Lease(service.ledger, "drop")
    lease.take()
    chores.pull("drop")
    assert bell.rung == []


def test_a_pull_ends_early_when_told_to_stop_and_is_read_again(
    chores: Chores, service: Service, bell: Bell
) -> None:
    drop(service, "a.csv", A=1)
    asked = iter([False, True])
    service.stopped = lambda: next(asked, True)
    chores.pull("drop")
    assert bell.rung == []
    service.stopped = lambda: False
    change_source(service, next_at=0.0)
    chores.pull("drop")
    assert bell.rung == [("deliver",)]


@pytest.mark.parametrize("name", ["other", "../drop", 7, None, ["drop"]])
def test_only_a_configured_source_is_taken(chores: Chores, name: object) -> None:
    with pytest.raises(UsageError):
        chores.pull(name)


@pytest.mark.parametrize("number", [6, "5; x", None, [5]])
def test_only_a_configured_channel_is_taken(chores: Chores, number: object) -> None:
    with pytest.raises(UsageError):
        chores.confirm(number)


def test_what_is_due_is_delivered(
    chores: Chores, service: Service, sandbox: RunningSandbox
) -> None:
    say(service.ledger, {"A": 1, "B": 2})
    chores.deliver()
    assert {sku: record["stock"] for sku, record in sandbox.state().items()} == {
        "1:A": 1,
        "1:B": 2,
    }


def test_delivering_nothing_asks_omnitron_nothing(chores: Chores, sandbox: RunningSandbox) -> None:
    chores.deliver()
    assert sandbox.stats()["requests"] in ({}, 0, [])


def test_delivering_is_the_heartbeat(chores: Chores, service: Service) -> None:
    chores.deliver()
    with service.ledger.read() as connection:
        assert target.heartbeat(connection)


def test_nothing_is_written_to_another_omnitron_than_the_ledgers(
    chores: Chores, service: Service, sandbox: RunningSandbox
) -> None:
    say(service.ledger, {"A": 1})
    service.ledger.write(lambda connection: target.bind(connection, "https://other.example"))
    with pytest.raises(WrongTarget):
        chores.deliver()
    assert sandbox.state() == {}


def test_a_channel_is_looked_at_when_it_is_due(chores: Chores, service: Service) -> None:
    say(service.ledger, {"A": 1})
    chores.deliver()
    chores.confirm(5)
    with service.ledger.read() as connection:
        confirmed = connection.exec_driver_sql("SELECT state FROM confirmation").scalar_one()
    assert confirmed == "confirmed"


def test_upkeep_learns_the_stock_lists_once_in_a_while(
    chores: Chores, service: Service, sandbox: RunningSandbox
) -> None:
    chores.upkeep()
    with service.ledger.read() as connection:
        assert lists.by_code(connection)["IST"] == 1
    before = sandbox.stats()["requests"]
    chores.upkeep()
    assert sandbox.stats()["requests"] == before


def test_upkeep_takes_levels_of_an_unread_source_to_zero_until_it_is_read(
    chores: Chores, service: Service
) -> None:
    drop(service, "a.csv", A=1)
    chores.pull("drop")
    change_source(service, read_at=now(service) - 7_201, next_at=0.0)
    chores.upkeep()
    assert stocks_of(service.ledger, "A") == {"A": 0}
    drop(service, "b.csv", A=1)
    chores.pull("drop")
    assert stocks_of(service.ledger, "A") == {"A": 1}


@pytest.mark.parametrize("work", ["pull", "deliver", "confirm", "upkeep"])
def test_d9_a_worker_whose_ledger_was_migrated_meanwhile_does_nothing_more(
    chores: Chores, service: Service, work: str
) -> None:
    say(service.ledger, {"A": 5})
    migrated_to(service, "9999")
    words = {"pull": ["drop"], "confirm": [5]}.get(work, [])
    with pytest.raises(LedgerNotReady, match="made by a newer stocksync"):
        getattr(chores, work)(*words)
    with service.ledger.read() as connection:
        assert not levels.any_claimed(connection)
        assert target.heartbeat(connection) is None


def migrated_to(service: Service, number: str) -> None:
    def work(connection: Connection) -> None:
        connection.execute(text("UPDATE alembic_version SET version_num = :n"), {"n": number})

    service.ledger.write(work)
