"""The logs: one line per event, no secret in any, repeats counted, and never in the way."""

from __future__ import annotations

import io
import json
import logging
import os
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import structlog

from config.logs import configure_logs
from config.repeats import Repeats
from config.secret import MASK, Secret
from tests.unit.config_files import MINIMAL, loaded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    names = ("httpx", "httpcore", "aiohttp", "asyncio", "sqlalchemy")
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def fail(message: str) -> None:
    raise ValueError(message)


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_what_is_no_terminal_gets_json_with_utc_times(stream: io.StringIO) -> None:
    configure_logs(stream=stream, instance="acme")
    structlog.get_logger("worker.pull").info("pull_applied", source="drop", changed=3)
    (event,) = events(stream)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "instance": "acme",
        "level": "info",
        "event": "pull_applied",
        "logger": "worker.pull",
        "source": "drop",
        "changed": 3,
    }


def test_a_terminal_gets_coloured_lines_in_local_time(stream: io.StringIO) -> None:
    terminal = Terminal()
    configure_logs(stream=terminal, zone=ZoneInfo("Asia/Tokyo"))
    structlog.get_logger().warning("target_paused", reason="two words")
    line = terminal.getvalue()
    assert "+09:00 \x1b[33mwarning target_paused\x1b[0m reason=two words" in line
    configure_logs(format="console", stream=stream)
    structlog.get_logger().warning("target_paused")
    assert "\x1b" not in stream.getvalue()


def test_a_named_format_holds_on_a_terminal_too() -> None:
    terminal = Terminal()
    configure_logs(format="json", stream=terminal)
    structlog.get_logger().info("started")
    assert events(terminal)[0]["event"] == "started"


def test_the_standard_library_goes_the_same_way(stream: io.StringIO) -> None:
    configure_logs(stream=stream)
    logging.getLogger("celery.worker").info("ready %s", "now")
    assert events(stream)[0]["event"] == "ready now"


def test_libraries_that_log_addresses_are_quiet_below_warning(stream: io.StringIO) -> None:
    configure_logs("debug", stream=stream)
    for name in ("httpx", "httpcore.http11", "aiohttp.access"):
        logging.getLogger(name).info("GET https://host/?token=x")
    structlog.get_logger().debug("kept")
    assert [event["event"] for event in events(stream)] == ["kept"]


def test_events_below_the_level_are_not_written(stream: io.StringIO) -> None:
    configure_logs("warning", stream=stream)
    structlog.get_logger().info("step")
    assert stream.getvalue() == ""


def test_secrets_are_taken_out_of_events_fields_and_tracebacks(stream: io.StringIO) -> None:
    redaction = configure_logs(stream=stream, secrets=[Secret('CAN"ARY/1')])
    redaction.add("CANARY-token")
    log = structlog.get_logger()
    try:
        fail("refused for CANARY-token")
    except ValueError as error:
        log.exception("failed", deep={"list": ['x CAN"ARY/1 y']}, error=error)
        logging.getLogger("celery").exception("failed with CAN%%22ARY%%2F1 %s", 'CAN"ARY/1')
    text = stream.getvalue()
    assert "CANARY" not in text
    assert "CAN" not in text
    assert all("Traceback" in event["exception"] for event in events(stream))


@pytest.mark.parametrize(
    "leak",
    [
        "Authorization: Token CANARY",
        "{'Authorization': 'Token CANARY'}",
        "headers [(b'authorization', b'Token CANARY')]",
        "authorization=Bearer CANARY",
        "sent Token CANARYCANARYCANARYCANARY",
        "postgresql://me:CANARY@host/db",
    ],
)
def test_headers_and_users_in_urls_are_masked_even_if_unknown(
    stream: io.StringIO, leak: str
) -> None:
    configure_logs(stream=stream)
    structlog.get_logger().error("failed", text=leak, headers={"Authorization": "Token CANARY"})
    assert "CANARY" not in stream.getvalue()
    assert MASK in events(stream)[0]["text"]


def test_a_short_secret_is_taken_out_where_it_is_a_word_of_its_own(stream: io.StringIO) -> None:
    configure_logs(stream=stream, secrets=[Secret("sa"), Secret("1$")])
    structlog.get_logger().warning(
        "same", text="password sa refused, usage 1$", url="//erp:sa@host"
    )
    (event,) = events(stream)
    assert event["text"] == f"password {MASK} refused, usage {MASK}"
    assert event["event"] == "same"


def test_a_rotated_secret_is_redacted_before_and_after(stream: io.StringIO, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("CANARY-old")
    secret = Secret(file=tmp_path / "secret")
    configure_logs(stream=stream, secrets=[secret])
    secret.reveal()
    (tmp_path / "secret").write_text("CANARY-new")
    secret.reveal()
    structlog.get_logger().error("failed", text="CANARY-old CANARY-new")
    assert "CANARY" not in stream.getvalue()


def test_the_password_of_the_broker_is_redacted_and_its_address_is_not(
    stream: io.StringIO, tmp_path: Path
) -> None:
    environ = {"STOCKSYNC_BROKER_URL": "redis://:CAN%40ARY@cache:6379/0"}
    configure_logs(stream=stream, secrets=loaded(tmp_path, MINIMAL, environ).secrets())
    structlog.get_logger().info("connected", to="redis://cache:6379/0", by="CAN@ARY CAN%40ARY")
    (event,) = events(stream)
    assert (event["to"], event["by"]) == ("redis://cache:6379/0", f"{MASK} {MASK}")


def test_text_from_outside_cannot_look_like_an_event(stream: io.StringIO) -> None:
    configure_logs(format="console", stream=stream)
    try:
        fail("one\n2026-01-01 error forged")
    except ValueError:
        structlog.get_logger().exception("failed\nforged", text="a\r\nforged \x1b[2J")
    first, *trace = stream.getvalue().splitlines()
    assert "\x1b" not in first
    assert "forged" in first
    assert all(line.startswith("    | ") for line in trace)


def test_a_repeated_warning_is_written_once_a_minute_with_its_count(stream: io.StringIO) -> None:
    clock = Clock()
    configure_logs(stream=stream, clock=clock)
    log = structlog.get_logger()
    for attempt in range(5):
        log.warning("source_unreachable", source="drop", attempt=attempt, seconds=attempt / 7)
    log.warning("source_unreachable", source="erp")
    clock.now += 60
    log.info("step_ended")
    told = [(event["event"], event.get("times")) for event in events(stream)]
    assert told == [
        ("source_unreachable", None),
        ("source_unreachable", None),
        ("warning_repeated", 4),
        ("step_ended", None),
    ]


def test_errors_are_never_counted_away(stream: io.StringIO) -> None:
    configure_logs(stream=stream)
    for _ in range(3):
        structlog.get_logger().error("failed")
    assert len(events(stream)) == 3


def test_counts_that_are_open_at_the_end_are_written(stream: io.StringIO) -> None:
    configure_logs(stream=stream, clock=Clock())
    for _ in range(3):
        logging.getLogger("kombu").warning("lost")
    configure_logs(stream=io.StringIO())
    assert events(stream)[-1]["times"] == 2


def test_the_memory_for_repeats_is_bounded() -> None:
    repeats = Repeats(most=10)
    for number in range(1_000):
        repeats.expired(0.0)
        assert repeats.admit(number, event="e", now=0.0)
    assert len(repeats._seen) <= 10


def test_a_closed_stream_never_reaches_the_caller(stream: io.StringIO) -> None:
    configure_logs(stream=stream)
    stream.close()
    structlog.get_logger().error("failed")
    logging.getLogger("celery").error("failed")


def test_a_reader_that_is_gone_never_reaches_the_caller() -> None:
    reading, writing = os.pipe()
    with io.TextIOWrapper(io.FileIO(writing, "w"), write_through=True) as pipe:
        os.close(reading)
        with pytest.raises(BrokenPipeError):
            pipe.write("x")
        configure_logs(stream=pipe)
        structlog.get_logger().error("failed")
        configure_logs(stream=io.StringIO())


def test_a_value_that_cannot_be_shown_does_not_lose_the_event(stream: io.StringIO) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    configure_logs(stream=stream)
    structlog.get_logger().info("odd", value=Broken(), number=float("nan"), text="\udc80")
    assert events(stream)[0]["value"] == "<Broken>"
