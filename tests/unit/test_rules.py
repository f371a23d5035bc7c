"""From what a source says to the stock of a level: exact, bounded, and rounded exactly once."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model import MAX_STOCK, Duplicates, Negative, Rounding, Rules, Said, Value
from worker.planning.rules import Broken, judge, level_value, plain, resolve

UNITS = {"AD": "qty", "Adet": "qty", "KG": "kg"}
EXACT = Rules()
FLOOR = Rules(rounding=Rounding.FLOOR)
NEAREST = Rules(rounding=Rounding.NEAREST)


def value_of(*quantities: str, rules: Rules = EXACT) -> Value | Broken:
    return level_value([Said(quantity) for quantity in quantities], rules=rules, units=UNITS)


def reason_of(made: Value | Broken) -> str:
    assert isinstance(made, Broken)
    return made.reason


STOCKS = [
    (("7",), EXACT, 7),
    (("7", "5"), EXACT, 12),
    (("0.4", "0.6"), EXACT, 1),  # rounded after the sum, so that nothing is lost
    (("0.4", "0.6"), FLOOR, 1),
    (("0.1", "0.2", "0.7"), EXACT, 1),
    (("0.5", "0.5", "0.5"), NEAREST, 2),  # 1.5; each part rounded would be 3
    (("2.9",), FLOOR, 2),
    (("2.5",), NEAREST, 3),
    (("3.5",), NEAREST, 4),
    (("2.4999999999999999999999999999999999999",), NEAREST, 2),
    (("28.99999999999999999999999999999999999999",), FLOOR, 28),
    (("10", "-3"), EXACT, 7),
    (("3", "-10"), EXACT, 0),
    (("-0.5",), EXACT, 0),
    ((), EXACT, 0),
    (("10",), Rules(buffer=3), 7),
    (("10",), Rules(buffer=10), 0),
    (("10",), Rules(buffer=11), 0),
    (("3", "-10"), Rules(buffer=2), 0),
    (("2.5",), Rules(buffer=2, rounding=Rounding.NEAREST), 1),
    (("2.5",), Rules(buffer=3, rounding=Rounding.ERROR), 0),
    (("3",), Rules(minimum=5), 5),
    (("30",), Rules(maximum=20), 20),
    (("9" * 40,), Rules(maximum=20), 20),  # a made-to-order item of the ERP
    (("19.5",), Rules(maximum=20, rounding=Rounding.NEAREST), 20),
    ((str(MAX_STOCK),), EXACT, MAX_STOCK),
    ((str(MAX_STOCK + 3),), Rules(buffer=3), MAX_STOCK),
]


@pytest.mark.parametrize(("quantities", "rules", "stock"), STOCKS)
def test_parts_become_a_stock(quantities: tuple[str, ...], rules: Rules, stock: int) -> None:
    assert value_of(*quantities, rules=rules) == Value(stock)


def test_no_price_times_hundred_is_a_hundredth_short() -> None:
    for cents in range(1, 200):
        text = plain(Decimal(cents) / 100)
        assert value_of(*[text] * 100) == Value(cents), text


BROKEN = [
    (("2.5",), EXACT, "fraction"),
    (("3.0000000000000000000000000000000000001",), EXACT, "fraction"),
    ((str(MAX_STOCK + 1),), EXACT, "too_large"),
    ((str(MAX_STOCK), "0.5"), NEAREST, "too_large"),
    (("9" * 40,), FLOOR, "too_large"),
    (("9" * 40, "0." + "9" * 40), NEAREST, "too_large"),
]


@pytest.mark.parametrize(("quantities", "rules", "reason"), BROKEN)
def test_what_omnitron_cannot_take_is_never_guessed(
    quantities: tuple[str, ...], rules: Rules, reason: str
) -> None:
    broken = value_of(*quantities, rules=rules)

    assert reason_of(broken) == reason
    assert isinstance(broken, Broken)
    assert broken.message
    assert broken.remedy


_NUMBERS = st.decimals(-(10**12), 10**12, places=6).map(plain)
_PARTS = st.lists(_NUMBERS, max_size=6)
_RULES = st.builds(
    Rules,
    rounding=st.sampled_from(Rounding),
    buffer=st.integers(0, 10**6),
    minimum=st.integers(0, 100),
    maximum=st.none() | st.integers(100, MAX_STOCK),
)


@given(_PARTS, _RULES)
def test_a_stock_is_never_outside_its_bounds(quantities: list[str], rules: Rules) -> None:
    made = value_of(*quantities, rules=rules)

    if isinstance(made, Value):
        assert 0 <= rules.minimum <= made.stock <= (rules.maximum or MAX_STOCK) <= MAX_STOCK
    else:
        assert made.reason in {"fraction", "too_large"}


@given(_PARTS, _RULES)
def test_a_stock_is_the_exact_sum_rounded_once(quantities: list[str], rules: Rules) -> None:
    left = max(sum(map(Fraction, quantities)) - rules.buffer, Fraction(0))
    rounded = floor(left + Fraction(1, 2)) if rules.rounding is Rounding.NEAREST else floor(left)
    made = value_of(*quantities, rules=rules)

    if rules.rounding is Rounding.ERROR and left.denominator != 1:
        assert reason_of(made) == "fraction"
    elif rules.maximum is None and rounded > MAX_STOCK:
        assert reason_of(made) == "too_large"
    else:
        assert made == Value(min(max(rounded, rules.minimum), rules.maximum or MAX_STOCK))


_LONG = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**39), max_value=10**39
).map(lambda number: plain(number)[:40].rstrip("."))


@given(st.lists(_LONG, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_the_parts_does_not_matter(quantities: list[str], random: object) -> None:
    shuffled = list(quantities)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert value_of(*quantities, rules=NEAREST) == value_of(*shuffled, rules=NEAREST)


def test_forty_digits_on_either_side_of_the_mark_add_up_exactly() -> None:
    tiny, huge = "0." + "0" * 39 + "1", "9" * 40
    total = resolve([Said(tiny), Said(huge)], duplicates=Duplicates.SUM)

    assert total == Said(f"{huge}.{'0' * 39}1")


# --- signs and units ------------------------------------------------------------------------


def test_a_negative_row_is_rejected_only_where_the_rules_say_so() -> None:
    broken = judge(Said("-1"), rules=Rules(negative=Negative.REJECT), units=UNITS)

    assert broken is not None
    assert (broken.reason, broken.column, broken.value) == ("negative", "stock", "-1")
    assert judge(Said("-1"), rules=EXACT, units=UNITS) is None
    assert judge(Said("0"), rules=Rules(negative=Negative.REJECT), units=UNITS) is None


def test_a_buffer_that_exceeds_the_stock_is_no_negative_of_the_source() -> None:
    rules = Rules(negative=Negative.REJECT, buffer=5)

    assert judge(Said("3"), rules=rules, units=UNITS) is None
    assert value_of("3", rules=rules) == Value(0)


def test_a_unit_that_is_not_configured_is_rejected_by_name() -> None:
    broken = judge(Said("1", "Koli"), rules=EXACT, units=UNITS)

    assert broken is not None
    assert (broken.reason, broken.column, broken.value) == ("unknown_unit", "unit_type", "Koli")
    assert '"Koli" = "qty"' in broken.remedy


def test_a_unit_becomes_omnitrons_word_for_it() -> None:
    assert level_value([Said("2", "KG")], rules=EXACT, units=UNITS) == Value(2, "kg")


def test_a_unit_that_was_taken_out_of_the_configuration_breaks_its_levels() -> None:
    assert reason_of(level_value([Said("2", "KG")], rules=EXACT, units={})) == "unknown_unit"


def test_a_unit_that_is_not_stated_is_not_sent() -> None:
    assert level_value([Said("2")], rules=EXACT, units=UNITS) == Value(2, None)


def test_spellings_of_one_unit_are_one_unit() -> None:
    parts = [Said("2", "AD"), Said("3", "Adet"), Said("4")]

    assert level_value(parts, rules=EXACT, units=UNITS) == Value(9, "qty")


def test_pieces_and_kilograms_are_never_added() -> None:
    broken = level_value([Said("2", "AD"), Said("3", "KG")], rules=EXACT, units=UNITS)

    assert reason_of(broken) == "mixed_units"
    assert "AD, KG" in broken.message


def test_sold_quantities_add_up_and_are_left_out_where_nobody_states_one() -> None:
    parts = [Said("2", sold="3"), Said("3"), Said("4", sold="0")]

    assert level_value(parts, rules=EXACT, units=UNITS) == Value(9, None, 3)
    assert level_value(parts[1:2], rules=EXACT, units=UNITS) == Value(3, None, None)


def test_the_last_warehouse_that_states_an_extra_field_decides_it() -> None:
    parts = [Said("2", extra='{"a":1}'), Said("3", extra='{"a":2}'), Said("4")]

    assert level_value(parts, rules=EXACT, units=UNITS) == Value(9, None, None, '{"a":2}')


# --- duplicates -----------------------------------------------------------------------------

RESOLVED = [
    (Duplicates.REJECT, ("5",), "5"),
    (Duplicates.REJECT, ("5", "5"), "5"),
    (Duplicates.REJECT, ("5", "6"), None),
    (Duplicates.REJECT, ("5", "5", "6"), None),
    (Duplicates.LAST, ("5", "6"), "6"),
    (Duplicates.LAST, ("6", "5", "5"), "5"),
    (Duplicates.SUM, ("5",), "5"),
    (Duplicates.SUM, ("5", "5"), "10"),
    (Duplicates.SUM, ("0.1", "0.2"), "0.3"),
    (Duplicates.SUM, ("5", "-5"), "0"),
    (Duplicates.SUM, ("-5.50", "0.5"), "-5"),
]


@pytest.mark.parametrize(("policy", "quantities", "kept"), RESOLVED)
def test_rows_for_one_part_become_one_statement(
    policy: Duplicates, quantities: tuple[str, ...], kept: str | None
) -> None:
    one = resolve([Said(quantity) for quantity in quantities], duplicates=policy)

    assert one == (None if kept is None else Said(kept))


def test_equal_stock_in_another_unit_is_not_an_equal_row() -> None:
    rows = [Said("5", "AD"), Said("5", "KG")]

    assert resolve(rows, duplicates=Duplicates.REJECT) is None
    assert resolve(rows, duplicates=Duplicates.SUM) is None
    assert resolve(rows, duplicates=Duplicates.LAST) == Said("5", "KG")


@given(st.lists(_NUMBERS, min_size=1, max_size=6))
def test_summed_rows_make_the_same_level_as_the_same_number_of_parts(
    quantities: list[str],
) -> None:
    one = resolve([Said(quantity) for quantity in quantities], duplicates=Duplicates.SUM)

    assert one is not None
    assert value_of(one.quantity, rules=FLOOR) == value_of(*quantities, rules=FLOOR)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30))
def test_plain_text_is_canonical_and_exact(number: Decimal) -> None:
    text = plain(number)

    assert Decimal(text) == number
    assert plain(Decimal(text)) == text
    assert not {"E", "+"} & set(text)
    assert text != "-0"
    assert not ("." in text and text.endswith(("0", ".")))
