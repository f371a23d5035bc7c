"""A drop folder behind SFTP: who is trusted, what is opened, and what a lost line does."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import paramiko
import pytest

from connectors.contract import Kind, Mends, Settlement
from connectors.csv_drop import CsvDrop, Ready
from connectors.csv_drop.folder import DONE, REJECTED, NotThisFile
from connectors.csv_drop.markers import spent
from connectors.csv_drop.sftp_folder import SftpFolder
from connectors.errors import SourceMisconfigured, SourceUnreachable
from tests.connectors.conformance import Item, apply_all, look, read_all
from tests.connectors.drops import LONG_AGO, MARKED_AND_FAILED, drop, options, passages, tree
from tests.connectors.sftp_server import PASSWORD, USER_KEY, RemoteDrop, place_of, sftp_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.connectors.sftp_server import Server

ONE = "Stok Kodu,Depo,Miktar,Birim\nA,WH-MAIN,1,AD\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with sftp_server(tmp_path, tmp_path / "known_hosts") as running:
        yield running


@pytest.fixture
def source(tmp_path: Path, server: Server) -> RemoteDrop:
    return RemoteDrop(tmp_path / "drop", Kind.SNAPSHOT, server)


def folder(server: Server, **changes: Any) -> SftpFolder:
    return SftpFolder(place_of(server, **changes), seconds=5)


def refusal(server: Server, **changes: Any) -> SourceMisconfigured:
    with pytest.raises(SourceMisconfigured) as caught:
        folder(server, **changes).list("*")
    return caught.value


# --- who is trusted


def test_an_unknown_host_is_refused_with_the_remedy(server: Server, tmp_path: Path) -> None:
    (tmp_path / "nobody").write_text("")
    error = refusal(server, known_hosts=tmp_path / "nobody")
    assert f"ssh-keyscan -p {server.port} 127.0.0.1" in error.remedy


def test_a_host_with_another_key_is_refused(server: Server, tmp_path: Path) -> None:
    line = server.known_hosts.read_text().split()
    other = tmp_path / "other"
    other.write_text(f"{line[0]} {USER_KEY.get_name()} {USER_KEY.get_base64()}\n")
    assert "another key" in refusal(server, known_hosts=other).message


def test_a_file_of_known_hosts_that_is_not_there_is_named(server: Server, tmp_path: Path) -> None:
    assert "known_hosts" in refusal(server, known_hosts=tmp_path / "nowhere").remedy


def test_a_wrong_password_is_told_without_the_password(server: Server) -> None:
    error = refusal(server, password=lambda: "hunter2")
    assert "does not let 'erp' in" in error.message
    assert "hunter2" not in f"{error!r} {error.message} {error.remedy} {error.place}"


def test_a_place_shows_no_secret(server: Server) -> None:
    place = place_of(server)
    assert PASSWORD not in f"{place!r} {place}"


def test_a_key_file_lets_in_and_its_passphrase_is_the_password(
    server: Server, source: RemoteDrop, tmp_path: Path
) -> None:
    source.state(Item.of("A", 1))
    plain, locked = tmp_path / "plain", tmp_path / "locked"
    USER_KEY.write_private_key_file(str(plain))
    USER_KEY.write_private_key_file(str(locked), password="open sesame")
    found = folder(server, password=None, key_file=plain).list("*.csv")
    assert [file.name for file in found.files] == ["stock_001.csv"]
    assert folder(server, password=lambda: "open sesame", key_file=locked).list("*.csv") == found


def test_a_key_file_that_cannot_be_used_is_told_without_its_passphrase(
    server: Server, tmp_path: Path
) -> None:
    locked, nonsense = tmp_path / "locked", tmp_path / "nonsense"
    USER_KEY.write_private_key_file(str(locked), password="open sesame")
    nonsense.write_text("no key")
    for key_file in (locked, nonsense, tmp_path / "nowhere"):
        for password in (None, lambda: "hunter2"):
            error = refusal(server, password=password, key_file=key_file)
            assert str(key_file) in error.message
            assert "passphrase" in error.remedy
            assert "hunter2" not in f"{error.message} {error.remedy}"


def test_the_passphrase_of_a_key_is_never_sent_as_a_password(
    server: Server, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    paramiko.ECDSAKey.generate().write_private_key_file(str(stranger), password=PASSWORD)
    assert "does not let" in refusal(server, key_file=stranger).message


# --- what is opened, and where things go


def test_links_and_folders_are_never_opened(source: RemoteDrop, tmp_path: Path) -> None:
    drop(tmp_path / "secret.csv", ONE)
    (source.path / "link.csv").symlink_to(tmp_path / "secret.csv")
    (source.path / "folder.csv").mkdir()
    listing = look(source)
    assert listing.offers == []
    assert {rest.label for rest in listing.waiting} == {"link.csv", "folder.csv"}
    with pytest.raises(NotThisFile), folder(source.server).open("link.csv"):
        pass


def test_a_name_that_is_not_utf_8_does_not_stop_the_others(source: RemoteDrop) -> None:
    source.state(Item.of("A", 1))
    with open(os.path.join(os.fsencode(source.path), b"\xfe\xff.csv"), "w") as file:  # noqa: PTH118, PTH123 - bytes
        file.write(ONE)
    listing = look(source)
    assert [offer.label for offer in listing.offers] == ["stock_001.csv"]
    assert "rename it" in listing.waiting[0].reason


def test_our_own_folder_must_not_be_a_link(source: RemoteDrop, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (source.path / DONE).symlink_to(tmp_path / "elsewhere")
    source.state(Item.of("A", 1))
    with pytest.raises(SourceUnreachable, match=r"\.done"):
        apply_all(source)
    assert tree(tmp_path / "elsewhere") == {}


def test_an_applied_file_moves_to_done_under_a_free_name(source: RemoteDrop) -> None:
    for number in (1, 2):
        at = LONG_AGO + number
        drop(source.path / "stock.csv", ONE.replace("1,", f"{number},"), at=at)
        apply_all(source)
    assert sorted(tree(source.path)) == [".done/stock.2.csv", ".done/stock.csv"]


def test_a_failed_file_moves_with_its_reason(source: RemoteDrop) -> None:
    source.state(Item.of("A", 1))
    [reading] = read_all(source)
    source.connector().settle(reading.position, Settlement.FAILED, "no such column")
    assert b"no such column" in tree(source.path)[".failed/stock_001.csv.reason.txt"]


def test_a_reason_is_never_written_through_a_link(source: RemoteDrop, tmp_path: Path) -> None:
    drop(tmp_path / "precious", "kept")
    (source.path / ".failed").mkdir()
    (source.path / ".failed" / "stock_001.csv.reason.txt").symlink_to(tmp_path / "precious")
    source.state(Item.of("A", 1))
    [reading] = read_all(source)
    source.connector().settle(reading.position, Settlement.FAILED, "no such column")
    assert (tmp_path / "precious").read_text() == "kept"
    assert b"no such column" in tree(source.path)[".failed/stock_001.csv.reason.txt"]


def test_a_file_that_was_replaced_meanwhile_stays(source: RemoteDrop) -> None:
    source.state(Item.of("A", 1))
    [reading] = read_all(source)
    drop(source.path / "stock_001.csv", ONE.replace("1", "7"))
    source.connector().settle(reading.position, Settlement.APPLIED)
    assert list(tree(source.path)) == ["stock_001.csv"]


def test_deleting_takes_only_the_file_that_was_read(source: RemoteDrop) -> None:
    source.state(Item.of("A", 1))
    [found] = folder(source.server).list("*.csv").files
    folder(source.server).delete("stock_001.csv", found.stamp._replace(size=1))
    assert list(tree(source.path)) == ["stock_001.csv"]
    folder(source.server).delete("stock_001.csv", found.stamp)
    assert tree(source.path) == {}


def test_a_marker_goes_along_and_a_process_may_die_at_each_step(
    source: RemoteDrop, tmp_path: Path
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


def test_a_file_whose_marker_was_taken_is_ready_as_before(source: RemoteDrop) -> None:
    source.state(Item.of("A", 1))
    (source.path / "stock_001.csv.ok").touch()
    options = replace(source.connector().options, ready=Ready.MARKER)
    [offer] = CsvDrop(options).look(None, full=False).offers
    marker = spent("stock_001.csv.ok", offer.position["sha256"])
    (source.path / "stock_001.csv.ok").rename(source.path / marker)
    [again] = CsvDrop(options).look(None, full=False).offers
    assert again.position == offer.position


def test_rejected_rows_are_written_beside_and_come_back(source: RemoteDrop) -> None:
    source.state_broken(Item.of("GOOD", 1), "BROKEN")
    [offer] = look(source).offers
    list(offer.chunks())
    offer.set_aside([(3, "not a number")], pull=7)
    offer.set_aside([(3, "not a number")], pull=8)
    names = sorted(tree(source.path / REJECTED))
    assert names == ["stock_001.mended.2.csv", "stock_001.mended.csv"]
    mended = tree(source.path / REJECTED)["stock_001.mended.csv"].replace(b"12x", b"12")
    drop(source.path / "stock_001.mended.csv", mended)
    assert next(offer.mends for offer in look(source).offers) == Mends(7, "stock_001.csv")


def test_a_write_that_fails_leaves_nothing(source: RemoteDrop) -> None:
    def fail() -> None:
        with folder(source.server).create(REJECTED, "rows.csv") as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert tree(source.path) == {}


def test_old_files_of_our_own_are_swept(source: RemoteDrop) -> None:
    (source.path / DONE).mkdir()
    drop(source.path / DONE / "stock_1.csv", ONE)
    drop(source.path / DONE / "other.txt", ONE)
    source.state(Item.of("A", 1))
    apply_all(source)
    assert source.connector().expire(86_400) == 1
    assert sorted(tree(source.path)) == [".done/other.txt", ".done/stock_001.csv"]


# --- when the line drops


def test_a_folder_that_is_not_there_is_unreachable_not_empty(server: Server) -> None:
    with pytest.raises(SourceUnreachable) as caught:
        folder(server).list("*")
    assert f"sftp://127.0.0.1:{server.port}/drop" in caught.value.message


def test_a_connection_that_ended_is_told_and_made_anew(source: RemoteDrop) -> None:
    source.state(Item.of("A", 1))
    connector = source.connector()
    connector.look(None, full=False)
    source.server.hang_up()
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        connector.look(None, full=False)
    assert len(connector.look(None, full=False).offers) == 1


def test_a_connection_that_ends_while_a_file_is_read_is_unreachable(source: RemoteDrop) -> None:
    source.state_many(20_000)
    [offer] = look(source).offers

    def read() -> None:
        with folder(source.server).open(offer.label) as (stream, _):
            stream.read(10)
            source.server.hang_up()
            stream.read(1 << 20)

    with pytest.raises(SourceUnreachable):
        read()


def test_a_host_that_says_nothing_is_given_up(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = place_of(server, port=silent.getsockname()[1])
        with pytest.raises(SourceUnreachable):
            SftpFolder(place, seconds=0.2).list("*")


def test_nobody_listening_is_unreachable(server: Server) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
    with pytest.raises(SourceUnreachable):
        folder(server, port=port).list("*")


def test_without_the_package_the_remedy_is_its_installation(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "paramiko", None)
    monkeypatch.delitem(sys.modules, "connectors.csv_drop.sftp_session")
    monkeypatch.delitem(sys.modules, "connectors.csv_drop.sftp_folder")
    connector = CsvDrop(replace(options(tmp_path), path=place_of(server)))
    [finding] = connector.check()
    assert finding.level == "error"
    assert finding.remedy == "Run: pip install 'stocksync[sftp]'"


def test_check_says_whether_files_can_be_moved_away(source: RemoteDrop) -> None:
    source.state(Item.of("A", 1))
    assert {finding.level for finding in source.connector().check()} == {"ok"}
    source.path.chmod(0o555)
    assert "error" in {finding.level for finding in source.connector().check()}
