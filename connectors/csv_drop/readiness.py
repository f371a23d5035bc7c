"""Whether a dropped file is complete, or what it waits for. Judges by times, names and the tail."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from connectors.csv_drop.encodings import LONGEST_MARK, ends_line, middle_codec
from connectors.csv_drop.folder import blocks
from connectors.csv_drop.markers import MARKER, is_spent_on, marker_of
from connectors.csv_drop.options import CsvOptions, Ready
from connectors.csv_drop.trailer import Trailer
from connectors.csv_drop.unpacking import NotUnpacked, is_packed, opened

if TYPE_CHECKING:
    from connectors.csv_drop.folder import Folder, Found

_TAIL = 1 << 16
EARLIEST = 631_152_000.0
"""The first second of 1990; a file that claims to be older has lost its time."""

OVERDUE = 3_600.0
"""Seconds without a change after which a file that is not ready is reported; ten times `stable_for`
if that is longer."""


class _TooLong(Exception):  # noqa: N818 - named by what the file is
    """A file has more text than is read."""


def why_waiting(
    found: Found, folder: Folder, options: CsvOptions, *, names: frozenset[str], now: float
) -> str:
    """Say, as a sentence, why a file is not ready; "" if it is. now: epoch seconds.

    Raises OSError or NotThisFile if it cannot be looked into.
    """
    reason = _unstable(found, options, now=now) if options.ready is Ready.STABLE else ""
    if reason:
        return reason
    if options.ready is Ready.MARKER:
        reason = _unmarked(found, folder, marker_of(found.name, names), now=now)
    if reason and is_spent_on(found, folder, names):
        reason = ""
    if reason:
        return reason
    with folder.open(found.place) as (stream, _):
        try:
            head, tail = _ends(stream, found.stamp.size, most=options.format.max_bytes)
        except NotUnpacked as error:
            # A marker vouches for the file: it is whole, and reading it says what is wrong.
            return "" if options.ready is Ready.MARKER else str(error)
        except _TooLong:
            return ""
    if options.ready is Ready.TRAILER and not ends_line(tail):
        # The trailer itself may still be on its way: ``END;10`` must not be read as ``END;1``.
        reason = _unstable(found, options, now=now)
    return reason or _why_incomplete(head, tail, options)


def _unmarked(found: Found, folder: Folder, marker: str | None, *, now: float) -> str:
    """Say what the marker of a file lacks; one that is older than the file is of another file."""
    if marker is None:
        return f"Its marker {found.name}{MARKER} is not there yet."
    if EARLIEST <= found.mtime <= now and folder.changed(marker) < found.mtime:
        return f"Its marker {marker} is older than the file itself; write the marker last."
    return ""


def written_at(found: Found, *, now: float) -> float | None:
    """When a file was last written to, at the latest, in seconds; None: that cannot be known.

    The later of its modification time and of the last change of its entry, which no writer can set:
    a copy that keeps times looks old while it is still being written over some network shares.
    Times before 1990 or in the future are not believed.
    """
    believed = [moment for moment in (found.mtime, found.ctime) if EARLIEST <= moment <= now]
    return max(believed, default=None)


def believed_mtime_ns(found: Found, *, now: float) -> int:
    """Modification time for the order of files, in nanoseconds.

    Where it is not to be believed, the last change of the file's entry stands in for it.
    """
    if EARLIEST <= found.mtime <= now:
        return found.stamp.mtime_ns
    return int(min(found.ctime, now) * 1_000_000_000)


def ready_in(found: Found, options: CsvOptions, *, now: float) -> float | None:
    """Seconds until a file has rested long enough; None where that is not what it waits for."""
    written = written_at(found, now=now)
    if options.ready is not Ready.STABLE or written is None:
        return None
    rest = written + options.stable_for - now
    return rest if rest > 0 else None


def is_overdue(found: Found, options: CsvOptions, *, now: float) -> bool:
    """Whether a file that is not ready has been so for longer than any writer takes."""
    limit = max(OVERDUE, 10 * options.stable_for)
    written = written_at(found, now=now)
    if written is None:
        return not 0 <= min(found.mtime, found.ctime) - now <= limit
    return now - written > limit


def _unstable(found: Found, options: CsvOptions, *, now: float) -> str:
    """Say why a file may still be written to."""
    written = written_at(found, now=now)
    if not found.mtime and not found.ctime:
        return (
            "Nobody tells when it was written, so whether it is still being written to cannot be "
            'known; set `ready = "marker"` or `ready = "trailer"`.'
        )
    if written is None:
        return (
            "Its times are before 1990 or ahead of this machine's clock; correct the clock or "
            "touch the file."
        )
    if now - written < options.stable_for:
        return f"It was written to less than {options.stable_for:g} s ago."
    return ""


def _why_incomplete(head: bytes, tail: bytes, options: CsvOptions) -> str:
    """Say what the end of a file lacks."""
    if options.wants_final_newline and tail and not ends_line(tail):
        return (
            "Its last line has no line end, so it may be cut off; if the ERP never writes one, "
            'set `final_newline = "optional"`, best with `ready = "marker"`.'
        )
    if options.ready is Ready.TRAILER:
        text = tail.decode(middle_codec(options.format.encoding, head), errors="replace")
        trailer = Trailer(options)
        if not trailer.ends(text):
            return f"Its last line is no trailer yet ({trailer.wanted})."
    return ""


def _ends(stream: BinaryIO, size: int, *, most: int) -> tuple[bytes, bytes]:
    """Read the first and the last bytes of a file's text; of a compressed one in a stream.

    most: bytes of text. Raises _TooLong beyond it, NotUnpacked or OSError.
    """
    head = stream.read(LONGEST_MARK)
    if not is_packed(head):
        return head, _tail(stream, size)
    with opened(stream) as content:
        return _streamed_ends(content, most=most)


def _tail(stream: BinaryIO, size: int) -> bytes:
    """Read the last bytes of a file, from an offset at which no wide character is torn."""
    start = max(0, size - _TAIL)
    stream.seek(start - start % 4)
    return stream.read(_TAIL + 4)


def _streamed_ends(content: BinaryIO, *, most: int) -> tuple[bytes, bytes]:
    """Read a stream to its end and keep the first and the last bytes; no wide character is torn."""
    head = tail = b""
    size = 0
    for block in blocks(content):
        size += len(block)
        if size > most:
            raise _TooLong
        head = head or block[:LONGEST_MARK]
        tail += block
        excess = max(0, len(tail) - _TAIL)
        tail = tail[excess - excess % 4 :]
    return head, tail
