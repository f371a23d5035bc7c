"""What an answer of Omnitron means for the level it was about: one table (`design.md` §5).

Pure: no I/O and no clock. Judges one answer by itself; what several answers in a row mean (the
epidemic rule, counting doubts against an item) is the deliver step's to decide.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from worker.model import Answer, AnswerClass, Key, Outcome, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_T = TypeVar("_T")

LONGEST_WAIT = 600.0
"""Seconds; a longer Retry-After is cut to this."""

LONGEST_MESSAGE = 500

LONGEST_QUOTE = 200
MOST_NESTED, DEEPEST_NESTED = 20, 6
"""So many messages of one field, and of messages within messages, are told."""

ITEM_FIELDS = ("product_sku", "stock", "unit_type", "sold_quantity_unreported", "extra_field")
"""The fields whose errors are the item's own fault; `stock_list` is not among them."""

UNKNOWN_PRODUCT = re.compile(
    r"do(?:es)? ?n[o']t exist|not (?:be )?found|not exist|no such|unknown|"
    r"invalid (?:pk|hyperlink)|matching query|bulunamad[\u0131i]|mevcut değil|geçersiz pk",
    re.IGNORECASE,
)
"""How Omnitron may say that it does not know a product. Assumed: it is written nowhere."""

_A_PRODUCT = re.compile(r"\b(?:product|sku|ürün)\b", re.IGNORECASE)

_LOGIN = {
    "login_denied": AnswerClass.DENIED,
    "credentials_unreadable": AnswerClass.DENIED,
    "login_throttled": AnswerClass.THROTTLED,
    "login_failed": AnswerClass.REMOTE_FAULT,
    "login_wait": AnswerClass.NOT_SENT,
}
"""What it means for an item that there was no token to send it with."""

_MESSAGES = {
    "login_denied": "Omnitron does not accept our credentials.",
    "credentials_unreadable": "Our credentials for Omnitron cannot be read.",
    "login_throttled": "Omnitron asks for fewer logins.",
    "login_failed": "The login at Omnitron failed.",
    "login_wait": "Another login was made a moment ago; this one waits its turn.",
    "dns": "The name of Omnitron's host cannot be resolved.",
    "refused": "Omnitron's host refuses connections.",
    "tls": "No secure connection to Omnitron could be made.",
    "connect_timeout": "No connection to Omnitron was had in time.",
    "pool_timeout": "No connection was free in time.",
    "read_timeout": "Omnitron did not answer in time; it may have taken the value.",
    "reset": "The connection broke after the request was sent; Omnitron may have taken the value.",
    "bad_http": "The answer was no valid HTTP; Omnitron may have taken the value.",
}

_TOO_LARGE = frozenset({413, 414, 431})
_DOUBTFUL = frozenset({408, 409, 412, 425})
_WITH_FIELDS = frozenset({400, 404, 422})


def classify(answer: Answer, key: Key, value: Value, *, now: float) -> Outcome:
    """Say what one answer means for the value that was sent. now: epoch seconds.

    Takes any answer and never raises. ACCEPTED only with proof: a 200 or 201 whose record has our
    SKU in our spelling, our list and our value.
    """
    if answer.status is None or not answer.sent:
        return _unanswered(answer, now=now)
    if answer.status in {200, 201}:
        return _proven(answer, key, value)
    return _refused(answer, key, now=now)


def retry_after_seconds(text: str | None, *, now: float) -> float | None:
    """Read a Retry-After: seconds or an HTTP date, past is 0, at most `LONGEST_WAIT`.

    None where there is none, or nothing that makes sense (also negative seconds).
    """
    if text is None:
        return None
    text = text.strip()
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", text):
        return LONGEST_WAIT if len(text) > 15 else min(float(text), LONGEST_WAIT)  # noqa: PLR2004
    moment = _moment(text)
    return None if moment is None else min(max(moment - now, 0.0), LONGEST_WAIT)


def _moment(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text[:64])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _outcome(
    verdict: AnswerClass,
    answer: Answer,
    reason: str,
    message: str,
) -> Outcome:
    return Outcome(
        verdict=verdict,
        reason=reason,
        message=message[:LONGEST_MESSAGE],
        status=answer.status,
        excerpt=answer.excerpt,
        date=answer.date,
    )


def _wait(answer: Answer, *, now: float) -> float | None:
    """Seconds to wait, counted on Omnitron's own clock where it told us the time."""
    return retry_after_seconds(answer.retry_after, now=now if answer.date is None else answer.date)


def _unanswered(answer: Answer, *, now: float) -> Outcome:
    """Judge a request that never left, for want of a connection or a token, or lost its answer."""
    verdict = AnswerClass.IN_DOUBT if answer.sent else _LOGIN.get(answer.error, _NOT_SENT)
    reason = answer.error or "no_answer"
    message = _MESSAGES.get(reason, "Omnitron gave no answer.")
    return replace(_outcome(verdict, answer, reason, message), retry_after=_wait(answer, now=now))


_NOT_SENT = AnswerClass.NOT_SENT


def _proven(answer: Answer, key: Key, value: Value) -> Outcome:
    """Judge a success: it counts only with proof."""
    record = answer.body
    if not answer.is_json or not isinstance(record, dict):
        message = f"Omnitron answered {answer.status} without a record: no proof that it took it."
        return _outcome(AnswerClass.IN_DOUBT, answer, answer.error or "no_record", message)
    other = _differing(record, key, value)
    if other:
        message = f"Omnitron answered {answer.status} with another {other} than the one sent."
        return _outcome(AnswerClass.IN_DOUBT, answer, f"other_{other}", message)
    return Outcome(
        verdict=AnswerClass.ACCEPTED,
        status=answer.status,
        remote_pk=_pk(record.get("id")),
        date=answer.date,
    )


def _differing(record: dict[str, Any], key: Key, value: Value) -> str:
    """Name the first field that is not as sent, "" if none; unsent fields may be anything."""
    if record.get("product_sku") != key.sku:
        return "product_sku"
    if not _equals(record.get("stock_list"), key.stock_list):
        return "stock_list"
    if not _equals(record.get("stock"), value.stock):
        return "stock"
    return _differing_option(record, value)


def _differing_option(record: dict[str, Any], value: Value) -> str:
    """Compare what need not be sent; a field that is not echoed is no difference."""
    unit, sold, extra = value.unit_type, value.sold, value.extra
    if unit is not None and record.get("unit_type", unit) != unit:
        return "unit_type"
    if sold is not None and not _equals(record.get("sold_quantity_unreported", sold), sold):
        return "sold_quantity_unreported"
    if extra is not None and not _same_extra(record, extra):
        return "extra_field"
    return ""


def _equals(echo: Any, sent: int) -> bool:
    """Whether JSON shows the number that was sent; 5.0 is 5, but true is not 1 and "5" not 5."""
    return isinstance(echo, int | float) and not isinstance(echo, bool) and echo == sent


def _same_extra(record: dict[str, Any], extra: str) -> bool:
    if "extra_field" not in record:
        return True
    try:
        return bool((record["extra_field"] or {}) == orjson.loads(extra))
    except (orjson.JSONDecodeError, RecursionError):
        return False


def _pk(value: Any) -> int | None:
    return value if type(value) is int and 0 < value < 2**63 else None


def _refused(answer: Answer, key: Key, *, now: float) -> Outcome:
    """Judge every status but 200 and 201."""
    for judge in (_throttled, _denied, _named_fields):
        outcome = judge(answer, key, now)
        if outcome is not None:
            return outcome
    return _by_status(answer)


def _throttled(answer: Answer, _: Key, now: float) -> Outcome | None:
    asks = answer.status == 503 and answer.retry_after is not None  # noqa: PLR2004 - HTTP
    if answer.status != 429 and not asks:  # noqa: PLR2004 - HTTP
        return None
    message = f"Omnitron answered {answer.status}: it asks for fewer requests."
    outcome = _outcome(AnswerClass.THROTTLED, answer, "throttled", message)
    return replace(outcome, retry_after=_wait(answer, now=now))


def _denied(answer: Answer, key: Key, _now: float) -> Outcome | None:
    if answer.status not in {401, 403}:
        return None
    if answer.status == 403 and "stock_list" in _errors(answer, key):  # noqa: PLR2004 - HTTP
        message = f"Omnitron does not let us write to stock list {key.stock_list}."
        return _outcome(AnswerClass.FORBIDDEN, answer, "forbidden", message)
    message = f"Omnitron answered {answer.status}: our credentials or rights do not suffice."
    return _outcome(AnswerClass.DENIED, answer, f"http_{answer.status}", message)


def _named_fields(answer: Answer, key: Key, _now: float) -> Outcome | None:
    """Judge a refusal that says which fields it is about."""
    if answer.status not in _WITH_FIELDS:
        return None
    errors = _errors(answer, key)
    if "stock_list" in errors:
        message = f"Omnitron does not take stock list {key.stock_list}: {errors['stock_list']}"
        return _outcome(AnswerClass.LIST_STOPPED, answer, "stock_list", message)
    if _is_unknown_product(answer, errors):
        message = f"Omnitron does not know the product {key.sku!r} (yet)."
        return _outcome(AnswerClass.UNKNOWN_PRODUCT, answer, "unknown_product", message)
    named = [field for field in ITEM_FIELDS if field in errors]
    if not named:
        return None
    message = "; ".join(f"{field}: {errors[field]}" for field in named)
    return _outcome(AnswerClass.REJECTED, answer, f"invalid_{named[0]}", message)


def _errors(answer: Answer, key: Key) -> dict[str, str]:
    """Error text per field. A field that merely repeats what was sent is no error."""
    if not answer.is_json or not isinstance(answer.body, dict):
        return {}
    texts = {field: _sentence(said) for field, said in answer.body.items() if said != key.sku}
    return {field: text for field, text in texts.items() if text}


def _sentence(said: Any, *, deep: int = DEEPEST_NESTED) -> str:
    """Put messages into one line; "" for what is no message (numbers, null, empty lists)."""
    if isinstance(said, str):
        return said.strip()[:LONGEST_MESSAGE]
    if deep and isinstance(said, list):
        return " ".join(filter(None, (_sentence(item, deep=deep - 1) for item in _some(said))))
    if deep and isinstance(said, dict):
        texts = [(name, _sentence(item, deep=deep - 1)) for name, item in _some(said.items())]
        return ", ".join(f"{name}: {text}" for name, text in texts if text)
    return ""


def _some(items: Iterable[_T]) -> Iterator[_T]:
    return islice(items, MOST_NESTED)


def _is_unknown_product(answer: Answer, errors: dict[str, str]) -> bool:
    if answer.status == 404 and not errors.keys() & set(ITEM_FIELDS):  # noqa: PLR2004 - HTTP
        said = errors.get("detail", "")
        return bool(_A_PRODUCT.search(said) and UNKNOWN_PRODUCT.search(said))
    is_alone = not errors.keys() & set(ITEM_FIELDS[1:])
    return is_alone and bool(UNKNOWN_PRODUCT.search(errors.get("product_sku", "")))


def _by_status(answer: Answer) -> Outcome:
    """Judge by the status alone."""
    status = answer.status or 0
    reason = f"http_{status}"
    if status in _TOO_LARGE:
        message = f"Omnitron answered {status}: the request for this item is too large."
        return _outcome(AnswerClass.REJECTED, answer, "too_large", message)
    if status in _DOUBTFUL or 200 <= status < 300:  # noqa: PLR2004 - HTTP
        message = f"Omnitron answered {status}: it may or may not have taken the value."
        return _outcome(AnswerClass.IN_DOUBT, answer, reason, message)
    said = _sentence(answer.body)[:LONGEST_QUOTE]
    message = f"Omnitron answered {status}, which says nothing about this item."
    message += f" It says: {said}" if said else ""
    return _outcome(AnswerClass.REMOTE_FAULT, answer, reason, message)
