"""What is a number, what is not, and that equal numbers are equal texts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.numbers import MAX_DIGITS, NotANumber, canonical, canonical_decimal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("105", "105"),
        ("0", "0"),
        ("-0.00", "0"),
        ("007.50", "7.5"),
        ("-5", "-5"),
        (" 12.85\t", "12.85"),
        ("0.05", "0.05"),
        ("1" * MAX_DIGITS, "1" * MAX_DIGITS),
        ("0" * 100 + "1", "1"),
    ],
)
def test_a_plain_number_becomes_canonical(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("105,00", "105"),
        ("3.000.000.000,00", "3000000000"),
        ("1.250", "1250"),
        ("1250,5", "1250.5"),
        ("-12.345,67", "-12345.67"),
    ],
)
def test_a_turkish_number_becomes_canonical(text: str, expected: str) -> None:
    assert canonical(text, decimal=",", thousands=".") == expected


@pytest.mark.parametrize(
    "text",
    [
        "1.25",
        "12.50",
        "1.2500",
        "1234.567",
        ".250",
        "1..250",
        "0.123",
        "012.345",
        "1.250.",
        "1,2.5",
    ],
)
def test_thousands_marks_count_only_at_exactly_the_right_places(text: str) -> None:
    with pytest.raises(NotANumber):
        canonical(text, decimal=",", thousands=".")


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "-", ".", "5.", ".5", "--5", "+5", "5-", "'-5", "(5)", "1 000", "1,5", "1.2.3"),
        *(
            "1_000",
            "NaN",
            "Infinity",
            "-inf",
            "1e3",
            "1E9999999",
            "\u0665",
            "\uff15",
            "\u00b2",
            "1\u00a0000",
        ),
        *("\u22125", "\u00a05", "5\n", "0x10", "5\x00", "1" * (MAX_DIGITS + 1), "TOPLAM"),
    ],
)
def test_what_is_not_digits_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(NotANumber) as refused:
        canonical(text)
    assert refused.value.reason


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("5,000-", "minus"),
        ("1e3", "exponent"),
        ("nan", "finite"),
        ("1\u00a0000", "U+00A0"),
        ("", "empty"),
        ("9" * 41, "40 digits"),
    ],
)
def test_the_reason_names_the_trouble(text: str, part: str) -> None:
    with pytest.raises(NotANumber, match=part.replace("+", r"\+")):
        canonical(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (105, "105"),
        (-3, "-3"),
        (0.1 + 0.2, "0.30000000000000004"),
        (105.0, "105"),
        (1e16, "10000000000000000"),
        (-0.0, "0"),
        (1e-7, "0.0000001"),
        (Decimal("12.850"), "12.85"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0E-9999999"), "0"),
        (Decimal("-0"), "0"),
        (Decimal(100), "100"),
        ("12.50", "12.5"),
        (3_000_000_000, "3000000000"),
    ],
)
def test_a_value_of_a_driver_becomes_canonical(value: object, expected: str) -> None:
    assert canonical_decimal(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, b"5", float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN")),
        *(Decimal("Infinity"), Decimal("1e9999999"), Decimal("1e-9999999"), 10**40),
        *(5e-324, Decimal("1." + "3" * 50), "1e3", ""),
        pytest.param(-(10**5000), id="huge"),
    ],
)
def test_a_value_that_is_no_number_is_refused_at_once(value: object) -> None:
    with pytest.raises(NotANumber):
        canonical_decimal(value)


@given(st.decimals(min_value=-(10**18), max_value=10**18, places=6))
def test_equal_numbers_are_equal_texts(value: Decimal) -> None:
    text = canonical_decimal(value)
    assert Decimal(text) == value
    assert canonical(f"{value:f}") == text
    assert canonical(f"{value:,f}", thousands=",") == text
    assert canonical(text) == text


@given(st.text(max_size=12))
def test_whatever_is_taken_consists_of_ascii_digits(text: str) -> None:
    try:
        taken = canonical(text)
    except NotANumber:
        return
    assert set(taken) <= set("-0123456789.")
    assert Decimal(taken) == Decimal(text.strip(" \t"))


def test_one_mark_for_both_uses_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="differ"):
        canonical("1", decimal=".", thousands=".")


@pytest.mark.parametrize(
    ("text", "expected"), [("5,000-", "-5"), ("1.250,5- ", "-1250.5"), ("-5", "-5"), ("0-", "0")]
)
def test_a_minus_may_stand_behind_where_configured(text: str, expected: str) -> None:
    assert canonical(text, decimal=",", thousands=".", trailing_minus=True) == expected


@pytest.mark.parametrize("text", ["-5-", "5--", "5 -", "-", "--", "5-5", "(5)"])
def test_a_trailing_minus_stands_once_and_right_behind(text: str) -> None:
    with pytest.raises(NotANumber):
        canonical(text, trailing_minus=True)
