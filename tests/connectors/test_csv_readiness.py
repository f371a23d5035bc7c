"""When a dropped file is believed complete, and when a person hears that it never gets so."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from connectors.csv_drop import CsvDrop, CsvFormat, FinalNewline, Ready
from connectors.errors import SourceUnreadable
from tests.connectors.conformance import read
from tests.connectors.drops import HEADER, LONG_AGO, drop, options

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.contract import Listing

ROWS = "0001234,IST,1200,Adet\nB,BER,345,St\nC,W,67,AD\n"
WHOLE = {"0001234": "1200", "B": "345", "C": "67"}
HOUR = 3_600.0


def look(path: Path, *, now: float | None = None, **changes: Any) -> Listing:
    clock = {} if now is None else {"now": lambda: now}
    return CsvDrop(options(path, **changes), **clock).look(None, full=False)


def waits(listing: Listing) -> dict[str, tuple[str, bool]]:
    return {rest.label: (rest.reason, rest.alarm) for rest in listing.waiting}


# --- F1: half-written


def test_f1_a_copy_that_keeps_times_is_young_until_nothing_of_it_changes(tmp_path: Path) -> None:
    entry = drop(tmp_path / "stock.csv", HEADER + ROWS, at=LONG_AGO).stat().st_ctime
    assert waits(look(tmp_path, stable_for=5, now=entry + 4)) != {}
    assert len(look(tmp_path, stable_for=5, now=entry + 5).offers) == 1


def test_f1_a_writer_that_goes_on_later_is_waited_for(tmp_path: Path) -> None:
    path = drop(tmp_path / "stock.csv", HEADER + "0001234,IST,12")
    first = path.stat().st_ctime
    assert look(tmp_path, stable_for=5, now=first + 10).offers == []  # no line end: not trusted
    with path.open("a") as stream:
        stream.write("00,Adet\nB,BER,345,St\nC,W,67,AD\n")
    written = path.stat().st_mtime
    assert look(tmp_path, stable_for=5, now=written + 4).offers == []
    [offer] = look(tmp_path, stable_for=5, now=written + 5).offers
    assert {row.sku: row.quantity for row in read(offer).rows} == WHOLE


def test_f1_a_writer_that_never_goes_on_is_reported_after_the_limit(tmp_path: Path) -> None:
    written = drop(tmp_path / "stock.csv", HEADER + "0001234,IST,12").stat().st_ctime
    [(_, early)] = waits(look(tmp_path, now=written + HOUR - 1)).values()
    [(reason, late)] = waits(look(tmp_path, now=written + HOUR + 1)).values()
    assert (early, late) == (False, True)
    assert "no line end" in reason


@pytest.mark.parametrize("ready", [Ready.MARKER, Ready.TRAILER])
def test_f1_a_marker_or_trailer_that_never_comes_is_reported(tmp_path: Path, ready: Ready) -> None:
    written = drop(tmp_path / "stock.csv", HEADER + ROWS).stat().st_ctime
    [(_, alarm)] = waits(look(tmp_path, ready=ready, now=written + HOUR + 1)).values()
    assert alarm


def test_the_limit_grows_with_the_time_that_a_file_must_be_stable(tmp_path: Path) -> None:
    written = drop(tmp_path / "stock.csv", HEADER + "A").stat().st_ctime
    [(_, early)] = waits(look(tmp_path, stable_for=HOUR, now=written + 9 * HOUR)).values()
    [(_, late)] = waits(look(tmp_path, stable_for=HOUR, now=written + 11 * HOUR)).values()
    assert (early, late) == (False, True)


# --- times


@pytest.mark.parametrize("at", [0.0, 315_532_800.0, LONG_AGO * 2])
def test_a_time_that_is_not_to_be_believed_says_nothing_of_the_age(
    tmp_path: Path, at: float
) -> None:
    entry = drop(tmp_path / "stock.csv", HEADER + ROWS, at=at).stat().st_ctime
    assert waits(look(tmp_path, stable_for=5, now=entry + 4)) != {}
    assert waits(look(tmp_path, stable_for=5, now=entry + 5)) == {}


def test_times_that_lie_far_ahead_concern_a_person(tmp_path: Path) -> None:
    entry = drop(tmp_path / "stock.csv", HEADER + ROWS, at=LONG_AGO * 2).stat().st_ctime
    [(reason, soon)] = waits(look(tmp_path, now=entry - 60)).values()
    [(_, never)] = waits(look(tmp_path, now=entry - 2 * HOUR)).values()
    assert "clock" in reason
    assert (soon, never) == (False, True)


# --- markers


def test_a_marker_older_than_the_file_vouches_for_another_one(tmp_path: Path) -> None:
    marker = drop(tmp_path / "stock.csv.ok", "").stat()
    path = drop(tmp_path / "stock.csv", HEADER + ROWS, at=marker.st_ctime + 60)
    later = marker.st_ctime + 120
    [(reason, _)] = waits(look(tmp_path, ready=Ready.MARKER, now=later)).values()
    assert "older than the file" in reason
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert waits(look(tmp_path, ready=Ready.MARKER, now=later)) == {}


# --- F2: cut at any byte


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="stable"),
        pytest.param({"ready": Ready.TRAILER}, id="trailer"),
        pytest.param(
            {"ready": Ready.MARKER, "final_newline": FinalNewline.REQUIRED}, id="marker-newline"
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1254"])
def test_f2_a_file_cut_at_any_byte_never_gives_a_wrong_quantity(
    tmp_path: Path, changes: dict[str, Any], encoding: str
) -> None:
    trailer = "END,3\n" if changes.get("ready") is Ready.TRAILER else ""
    content = (HEADER + ROWS + trailer).encode(encoding)
    drop(tmp_path / "stock.csv.ok", "")
    offered = 0
    for length in range(len(content) + 1):
        drop(tmp_path / "stock.csv", content[:length])
        with suppress(SourceUnreadable):
            for offer in look(tmp_path, format=CsvFormat(encoding=encoding), **changes).offers:
                offered += 1
                stated = {row.sku: row.quantity for row in read(offer).rows}
                assert stated.items() <= WHOLE.items()
    assert offered >= 1


def test_f2_with_a_trailer_that_counts_a_cut_file_is_never_read_in_part(tmp_path: Path) -> None:
    content = HEADER + ROWS + "END,3\n"
    read_whole = 0
    for length in range(len(content) + 1):
        drop(tmp_path / "stock.csv", content[:length])
        with suppress(SourceUnreadable):
            for offer in look(tmp_path, ready=Ready.TRAILER).offers:
                assert {row.sku: row.quantity for row in read(offer).rows} == WHOLE
                read_whole += 1
    assert read_whole >= 1
