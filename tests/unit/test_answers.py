"""The table of answers of the design page, row by row, and what holds for all answers."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model import Answer, AnswerClass, Key, Outcome, Value
from worker.planning.answers import LONGEST_MESSAGE, LONGEST_WAIT, classify, retry_after_seconds

NOW = 1_764_598_731.0  # Mon, 01 Dec 2025 14:18:51 GMT
KEY = Key(stock_list=2, sku="0001234")
PLAIN = Value(stock=5)
FULL = Value(stock=5, unit_type="kg", sold=3, extra='{"bin":"A1"}')
RECORD = {"id": 77, "product_sku": "0001234", "stock_list": 2, "stock": 5}
FULL_RECORD = RECORD | {
    "unit_type": "kg",
    "sold_quantity_unreported": 3,
    "extra_field": {"bin": "A1"},
}
MISSING = ["Object with sku=0001234 does not exist."]


def said(status: int, body: Any = None, **rest: Any) -> Answer:
    return Answer(status=status, body=body, is_json=body is not None, **rest)


def not_sent(error: str, **rest: Any) -> Answer:
    return Answer(status=rest.pop("status", None), sent=False, error=error, **rest)


def judged(answer: Answer, value: Value = PLAIN, now: float = NOW) -> Outcome:
    return classify(answer, KEY, value, now=now)


A = AnswerClass
TABLE = [
    # 201/200 whose record has our SKU, list and value; without id the pk is learnt later
    (said(201, RECORD), A.ACCEPTED, ""),
    (said(200, RECORD), A.ACCEPTED, ""),
    (said(201, RECORD | {"stock": 5.0}), A.ACCEPTED, ""),
    (said(201, {k: v for k, v in RECORD.items() if k != "id"}), A.ACCEPTED, ""),
    # 400/422 JSON naming fields of the item; 413, 414, 431
    (said(400, {"stock": ["Ensure this value is at most 7."]}), A.REJECTED, "invalid_stock"),
    (said(422, {"unit_type": ["No valid choice."]}), A.REJECTED, "invalid_unit_type"),
    (said(400, {"extra_field": "not an object"}), A.REJECTED, "invalid_extra_field"),
    (said(400, {"product_sku": ["Too long."]}), A.REJECTED, "invalid_product_sku"),
    (said(404, {"product_sku": ["Is archived."]}), A.REJECTED, "invalid_product_sku"),
    (said(400, {"product_sku": MISSING, "stock": ["No."]}), A.REJECTED, "invalid_product_sku"),
    (said(413), A.REJECTED, "too_large"),
    (said(414), A.REJECTED, "too_large"),
    (said(431), A.REJECTED, "too_large"),
    # 400/404 saying that the product is not there
    (said(400, {"product_sku": MISSING}), A.UNKNOWN_PRODUCT, "unknown_product"),
    (said(404, {"product_sku": ["Not found."]}), A.UNKNOWN_PRODUCT, "unknown_product"),
    (said(400, {"product_sku": ['Invalid pk "0001234"']}), A.UNKNOWN_PRODUCT, "unknown_product"),
    (said(400, {"product_sku": ["Ürün bulunamadı."]}), A.UNKNOWN_PRODUCT, "unknown_product"),  # noqa: RUF001
    (said(404, {"detail": "Product not found."}), A.UNKNOWN_PRODUCT, "unknown_product"),
    # an error on stock_list stops that list
    (said(400, {"stock_list": ["Does not exist."]}), A.LIST_STOPPED, "stock_list"),
    (said(400, {"stock_list": ["No."], "stock": ["No."]}), A.LIST_STOPPED, "stock_list"),
    # never left us: DNS, refused, connect or pool timeout, TLS
    (not_sent("dns"), A.NOT_SENT, "dns"),
    (not_sent("refused"), A.NOT_SENT, "refused"),
    (not_sent("connect_timeout"), A.NOT_SENT, "connect_timeout"),
    (not_sent("pool_timeout"), A.NOT_SENT, "pool_timeout"),
    (not_sent("tls"), A.NOT_SENT, "tls"),
    (not_sent("login_wait", retry_after="7"), A.NOT_SENT, "login_wait"),
    # read timeout, reset after the body left
    (Answer(status=None, error="read_timeout"), A.IN_DOUBT, "read_timeout"),
    (Answer(status=None, error="reset"), A.IN_DOUBT, "reset"),
    (Answer(status=None), A.IN_DOUBT, "no_answer"),
    # 202, 204, 207, 408, 409, 412, 425
    (said(202, RECORD), A.IN_DOUBT, "http_202"),
    (said(204), A.IN_DOUBT, "http_204"),
    (said(207, [RECORD]), A.IN_DOUBT, "http_207"),
    (said(408), A.IN_DOUBT, "http_408"),
    (said(409, {"detail": "conflict"}), A.IN_DOUBT, "http_409"),
    (said(412), A.IN_DOUBT, "http_412"),
    (said(425), A.IN_DOUBT, "http_425"),
    # 2xx without proof: HTML, bad JSON, another value or spelling
    (said(200, excerpt="<html>"), A.IN_DOUBT, "no_record"),
    (said(201, error="unreadable_body"), A.IN_DOUBT, "unreadable_body"),
    (said(201, [RECORD]), A.IN_DOUBT, "no_record"),
    (said(201, {}), A.IN_DOUBT, "other_product_sku"),
    (said(201, RECORD | {"product_sku": "1234"}), A.IN_DOUBT, "other_product_sku"),
    (said(201, RECORD | {"product_sku": 1234}), A.IN_DOUBT, "other_product_sku"),
    (said(201, RECORD | {"stock_list": 1}), A.IN_DOUBT, "other_stock_list"),
    (said(201, RECORD | {"stock": 6}), A.IN_DOUBT, "other_stock"),
    (said(201, RECORD | {"stock": "5"}), A.IN_DOUBT, "other_stock"),
    (said(201, RECORD | {"stock": None}), A.IN_DOUBT, "other_stock"),
    # 429, 503 with Retry-After
    (said(429), A.THROTTLED, "throttled"),
    (said(503, retry_after="soon"), A.THROTTLED, "throttled"),
    (not_sent("login_throttled", status=429), A.THROTTLED, "login_throttled"),
    # 401 again, 403
    (said(401, {"detail": "Invalid token."}), A.DENIED, "http_401"),
    (said(403, excerpt="<html>"), A.DENIED, "http_403"),
    (said(403, {"stock_list": ["Not yours."]}), A.FORBIDDEN, "forbidden"),
    (not_sent("login_denied", status=400), A.DENIED, "login_denied"),
    (not_sent("credentials_unreadable"), A.DENIED, "credentials_unreadable"),
    # other 5xx, 3xx, 400/404 without named fields, other 4xx
    (said(500), A.REMOTE_FAULT, "http_500"),
    (said(502, excerpt="<html>"), A.REMOTE_FAULT, "http_502"),
    (said(503), A.REMOTE_FAULT, "http_503"),
    (said(302), A.REMOTE_FAULT, "http_302"),
    (said(400, excerpt="<html>"), A.REMOTE_FAULT, "http_400"),
    (said(400, {"non_field_errors": ["Busy."]}), A.REMOTE_FAULT, "http_400"),
    (said(400, {"detail": "JSON parse error"}), A.REMOTE_FAULT, "http_400"),
    (said(400, RECORD | {"detail": "busy"}, excerpt="echo"), A.REMOTE_FAULT, "http_400"),
    (said(400, {"stock": []}), A.REMOTE_FAULT, "http_400"),
    (said(400, ["stock"]), A.REMOTE_FAULT, "http_400"),
    (said(404, {"detail": "Not found."}), A.REMOTE_FAULT, "http_404"),
    (said(404, excerpt="no such page"), A.REMOTE_FAULT, "http_404"),
    (said(405, {"stock": ["No."]}), A.REMOTE_FAULT, "http_405"),
    (not_sent("login_failed", status=502), A.REMOTE_FAULT, "login_failed"),
]


@pytest.mark.parametrize(("answer", "verdict", "reason"), TABLE)
def test_an_answer_means_what_the_table_says(
    answer: Answer, verdict: AnswerClass, reason: str
) -> None:
    outcome = judged(answer)
    assert (outcome.verdict, outcome.reason) == (verdict, reason)
    assert outcome.status == answer.status
    assert outcome.message or verdict is A.ACCEPTED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"unit_type": "qty"}, "other_unit_type"),
        ({"unit_type": None}, "other_unit_type"),
        ({"sold_quantity_unreported": 4}, "other_sold_quantity_unreported"),
        ({"extra_field": {"bin": "A2"}}, "other_extra_field"),
        ({"extra_field": None}, "other_extra_field"),
    ],
)
def test_what_was_sent_and_is_echoed_must_be_the_same(change: dict[str, Any], reason: str) -> None:
    assert judged(said(201, FULL_RECORD | change), FULL).reason == reason


def test_what_was_sent_but_is_not_echoed_needs_no_proof() -> None:
    assert judged(said(201, RECORD), FULL).verdict is A.ACCEPTED


def test_what_was_not_sent_may_be_anything() -> None:
    assert judged(said(201, FULL_RECORD), PLAIN).verdict is A.ACCEPTED


def test_an_accepted_answer_brings_its_pk_and_date() -> None:
    outcome = judged(said(201, RECORD, date=NOW))
    assert (outcome.remote_pk, outcome.date) == (77, NOW)


@pytest.mark.parametrize("odd", [None, 0, -1, "77", True, 7.0, 2**63])
def test_an_odd_id_is_no_pk(odd: object) -> None:
    outcome = judged(said(201, RECORD | {"id": odd}))
    assert (outcome.verdict, outcome.remote_pk) == (A.ACCEPTED, None)


def test_true_is_not_one() -> None:
    record = {"product_sku": "A", "stock_list": 1, "stock": True}
    outcome = classify(said(201, record), Key(1, "A"), Value(stock=1), now=NOW)
    assert outcome.reason == "other_stock"


def test_a_rejection_tells_every_message() -> None:
    outcome = judged(said(400, {"stock": ["Too big.", "Odd."], "unit_type": ["No."]}))
    assert outcome.message == "stock: Too big. Odd.; unit_type: No."


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("1000000000", LONGEST_WAIT),
        ("9" * 5000, LONGEST_WAIT),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("1e9", None),
        ("Mon, 01 Dec 2025 14:19:21 GMT", 30.0),
        ("Mon, 01 Dec 2025 14:18:21 GMT", 0.0),
        ("Fri, 01 Dec 2999 14:18:21 GMT", LONGEST_WAIT),
        ("Mon, 99 Dec 2025 14:18:21 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, now=NOW) == seconds


def test_a_date_to_wait_for_counts_on_omnitrons_own_clock() -> None:
    answer = said(429, retry_after="Mon, 01 Dec 2025 14:19:21 GMT", date=NOW)
    assert judged(answer, now=NOW + 3600).retry_after == 30.0


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"extra_field": {"colour": {"code": ["No such code."]}, "size": ["Too big."]}},
            "extra_field: colour: code: No such code., size: Too big.",
        ),
        ({"stock": [{"code": "max", "message": "Too high."}]}, "message: Too high."),
        ({"product": {"sku": ["Is archived."]}}, "It says: product: sku: Is archived."),
        ({"errors": [{"field": "stock", "detail": "Busy."}]}, "field: stock, detail: Busy."),
    ],
)
def test_messages_within_messages_are_told(body: dict[str, Any], told: str) -> None:
    assert told in judged(said(400, body)).message


def test_what_is_told_of_an_answer_is_bounded() -> None:
    wide = {"extra_field": [{str(n): ["x" * 1_000]} for n in range(10_000)]}
    assert len(judged(said(400, wide)).message) <= LONGEST_MESSAGE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*FULL_RECORD, "detail", "non_field_errors"]) | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={name: st.just(item) | st.just(6) | JSON for name, item in FULL_RECORD.items()},
)
ANSWERS = st.builds(
    Answer,
    status=st.none() | st.sampled_from([200, 201, 400, 404, 422]) | st.integers(100, 599),
    body=JSON | RECORDS,
    is_json=st.booleans(),
    sent=st.booleans(),
    error=st.text(max_size=5),
    retry_after=st.none() | st.text(max_size=40),
    date=st.none() | st.floats(0, 4e9),
)


@given(answer=ANSWERS, value=st.sampled_from([PLAIN, FULL, FULL._replace(extra="{broken")]))
def test_any_answer_gets_an_outcome_and_only_proof_is_accepted(
    answer: Answer, value: Value
) -> None:
    outcome = judged(answer, value)
    if outcome.verdict is A.ACCEPTED:
        sent = {"product_sku": KEY.sku, "stock_list": KEY.stock_list, "stock": value.stock}
        assert answer.sent
        assert answer.status in {200, 201}
        assert answer.is_json
        assert {name: answer.body[name] for name in sent} == sent
        if value is FULL:
            assert answer.body.get("unit_type", "kg") == "kg"
            assert answer.body.get("extra_field", {"bin": "A1"}) == orjson.loads(FULL.extra or "")


@given(header=st.text())
def test_any_retry_after_is_bounded(header: str) -> None:
    seconds = retry_after_seconds(header, now=NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_WAIT
