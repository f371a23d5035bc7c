"""Which dropped files are read, in which order, what the others wait for, and where they end."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from connectors.contract import Kind, Settlement, Verdict
from connectors.csv_drop import CsvColumns, CsvDrop, CsvFormat, FinalNewline, Ready
from connectors.errors import SourceMisconfigured, SourceUnreachable
from tests.connectors.conformance import read, through_json
from tests.connectors.drops import HEADER, LONG_AGO, drop, options, tree

if TYPE_CHECKING:
    from connectors.contract import Finding, Listing, Offer


def one(quantity: int) -> str:
    return f"{HEADER}A,W,{quantity},AD\n"


def look(path: Path, checkpoint: Any = None, *, held: Any = None, **changes: Any) -> Listing:
    now = changes.pop("now", None)
    full = changes.pop("full", False)
    clock = {} if now is None else {"now": lambda: now}
    return CsvDrop(options(path, **changes), **clock).look(checkpoint, full=full, held=held)


def verdicts(listing: Listing) -> list[tuple[str, str]]:
    return [(offer.label, offer.verdict.value) for offer in listing.offers]


def waits(listing: Listing) -> dict[str, str]:
    return {rest.label: rest.reason for rest in listing.waiting}


def quantity(offer: Offer) -> str:
    [row] = read(offer).rows
    return row.quantity


def apply(path: Path, offer: Offer, *, settle: bool = True, **changes: Any) -> Any:
    reading = read(offer)
    if settle:
        CsvDrop(options(path, **changes)).settle(reading.position, Settlement.APPLIED)
    return reading.checkpoint


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


# --- which files


@pytest.mark.parametrize(
    "name", [".stock.csv", "stock.csv.tmp", "stock.TMP", "other.txt", ".done.csv"]
)
def test_a_file_that_does_not_match_is_never_seen(tmp_path: Path, name: str) -> None:
    drop(tmp_path / name, one(1))
    listing = look(tmp_path, pattern="*" if name.lower().endswith("tmp") else "*.csv")
    assert (listing.offers, listing.waiting) == ([], [])


def test_the_case_of_a_name_does_not_matter(tmp_path: Path) -> None:
    drop(tmp_path / "STOCK_1.CSV", one(1))
    assert verdicts(look(tmp_path, pattern="Stock_*.csv")) == [("STOCK_1.CSV", "read")]


def test_files_in_subfolders_are_not_read(tmp_path: Path) -> None:
    for folder in (".done", ".failed", "archive"):
        (tmp_path / folder).mkdir()
        drop(tmp_path / folder / "stock.csv", one(1))
    assert look(tmp_path).offers == []


def test_what_is_no_regular_file_is_listed_and_never_opened(tmp_path: Path) -> None:
    outside = drop(tmp_path / "secret.txt", one(1))
    (tmp_path / "link.csv").symlink_to(outside)
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    drop(tmp_path / "stock.csv", one(5))
    listing = look(tmp_path)
    assert verdicts(listing) == [("stock.csv", "read")]
    assert sorted(waits(listing)) == ["folder.csv", "gone.csv", "link.csv", "pipe.csv"]
    assert "link" in waits(listing)["link.csv"]


def test_a_name_that_no_json_takes_is_listed_and_left(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"stock_\xff.csv")).write_text(one(1))
    (tmp_path / "two\nlines.csv").write_text(one(1))
    listing = look(tmp_path)
    assert listing.offers == []
    assert len(through_json(waits(listing))) == 2


def test_a_hard_link_is_a_file_like_any_other(tmp_path: Path) -> None:
    drop(tmp_path / "elsewhere.txt", one(5))
    (tmp_path / "stock.csv").hardlink_to(tmp_path / "elsewhere.txt")
    [offer] = look(tmp_path).offers
    assert quantity(offer) == "5"


def test_a_path_that_is_no_folder_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(SourceMisconfigured, match="not a folder"):
        look(drop(tmp_path / "file", ""))


# --- readiness


def test_a_young_file_waits_until_it_is_stable(tmp_path: Path) -> None:
    written = drop(tmp_path / "stock.csv", one(1)).stat().st_ctime
    young = look(tmp_path, stable_for=5, now=written + 4.9)
    assert young.offers == []
    assert "5 s" in waits(young)["stock.csv"]
    assert verdicts(look(tmp_path, stable_for=5, now=written + 5)) == [("stock.csv", "read")]


def test_a_file_from_the_future_does_not_outrank_later_ones_of_its_name(tmp_path: Path) -> None:
    future = LONG_AGO * 2
    status = drop(tmp_path / "stock.csv", one(1), at=future).stat()
    [offer] = look(tmp_path, now=status.st_ctime + 6).offers
    checkpoint = apply(tmp_path, offer)
    drop(tmp_path / "stock.csv", one(2), at=status.st_ctime + 10)
    assert verdicts(look(tmp_path, checkpoint, now=status.st_ctime + 20)) == [("stock.csv", "read")]


def test_a_clock_behind_the_folder_is_told(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", one(1), at=LONG_AGO)
    assert "clock" in waits(look(tmp_path, now=LONG_AGO - 60))["stock.csv"]


@pytest.mark.parametrize(("ready", "waiting"), [(Ready.STABLE, 1), (Ready.MARKER, 0)])
def test_a_last_line_without_end_is_trusted_only_under_a_marker(
    tmp_path: Path, ready: Ready, waiting: int
) -> None:
    drop(tmp_path / "stock.csv", one(12).rstrip("\n"))
    drop(tmp_path / "stock.csv.ok", "")
    assert len(waits(look(tmp_path, ready=ready))) == waiting


def test_the_final_line_end_can_be_made_optional(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", one(12).rstrip("\n"))
    assert "no line end" in waits(look(tmp_path))["stock.csv"]
    [offer] = look(tmp_path, final_newline=FinalNewline.OPTIONAL).offers
    assert quantity(offer) == "12"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "cp1254"])
def test_a_line_end_is_seen_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    drop(tmp_path / "whole.csv", one(1).encode(encoding))
    drop(tmp_path / "torn.csv", one(1).rstrip().encode(encoding))
    listing = look(tmp_path, format=CsvFormat(encoding=encoding))
    assert [offer.label for offer in listing.offers] == ["whole.csv"]
    assert list(waits(listing)) == ["torn.csv"]


@pytest.mark.parametrize("marker", ["stock.csv.ok", "STOCK.CSV.OK", "stock.ok"])
def test_a_file_waits_for_its_marker_and_takes_it_along(tmp_path: Path, marker: str) -> None:
    drop(tmp_path / "stock.csv", one(1))
    assert "stock.csv.ok" in waits(look(tmp_path, ready=Ready.MARKER))["stock.csv"]
    drop(tmp_path / marker, "")
    [offer] = look(tmp_path, ready=Ready.MARKER).offers
    apply(tmp_path, offer, ready=Ready.MARKER)
    assert sorted(tree(tmp_path)) == sorted([f".done/{marker}", ".done/stock.csv"])


def test_a_marker_is_never_read_itself(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", one(1))
    drop(tmp_path / "stock.csv.ok", "")
    listing = look(tmp_path, ready=Ready.MARKER, pattern="*")
    assert verdicts(listing) == [("stock.csv", "read")]
    assert listing.waiting == []


def test_a_file_waits_for_its_trailer(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", one(1))
    assert "trailer" in waits(look(tmp_path, ready=Ready.TRAILER))["stock.csv"]
    drop(tmp_path / "stock.csv", one(1) + "EOF,1\n")
    assert verdicts(look(tmp_path, ready=Ready.TRAILER)) == [("stock.csv", "read")]


def test_a_trailer_that_is_still_being_written_waits(tmp_path: Path) -> None:
    written = drop(tmp_path / "stock.csv", one(1) + "EOF,1").stat().st_ctime
    options = {"ready": Ready.TRAILER, "stable_for": 5}
    assert waits(look(tmp_path, **options, now=written + 1)) != {}
    assert waits(look(tmp_path, **options, now=written + 6)) == {}


# --- order and identity


def test_of_several_snapshots_only_the_newest_is_read(tmp_path: Path) -> None:
    for number in (2, 3, 1):
        drop(tmp_path / f"stock_{number}.csv", one(number))
    listing = look(tmp_path)
    assert verdicts(listing) == [
        ("stock_1.csv", "superseded"),
        ("stock_2.csv", "superseded"),
        ("stock_3.csv", "read"),
    ]
    assert "stock_3.csv" in listing.offers[0].remark
    assert listing.offers[2].remark == ""


def test_deltas_are_read_one_after_another_by_name(tmp_path: Path) -> None:
    for number in (2, 3, 1):
        drop(tmp_path / f"stock_{number}.csv", one(number), at=LONG_AGO - number)
    listing = look(tmp_path, mode=Kind.DELTA)
    assert {offer.verdict for offer in listing.offers} == {Verdict.READ}
    assert [quantity(offer) for offer in listing.offers] == ["1", "2", "3"]


@pytest.mark.parametrize("mode", list(Kind))
def test_the_content_applied_last_is_unchanged_under_any_name(tmp_path: Path, mode: Kind) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    [offer] = look(tmp_path, mode=mode).offers
    checkpoint = apply(tmp_path, offer)
    drop(tmp_path / "stock_2.csv", one(1))
    listing = look(tmp_path, checkpoint, mode=mode)
    assert verdicts(listing) == [("stock_2.csv", "unchanged")]
    assert "stock_1.csv" in listing.offers[0].remark


def test_unchanged_content_is_read_when_everything_is_wanted(tmp_path: Path) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    [offer] = look(tmp_path).offers
    checkpoint = apply(tmp_path, offer, settle=False)
    assert verdicts(look(tmp_path, checkpoint)) == [("stock_1.csv", "unchanged")]
    assert verdicts(look(tmp_path, checkpoint, full=True)) == [("stock_1.csv", "read")]


@pytest.mark.parametrize("mode", list(Kind))
def test_content_that_comes_back_later_is_applied_again(tmp_path: Path, mode: Kind) -> None:
    checkpoint = None
    for number, stock in enumerate([1, 2, 1]):
        drop(tmp_path / f"stock_{number}.csv", one(stock))
        [offer] = look(tmp_path, checkpoint, mode=mode).offers
        assert (offer.verdict, quantity(offer)) == (Verdict.READ, str(stock))
        checkpoint = apply(tmp_path, offer)


@pytest.mark.parametrize("mode", list(Kind))
@pytest.mark.parametrize("stock", [1, 3])
def test_an_earlier_name_never_overwrites_a_later_one(
    tmp_path: Path, mode: Kind, stock: int
) -> None:
    checkpoint = None
    for number in (1, 2):
        drop(tmp_path / f"stock_{number}.csv", one(number))
        [offer] = look(tmp_path, checkpoint, mode=mode).offers
        checkpoint = apply(tmp_path, offer)
    drop(tmp_path / "stock_0.csv", one(stock))
    [offer] = look(tmp_path, checkpoint, mode=mode).offers
    assert offer.verdict is Verdict.SUPERSEDED
    assert "stock_2.csv" in offer.remark
    assert offer.checkpoint() == checkpoint


def test_a_fixed_name_dropped_again_and_again_is_read_each_time(tmp_path: Path) -> None:
    checkpoint = None
    for number in range(5):
        drop(tmp_path / "stock.csv", one(number), at=LONG_AGO + number)
        [offer] = look(tmp_path, checkpoint).offers
        assert quantity(offer) == str(number)
        checkpoint = apply(tmp_path, offer)
    assert sorted(tree(tmp_path / ".done")) == [
        *(f"stock.{number}.csv" for number in range(2, 6)),
        "stock.csv",
    ]


def test_new_content_of_the_same_instant_is_read(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", one(1))
    [offer] = look(tmp_path).offers
    checkpoint = apply(tmp_path, offer)
    drop(tmp_path / "stock.csv", one(2))
    assert verdicts(look(tmp_path, checkpoint)) == [("stock.csv", "read")]


def test_a_fixed_name_with_an_earlier_time_is_superseded(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", one(1))
    [offer] = look(tmp_path).offers
    checkpoint = apply(tmp_path, offer)
    drop(tmp_path / "stock.csv", one(2), at=LONG_AGO - 1)
    assert verdicts(look(tmp_path, checkpoint)) == [("stock.csv", "superseded")]


def test_a_newest_snapshot_that_is_unchanged_supersedes_those_between(tmp_path: Path) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    [offer] = look(tmp_path).offers
    checkpoint = apply(tmp_path, offer)
    drop(tmp_path / "stock_2.csv", one(2))
    drop(tmp_path / "stock_3.csv", one(1))
    listing = look(tmp_path, checkpoint)
    assert verdicts(listing) == [("stock_2.csv", "superseded"), ("stock_3.csv", "unchanged")]
    after = through_json(listing.offers[1].checkpoint())
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    drop(tmp_path / "stock_2.csv", one(2))
    assert verdicts(look(tmp_path, after)) == [("stock_2.csv", "superseded")]


def test_a_delta_that_equals_the_last_but_follows_another_is_read(tmp_path: Path) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    [offer] = look(tmp_path, mode=Kind.DELTA).offers
    checkpoint = apply(tmp_path, offer)
    drop(tmp_path / "stock_2.csv", one(2))
    drop(tmp_path / "stock_3.csv", one(1))
    listing = look(tmp_path, checkpoint, mode=Kind.DELTA)
    assert [quantity(offer) for offer in listing.offers] == ["2", "1"]


def test_applied_files_that_stayed_behind_are_recognised(tmp_path: Path) -> None:
    checkpoint = None
    for number in range(3):
        drop(tmp_path / f"stock_{number}.csv", one(number))
        *_, offer = look(tmp_path, checkpoint, mode=Kind.DELTA).offers
        checkpoint = apply(tmp_path, offer, settle=False)
    listing = look(tmp_path, checkpoint, mode=Kind.DELTA)
    assert {offer.verdict for offer in listing.offers} == {Verdict.UNCHANGED}


def test_the_checkpoint_stays_small(tmp_path: Path) -> None:
    checkpoint = None
    for number in range(120):
        drop(tmp_path / f"stock_{number:03}.csv", one(number))
        [offer] = look(tmp_path, checkpoint, mode=Kind.DELTA).offers
        checkpoint = apply(tmp_path, offer)
    assert len(checkpoint["applied"]) == 50
    assert checkpoint["file"] == "stock_119.csv"


# --- held pulls


def test_files_beside_a_held_snapshot_rest_unless_they_are_newer(tmp_path: Path) -> None:
    drop(tmp_path / "stock_2.csv", one(2))
    [held] = look(tmp_path).offers
    drop(tmp_path / "stock_1.csv", one(1))
    listing = look(tmp_path, held=held.position)
    assert listing.offers == []
    assert sorted(waits(listing)) == ["stock_1.csv", "stock_2.csv"]
    drop(tmp_path / "stock_3.csv", one(3))
    assert verdicts(look(tmp_path, held=held.position)) == [("stock_3.csv", "read")]


def test_a_newer_snapshot_that_goes_back_to_the_last_is_weighed_beside_a_held_one(
    tmp_path: Path,
) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    [offer] = look(tmp_path).offers
    checkpoint = apply(tmp_path, offer)
    drop(tmp_path / "stock_2.csv", one(0))
    [held] = look(tmp_path, checkpoint).offers
    drop(tmp_path / "stock_3.csv", one(1))
    listing = look(tmp_path, checkpoint, held=held.position)
    assert verdicts(listing) == [("stock_3.csv", "read")]


# --- changes under way


def test_a_file_that_changed_since_it_was_listed_is_not_read(tmp_path: Path) -> None:
    path = drop(tmp_path / "stock.csv", one(1))
    [offer] = look(tmp_path).offers
    path.write_text(one(2))
    with pytest.raises(SourceUnreachable, match="changed while"):
        read(offer)


def test_a_file_that_is_gone_since_it_was_listed_is_not_read(tmp_path: Path) -> None:
    path = drop(tmp_path / "stock.csv", one(1))
    [offer] = look(tmp_path).offers
    path.unlink()
    with pytest.raises(SourceUnreachable, match=r"stock\.csv"):
        read(offer)


def test_a_file_replaced_by_a_link_is_not_followed(tmp_path: Path) -> None:
    path = drop(tmp_path / "stock.csv", one(1))
    [offer] = look(tmp_path).offers
    path.rename(tmp_path / "moved.txt")
    path.symlink_to(tmp_path / "moved.txt")
    with pytest.raises(SourceUnreachable):
        read(offer)


def test_a_file_rewritten_while_it_is_read_gives_one_version(tmp_path: Path) -> None:
    lines = "".join(f"SKU-{number},W,1,AD\n" for number in range(20_000))
    path = drop(tmp_path / "stock.csv", HEADER + lines)
    [offer] = look(tmp_path).offers
    chunks = offer.chunks()
    seen = list(next(chunks).rows)
    path.write_text(HEADER + lines.replace(",1,", ",2,"))
    for chunk in chunks:
        seen.extend(chunk.rows)
    assert len(seen) == 20_000
    assert {row.quantity for row in seen} == {"1"}


def test_an_abandoned_reading_leaves_nothing_open(tmp_path: Path) -> None:
    lines = "".join(f"SKU-{number},W,1,AD\n" for number in range(20_000))
    drop(tmp_path / "stock.csv", HEADER + lines)
    [offer] = look(tmp_path).offers
    before = open_files()
    chunks = offer.chunks()
    next(chunks)
    chunks.close()
    assert open_files() == before


# --- settling


@pytest.mark.parametrize("settlement", list(Settlement))
def test_a_decided_file_moves_to_where_it_belongs(tmp_path: Path, settlement: Settlement) -> None:
    drop(tmp_path / "stock.csv", one(1))
    [offer] = look(tmp_path).offers
    CsvDrop(options(tmp_path)).settle(
        through_json(offer.position), settlement, "half of it is gone"
    )
    if settlement in {Settlement.FAILED, Settlement.DISCARDED}:
        reason = f"{settlement.value}: half of it is gone\n".encode()
        expected = {
            ".failed/stock.csv": one(1).encode(),
            ".failed/stock.csv.reason.txt": reason,
        }
    else:
        expected = {".done/stock.csv": one(1).encode()}
    assert tree(tmp_path) == expected


def test_a_file_that_is_another_by_now_is_left_alone(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", one(1))
    [offer] = look(tmp_path).offers
    drop(tmp_path / "stock.csv", one(2))
    CsvDrop(options(tmp_path)).settle(offer.position, Settlement.APPLIED)
    assert tree(tmp_path) == {"stock.csv": one(2).encode()}


def test_the_same_content_copied_anew_is_still_the_decided_file(tmp_path: Path) -> None:
    path = drop(tmp_path / "stock.csv", one(1))
    [offer] = look(tmp_path).offers
    path.unlink()
    drop(tmp_path / "other.txt", "keeps the inode busy")
    drop(path, one(1), at=LONG_AGO + 9)
    CsvDrop(options(tmp_path)).settle(offer.position, Settlement.APPLIED)
    assert ".done/stock.csv" in tree(tmp_path)


def test_a_source_that_is_gone_is_settled(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", one(1))
    [offer] = look(tmp_path).offers
    shutil.rmtree(tmp_path)
    CsvDrop(options(tmp_path)).settle(offer.position, Settlement.APPLIED)


def test_a_done_folder_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    elsewhere = tmp_path / "elsewhere"
    inbox.mkdir()
    elsewhere.mkdir()
    (inbox / ".done").symlink_to(elsewhere)
    drop(inbox / "stock.csv", one(1))
    [offer] = look(inbox).offers
    with pytest.raises(SourceUnreachable) as caught:
        CsvDrop(options(inbox)).settle(offer.position, Settlement.APPLIED)
    assert "links" in caught.value.remedy
    assert list(elsewhere.iterdir()) == []


def test_a_folder_that_lets_nothing_go_keeps_the_file_recognised(tmp_path: Path) -> None:
    drop(tmp_path / ".done", "a file where the folder should be")
    drop(tmp_path / "stock.csv", one(1))
    [offer] = look(tmp_path).offers
    checkpoint = apply(tmp_path, offer, settle=False)
    with pytest.raises(SourceUnreachable):
        CsvDrop(options(tmp_path)).settle(offer.position, Settlement.APPLIED)
    assert verdicts(look(tmp_path, checkpoint)) == [("stock.csv", "unchanged")]


# --- check


def check(path: Path, **changes: Any) -> list[Finding]:
    return list(CsvDrop(options(path, **changes)).check())


def test_check_says_what_is_ready_and_what_waits(tmp_path: Path) -> None:
    drop(tmp_path / "stock_1.csv", one(1))
    drop(tmp_path / "stock_2.csv", one(2).rstrip())
    found = check(tmp_path)
    assert [finding.level for finding in found] == ["ok", "warning", "ok"]
    assert "stock_2.csv" in found[1].message
    assert "stock_1.csv" in found[2].message


def test_check_finds_an_empty_folder_good(tmp_path: Path) -> None:
    assert {finding.level for finding in check(tmp_path)} == {"ok"}


def test_check_names_a_column_that_is_not_there(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", one(1))
    *_, finding = check(tmp_path, columns=CsvColumns(sku="Artikel", stock="Miktar"))
    assert finding.level == "error"
    assert "'Artikel'" in finding.message
    assert finding.remedy


def test_check_names_a_wrong_encoding(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", f"{HEADER}ŞİŞE,W,1,AD\n".encode("cp1254"))
    *_, finding = check(tmp_path)
    assert finding.level == "error"
    assert "utf-8" in finding.message


def test_check_reads_no_more_than_the_head_of_a_large_file(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv", HEADER.encode() + "ş,W,1,AD\n".encode() * 20_000 + b"\xff\n")
    assert {finding.level for finding in check(tmp_path)} == {"ok"}


def test_check_tells_a_missing_folder(tmp_path: Path) -> None:
    [finding] = check(tmp_path / "nowhere")
    assert finding.level == "error"
    assert "nowhere" in finding.message
