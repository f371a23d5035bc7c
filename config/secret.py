"""A secret that can be passed around without being seen. Knows no settings and no environment."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit, urlunsplit

from config.problem import refusal

if TYPE_CHECKING:
    from pathlib import Path

MASK = "••••••"
"""What stands wherever a secret would."""

MAX_BYTES = 65_536
"""A secret file larger than this is not one."""


class Secret:
    """A password, a token or a URL that may hold one; kept as text, or in a file.

    `reveal` is the only way to the text. One in a file is read again each time, so a rotated file
    works without a restart. `revealed` are all texts it ever had, for the redaction of logs.
    """

    __slots__ = ("_file", "_place", "_text", "revealed")

    def __init__(self, text: str = "", *, file: Path | None = None, place: str = "") -> None:
        self._text = text
        self._file = file
        self._place = place
        self.revealed: set[str] = {text} if text else set()

    @property
    def file(self) -> Path | None:
        """The file it is kept in, if it is in one."""
        return self._file

    def reveal(self) -> str:
        """Return the text; raises ConfigurationError if its file cannot be used (any more)."""
        if self._file is None:
            return self._text
        text = read_secret(self._file, place=self._place)
        self.revealed.add(text)
        return text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        # a pickle would carry the text into a broker, a cache or a core file
        message = "a secret is not to be pickled"
        raise TypeError(message)


def mask_url(url: str) -> str:
    """Return the URL with whatever stands before its host, and its query, masked."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"{MASK}@{host}" if at and user else host
    query = MASK if parts.query else ""
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def read_secret(path: Path, *, place: str) -> str:
    """Read a secret file: one trailing newline is dropped.

    Raises ConfigurationError where it is missing, empty, unreadable or writable by everybody.
    """
    text = _contents(path, place=place)
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise refusal(place, "the secret file is empty", "Write the secret into it, on one line.")
    if any(ord(letter) < ord(" ") for letter in text):
        raise refusal(
            place,
            "the secret file holds more than one line, or a control character",
            "Keep exactly the secret in it, on one line.",
        )
    return text


def readable_by_everybody(path: Path) -> bool:
    """Whether others than its owner and group may read the file."""
    return bool(path.stat().st_mode & stat.S_IROTH)


def _contents(path: Path, *, place: str) -> str:
    try:
        with path.open("rb") as file:
            if path.stat().st_mode & stat.S_IWOTH:
                raise refusal(
                    place,
                    "everybody may write to the secret file",
                    f"Run: chmod o-w '{path}'",
                )
            return file.read(MAX_BYTES).decode("utf-8-sig")
    except OSError as error:
        message = f"the secret file '{path}' cannot be read ({error.strerror})"
        raise refusal(place, message, "Name an existing file that this user may read.") from None
    except UnicodeDecodeError:
        raise refusal(
            place, "the secret file is not UTF-8 text", "Save it as plain UTF-8 text."
        ) from None
