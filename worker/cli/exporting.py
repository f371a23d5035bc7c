"""Writes documents to a new file: CSV that a spreadsheet may open, or exact JSON lines."""

from __future__ import annotations

import csv
import itertools
from typing import TYPE_CHECKING, Any

import orjson

from worker.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import TextIO

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""A cell that begins with one of these may be run by a spreadsheet (OWASP, CSV injection).

Blanks before it do not count: some programs trim them.
"""


def write_new(file: Path, documents: Iterable[dict[str, Any]]) -> int:
    """Write documents to a file that does not exist yet; returns how many.

    Raises UsageError for another ending than .csv or .jsonl, and where the file cannot be made.
    """
    write = _writer(file)
    try:
        with file.open("x", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            return write(stream, documents)
    except FileExistsError as error:
        raise UsageError(
            f"{file} exists, and nothing is overwritten", remedy="choose another name, or remove it"
        ) from error
    except OSError as error:
        raise UsageError(
            f"{file} cannot be written: {error.strerror}", remedy="choose another place"
        ) from error


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet runs as a formula; NUL goes, None is empty."""
    text = "" if value is None else str(value).replace("\0", "")
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text


def _writer(file: Path) -> Callable[[TextIO, Iterable[dict[str, Any]]], int]:
    writers = {".csv": _write_csv, ".jsonl": _write_lines}
    if file.suffix.lower() not in writers:
        raise UsageError(
            f"the name {file.name!r} does not say what to write",
            remedy="let it end with .csv or .jsonl",
            place="command line",
        )
    return writers[file.suffix.lower()]


def _write_csv(stream: TextIO, documents: Iterable[dict[str, Any]]) -> int:
    documents = iter(documents)
    first = next(documents, None)
    if first is None:
        return 0
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(first)
    count = 0
    for document in itertools.chain([first], documents):
        writer.writerow(map(safe_cell, document.values()))
        count += 1
    return count


def _write_lines(stream: TextIO, documents: Iterable[dict[str, Any]]) -> int:
    count = 0
    for document in documents:
        stream.write(orjson.dumps(document).decode() + "\n")
        count += 1
    return count
