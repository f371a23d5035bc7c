"""What a pull changes for one key: stated parts, absences, and what the rules cannot make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model import UNREAD, Missing, Rounding, Rules, Said, Value
from worker.planning.differences import KeyPlan, PartChange, Statement, plan_key

KEEP = Rules()
ZERO = Rules(missing=Missing.ZERO)
PARK = Rules(missing=Missing.PARK)
KNOWN = {"IST": Said("5"), "ANK": Said("2")}


def planned(
    statement: Statement,
    known: dict[str, Said] = KNOWN,
    rules: Rules = KEEP,
    absences: int = 1,
) -> KeyPlan:
    return plan_key(statement, known, rules=rules, units={}, absences=absences)


def changes(plan: KeyPlan) -> list[tuple[str, str, str]]:
    return [(part.change, part.warehouse, part.said.quantity) for part in plan.parts]


def test_what_is_stated_as_it_is_known_changes_nothing() -> None:
    assert planned(Statement(said=KNOWN)) == KeyPlan(parts=(), value=Value(7))


def test_a_delta_replaces_only_the_part_that_it_states() -> None:
    plan = planned(Statement(said={"ANK": Said("9")}))

    assert plan == KeyPlan(
        parts=(PartChange(change="part", warehouse="ANK", said=Said("9")),), value=Value(14)
    )


def test_a_new_key_starts_with_what_is_stated() -> None:
    plan = planned(Statement(said={"": Said("3")}), known={})

    assert (changes(plan), plan.value) == ([("part", "", "3")], Value(3))


def test_stock_that_moves_between_warehouses_changes_the_parts_but_not_the_level() -> None:
    plan = planned(Statement(said={"IST": Said("4"), "ANK": Said("3")}))

    assert (len(plan.parts), plan.value) == (2, Value(7))


def test_a_key_of_which_nothing_good_is_known_stays_as_it_is() -> None:
    assert planned(Statement(said={}, present=frozenset({"IST"})), known={}) == KeyPlan()


@pytest.mark.parametrize("read", ["0", "5"])
@pytest.mark.parametrize("rules", [ZERO, PARK])
def test_of_a_key_that_leaves_altogether_nothing_is_stated_any_more(
    rules: Rules, read: str
) -> None:
    known = {"IST": Said(read), "ANK": Said(UNREAD)}
    assert planned(Statement(said={}, missing={"IST": 0, "ANK": 0}), known, rules).gone


def test_what_leaves_for_a_person_to_decide_leaves_as_it_is() -> None:
    away = Statement(said={}, missing={"IST": 0})
    assert planned(away, {"IST": Said("5")}, PARK).parked
    assert not planned(away, {"IST": Said("5")}, ZERO).parked
    assert not planned(away, KNOWN, PARK).parked


GONE = Statement(said={"ANK": Said("2")}, missing={"IST": 0})
MISSED = {
    "keep": (KEEP, 1, [], Value(7)),
    "zero": (ZERO, 1, [("gone", "IST", "0")], Value(2)),
    "park": (PARK, 1, [("park", "IST", "5")], Value(7)),
    "zero, absent for the first of two times": (ZERO, 2, [("absent", "IST", "5")], Value(7)),
    "park, absent for the first of two times": (PARK, 2, [("absent", "IST", "5")], Value(7)),
}


@pytest.mark.parametrize(("rules", "absences", "parts", "value"), MISSED.values(), ids=MISSED)
def test_what_is_gone_follows_the_policy(
    rules: Rules, absences: int, parts: list[tuple[str, str, str]], value: Value
) -> None:
    plan = planned(GONE, rules=rules, absences=absences)

    assert (changes(plan), plan.value) == (parts, value)


@pytest.mark.parametrize(("before", "change"), [(0, "absent"), (1, "gone"), (2, "gone")])
def test_an_unsigned_snapshot_must_lack_a_key_twice(before: int, change: str) -> None:
    plan = planned(Statement(said={}, missing={"IST": before}), rules=ZERO, absences=2)

    assert [part[0] for part in changes(plan)] == [change]


def test_a_key_that_is_gone_everywhere_goes_to_zero() -> None:
    plan = planned(Statement(said={}, missing={"IST": 0, "ANK": 0}), rules=ZERO)

    assert plan.value == Value(0)


def test_a_gone_part_keeps_its_unit_so_that_only_the_stock_changes() -> None:
    plan = plan_key(
        Statement(said={}, missing={"IST": 0}),
        {"IST": Said("5", "KG")},
        rules=ZERO,
        units={"KG": "kg"},
        absences=1,
    )

    assert plan.value == Value(0, "kg")


def test_what_cannot_become_a_level_changes_no_level_but_its_parts_are_kept() -> None:
    plan = planned(Statement(said={"ANK": Said("2.5")}, missing={"IST": 0}), rules=ZERO)

    assert plan.value is None
    kept = [(part.change, part.warehouse, part.said.quantity) for part in plan.parts]
    assert kept == [("part", "ANK", "2.5"), ("gone", "IST", "0")]
    assert plan.broken is not None
    assert plan.broken.reason == "fraction"


def test_new_rules_make_another_level_of_the_same_parts() -> None:
    known = {"IST": Said("2.5")}
    rules = Rules(rounding=Rounding.NEAREST, buffer=1)

    assert planned(Statement(said=known), known, rules) == KeyPlan(parts=(), value=Value(2))


_SAID = st.dictionaries(
    st.sampled_from(["IST", "ANK", "BER"]), st.integers(-5, 50).map(lambda n: Said(str(n)))
)


@given(said=_SAID, known=_SAID, policy=st.sampled_from(Missing))
def test_a_plan_that_is_applied_leaves_nothing_to_change(
    *, said: dict[str, Said], known: dict[str, Said], policy: Missing
) -> None:
    missing = dict.fromkeys(known.keys() - said.keys(), 0)
    rules = Rules(missing=policy)
    plan = planned(Statement(said=said, missing=missing), known, rules)
    done = {part.warehouse: part for part in plan.parts}
    after = {
        **{name: kept for name, kept in known.items() if name not in done},
        **{name: part.said for name, part in done.items() if part.change == "part"},
    }

    again = planned(Statement(said=said), after, rules)

    assert again.parts == ()
    if policy is not Missing.PARK and after:
        assert again.value == plan.value
