"""Turns an answer that is of no use for reading into the error that says what to do next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from worker.errors import (
    OmnitronAnswerError,
    OmnitronDenied,
    OmnitronLoginWaits,
    OmnitronThrottled,
    OmnitronUnreachable,
)
from worker.planning.answers import retry_after_seconds

if TYPE_CHECKING:
    from worker.model import Answer

_TROUBLE = {
    "dns": "the name of its host cannot be resolved",
    "refused": "its host refuses connections",
    "tls": "no secure connection could be made",
    "connect_timeout": "no connection was had in time",
    "pool_timeout": "no connection was free in time",
    "read_timeout": "it did not answer in time",
    "reset": "the connection broke",
    "bad_http": "what it answered is no valid HTTP",
}

_DENIED = frozenset({"login_denied", "credentials_unreadable"})


def reading_error(answer: Answer, what: str) -> OmnitronUnreachable:
    """Say what kept us from reading. what: ``the login`` or ``reading``."""
    if answer.error in _DENIED or answer.status in {401, 403}:
        return _denied(answer, what)
    if answer.error == "login_wait":
        return OmnitronLoginWaits(
            f"The login at Omnitron waits its turn for {answer.retry_after} s: others came before.",
            seconds=float(answer.retry_after or 0.0),
            remedy="Nothing is lost; it is tried again.",
        )
    if answer.status is None:
        trouble = _TROUBLE.get(answer.error, answer.error or "it gave no answer")
        return OmnitronUnreachable(
            f"Omnitron cannot be reached for {what}: {trouble}.",
            remedy="Nothing is lost; it is tried again. Look at omnitron.base_url and the network.",
        )
    if answer.status == 429 or (answer.status == 503 and answer.retry_after is not None):  # noqa: PLR2004 - HTTP
        return _throttled(answer, what)
    if answer.status >= 500:  # noqa: PLR2004 - HTTP
        return OmnitronUnreachable(
            f"Omnitron answered {answer.status} to {what}.{_quoted(answer)}",
            remedy="Nothing is lost; it is tried again.",
        )
    return unreadable(f"{what} was answered with {_shape(answer)}", status=answer.status)


def unreadable(what: str, *, status: int | None = None) -> OmnitronAnswerError:
    """Say that an answer is not what Omnitron's API promises."""
    return OmnitronAnswerError(
        f"Omnitron cannot be read: {what}.",
        status=status,
        remedy="Check that omnitron.base_url is the address of Omnitron itself.",
    )


def _denied(answer: Answer, what: str) -> OmnitronDenied:
    if answer.error == "credentials_unreadable":
        message = f"The credentials for Omnitron cannot be read.{_quoted(answer)}"
    else:
        message = f"Omnitron denies us {what} ({answer.status}).{_quoted(answer)}"
    return OmnitronDenied(message, remedy="Check omnitron.username and password, or the token.")


def _throttled(answer: Answer, what: str) -> OmnitronThrottled:
    now = time.time() if answer.date is None else answer.date
    return OmnitronThrottled(
        f"Omnitron asks for fewer requests ({answer.status} to {what}).",
        retry_after=retry_after_seconds(answer.retry_after, now=now),
        remedy="It is tried again later; lower omnitron.requests_per_second if this goes on.",
    )


def _shape(answer: Answer) -> str:
    fault = answer.error or ("no JSON" if answer.status == 200 else "")  # noqa: PLR2004 - HTTP
    return f"{answer.status}{f' and {fault}' if fault else ''}{_quoted(answer)}"


def _quoted(answer: Answer) -> str:
    return f" It says: {answer.excerpt[:200]}" if answer.excerpt else ""
