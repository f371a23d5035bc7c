"""A private sorter for what a pull reads: as large as the source, while memory stays flat.

Sorted runs go to an unlinked temporary file and are merged from there, so nothing is left behind
however the process ends. Lines are plain texts without line ends, which sort and split at the speed
of C; what is in them is no matter of this module.
"""

from __future__ import annotations

import contextlib
import tempfile
from bisect import bisect_right
from itertools import chain
from typing import TYPE_CHECKING, Self

from worker.errors import Unreachable
from worker.model import PAGE_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

RUN_ROWS = 50_000
"""As many lines are sorted in memory at a time."""

_BLOCK_ROWS = 500
"""As many lines of each run are in memory while runs are merged."""

_ENCODING = ("utf-8", "surrogatepass")


class Scratch:
    """Lines in, in any order; pages out, sorted."""

    def __init__(self, *, run_rows: int = RUN_ROWS, block_rows: int = _BLOCK_ROWS) -> None:
        self._run_rows, self._block_rows = run_rows, block_rows
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the scratch
        self._runs: list[list[tuple[int, int]]] = []  # per run: offset and size of its blocks
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):  # what it could not write is wanted no more
            self._file.close()

    def add(self, lines: Iterable[str]) -> None:
        """Append lines."""
        self._lines += lines
        if len(self._lines) >= self._run_rows:
            self._spill()

    def pages(
        self, *, size: int = PAGE_ROWS, whole: Callable[[str], str] | None = None
    ) -> Iterator[list[str]]:
        """Sorted pages of about ``size`` lines.

        whole: names what no page may cut in two: lines that it maps to the same text.
        """
        kept: list[str] = []
        for lines in self._merged():
            kept += lines
            while len(kept) > size and (cut := _cut(kept, size, whole)):
                yield kept[:cut]
                del kept[:cut]
        if kept:
            yield kept

    def every(self) -> Iterator[str]:
        """All lines, in no order."""
        blocks = chain.from_iterable(self._runs)
        return chain(self._lines, chain.from_iterable(map(self._read, blocks)))

    def _merged(self) -> Iterator[list[str]]:
        """Sorted stretches that follow one another.

        Of the blocks at the head of each run, all up to the smallest last line can go: nothing that
        is still in the file sorts before it. `list.sort` finds the runs in what it is given.
        """
        if self._lines and self._runs:
            self._spill()
        self._lines.sort()
        if self._lines:
            yield self._lines
        heads = [_Head(map(self._read, blocks)) for blocks in self._runs]
        while heads := [head for head in heads if head.lines]:
            upto = min(head.lines[-1] for head in heads)
            lines = list(chain.from_iterable(head.taken(upto) for head in heads))
            lines.sort()
            yield lines

    def _spill(self) -> None:
        lines, self._lines = self._lines, []
        lines.sort()
        blocks = range(0, len(lines), self._block_rows)
        self._runs.append([self._written(lines[n : n + self._block_rows]) for n in blocks])

    def _written(self, block: Sequence[str]) -> tuple[int, int]:
        with _disk():
            return self._file.tell(), self._file.write("\n".join(block).encode(*_ENCODING))

    def _read(self, block: tuple[int, int]) -> list[str]:
        offset, size = block
        with _disk():
            self._file.seek(offset)
            return self._file.read(size).decode(*_ENCODING).split("\n")


@contextlib.contextmanager
def _disk() -> Iterator[None]:
    """Translate what the disk refuses. Raises Unreachable."""
    try:
        yield
    except OSError as error:
        folder = tempfile.gettempdir()
        raise Unreachable(
            f"a temporary file in {folder} cannot be used: {error.strerror}",
            remedy="see that its disk has room, or let TMPDIR name a folder on another one",
        ) from error


class _Head:
    """The block of one run that is being merged; no lines: the run is at its end."""

    def __init__(self, blocks: Iterator[list[str]]) -> None:
        self._blocks = blocks
        self.lines: list[str] = next(blocks, [])

    def taken(self, upto: str) -> list[str]:
        """Take what does not sort after ``upto`` off the block, and read on at its end."""
        cut = bisect_right(self.lines, upto)
        taken, self.lines = self.lines[:cut], self.lines[cut:]
        if not self.lines:
            self.lines = next(self._blocks, [])
        return taken


def _cut(lines: Sequence[str], size: int, whole: Callable[[str], str] | None) -> int:
    """Where the first page ends; 0: not to be seen yet."""
    if whole is None:
        return size
    ends = (n for n in range(size, len(lines)) if whole(lines[n]) != whole(lines[n - 1]))
    return next(ends, 0)
