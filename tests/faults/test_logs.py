"""What may become of the log (O6): a full disk, a closed stream, a reader that is gone or stuck.

Delivery does not notice, and the service still ends when it is told to. `docs/faults.md` says
which test shows what.
"""

from __future__ import annotations

import contextlib
import os
import signal
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.services import stocks
from tests.faults.stage import LONG, Stage, stage
from tests.processes import STOCKSYNC, running, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.processes import Running

pytestmark = pytest.mark.thorough


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        yield made


def writing_to(
    on: Stage, redirection: str, *words: str
) -> contextlib.AbstractContextManager[Running]:
    """A command of the service whose output a shell has put elsewhere."""
    command = ("sh", "-c", f'exec "$@" {redirection}', "sh", *STOCKSYNC, *words)
    return running(*command, folder=on.at.folder)


@dataclass
class Reader:
    """Who reads the log at the other end of a pipe, or does not."""

    path: Path
    _descriptor: int = -1
    _seen: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        os.mkfifo(self.path)
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def fill(self) -> None:
        """Let the pipe hold as much as it can."""
        writing = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while os.write(writing, b"\n" * 512):
                pass
        os.close(writing)

    def has_read(self, text: bytes) -> bool:
        """Read what is there, and say whether this has come by now."""
        with contextlib.suppress(BlockingIOError):
            while block := os.read(self._descriptor, 1 << 20):
                self._seen.append(block)
        return text in b"".join(self._seen)

    def go(self) -> None:
        """Read no more, for ever."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


@contextmanager
def reading(on: Stage) -> Iterator[Reader]:
    reader = Reader(on.at.folder / "pipe")
    try:
        yield reader
    finally:
        reader.go()


@pytest.mark.parametrize(
    "redirection", [">/dev/full 2>/dev/full", ">&- 2>&-", "<&- >&- 2>&-"], ids=str.strip
)
def test_o6_a_log_whose_disk_is_full_or_that_is_closed_changes_nothing(
    on: Stage, redirection: str
) -> None:
    with writing_to(on, redirection, "run") as service:
        for turn in range(3):
            on.says("a.csv", stocks(f"A{turn}", 40))
            on.judge(minimum=40 * (turn + 1))
        assert service.end() == 128 + signal.SIGTERM
    assert not on.at.count("claim_token IS NOT NULL")


def test_o6_a_log_whose_reader_goes_changes_nothing(on: Stage) -> None:
    with reading(on) as reader, writing_to(on, ">pipe 2>&1", "run") as service:
        on.says("a.csv", stocks("A", 40))
        until(lambda: reader.has_read(b'"batch_done"'), seconds=LONG)
        reader.go()
        for turn in range(3):
            on.says("b.csv", stocks(f"B{turn}", 40))
            on.judge(minimum=40 * (turn + 2))
        assert service.end() == 128 + signal.SIGTERM


def test_o6_a_log_that_nobody_reads_blocks_neither_delivery_nor_the_end(on: Stage) -> None:
    with reading(on) as reader:
        reader.fill()
        with writing_to(on, ">pipe 2>&1", "run") as service:
            for turn in range(3):
                on.says("a.csv", stocks(f"A{turn}", 40))
                on.judge(minimum=40 * (turn + 1))
            assert service.end() == 128 + signal.SIGTERM
    assert not on.at.count("claim_token IS NOT NULL")


def test_o6_a_worker_of_its_own_works_beside_a_log_that_nobody_reads_and_tells_what_it_lost(
    on: Stage,
) -> None:
    with ExitStack() as stack:
        reader = stack.enter_context(reading(on))
        reader.fill()
        for words in (("beat",), ("worker", "--queue", "pull"), ("worker", "--queue", "confirm")):
            stack.enter_context(on.run(*words))
        deliver = stack.enter_context(writing_to(on, ">pipe 2>&1", "worker", "--queue", "deliver"))
        on.says("a.csv", stocks("A", 40))
        on.judge(minimum=40)
        assert not reader.has_read(b"batch_done")
        on.says("b.csv", stocks("B", 40))
        until(lambda: reader.has_read(b'"log_lines_lost"'), seconds=LONG)
        assert deliver.end() == 128 + signal.SIGTERM
        assert reader.has_read(b'"worker_ended"')
