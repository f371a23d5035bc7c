"""Sets up the logs: one format for our events and for those of the libraries, secrets taken out.

JSON is one line per event with times in UTC; on the console an event is one line in local time
with its offset, and a traceback follows it with every line marked, so that no text from outside
can look like an event. Nothing that happens to the stream reaches the caller.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import sys
import time
import traceback
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Literal, TextIO

import structlog

from config.redaction import Redaction
from config.repeats import Repeated, Repeats

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable
    from zoneinfo import ZoneInfo

    from config.secret import Secret

Event = MutableMapping[str, Any]
Processor = Callable[[Any, str, Event], Event]

TALKATIVE = ("alembic", "httpx", "httpcore", "aiohttp", "asyncio", "sqlalchemy", "paramiko")
"""Libraries that write URLs, headers or values below WARNING."""

VOLATILE = frozenset({"attempt", "attempts", "count", "excerpt", "exception", "exc_info"})
"""Fields that differ between repeats of one warning; so do all fractions."""

COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
PLAIN = "\x1b[0m"
MARK = "    | "


def configure_logs(  # noqa: PLR0913 - the log settings, and what the processes differ in
    level: str = "info",
    format: Literal["console", "json"] | None = None,  # noqa: A002 - the key's name
    *,
    instance: str = "",
    zone: dt.tzinfo | ZoneInfo = dt.UTC,
    secrets: Iterable[Secret] = (),
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Redaction:
    """Route structlog and the standard library to one stream (standard error) from now on.

    format None: console on a terminal, else json. instance: a field of every JSON event.
    Returns the redaction, to which secrets that are learnt later are added.
    """
    sink = stream or sys.stderr
    terminal = _is_terminal(sink)
    redaction = Redaction(secrets)
    as_json = format == "json" or (format is None and not terminal)
    render = _json(instance) if as_json else _console(zone, coloured=terminal)
    handler = _Handler(sink, clock=clock)
    handler.setFormatter(_formatter(redaction, render))
    _install(handler, level=logging.getLevelNamesMapping()[level.upper()])
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return redaction


class _Handler(logging.StreamHandler[TextIO]):
    """Writes what is no repeated warning; a closed or full stream loses lines, never the work."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float]) -> None:
        super().__init__(stream)
        self._clock = clock
        self._repeats = Repeats()

    def emit(self, record: logging.LogRecord) -> None:
        """Write an event, after the counts of warnings whose minute is over."""
        now = self._clock()
        for repeated in self._repeats.expired(now):
            super().emit(_summary(repeated))
        if record.levelno != logging.WARNING or self._repeats.admit(
            _identity(record), event=_event(record), now=now
        ):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Give up on the event: there is nowhere left to tell it."""

    def close(self) -> None:
        """Write the counts that are still open."""
        for repeated in self._repeats.rest():
            super().emit(_summary(repeated))
        super().close()


def _install(handler: logging.Handler, *, level: int) -> None:
    root = logging.getLogger()
    # no other handler may stay: it would write what has not been redacted
    ours = [each for each in root.handlers if isinstance(each, _Handler)]
    root.handlers[:] = [handler]
    for old in ours:
        old.close()
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _formatter(redaction: Redaction, render: Processor) -> logging.Formatter:
    def redact(_logger: object, _method: str, event: Event) -> Event:
        return {name: redaction.field(name, each) for name, each in event.items()}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.contextvars.merge_contextvars],
        processors=[_stamp, _exception, redact, render],
    )


def _stamp(_logger: object, _method: str, event: Event) -> Event:
    record: logging.LogRecord = event["_record"]
    own = {"_record", "_from_structlog", "timestamp", "level", "event", "logger"}
    return {
        "timestamp": record.created,
        "level": record.levelname.lower(),
        "event": event.get("event", ""),
        "logger": record.name,
        **{name: each for name, each in event.items() if name not in own},
    }


def _exception(_logger: object, _method: str, event: Event) -> Event:
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        event["exception"] = "".join(traceback.format_exception(error)).rstrip()
    return event


def _json(instance: str) -> Processor:
    def render(_logger: object, _method: str, event: Event) -> Any:
        at = dt.datetime.fromtimestamp(event.pop("timestamp"), dt.UTC)
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        head = {"timestamp": stamp, **({"instance": instance} if instance else {})}
        return json.dumps(head | dict(event))

    return render


def _console(zone: dt.tzinfo, *, coloured: bool) -> Processor:
    def render(_logger: object, _method: str, event: Event) -> Any:
        at = dt.datetime.fromtimestamp(event.pop("timestamp"), zone).isoformat(timespec="seconds")
        level, name = event.pop("level"), _printable(event.pop("event"))
        event.pop("logger")
        trace = str(event.pop("exception", ""))
        fields = "".join(f" {key}={_printable(value)}" for key, value in event.items())
        colour = COLOURS.get(level, "") if coloured else ""
        lines = [f"{at} {colour}{level:<7} {name}{PLAIN if colour else ''}{fields}"]
        return "\n".join([*lines, *(f"{MARK}{_escaped(line)}" for line in trace.splitlines())])

    return render


def _printable(value: object) -> str:
    return _escaped(value if isinstance(value, str) else json.dumps(value, default=str))


def _escaped(text: str) -> str:
    """Spell out what would move the cursor or start a line."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _event(record: logging.LogRecord) -> str:
    found = record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg
    return str(found)


def _identity(record: logging.LogRecord) -> Hashable:
    """Tell warnings apart: by logger, event and all fields that do not measure."""
    fields = record.msg if isinstance(record.msg, dict) else {}
    steady = sorted(
        (name, repr(value))
        for name, value in fields.items()
        if name not in VOLATILE and not isinstance(value, float)
    )
    return (record.name, _event(record), tuple(steady))


def _summary(repeated: Repeated) -> logging.LogRecord:
    fields: Any = {"event": "warning_repeated", "warning": repeated.event, "times": repeated.times}
    record = logging.LogRecord("stocksync", logging.WARNING, "", 0, fields, None, None)
    vars(record).update(_logger=None, _name="warning")  # the marks of structlog's own records
    return record


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False  # closed
