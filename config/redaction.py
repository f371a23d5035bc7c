"""Takes secrets out of whatever is about to be logged. Knows no logging library."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from config.secret import MASK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from config.secret import Secret

SHORTEST = 4
"""A shorter text is looked for as a word of its own: it is part of too many harmless ones."""

_HEADER = re.compile(
    r"""((?:proxy-)?authorization['"]?\s*[:=,]\s*(?:b?['"])?)(?:(?:token|bearer|basic)\s+)?[^\s'",})]+""",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(token|bearer)\s+[\w.~+/=-]{20,}", re.IGNORECASE)
_USER_PART = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/@]*:[^\s/]*@", re.IGNORECASE)
_SECRET_NAME = re.compile(r"(?i)authorization|passw|secret|^token$|_token$")


class Redaction:
    """All texts that must not be seen; `add` what is learnt later, such as a login's token."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._secrets = tuple(secrets)
        self._added: set[str] = set()
        self._sought: tuple[int, re.Pattern[str] | None] = (0, None)

    def add(self, text: str) -> None:
        """Redact this text from now on."""
        self._added.add(text)

    def text(self, text: str) -> str:
        """Return the text with secrets, Authorization headers and users in URLs masked."""
        sought = self._pattern()
        text = text if sought is None else sought.sub(MASK, text)
        text = _HEADER.sub(rf"\1{MASK}", text)
        text = _SCHEME.sub(rf"\1 {MASK}", text)
        return _USER_PART.sub(rf"\1{MASK}@", text)

    def value(self, value: object) -> Any:
        """Return any value with its texts redacted; unknown objects become their redacted repr."""
        match value:
            case float() if not math.isfinite(value):
                return repr(value)  # JSON has no such number
            case None | bool() | int() | float():
                return value
            case str():
                return self.text(value)
            case dict():
                return {
                    self.text(str(name)): self.field(name, each) for name, each in value.items()
                }
            case list() | tuple() | set() | frozenset():
                return [self.value(each) for each in value]
        return self.text(_repr(value))

    def field(self, name: object, value: object) -> Any:
        """Return a value redacted, wholly so if its name says that it is a secret."""
        if _SECRET_NAME.search(str(name)) and isinstance(value, str | bytes):
            return MASK
        return self.value(value)

    def _pattern(self) -> re.Pattern[str] | None:
        """What to look for, the longest first; made anew only when a secret was learnt."""
        known = self._added.union(*(secret.revealed for secret in self._secrets)) - {""}
        if self._sought[0] != len(known):
            forms = {form for text in known for form in _forms(text)}
            words = "|".join(map(_sought, sorted(forms, key=len, reverse=True)))
            self._sought = (len(known), re.compile(words))
        return self._sought[1]


def _sought(form: str) -> str:
    text = re.escape(form)
    return text if len(form) >= SHORTEST else rf"(?<!\w){text}(?!\w)"


def _forms(text: str) -> set[str]:
    """List how a text looks when it was put into a URL, into JSON or into a repr."""
    return {text, quote(text, safe=""), quote_plus(text), json.dumps(text)[1:-1], repr(text)[1:-1]}


def _repr(value: object) -> str:
    try:
        return str(value) if isinstance(value, BaseException) else repr(value)
    except Exception:  # noqa: BLE001 - a broken repr must not lose the event
        return f"<{type(value).__name__}>"
