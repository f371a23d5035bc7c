"""What a piece of work costs a process: wall time, CPU time and peak memory, each in a child."""

from __future__ import annotations

import multiprocessing
import os
import re
import statistics
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    Make = Callable[..., AbstractContextManager[Callable[[], "Sample"]]]

_SPAWN = multiprocessing.get_context("spawn")
_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement. items: how many were done; wall, cpu in seconds; peak in bytes."""

    items: int
    wall: float
    cpu: float
    peak: int

    @property
    def rate(self) -> float:
        """Items per second of wall time."""
        return self.items / self.wall

    @property
    def micros(self) -> float:
        """Microseconds of CPU per item."""
        return self.cpu / self.items * 1e6


def median(samples: Sequence[Sample]) -> Sample:
    """The median of each figure; the peak is the highest."""
    return Sample(
        items=samples[0].items,
        wall=statistics.median(sample.wall for sample in samples),
        cpu=statistics.median(sample.cpu for sample in samples),
        peak=max(sample.peak for sample in samples),
    )


@contextmanager
def measured(items: int) -> Iterator[list[Sample]]:
    """Measure the block; its one sample is in the list afterwards."""
    found: list[Sample] = []
    cpu, wall = time.process_time(), time.perf_counter()
    yield found
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    found.append(Sample(items=items, wall=wall, cpu=cpu, peak=peak_memory()))


def peak_memory() -> int:
    """The most bytes that this process has had in memory.

    VmHWM where there is a /proc, since `ru_maxrss` of a fresh child includes its parent's.
    """
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) * 1024
    import resource  # noqa: PLC0415 - not there on every platform

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Child:
    """A process of its own that makes a contender once and lets it run whenever it is asked.

    make: a module-level context manager; what it lends is called with nothing for each sample.
    """

    def __init__(self, make: Make, **arguments: Any) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        target = (theirs, make, arguments)
        self._process = _SPAWN.Process(target=_serve, args=target, daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let it end."""
        self._pipe.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.terminate()

    def sample(self) -> Sample:
        """Let it run once. Raises EOFError if it died."""
        self._pipe.send("go")
        found: Sample = self._pipe.recv()
        return found


def _serve(pipe: Any, make: Make, arguments: dict[str, Any]) -> None:
    os.environ["STOCKSYNC_ACTOR"] = "benchmark"
    with make(**arguments) as run, suppress(EOFError):
        while True:
            pipe.recv()
            pipe.send(run())
