"""Compressed files: read as what is in them, never trusted when cut, bounded when unpacked."""

from __future__ import annotations

import gzip
import io
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.csv_drop import CsvDrop, CsvFormat, Ready
from connectors.csv_drop.unpacking import NotUnpacked, opened
from connectors.errors import SourceUnreadable
from tests.connectors.conformance import Reading, read
from tests.connectors.drops import HEADER, drop, options

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.contract import Listing

TEXT = HEADER + "A,W,1200,AD\nB,W,345,AD\n"
STATED = {"A": "1200", "B": "345"}


def zipped(*texts: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for number, text in enumerate(texts):
            archive.writestr(f"../stock{number}.csv", text)
    return content.getvalue()


def gzipped(text: str | bytes) -> bytes:
    return gzip.compress(text.encode() if isinstance(text, str) else text, mtime=0)


def look(path: Path, content: bytes, **changes: Any) -> Listing:
    drop(path / "stock.csv.gz", content)
    return CsvDrop(options(path, pattern="*.gz", **changes)).look(None, full=False)


def read_packed(path: Path, content: bytes, **changes: Any) -> Reading:
    [offer] = look(path, content, **changes).offers
    return read(offer)


@pytest.mark.parametrize(
    "content",
    [
        gzipped(TEXT),
        gzipped(TEXT[:40]) + gzipped(TEXT[40:]),
        zipped(TEXT),
        zipped(TEXT, method=zipfile.ZIP_STORED),
    ],
    ids=["gzip", "gzip in two parts", "zip", "zip without compression"],
)
def test_a_compressed_file_is_read_as_what_is_in_it(tmp_path: Path, content: bytes) -> None:
    reading = read_packed(tmp_path, content)
    assert {row.sku: row.quantity for row in reading.rows} == STATED
    assert [path.name for path in tmp_path.iterdir()] == ["stock.csv.gz"]


def test_check_finds_the_columns_of_a_compressed_file(tmp_path: Path) -> None:
    drop(tmp_path / "stock.csv.gz", gzipped(TEXT))
    findings = CsvDrop(options(tmp_path, pattern="*.gz")).check()
    assert {finding.level for finding in findings} == {"ok"}


@pytest.mark.parametrize("content", [gzipped(TEXT), zipped(TEXT)], ids=["gzip", "zip"])
def test_a_compressed_file_cut_at_any_byte_is_never_offered(tmp_path: Path, content: bytes) -> None:
    for length in range(1, len(content)):
        listing = look(tmp_path, content[:length])
        assert (listing.offers, len(listing.waiting)) == ([], 1)


def test_a_compressed_text_without_a_last_line_end_waits(tmp_path: Path) -> None:
    [rest] = look(tmp_path, gzipped(TEXT.rstrip())).waiting
    assert "no line end" in rest.reason


def test_a_trailer_is_found_in_a_compressed_file(tmp_path: Path) -> None:
    text = TEXT + "x" * 70_000 + ",W,1,AD\nEND,3\n"
    content = gzipped(text.encode("utf-16"))
    form = CsvFormat(encoding="utf-16")
    reading = read_packed(tmp_path, content, format=form, ready=Ready.TRAILER)
    assert {row.sku: row.quantity for row in reading.rows} == STATED


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (zipped(), "0 files"),
        (zipped(TEXT, TEXT), "2 files"),
        (zipped(TEXT, method=zipfile.ZIP_LZMA), "rare kind"),
        (gzipped(TEXT)[:-4], "its end is missing"),
        (gzipped(TEXT)[:-8] + b"\0" * 8, "damaged"),
    ],
    ids=["empty zip", "two files", "lzma", "cut gzip", "wrong checksum"],
)
def test_a_file_that_cannot_be_unpacked_says_why(tmp_path: Path, content: bytes, part: str) -> None:
    drop(tmp_path / "stock.csv.gz.ok", b"")
    with pytest.raises(SourceUnreadable, match=part) as caught:
        read_packed(tmp_path, content, ready=Ready.MARKER)
    assert caught.value.remedy


@pytest.mark.parametrize("content", [gzipped(b"0" * 10_000_000), b"0" * 1_001])
def test_more_text_than_is_allowed_is_refused(tmp_path: Path, content: bytes) -> None:
    form = CsvFormat(max_bytes=1_000)
    drop(tmp_path / "stock.csv.gz.ok", b"")
    with pytest.raises(SourceUnreadable, match=r"more than 0\.001 MB"):
        read_packed(tmp_path, content, format=form, ready=Ready.MARKER)


def test_a_file_that_is_too_long_does_not_wait_for_ever(tmp_path: Path) -> None:
    assert look(tmp_path, gzipped(b"0" * 5_000), format=CsvFormat(max_bytes=1_000)).offers


@settings(max_examples=150, deadline=None)
@given(
    content=st.sampled_from([gzipped(TEXT), zipped(TEXT)]),
    at=st.integers(4, 400),
    new=st.binary(min_size=1, max_size=4),
)
def test_damaged_bytes_are_read_or_refused_and_nothing_else(
    content: bytes, at: int, new: bytes
) -> None:
    damaged = content[:at] + new + content[at + len(new) :]
    with suppress(NotUnpacked), opened(io.BytesIO(damaged)) as stream:
        stream.read()
