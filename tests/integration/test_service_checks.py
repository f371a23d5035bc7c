"""What is looked at before the service starts anything, and which processes it consists of."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from worker import checking
from worker import service as services
from worker.bootstrap import Service, build
from worker.errors import LedgerNotReady, UsageError, WrongTarget
from worker.ledger import Ledger, sources, target
from worker.ledger.clock import boot_id

if TYPE_CHECKING:
    from pathlib import Path

    from worker.sandbox import RunningSandbox

SOURCE = """
[[sources]]
name = "{name}"
type = "csv"
path = "{name}"
mode = "snapshot"
stock_list = 1
columns = {{ sku = "sku", stock = "stock" }}
"""


def service_of(folder: Path, *, ledger: str, url: str, more: str = "") -> Service:
    text = f'database_url = "{ledger}"\n[omnitron]\nbase_url = "{url}"\n'
    text += 'username = "erp"\npassword = "sandbox"\n' + more
    (folder / "stocksync.toml").write_text(text)
    return build(folder / "stocksync.toml", environ={})


def test_a_ledger_of_another_omnitron_is_refused_with_both_named(
    sqlite_url: str, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    service = service_of(tmp_path, ledger=sqlite_url, url=sandbox.url)
    service.ledger.write(lambda connection: target.bind(connection, "https://old.example"))
    with pytest.raises(WrongTarget, match=r"https://old\.example.*127\.0\.0\.1"):
        services.run(service)


def test_processes_that_start_at_once_do_not_trip_over_a_new_source(
    tmp_path: Path, ledger_url: str
) -> None:
    more = "".join(SOURCE.format(name=f"source{number}") for number in range(5))
    services = [
        service_of(tmp_path, ledger="sqlite:///l.db", url="http://127.0.0.1:9", more=more)
        for _ in range(6)
    ]
    for service in services:
        service.ledger = Ledger(ledger_url)
    with ThreadPoolExecutor(len(services)) as pool:
        ready = list(pool.map(lambda service: service.ready_ledger(), services))
    with ready[0].read() as connection:
        assert len(sources.every(connection)) == 5
    for service in services:
        service.close()


def test_without_a_ledger_nothing_starts(sandbox: RunningSandbox, tmp_path: Path) -> None:
    service = service_of(tmp_path, ledger=f"sqlite:///{tmp_path}/none.db", url=sandbox.url)
    with pytest.raises(LedgerNotReady):
        services.run(service)


def test_an_omnitron_that_cannot_be_reached_does_not_keep_the_service_from_starting(
    sqlite_url: str, tmp_path: Path
) -> None:
    services.check(service_of(tmp_path, ledger=sqlite_url, url="http://127.0.0.1:9"))


def test_the_check_learns_the_stock_lists(
    sqlite_url: str, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    service = service_of(tmp_path, ledger=sqlite_url, url=sandbox.url)
    services.check(service)
    with service.ledger.read() as connection:
        names = connection.exec_driver_sql("SELECT code FROM stock_list ORDER BY id").scalars()
        assert list(names) == ["IST", "BER"]
    service.close()


def test_workers_and_beat_alone_need_a_broker(tmp_path: Path) -> None:
    service = service_of(tmp_path, ledger=f"sqlite:///{tmp_path}/l.db", url="http://127.0.0.1:9")
    with pytest.raises(UsageError) as caught:
        services.run_workers(service)
    assert "stocksync run" in caught.value.remedy


def test_after_a_reboot_all_processes_read_one_clock(sqlite_url: str, tmp_path: Path) -> None:
    service = service_of(tmp_path, ledger=sqlite_url, url="http://127.0.0.1:9")
    service.ledger.write(
        lambda connection: connection.exec_driver_sql("UPDATE target SET clock_id = 'before'")
    )
    service.ready_ledger()
    with service.ledger.read() as connection:
        assert target.values(connection)["clock_id"] == boot_id()
    service.close()


@pytest.mark.parametrize(("sources", "expected"), [(0, 1), (1, 1), (3, 3), (9, 4)])
def test_one_slow_source_does_not_stop_the_others_from_being_pulled(
    tmp_path: Path, sources: int, expected: int
) -> None:
    more = "".join(SOURCE.format(name=f"s{number}") for number in range(sources))
    ledger = f"sqlite:///{tmp_path}/l.db"
    service = service_of(tmp_path, ledger=ledger, url="http://127.0.0.1:9", more=more)
    assert services.concurrency_of(service, "pull") == expected
    assert services.concurrency_of(service, "deliver") == 1


def test_the_instance_is_that_of_the_ledger_unless_named(tmp_path: Path) -> None:
    first = service_of(tmp_path, ledger="sqlite:////srv/a.db", url="http://127.0.0.1:9").instance
    again = service_of(tmp_path, ledger="sqlite:////srv/a.db", url="http://127.0.0.1:8").instance
    other = service_of(tmp_path, ledger="sqlite:////srv/b.db", url="http://127.0.0.1:9").instance
    assert first == again != other
    assert first.startswith("ledger-")


async def _said(service: Service) -> list[str]:
    return [finding.message async for finding in checking.check(service, offline=True)]


def test_the_check_names_the_files_that_no_source_reads(sqlite_url: str, tmp_path: Path) -> None:
    more = (SOURCE + 'pattern = "{name}_*.csv"\n').replace('path = "{name}"', 'path = "drop"')
    service = service_of(
        tmp_path,
        ledger=sqlite_url,
        url="http://127.0.0.1:9",
        more=more.format(name="stok") + more.format(name="depo"),
    )
    drop = tmp_path / "drop"
    drop.mkdir()
    for name in ("stok_1.csv", "DEPO_1.CSV", "half.tmp", ".hidden", "lager_1.csv", "depo.ok"):
        (drop / name).touch()
    (drop / "folder").mkdir()
    [said] = [line for line in asyncio.run(_said(service)) if "no source reads" in line]
    assert said == f"no source reads depo.ok, lager_1.csv in {drop}"
