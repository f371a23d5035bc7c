"""Reading TOML, and on which line each key stands. Knows nothing of what the keys mean."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from config.problem import ConfigurationError, KeyPath, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator


def parse(content: bytes, *, label: str) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Read a TOML file: its tree, and the line of every key. A BOM and CRLF are fine.

    Raises ConfigurationError with line and column; no text of the file is quoted, since a broken
    line may hold a secret.
    """
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise refusal(
            f"{label} line {line}", "is not UTF-8 text", "Save the file as UTF-8."
        ) from None
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(str(error), text, label=label) from None
    except (RecursionError, ValueError):
        message = "is nested too deeply, or has a number of thousands of digits"
        raise refusal(label, message, "Write plain tables and values.") from None
    return tree, dict(_lines(text))


def _syntax_error(message: str, text: str, *, label: str) -> ConfigurationError:
    found = re.search(r"\(at line (\d+), column (\d+)\)$", message)
    line, column = found.groups() if found else (str(text.count("\n") + 1), "")
    reason = re.sub(r"\s*\(.*\)|\s*(['\"]).*\1", "", message).strip().lower() or "cannot be read"
    place = f"{label} line {line}" + (f" column {column}" if column else "")
    remedy = 'Write key = value, texts in "quotes"; a key or table may be there only once.'
    return refusal(place, f"is not valid TOML: {reason}", remedy)


def _lines(text: str) -> Iterator[tuple[KeyPath, int]]:
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _header(parsed, counts, opens=statement.lstrip().startswith("[["))
            yield table, number
        else:
            yield from (((*table, *path), number) for path in _paths(parsed))


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Cut a valid document into headers and assignments, each with the line it starts on."""
    start, pending = 1, ""
    for number, line in enumerate(text.split("\n"), start=1):
        start, pending = (start, f"{pending}\n{line}") if pending else (number, line)
        if not pending.strip() or pending.lstrip().startswith("#"):
            pending = ""
        elif _complete(pending):
            yield start, pending
            pending = ""


def _complete(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _header(parsed: dict[str, Any], counts: dict[KeyPath, int], *, opens: bool) -> KeyPath:
    """Find where a table header points to: the newest item of each list on its way."""
    path: KeyPath = ()
    inner: Any = parsed
    while isinstance(inner, dict) and inner:
        ((name, inner),) = inner.items()
        path = (*path, name)
        last = not isinstance(inner, dict) or not inner
        if last and opens:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict | list):
        for name, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _paths(child, (*path, name))
