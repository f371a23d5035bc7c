"""The whole job once, in one process, as the configuration says; and what it ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url

from tests.integration.delivering import requests, stocks
from tests.integration.scenes import source_of
from worker.bootstrap import Service, build
from worker.checking import Finding, check
from worker.errors import ExitCode, LedgerNotReady, UsageError, WrongTarget
from worker.ledger import sources, target
from worker.planning import limiter
from worker.sync import Job, SyncReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from worker.sandbox import RunningSandbox

CONFIGURATION = """
database_url = "{url}"
{user}

[omnitron]
base_url = "{omnitron}"
username = "erp"
password = "{password}"
requests_per_second = 1000
{more}

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
{source}
[sources.columns]
sku = "sku"
stock = "stock"
[sources.guard]
first_pull = "apply"
"""


class Office:
    """A configured service, its drop folder and its jobs."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder / "office"
        (self.folder / "drop").mkdir(parents=True)
        self._url = make_url(url)
        self._count = 0
        self.source_keys = ""
        self.service: Service | None = None

    def configure(self, omnitron: str, *, password: str = "sandbox", more: str = "") -> None:
        self.close()
        user = self._url.username
        (self.folder / "stocksync.toml").write_text(
            CONFIGURATION.format(
                url=self._url._replace(username=None).render_as_string(),
                user=f'database_username = "{user}"' if user else "",
                omnitron=omnitron,
                password=password,
                more=more,
                source=self.source_keys,
            )
        )
        self.service = build(self.folder / "stocksync.toml", environ={})
        self.service.ready_ledger()

    def say(self, *lines: str) -> None:
        self._count += 1
        path = self.folder / "drop" / f"{self._count:03}.csv"
        path.write_text("".join(f"{line}\n" for line in ("sku,stock", *lines)))

    def sync(self, *names: str, patience: float = 0.0) -> SyncReport:
        assert self.service is not None
        return Job(service=self.service, names=names or ("drop",), patience=patience).run()

    def close(self) -> None:
        if self.service is not None:
            self.service.close()
            self.service = None


@pytest.fixture
def office(tmp_path: Path, ledger_url: str, sandbox: RunningSandbox) -> Iterator[Office]:
    office = Office(tmp_path, ledger_url)
    office.configure(sandbox.url)
    yield office
    office.close()


def test_one_sync_does_the_whole_job(office: Office, sandbox: RunningSandbox) -> None:
    office.say("A,5", "B,0")
    report = office.sync()
    assert [(pull.status, pull.changed) for pull in report.pulls] == [("applied", 2)]
    assert (report.delivered.sent, report.confirmed, report.held) == (2, 2, 0)
    assert (report.exit_code, report.left, list(report.errors)) == (ExitCode.OK, False, [])
    assert stocks(sandbox) == {"A": 5, "B": 0}


def test_a_second_sync_has_nothing_to_do(office: Office, sandbox: RunningSandbox) -> None:
    office.say("A,5")
    office.sync()
    report = office.sync()
    assert (list(report.pulls), report.delivered.sent) == ([], 0)
    assert report.exit_code is ExitCode.OK
    assert len(sandbox.journal()) == 1


def test_rejected_rows_need_a_person(office: Office, sandbox: RunningSandbox) -> None:
    office.say("A,5", "B,x")
    assert office.sync().exit_code is ExitCode.ATTENTION
    assert stocks(sandbox) == {"A": 5}


def test_parked_levels_need_a_person(office: Office, sandbox: RunningSandbox) -> None:
    sandbox.set_products(["A"])
    office.say("A,5", "B,6")
    report = office.sync()
    assert (report.delivered.parked, report.exit_code) == (1, ExitCode.ATTENTION)


def test_a_held_pull_needs_a_person_and_sends_nothing(
    office: Office, sandbox: RunningSandbox
) -> None:
    office.say("A,5")
    office.sync()
    office.say()
    report = office.sync()
    assert (report.held, report.exit_code) == (1, ExitCode.ATTENTION)
    assert stocks(sandbox) == {"A": 5}


def test_an_omnitron_that_is_not_there_keeps_nothing_from_being_pulled(
    office: Office, sandbox: RunningSandbox
) -> None:
    office.configure("http://127.0.0.1:1")
    office.say("A,5")
    report = office.sync()
    assert [pull.status for pull in report.pulls] == ["applied"]
    assert (report.left, report.exit_code) == (True, ExitCode.UNREACHABLE)
    office.configure(sandbox.url)
    office.sync(patience=5.0)
    assert stocks(sandbox) == {"A": 5}


def test_a_wrong_password_is_told_without_showing_it(
    office: Office, sandbox: RunningSandbox
) -> None:
    office.configure(sandbox.url, password="canary-4711")
    office.say("A,5")
    report = office.sync()
    assert report.exit_code is ExitCode.UNREACHABLE
    assert "canary" not in " ".join(f"{error} {error.remedy}" for error in report.errors)
    assert "canary" not in report.reason
    assert stocks(sandbox) == {}


def test_a_source_that_is_not_there_is_3_and_others_go_on(
    office: Office, sandbox: RunningSandbox
) -> None:
    office.say("A,5")
    office.sync()
    (office.folder / "drop").rename(office.folder / "away")
    report = office.sync()
    assert [pull.exit_code for pull in report.pulls] == [ExitCode.UNREACHABLE]
    assert report.exit_code is ExitCode.UNREACHABLE
    assert stocks(sandbox) == {"A": 5}


def test_an_unknown_source_is_a_mistake(office: Office) -> None:
    with pytest.raises(UsageError, match="there is no source 'nope'"):
        office.sync("nope")


def test_another_omnitron_is_refused_before_the_first_write(
    office: Office, sandbox: RunningSandbox
) -> None:
    office.say("A,5")
    office.sync()
    assert office.service is not None
    office.service.ledger.write(lambda tx: target.rebind(tx, "https://elsewhere.example"))
    office.say("A,6")
    before = requests(sandbox, "POST", "product_stock")
    with pytest.raises(WrongTarget) as caught:
        office.sync()
    assert "https://elsewhere.example" in caught.value.message
    assert sandbox.url in caught.value.message
    assert "rebind" in caught.value.remedy
    assert requests(sandbox, "POST", "product_stock") == before


def test_writes_that_are_off_pull_and_send_nothing(office: Office, sandbox: RunningSandbox) -> None:
    office.configure(sandbox.url, more='writes = "off"')
    office.say("A,5")
    report = office.sync()
    assert [pull.status for pull in report.pulls] == ["applied"]
    assert report.exit_code is ExitCode.OK
    assert stocks(sandbox) == {}


def test_a_missing_ledger_is_a_mistake_with_its_remedy(
    tmp_path: Path, sandbox: RunningSandbox
) -> None:
    office = Office(tmp_path, f"sqlite:///{tmp_path / 'none.db'}")
    with pytest.raises(LedgerNotReady):
        office.configure(sandbox.url)
    office.close()


def test_what_rests_is_waited_for_within_the_patience(
    office: Office, sandbox: RunningSandbox
) -> None:
    office.configure(sandbox.url, more="settle_seconds = 1")
    sandbox.order("wrong_echo", method="POST", path="/api/i1/product_stock/", count=1)
    office.say("A,5")
    impatient = office.sync(patience=0.0)
    assert (impatient.left, impatient.exit_code) == (True, ExitCode.UNREACHABLE)
    patient = office.sync(patience=30.0)
    assert (patient.left, patient.exit_code, patient.delivered.sent) == (False, ExitCode.OK, 1)


def logged_in_often(service: Service) -> None:
    """As when other commands came just before: the next login has its turn in half a second."""

    def use_up(connection: Connection) -> None:
        row, now = target.read(connection), service.ledger.now(connection)
        most = limiter.LOGIN_BURST * limiter.LOGIN_EVERY
        used_up = now + most - limiter.LOGIN_EVERY + 0.5
        target.save(connection, row._replace(login_at=used_up))

    service.ledger.write(use_up)


def test_a_login_that_waits_its_turn_is_waited_for_within_the_patience(office: Office) -> None:
    assert office.service is not None
    logged_in_often(office.service)
    assert [error.kind for error in office.sync(patience=0.0).errors] == ["omnitron_login_waits"]
    patient = office.sync(patience=30.0)
    assert (patient.exit_code, list(patient.errors)) == (ExitCode.OK, [])


def test_check_waits_for_its_turn_to_log_in(office: Office) -> None:
    assert office.service is not None
    logged_in_often(office.service)
    service = office.service

    async def findings() -> list[Finding]:
        return [finding async for finding in check(service, offline=False)]

    (login,) = [one for one in service.run(findings) if one.subject == "omnitron"]
    assert (login.code, login.message[:9]) == (ExitCode.OK, "signed in")


def test_a_sync_sends_zeroes_for_a_source_that_was_not_read_for_too_long(
    office: Office, sandbox: RunningSandbox
) -> None:
    office.source_keys = 'zero_after = "2h"'
    office.configure(sandbox.url)
    office.say("A,5")
    office.sync()
    assert office.service is not None
    ledger = office.service.ledger
    ledger.write(lambda tx: sources.change(tx, source_of(ledger).id, read_at=1.0))
    office.sync()
    assert stocks(sandbox) == {"A": 0}
    office.say("A,5", "B,1")
    office.sync()
    assert stocks(sandbox) == {"A": 5, "B": 1}
