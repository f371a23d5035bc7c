"""The lease of a process that is gone is over at once; of one that stands still it is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.integration.delivering import sent
from tests.integration.pulling import Drop
from tests.integration.scenes import level_of, register, say, stocks_of
from worker.deliver.claiming import Claim, Rest
from worker.ledger import batches, channels, holders
from worker.ledger.clock import boottime
from worker.pull.lease import Lease, SourceBusy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from tests.integration.delivering import Desk
    from tests.integration.ledgers import HandClock
    from worker.ledger import Ledger
    from worker.ledger.batches import Batch
    from worker.sandbox import RunningSandbox

TELL = "from worker.ledger.holders import token; print(token(), flush=True); input()"


@contextmanager
def holder() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process, and the token that it takes leases with."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", TELL], stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def test_who_lives_or_stands_still_holds_on() -> None:
    assert not holders.is_gone(holders.token())
    with holder() as (process, token):
        assert not holders.is_gone(token)
        process.send_signal(signal.SIGSTOP)
        assert not holders.is_gone(token)


def test_who_was_killed_is_gone_also_while_nobody_has_asked_for_its_end() -> None:
    with holder() as (process, token):
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert holders.is_gone(token)
        process.wait()
        assert holders.is_gone(token)


def test_another_process_of_the_same_number_is_not_the_holder() -> None:
    nonce, machine, number, _ = holders.token().split(" ")
    assert holders.is_gone(f"{nonce} {machine} {number} 1")


@pytest.mark.parametrize("token", [None, "", "a1b2", "a1b2  7 1", "a1b2 other/pid:[1] 7 1"])
def test_of_another_machine_nobody_can_tell(token: str | None) -> None:
    assert not holders.is_gone(token)


def lease(ledger: Ledger, token: str, clock: HandClock) -> None:
    """As if a process with this token read the source and the channel."""

    def work(connection: Connection) -> None:
        channels.register(connection, [5])
        channels.lease(connection, 5, token=token, now=clock(), seconds=120)
        connection.exec_driver_sql(
            f"UPDATE source SET lease_token = '{token}', lease_until = {clock() + 120}"
        )

    register(ledger)
    ledger.write(work)


def test_a_source_whose_reader_was_killed_is_read_at_once(
    ledger: Ledger, clock: HandClock, tmp_path: Path
) -> None:
    drop = Drop(ledger, tmp_path / "drop")
    drop.say("A,5")
    with holder() as (process, token):
        lease(ledger, token, clock)
        with pytest.raises(SourceBusy):
            Lease(ledger, drop.plan.name).take()
        process.kill()
        process.wait()
    drop.pull()
    assert stocks_of(ledger, "A") == {"A": 5}


def test_a_channel_whose_reader_was_killed_is_read_at_once(
    ledger: Ledger, clock: HandClock
) -> None:
    def read(connection: Connection) -> bool:
        return channels.lease(connection, 5, token=holders.token(), now=clock(), seconds=120)

    with holder() as (process, token):
        lease(ledger, token, clock)
        assert not ledger.write(read)
        process.kill()
        process.wait()
    assert ledger.write(read)


def test_levels_whose_sender_was_killed_rest_and_go_again_before_its_lease_would_have_ended(
    desk: Desk, sandbox: RunningSandbox
) -> None:
    say(desk.ledger, {"A": 5})
    with holder() as (process, token):
        claim = Claim(plan=desk.plan, token=token, before=boottime())
        desk.ledger.write(lambda tx: claim.make(tx, now=desk.clock()))
        before = level_of(desk.ledger, "A").claim_until
        assert isinstance(desk.courier().claim(), Rest)
        assert level_of(desk.ledger, "A").claim_until == before
        process.kill()
        process.wait()
    assert isinstance(desk.courier().claim(), Rest)
    assert level_of(desk.ledger, "A").claim_until == desk.clock() + desk.plan.timeout
    desk.clock.forward(desk.plan.timeout)
    assert isinstance(desk.courier().claim(), Rest)
    assert level_of(desk.ledger, "A").not_before == desk.clock() + desk.plan.settle
    assert [batch.status for batch in all_batches(desk.ledger)] == ["lost"]
    desk.clock.forward(desk.plan.settle)
    desk.deliver()
    assert sent(sandbox, "A") == [5]


def all_batches(ledger: Ledger) -> list[Batch]:
    with ledger.read() as connection:
        return batches.latest(connection)


def test_batches_that_are_being_sent_are_found_along_their_index(ledger: Ledger) -> None:
    def plan(connection: Connection) -> str:
        explain = "EXPLAIN QUERY PLAN" if ledger.sqlite else "EXPLAIN"
        if not ledger.sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        query = "SELECT id FROM batch WHERE batch.status = 'sending' AND lease_until <= 1"
        return str(connection.exec_driver_sql(f"{explain} {query}").all())

    assert "ix_batch_sending" in ledger.write(plan)
