"""A drop folder behind SFTP, from the configuration through whole pulls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.connectors.sftp_server import PASSWORD, USER, sftp_server
from tests.integration.scenes import stocks_of
from worker.bootstrap import Service, build
from worker.pull import pull_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from worker.pull import PullReport

CONFIGURATION = """
database_url = "{ledger}"
[omnitron]
base_url = "http://127.0.0.1:1"
token = "token"
[[sources]]
name = "drop"
type = "csv"
path = "sftp://127.0.0.1:{port}/the%20outbox"
username = "{user}"
password_file = "password"
known_hosts = "known_hosts"
mode = "snapshot"
stock_list = 1
stable_for = 0
guard = {{ first_pull = "apply" }}
columns = {{ sku = "sku", stock = "stock" }}
"""


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    path = tmp_path / "the outbox"
    path.mkdir()
    return path


@pytest.fixture
def service(sqlite_url: str, outbox: Path, tmp_path: Path) -> Iterator[Service]:
    with sftp_server(outbox.parent, tmp_path / "known_hosts") as server:
        (tmp_path / "password").write_text(PASSWORD)
        (tmp_path / "password").chmod(0o600)
        text = CONFIGURATION.format(ledger=sqlite_url, port=server.port, user=USER)
        (tmp_path / "stocksync.toml").write_text(text)
        service = build(tmp_path / "stocksync.toml", environ={})
        service.ready_ledger()
        yield service
        service.close()


def pull(service: Service) -> list[PullReport]:
    return pull_source(service.turn("drop"))


def test_a_remote_file_is_applied_and_put_away_and_its_bad_row_set_aside(
    service: Service, outbox: Path
) -> None:
    rows = "".join(f"GOOD-{number},{number}\n" for number in range(20))
    (outbox / "stock_1.csv").write_text(f"sku,stock\n{rows}BAD,12x\n")
    [report] = pull(service)
    assert report.status == "applied"
    assert stocks_of(service.ledger, "GOOD-7") == {"GOOD-7": 7}
    assert [path.name for path in (outbox / ".done").iterdir()] == ["stock_1.csv"]
    assert b"BAD,12x" in (outbox / ".rejected" / "stock_1.mended.csv").read_bytes()
    assert pull(service) == []


def test_an_older_remote_file_never_undoes_a_newer_one(service: Service, outbox: Path) -> None:
    (outbox / "stock_2.csv").write_text("sku,stock\nA,2\n")
    pull(service)
    (outbox / "stock_1.csv").write_text("sku,stock\nA,1\n")
    assert [report.status for report in pull(service)] == ["superseded"]
    assert stocks_of(service.ledger, "A") == {"A": 2}


def test_check_names_the_remote_folder_and_no_secret(service: Service) -> None:
    findings = service.connector("drop").check()
    assert any("sftp://127.0.0.1" in finding.message for finding in findings)
    assert PASSWORD not in "".join(f"{each.message}{each.remedy}" for each in findings)
