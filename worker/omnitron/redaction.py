"""Takes secrets out of what a remote said, before anybody can read, log or keep it."""

from __future__ import annotations

import re
from collections import deque
from typing import Any

MASK = "***"

_SHORTEST = 4
"""A shorter one is masked only as a word of its own: masking every "a" would hide the message."""

_REMEMBERED = 16

_AUTHORIZATION = re.compile(
    r"""(authorization["']?\s*[:=]\s*["']?)(?:(token|bearer|basic)\s+)?[^\s"',;<>}]+""",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


class Redaction:
    """The secrets of one client, the newest few, and how to mask them.

    spared: names of fields that stay readable even if somebody's password is such a word.
    """

    def __init__(self, *, spared: frozenset[str] = frozenset()) -> None:
        self._secrets: deque[str] = deque(maxlen=_REMEMBERED)
        self._spared = spared

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._secrets)} secrets)"

    def remember(self, secret: str) -> None:
        """Mask this from now on, too."""
        if secret and secret not in self._secrets:
            self._secrets.append(secret)

    def text(self, text: str) -> str:
        """Mask secrets and Authorization values, and turn control characters into blanks."""
        for secret in self._secrets:
            text = _masked(text, secret)
        return _CONTROL.sub(" ", _AUTHORIZATION.sub(rf"\g<1>{MASK}", text))

    def body(self, body: Any) -> Any:
        """Mask parsed JSON throughout; its depth was capped when it was parsed."""
        if isinstance(body, str):
            return self.text(body)
        if isinstance(body, list):
            return [self.body(item) for item in body]
        if isinstance(body, dict):
            return {self._name(name): self._item(name, item) for name, item in body.items()}
        return body

    def _name(self, name: str) -> str:
        return name if name in self._spared else self.text(name)

    def _item(self, name: str, item: Any) -> Any:
        return MASK if name.lower() == "authorization" else self.body(item)


def _masked(text: str, secret: str) -> str:
    if len(secret) >= _SHORTEST:
        return text.replace(secret, MASK)
    return re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
