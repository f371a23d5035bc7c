"""A drop folder as it may be found: replaced, renamed, doubled, linked, gone, not ours."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from connectors.contract import Settlement, Verdict
from connectors.csv_drop import CsvDrop, Ready
from connectors.csv_drop.history import History
from connectors.csv_drop.local_folder import LocalFolder
from connectors.csv_drop.ordering import Ordering
from connectors.csv_drop.survey import Surveyor
from connectors.errors import SourceUnreachable, SourceUnreadable
from tests.connectors.conformance import read, through_json
from tests.connectors.drops import HEADER, LONG_AGO, drop, options, tree, without_rights

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.contract import Listing

HOUR = 3_600.0


def one(quantity: int) -> str:
    return f"{HEADER}A,W,{quantity},AD\n"


def look(path: Path, checkpoint: Any = None, *, now: float | None = None, **rest: Any) -> Listing:
    clock = {} if now is None else {"now": lambda: now}
    return CsvDrop(options(path, **rest), **clock).look(checkpoint, full=False)


def verdicts(listing: Listing) -> list[tuple[str, str]]:
    return [(offer.label, offer.verdict.value) for offer in listing.offers]


def waits(listing: Listing) -> dict[str, str]:
    return {rest.label: rest.reason for rest in listing.waiting}


def apply(path: Path, checkpoint: Any = None, *, settle: bool = True) -> Any:
    [offer] = [offer for offer in look(path, checkpoint).offers if offer.verdict is Verdict.READ]
    reading = read(offer)
    if settle:
        CsvDrop(options(path)).settle(reading.position, Settlement.APPLIED)
    return reading.checkpoint


# --- F3: replaced while it is read


def test_f3_a_file_replaced_while_it_is_read_gives_one_version_and_the_newer_one_comes_later(
    tmp_path: Path,
) -> None:
    lines = "".join(f"SKU-{number},W,1,AD\n" for number in range(20_000))
    drop(tmp_path / "stock.csv", HEADER + lines)
    [offer] = look(tmp_path).offers
    chunks = offer.chunks()
    seen = list(next(chunks).rows)
    newer = drop(tmp_path / "new.tmp", HEADER + lines.replace(",1,", ",2,"), at=LONG_AGO + 1)
    newer.replace(tmp_path / "stock.csv")
    seen += [row for chunk in chunks for row in chunk.rows]
    assert {row.quantity for row in seen} == {"1"}
    CsvDrop(options(tmp_path)).settle(offer.position, Settlement.APPLIED)
    assert list(tree(tmp_path)) == ["stock.csv"]  # the newer one was not put away unread
    [again] = look(tmp_path, through_json(offer.checkpoint())).offers
    assert {row.quantity for row in read(again).rows} == {"2"}


# --- F4: dropped twice


def test_f4_a_renamed_copy_of_an_older_file_does_not_overwrite_a_newer_one(tmp_path: Path) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    checkpoint = apply(tmp_path)
    drop(tmp_path / "stock_2.csv", one(2))
    checkpoint = apply(tmp_path, checkpoint)
    drop(tmp_path / "stock_1 (copy).csv", one(1))
    drop(tmp_path / "stock_1.csv", one(1))
    found = look(tmp_path, checkpoint)
    assert verdicts(found) == [("stock_1 (copy).csv", "superseded"), ("stock_1.csv", "unchanged")]
    assert all(offer.remark for offer in found.offers)


# --- F5: decided, but not moved


def test_f5_what_a_crash_left_behind_is_recognised_and_put_away(tmp_path: Path) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    checkpoint = apply(tmp_path, settle=False)
    drop(tmp_path / "stock_2.csv", one(2))
    checkpoint = apply(tmp_path, checkpoint, settle=False)
    listing = look(tmp_path, checkpoint)
    assert verdicts(listing) == [("stock_1.csv", "unchanged"), ("stock_2.csv", "unchanged")]
    for offer in listing.offers:
        CsvDrop(options(tmp_path)).settle(offer.position, Settlement.UNCHANGED)
    assert sorted(tree(tmp_path)) == [".done/stock_1.csv", ".done/stock_2.csv"]


# --- F7: broken content


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'A,W,"1,AD\nB,W,2,AD\n', id="unclosed quote"),
        pytest.param(b"A,W,1\0,AD\n", id="NUL"),
        pytest.param("A,W,1,AD\n".encode("utf-16"), id="UTF-16 inside"),
        pytest.param("ŞİŞE,W,1,AD\n".encode("latin-1", "replace") + b"\xdd\xde\n", id="latin-1"),
        pytest.param(b"A,W,1,AD\rB,W,2,AD\r\n", id="CR alone"),
        pytest.param(b"A" * (1 << 21) + b",W,1,AD\n", id="endless line"),
    ],
)
def test_f7_a_broken_file_is_refused_as_a_whole_with_its_line(
    tmp_path: Path, content: bytes
) -> None:
    drop(tmp_path / "broken_2.csv", HEADER.encode() + content)
    drop(tmp_path / "good_1.csv", one(1))
    [*_, offer] = look(tmp_path, pattern="broken*").offers
    with pytest.raises(SourceUnreadable) as caught:
        read(offer)
    assert "line" in caught.value.message.lower() + caught.value.place
    assert caught.value.remedy
    [good] = look(tmp_path, pattern="good*").offers
    assert [row.quantity for row in read(good).rows] == ["1"]


@pytest.mark.parametrize("row", ["A,W", "A,W,1,AD,more"])
def test_f7_a_row_of_another_length_is_rejected_with_its_line(tmp_path: Path, row: str) -> None:
    drop(tmp_path / "stock.csv", f"{HEADER}{row}\nB,W,2,AD\n")
    [offer] = look(tmp_path).offers
    reading = read(offer)
    assert [reject.place for reject in reading.rejects] == [2]
    assert [row.sku for row in reading.rows] == ["B"]


def test_f7_a_doubled_header_is_refused(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", "Stok Kodu,Depo,Miktar,Birim,Miktar\nA,W,1,AD,2\n")
    [offer] = look(tmp_path).offers
    with pytest.raises(SourceUnreadable, match="Miktar"):
        read(offer)


# --- F8: what else lies in a folder


def test_f8_nothing_but_regular_files_is_opened_and_the_rest_flows(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    outside = drop(tmp_path / "secret.csv", one(9))
    (inbox / "link.csv").symlink_to(outside)
    (inbox / "loop.csv").symlink_to(inbox / "loop.csv")
    (inbox / "folder.csv").mkdir()
    os.mkfifo(inbox / "pipe.csv")
    (inbox / "..csv").write_text(one(8))
    (inbox / ".hidden.csv").write_text(one(7))
    drop(inbox / "stock.csv", one(1))
    listing = look(inbox)
    assert verdicts(listing) == [("stock.csv", "read")]
    assert sorted(waits(listing)) == ["folder.csv", "link.csv", "loop.csv", "pipe.csv"]


def test_f8_a_link_or_fifo_that_stays_is_reported_and_a_folder_never(tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    now = (tmp_path / "pipe.csv").lstat().st_ctime
    early, late = look(tmp_path, now=now + 1), look(tmp_path, now=now + 2 * HOUR)
    assert not any(rest.alarm for rest in early.waiting)
    assert {rest.label for rest in late.waiting if rest.alarm} == {"link.csv", "pipe.csv"}


def test_f8_a_position_that_leads_out_of_the_folder_moves_nothing(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    drop(inbox / "stock.csv", one(1))
    [offer] = look(inbox).offers
    (inbox / "stock.csv").rename(tmp_path / "elsewhere.csv")
    (inbox / "stock.csv").symlink_to(tmp_path / "elsewhere.csv")
    CsvDrop(options(inbox)).settle(offer.position, Settlement.APPLIED)
    assert (tmp_path / "elsewhere.csv").is_file()
    assert not (inbox / ".done").exists()


def test_f8_a_file_that_may_not_be_read_waits_and_others_flow(reachable: Path) -> None:
    drop(reachable / "closed.csv", one(1)).chmod(0)
    drop(reachable / "open.csv", one(2))
    with without_rights():
        listing = look(reachable)
    assert verdicts(listing) == [("open.csv", "read")]
    assert "Permission denied" in waits(listing)["closed.csv"]


@pytest.mark.parametrize("mode", [0, 0o111, 0o644])
def test_f8_a_folder_that_may_not_be_read_is_unreachable_not_empty(
    reachable: Path, mode: int
) -> None:
    drop(reachable / "stock.csv", one(1))
    reachable.chmod(mode)
    try:
        with without_rights(), pytest.raises(SourceUnreachable) as caught:
            look(reachable)
    finally:
        reachable.chmod(0o755)
    assert str(reachable) in caught.value.message


def test_f8_in_a_read_only_folder_an_applied_file_is_recognised(reachable: Path) -> None:
    drop(reachable / "stock.csv", one(1))
    reachable.chmod(0o555)
    with without_rights():
        checkpoint = apply(reachable, settle=False)
        [offer] = look(reachable, checkpoint).offers
        assert offer.verdict is Verdict.UNCHANGED
        with pytest.raises(SourceUnreachable, match=r"\.done"):
            CsvDrop(options(reachable)).settle(offer.position, Settlement.APPLIED)


def test_f8_a_file_that_goes_while_the_folder_is_looked_at_is_passed_over(tmp_path: Path) -> None:
    for number in range(200):
        drop(tmp_path / f"stock_{number}.csv", one(number))
    contents = LocalFolder(tmp_path).list("*.csv")
    for number in range(0, 200, 2):
        (tmp_path / f"stock_{number}.csv").unlink()
    usual = options(tmp_path)
    found = Surveyor(
        folder=LocalFolder(tmp_path),
        options=usual,
        ordering=Ordering(usual),
        history=History(),
        full=False,
        now=time.time(),
    ).survey(contents)
    assert (len(contents.files), len(found.ready), found.waiting) == (200, 100, [])


def test_a_missing_folder_is_unreachable_not_empty(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable):
        look(tmp_path / "nowhere")


# --- another device


def test_a_folder_on_another_device_is_unreachable_until_a_person_accepts_it(
    tmp_path: Path,
) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    known = {**apply(tmp_path, settle=False), "device": -1}
    with pytest.raises(SourceUnreachable, match="another device") as caught:
        look(tmp_path, known)
    assert "sources accept" in caught.value.remedy
    accepted = CsvDrop(options(tmp_path)).accepting(known)
    assert verdicts(look(tmp_path, accepted)) == [("stock_1.csv", "unchanged")]


def test_a_device_with_another_number_is_the_same_if_our_own_folder_is_there(
    tmp_path: Path,
) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    known = {**apply(tmp_path), "device": -1}
    drop(tmp_path / "stock_2.csv", one(2))
    [offer] = look(tmp_path, known).offers
    assert read(offer).checkpoint["device"] == tmp_path.stat().st_dev


def test_a_marker_that_is_a_link_vouches_but_is_not_followed(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    drop(inbox / "stock.csv", one(1))
    target = drop(tmp_path / "target", "")
    (inbox / "stock.csv.ok").symlink_to(target)
    [offer] = look(inbox, ready=Ready.MARKER).offers
    CsvDrop(options(inbox, ready=Ready.MARKER)).settle(offer.position, Settlement.APPLIED)
    assert target.is_file()
