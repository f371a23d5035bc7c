"""The sink of a service's log: full, gone or broken, it costs lines and never holds anybody up."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

import pytest

from config import sink
from config.sink import Sink, unblocking

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = b"a line of the log\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for each in (reading, writing):
        with contextlib.suppress(OSError):
            os.close(each)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "PATIENCE", 0.01)


def filled(made: Sink) -> int:
    """How many lines it takes from now until one is lost."""
    for number in range(100_000):
        made.write(LINE)
        if made._lost:
            return number
    raise AssertionError("it never was full")


def test_a_full_pipe_loses_lines_and_tells_how_many_when_it_is_read_again(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    told: list[int] = []
    made = Sink(writing, told=told.append)
    taken = filled(made)
    made.write(LINE)
    assert told == []
    assert os.read(reading, 1 << 20) == LINE * taken
    made.write(b"the next\n")
    assert os.read(reading, 1 << 20) == b"the next\n"
    assert told == [2]


def test_a_line_that_had_begun_is_ended_before_another_one_begins(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    made = Sink(writing, told=lambda _lines: None)
    long = b"x" * 100_000 + b"\n"
    assert made.write(long) == len(long)
    begun = os.read(reading, 1 << 20)
    made.write(LINE)
    assert begun + os.read(reading, 1 << 20) == long + LINE


def test_a_socket_that_nobody_reads_loses_lines() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert filled(Sink(ours.fileno(), told=lambda _lines: None))
        assert ours.getblocking()


def test_others_that_write_to_the_same_pipe_still_wait_for_it(pipe: tuple[int, int]) -> None:
    _, writing = pipe
    Sink(writing, told=lambda _lines: None).write(LINE)
    assert os.get_blocking(writing)


def test_a_reader_that_is_gone_raises_nothing(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    made = Sink(writing, told=lambda _lines: None)
    os.close(reading)
    assert made.write(LINE) == len(LINE)
    assert Sink(writing, told=lambda _lines: None).write(LINE) == len(LINE)


def test_a_full_disk_raises_nothing() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123 - a device, no file
        stream = unblocking(full, told=lambda _lines: None)
        stream.write("lost\n")
        stream.flush()
