"""Who may call, and how often."""

from __future__ import annotations

import secrets
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.sandbox.settings import SandboxUser

MINUTE = 60.0


class Token(NamedTuple):
    """A key that was given out; issued on the monotonic clock."""

    username: str
    issued: float


class Access:
    """Users, their tokens, and the limit on logins."""

    def __init__(self, users: Iterable[SandboxUser]) -> None:
        self._passwords = {user.username: user.password for user in users}
        self._tokens: dict[str, Token] = {}
        self._logins: deque[float] = deque()

    def add(self, user: SandboxUser) -> None:
        """Let somebody in, or change the password."""
        self._passwords[user.username] = user.password

    def knows(self, username: str, password: str) -> bool:
        """Tell whether these are the credentials of a user."""
        expected = self._passwords.get(username)
        return expected is not None and secrets.compare_digest(expected.encode(), password.encode())

    def login_wait(self, now: float, per_minute: int | None) -> float:
        """Count a login; return how many seconds it is too early, 0 when it may go on."""
        while self._logins and self._logins[0] <= now - MINUTE:
            self._logins.popleft()
        if per_minute is not None and len(self._logins) >= per_minute:
            return self._logins[0] + MINUTE - now if self._logins else MINUTE
        self._logins.append(now)
        return 0.0

    def token_for(self, username: str, now: float, life: float | None) -> str:
        """Return the user's key, a new one where there is none alive."""
        for key, token in self._tokens.items():
            if token.username == username and _alive(token, now, life):
                return key
        self._tokens = {k: t for k, t in self._tokens.items() if t.username != username}
        key = secrets.token_hex(20)
        self._tokens[key] = Token(username, now)
        return key

    def user_of(self, authorization: str, now: float, life: float | None) -> str | None:
        """Return who the header ``Token <key>`` belongs to, None where it is not valid."""
        scheme, _, key = authorization.partition(" ")
        token = self._tokens.get(key) if scheme == "Token" else None
        return token.username if token is not None and _alive(token, now, life) else None

    def revoke(self) -> int:
        """Make every key invalid; return how many there were."""
        count = len(self._tokens)
        self._tokens.clear()
        return count


def _alive(token: Token, now: float, life: float | None) -> bool:
    return life is None or now < token.issued + life


class RateLimit:
    """A bucket of one second's requests, over all callers."""

    def __init__(self) -> None:
        self._level = 0.0
        self._at = 0.0

    def admits(self, now: float, rate: float | None) -> bool:
        """Tell whether one more request fits; rate in requests per second, None: no limit."""
        if rate is None:
            return True
        self._level = max(self._level - (now - self._at) * rate, 0.0)
        self._at = now
        if self._level + 1.0 > max(rate, 1.0):
            return False
        self._level += 1.0
        return True
