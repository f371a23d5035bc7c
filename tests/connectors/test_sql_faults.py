"""What databases of ERPs do to a reader (E1 to E7): nothing is lost or repeated for good.

Each test names the fault that it is about. Transactions are real and concurrent, on PostgreSQL.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import time_machine

from connectors.contract import Kind
from connectors.errors import SourceUnreachable
from tests.connectors.sql_sources import Erp, Read
from tests.databases import Server, fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator

FULL = "SELECT sku, stock FROM stock"


@pytest.fixture
def erp(postgres: Server) -> Erp:
    erp = Erp(fresh_database(postgres))
    erp.run("CREATE TABLE stock (sku text, stock numeric, at timestamptz)")
    return erp


def local(postgres: Server) -> Erp:
    """An ERP that writes naive local time."""
    erp = Erp(fresh_database(postgres))
    erp.run("CREATE TABLE stock (sku text PRIMARY KEY, stock numeric, at timestamp)")
    return erp


def test_e1_a_transaction_that_commits_after_several_polls_is_found(erp: Erp) -> None:
    with closing(erp.session()) as late:
        late.execute("BEGIN")
        late.execute("INSERT INTO stock VALUES ('LATE', 1, now())")
        source, checkpoint = erp.source(overlap=60), None
        for number in range(3):
            erp.run(f"INSERT INTO stock VALUES ('EARLY-{number}', 2, clock_timestamp())")
            read = Read(source, checkpoint)
            checkpoint = read.checkpoint
            assert "LATE" not in read.stated
        late.execute("COMMIT")
    assert Read(source, checkpoint).stated["LATE"] == "1"


def test_e1_a_transaction_longer_than_the_overlap_is_found_by_the_full_query(erp: Erp) -> None:
    source = erp.source(overlap=0, full_query=FULL)
    with closing(erp.session()) as late:
        late.execute("BEGIN")
        late.execute("INSERT INTO stock VALUES ('LATE', 1, now() - interval '1 hour')")
        erp.run("INSERT INTO stock VALUES ('EARLY', 2, clock_timestamp())")
        checkpoint = Read(source).checkpoint
        late.execute("COMMIT")
    assert "LATE" not in Read(source, checkpoint).stated
    assert Read(source, checkpoint, full=True).stated == {"LATE": "1", "EARLY": "2"}


def test_e1_what_a_snapshot_isolation_does_not_see_comes_with_the_next_read(erp: Erp) -> None:
    erp.run("INSERT INTO stock SELECT 'SKU-' || i, i, now() FROM generate_series(1, 6000) AS i")
    source = erp.source(isolation="snapshot")
    [offer] = source.look(None, full=False).offers
    chunks: Iterator[Any] = offer.chunks()
    first = next(chunks)
    erp.run("UPDATE stock SET stock = 0, at = clock_timestamp()")
    rows = [*first.rows, *(row for chunk in chunks for row in chunk.rows)]
    assert {row.quantity for row in rows} == {str(number) for number in range(1, 6001)}
    assert set(Read(source, offer.checkpoint()).stated.values()) == {"0"}


def test_e2_a_page_that_splits_equal_times_loses_none_after_a_broken_read(erp: Erp) -> None:
    erp.run("INSERT INTO stock SELECT 'SKU-' || i, i, now() FROM generate_series(1, 10000) AS i")
    source = erp.source(overlap=0)
    [offer] = source.look(None, full=False).offers
    broken: Any = offer.chunks()
    next(broken)
    broken.close()
    with pytest.raises(RuntimeError):
        offer.checkpoint()
    first = Read(source)
    assert len(first.stated) == 10_000
    assert len(Read(source, first.checkpoint).stated) == 10_000


def test_e3_a_restored_backup_is_read_on_and_compared_by_the_full_query(erp: Erp) -> None:
    erp.run("INSERT INTO stock VALUES ('A', 9, now()), ('B', 9, now())")
    source = erp.source(full_query=FULL, overlap=60)
    checkpoint = Read(source).checkpoint
    erp.run("DELETE FROM stock", "INSERT INTO stock VALUES ('A', 4, now() - interval '1 day')")
    assert Read(source, checkpoint).stated == {}
    erp.run("INSERT INTO stock VALUES ('C', 1, now())")
    assert Read(source, checkpoint).stated == {"C": "1"}
    assert Read(source, checkpoint, full=True).stated == {"A": "4", "C": "1"}


def test_e3_a_time_in_the_far_future_does_not_stall_the_cursor(erp: Erp) -> None:
    erp.run("INSERT INTO stock VALUES ('ODD', 1, now() + interval '20 years')")
    source = erp.source(overlap=60)
    checkpoint = Read(source).checkpoint
    erp.run("INSERT INTO stock VALUES ('A', 2, now())")
    again = Read(source, checkpoint)
    assert again.stated == {"ODD": "1", "A": "2"}
    assert datetime.fromisoformat(again.checkpoint["cursor"]) < datetime.now(UTC) + timedelta(
        minutes=1
    )


def test_e3_a_row_without_a_time_is_found_by_the_full_query(erp: Erp) -> None:
    erp.run("INSERT INTO stock VALUES ('NONE', 1, NULL), ('A', 2, now())")
    source = erp.source(full_query=FULL)
    assert Read(source).stated == {"NONE": "1", "A": "2"}


def test_e4_changes_through_the_night_of_the_clock_change_are_all_found(postgres: Server) -> None:
    erp = local(postgres)
    source = erp.source(timezone="Europe/Berlin", overlap=120)
    moment = datetime(2025, 10, 25, 23, 0, tzinfo=UTC)
    checkpoint, found = None, set()
    for number in range(20):
        written = f"timezone('Europe/Berlin', timestamptz '{moment.isoformat()}')"
        erp.run(f"INSERT INTO stock VALUES ('SKU-{number}', {number}, {written})")
        read = Read(source, checkpoint)
        checkpoint = read.checkpoint
        assert f"SKU-{number}" in read.stated
        found |= read.stated.keys()
        moment += timedelta(minutes=15)
    assert len(found) == 20
    assert Read(source, checkpoint).stated.keys() == {"SKU-19"}


def test_e4_the_clock_of_the_worker_does_not_matter(postgres: Server) -> None:
    erp = local(postgres)
    source = erp.source(timezone="UTC", full_query=FULL, overlap=60)
    for travelled in (timedelta(hours=3), timedelta(hours=-3), timedelta(days=400)):
        with time_machine.travel(datetime.now(UTC) + travelled, tick=True):
            checkpoint = Read(source, full=True).checkpoint
            name = f"SKU-{travelled.total_seconds():.0f}"
            erp.run(f"INSERT INTO stock VALUES ('{name}', 1, timezone('UTC', clock_timestamp()))")
            assert Read(source, checkpoint).stated[name] == "1"


@pytest.mark.parametrize("hours", [-3, 3])
def test_e4_an_erp_whose_own_times_are_ahead_or_behind_loses_nothing(erp: Erp, hours: int) -> None:
    stamp = f"clock_timestamp() + interval '{hours} hours'"
    source, checkpoint = erp.source(overlap=60), None
    for number in range(3):
        erp.run(f"INSERT INTO stock VALUES ('SKU-{number}', 1, {stamp})")
        read = Read(source, checkpoint)
        checkpoint = read.checkpoint
        assert f"SKU-{number}" in read.stated


def test_e5_a_lock_that_is_not_given_up_ends_the_read(erp: Erp) -> None:
    erp.run("INSERT INTO stock VALUES ('A', 1, now())")
    source = erp.source(lock_timeout=0.05)
    with closing(erp.session()) as holder:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE stock IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceUnreachable, match="lock timeout") as caught:
            Read(source)
        holder.execute("COMMIT")
    assert caught.value.remedy
    assert Read(source).stated == {"A": "1"}


def test_e5_a_query_that_is_too_slow_ends_the_read(erp: Erp) -> None:
    query = "SELECT 'A' AS sku, 1 AS stock, now() AS cursor_value FROM pg_sleep(60)"
    with pytest.raises(SourceUnreachable, match="statement timeout"):
        Read(erp.source(query, answer_timeout=0.05))


def test_e5_a_reader_keeps_no_writer_waiting(erp: Erp) -> None:
    erp.run("INSERT INTO stock SELECT 'SKU-' || i, i, now() FROM generate_series(1, 20000) AS i")
    [offer] = erp.source().look(None, full=False).offers
    chunks: Any = offer.chunks()
    next(chunks)
    erp.run("SET lock_timeout = '1s'; UPDATE stock SET stock = 0 WHERE sku = 'SKU-20000'")
    list(chunks)
    erp.run("SET lock_timeout = '1s'; ALTER TABLE stock ADD COLUMN more int")


def test_e6_of_five_updates_between_two_polls_the_last_counts_once(erp: Erp) -> None:
    erp.run("INSERT INTO stock VALUES ('A', 0, clock_timestamp())")
    source = erp.source()
    checkpoint = Read(source).checkpoint
    for number in range(1, 6):
        erp.run(f"UPDATE stock SET stock = {number}, at = clock_timestamp()")
    read = Read(source, checkpoint)
    assert [(row.sku, row.quantity) for row in read.rows] == [("A", "5")]


def test_e7_deleted_and_renamed_rows_are_missing_from_the_full_query_only(erp: Erp) -> None:
    erp.run("INSERT INTO stock VALUES ('GONE', 1, now()), ('OLD', 2, now()), ('A', 3, now())")
    source = erp.source(full_query=FULL)
    checkpoint = Read(source).checkpoint
    erp.run("DELETE FROM stock WHERE sku = 'GONE'")
    erp.run("UPDATE stock SET sku = 'NEW' WHERE sku = 'OLD'")
    full = Read(source, checkpoint, full=True)
    assert (full.kind, full.stated) == (Kind.SNAPSHOT, {"NEW": "2", "A": "3"})


def test_e7_every_odd_quantity_is_exact_or_rejected_at_once(erp: Erp) -> None:
    erp.run("CREATE TABLE odd (sku text, stock text)")
    odd = {"NEGATIVE": "-3", "DECIMAL": "2.50", "LARGE": "3000000000"}
    bad = {"HUGE": "1e9999999", "NAN": "NaN", "WORD": "12x", "LONG": "9" * 5000}
    for sku, stock in {**odd, **bad}.items():
        erp.run(f"INSERT INTO odd VALUES ('{sku}', '{stock}')")
    erp.run("INSERT INTO odd VALUES ('NULL', NULL)")
    read = Read(erp.source(None, full_query="SELECT sku, stock FROM odd"))
    assert read.stated == {"NEGATIVE": "-3", "DECIMAL": "2.5", "LARGE": "3000000000"}
    assert {reject.sku for reject in read.rejects} == {*bad, "NULL"}
