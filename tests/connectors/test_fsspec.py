"""A drop folder behind what fsspec reads: FTP, which renames, and a store that only copies."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from connectors.contract import Kind, Settlement
from connectors.csv_drop import CsvDrop, FsspecPlace, Ready
from connectors.csv_drop.folder import DONE, REJECTED, NotThisFile
from connectors.csv_drop.fsspec_folder import FsspecFolder
from connectors.csv_drop.markers import spent
from connectors.errors import SourceMisconfigured, SourceUnreachable
from tests.connectors.conformance import (
    ConnectorConformance,
    Item,
    apply_all,
    look,
    read,
    read_all,
)
from tests.connectors.drops import MARKED_AND_FAILED, drop, options, passages, tree
from tests.connectors.ftp_server import PASSWORD, FtpDrop, ftp_server, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE = "Stok Kodu,Depo,Miktar,Birim\nA,WH-MAIN,1,AD\n"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    with ftp_server(tmp_path) as running:
        yield running


@pytest.fixture
def source(tmp_path: Path, port: int) -> FtpDrop:
    return FtpDrop(tmp_path / "drop", Kind.SNAPSHOT, port)


class TestFtpSnapshots(ConnectorConformance):
    @pytest.fixture
    def source(self, source: FtpDrop) -> FtpDrop:
        return source


class TestFtpDeltas(ConnectorConformance):
    test_a_large_source_is_read_in_small_chunks_and_flat_memory = None  # the same reading

    @pytest.fixture
    def source(self, tmp_path: Path, port: int) -> FtpDrop:
        return FtpDrop(tmp_path / "drop", Kind.DELTA, port)


# --- FTP


def test_an_applied_file_moves_to_done_under_a_free_name(source: FtpDrop) -> None:
    for number in (1, 2):
        drop(source.path / "stock.csv", ONE.replace("1,", f"{number},"), at=1_700_000_000 + number)
        apply_all(source)
    assert sorted(tree(source.path)) == [".done/stock.2.csv", ".done/stock.csv"]


def test_a_failed_file_moves_with_its_reason(source: FtpDrop) -> None:
    source.state(Item.of("A", 1))
    [reading] = read_all(source)
    source.connector().settle(reading.position, Settlement.FAILED, "no such column")
    assert b"no such column" in tree(source.path)[".failed/stock_001.csv.reason.txt"]


def test_a_file_that_was_replaced_meanwhile_stays(source: FtpDrop) -> None:
    source.state(Item.of("A", 1))
    [reading] = read_all(source)
    drop(source.path / "stock_001.csv", ONE.replace("1", "7"))
    source.connector().settle(reading.position, Settlement.APPLIED)
    assert list(tree(source.path)) == ["stock_001.csv"]


def test_a_marker_goes_along_and_a_process_may_die_at_each_step(
    source: FtpDrop, tmp_path: Path
) -> None:
    source.state(Item.of("A", 1))
    (source.path / "stock_001.csv.ok").touch()
    options = replace(source.connector().options, ready=Ready.MARKER)
    [offer] = CsvDrop(options).look(None, full=False).offers
    with passages(tmp_path / "passages") as passed:
        CsvDrop(options).settle(offer.position, Settlement.FAILED, "no such column")
    assert passed == MARKED_AND_FAILED
    names = ("stock_001.csv", "stock_001.csv.ok", "stock_001.csv.reason.txt")
    assert sorted(tree(source.path)) == [f".failed/{name}" for name in names]


def test_a_file_whose_marker_was_taken_is_ready_as_before(source: FtpDrop) -> None:
    source.state(Item.of("A", 1))
    (source.path / "stock_001.csv.ok").touch()
    options = replace(source.connector().options, ready=Ready.MARKER)
    [offer] = CsvDrop(options).look(None, full=False).offers
    marker = spent("stock_001.csv.ok", offer.position["sha256"])
    (source.path / "stock_001.csv.ok").rename(source.path / marker)
    [again] = CsvDrop(options).look(None, full=False).offers
    assert again.position == offer.position


def test_rejected_rows_are_written_beside(source: FtpDrop) -> None:
    source.state_broken(Item.of("GOOD", 1), "BROKEN")
    [offer] = look(source).offers
    list(offer.chunks())
    for pull in (7, 8):
        offer.set_aside([(3, "not a number")], pull=pull)
    assert sorted(tree(source.path / REJECTED)) == [
        "stock_001.mended.2.csv",
        "stock_001.mended.csv",
    ]


def test_old_files_of_our_own_are_swept(source: FtpDrop) -> None:
    (source.path / DONE).mkdir()
    drop(source.path / DONE / "stock_1.csv", ONE)
    drop(source.path / DONE / "other.txt", ONE)
    source.state(Item.of("A", 1))
    apply_all(source)
    assert source.connector().expire(86_400) == 1
    assert sorted(tree(source.path)) == [".done/other.txt", ".done/stock_001.csv"]


def test_folders_are_never_opened_and_a_file_is_no_folder(source: FtpDrop, port: int) -> None:
    (source.path / "folder.csv").mkdir()
    source.state(Item.of("A", 1))
    listing = look(source)
    assert [rest.label for rest in listing.waiting] == ["folder.csv"]
    with pytest.raises(SourceMisconfigured, match="is not a folder"):
        FsspecFolder(place_of(port, "/drop/stock_001.csv")).list("*")


def test_a_folder_that_is_not_there_is_unreachable_not_empty(port: int) -> None:
    with pytest.raises(SourceUnreachable, match="/nowhere"):
        FsspecFolder(place_of(port, "/nowhere")).list("*")


def test_a_wrong_password_is_told_without_the_password(port: int) -> None:
    with pytest.raises(SourceMisconfigured) as caught:
        FsspecFolder(place_of(port, password=lambda: "hunter2")).list("*")
    assert "does not let 'erp' in" in caught.value.message
    assert "hunter2" not in f"{caught.value!r} {caught.value.message} {caught.value.remedy}"


def test_nobody_listening_is_unreachable_and_a_place_shows_no_secret(tmp_path: Path) -> None:
    with ftp_server(tmp_path) as gone:
        pass
    with pytest.raises(SourceUnreachable):
        FsspecFolder(place_of(gone)).list("*")
    assert PASSWORD not in f"{place_of(gone)!r} {place_of(gone)}"


def test_a_server_that_went_away_is_told_and_found_again(tmp_path: Path) -> None:
    with ftp_server(tmp_path) as port:
        (tmp_path / "drop").mkdir()
        folder = FsspecFolder(place_of(port))
        assert folder.list("*").files == ()
    with pytest.raises(SourceUnreachable):
        folder.list("*")


# --- packages


def test_without_the_extra_the_remedy_is_its_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for name in ("fsspec_folder", "fsspec_session"):
        monkeypatch.delitem(sys.modules, f"connectors.csv_drop.{name}")
    [finding] = CsvDrop(replace(options(tmp_path), path=place_of(1))).check()
    assert finding.level == "error"
    assert finding.remedy == "Run: pip install 'stocksync[remote]'"


@pytest.mark.parametrize(
    ("url", "words"),
    [("s3://bucket/drop", "s3fs"), ("abfs://box/drop", "adlfs"), ("nosuch://x/y", "one of these")],
)
def test_the_package_that_a_protocol_needs_is_named(tmp_path: Path, url: str, words: str) -> None:
    [finding] = CsvDrop(replace(options(tmp_path), path=FsspecPlace(url=url))).check()
    assert finding.level == "error"
    assert words in finding.remedy


# --- a store that can only copy, and one that tells no times


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    store = MemoryFileSystem(skip_instance_cache=True)
    store.store.clear()
    store.pseudo_dirs[:] = [""]
    yield store
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def stored(tmp_path: Path, **changes: Any) -> CsvDrop:
    place = FsspecPlace(url="memory://box/drop")
    return CsvDrop(replace(options(tmp_path, **changes), path=place))


def test_where_nothing_can_be_renamed_a_file_is_copied_then_deleted(
    store: MemoryFileSystem, tmp_path: Path
) -> None:
    store.pipe_file("/box/drop/s_1.csv", ONE.encode())
    [offer] = stored(tmp_path).look(None, full=False).offers
    reading = read(offer)
    assert [row.quantity for row in reading.rows] == ["1"]
    stored(tmp_path).settle(reading.position, Settlement.APPLIED)
    assert sorted(store.store) == ["/box/drop/.done/s_1.csv"]


def test_d7_in_a_store_that_only_copies_an_older_ledger_is_noticed_too(
    store: MemoryFileSystem, tmp_path: Path
) -> None:
    checkpoints: list[Any] = [None]
    for quantity in (1, 2, 3):
        store.pipe_file(f"/box/drop/s_{quantity}.csv", ONE.replace("1,", f"{quantity},").encode())
        [offer] = stored(tmp_path, mode=Kind.DELTA).look(checkpoints[-1], full=False).offers
        reading = read(offer)
        stored(tmp_path, mode=Kind.DELTA).settle(reading.position, Settlement.APPLIED)
        checkpoints.append(reading.checkpoint)
    _, older, _, newest = checkpoints
    again = stored(tmp_path, mode=Kind.DELTA).look(older, full=False).offers
    assert [read(offer).rows[0].quantity for offer in again] == ["2", "3"]
    assert stored(tmp_path, mode=Kind.DELTA).look(newest, full=False).offers == []


def test_what_a_crash_left_beside_its_copy_is_known_and_put_away(
    store: MemoryFileSystem, tmp_path: Path
) -> None:
    store.pipe_file("/box/drop/s_1.csv", ONE.encode())
    [offer] = stored(tmp_path).look(None, full=False).offers
    reading = read(offer)
    store.pipe_file("/box/drop/.done/s_1.csv", ONE.encode())
    [again] = stored(tmp_path).look(reading.checkpoint, full=False).offers
    assert again.verdict == "unchanged"
    stored(tmp_path).settle(again.position, Settlement.UNCHANGED)
    assert sorted(store.store) == ["/box/drop/.done/s_1.2.csv", "/box/drop/.done/s_1.csv"]


def test_what_is_written_anew_between_copy_and_deletion_stays(
    store: MemoryFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pipe_file("/box/drop/s_1.csv", ONE.encode())
    [offer] = stored(tmp_path).look(None, full=False).offers
    reading = read(offer)
    copy = MemoryFileSystem.cp_file

    def late(files: MemoryFileSystem, source: str, goal: str, **more: Any) -> None:
        copy(files, source, goal, **more)
        store.pipe_file("/box/drop/s_1.csv", ONE.replace("1,", "77,").encode())

    monkeypatch.setattr(MemoryFileSystem, "cp_file", late)
    stored(tmp_path).settle(reading.position, Settlement.APPLIED)
    assert sorted(store.store) == ["/box/drop/s_1.csv"]


def test_without_times_stable_waits_with_the_remedy_and_a_trailer_will_do(
    store: MemoryFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pipe_file("/box/drop/s_1.csv", (ONE + "END,1\n").encode())
    ls, info = MemoryFileSystem.ls, MemoryFileSystem.info

    def timeless(entry: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in entry.items() if key != "created"}

    monkeypatch.setattr(MemoryFileSystem, "info", lambda *a, **k: timeless(info(*a, **k)))
    monkeypatch.setattr(MemoryFileSystem, "ls", lambda *a, **k: [timeless(e) for e in ls(*a, **k)])
    [rest] = stored(tmp_path).look(None, full=False).waiting
    assert 'ready = "marker"' in rest.reason
    assert rest.alarm
    [offer] = stored(tmp_path, ready=Ready.TRAILER).look(None, full=False).offers
    assert len(read(offer).rows) == 1


def test_a_file_that_changes_while_it_is_transferred_is_not_read(
    store: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.pipe_file("/box/drop/s_1.csv", ONE.encode())
    get = MemoryFileSystem.get_file

    def torn(files: MemoryFileSystem, source: str, copy: str, **more: Any) -> None:
        get(files, source, copy, **more)
        store.pipe_file("/box/drop/s_1.csv", b"other")

    monkeypatch.setattr(MemoryFileSystem, "get_file", torn)
    folder = FsspecFolder(FsspecPlace(url="memory://box/drop"))
    with pytest.raises(NotThisFile, match="in this moment"), folder.open("s_1.csv"):
        pass
