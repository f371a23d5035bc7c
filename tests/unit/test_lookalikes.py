"""SKUs that people take for the same are found among those that are not written plainly."""

from __future__ import annotations

import unicodedata
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.planning import lookalikes
from worker.planning.lookalikes import Spellings, capitals


def alike(*skus: str, chunk: int = 2) -> dict[str, str]:
    """As a pull does: chunk by chunk, then a look at which suspects are stated."""
    spellings = Spellings()
    for start in range(0, len(skus), chunk):
        spellings.note(skus[start : start + chunk])
    return spellings.alike(spellings.suspects() & set(skus))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ABC-1", "abc-1"),
        ("ABC-1", "Abc-1"),
        ("ABC 1", "ABC1"),
        ("É-1", unicodedata.normalize("NFD", "É-1")),
        ("KIRMIZI", "k\u0131rm\u0131z\u0131"),
        ("İĞNE", "iğne"),
        ("A\u00a01", "A 1"),
        ("A\u200b1", "A1"),
        ("\ufeffA1", "A1"),
    ],
)
def test_a_pair_that_looks_alike_is_found_each_with_the_other(one: str, other: str) -> None:
    assert alike("X", one, "Y", other) == {one: other, other: one}


def test_different_skus_do_not_look_alike() -> None:
    assert alike("ABC-1", "ABC-2", "abd-1", "AB C-3", "0012", "12") == {}


def test_a_sku_that_is_stated_twice_is_no_lookalike_of_itself() -> None:
    assert alike("abc", "X", "abc", "X") == {}


def test_a_catalogue_in_small_letters_is_as_plain_as_one_in_capitals() -> None:
    spellings = Spellings()
    spellings.note(["a-1", "b-2", "c-3"])
    assert spellings.suspects() == frozenset()


def test_a_catalogue_without_any_way_of_writing_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookalikes, "MOST", 2)
    spellings = Spellings()
    spellings.note(["A", "B", "aB", "bB", "cB"])
    assert spellings.too_many
    assert spellings.alike([]) == {}


_SKUS = st.lists(st.text("aAbB i\u0130\u0131é\u0301", min_size=1, max_size=4), max_size=12)


@given(_SKUS)
def test_exactly_the_pairs_with_one_plain_spelling_are_found(skus: list[str]) -> None:
    pairs = [pair for pair in combinations(set(skus), 2) if len(set(map(capitals, pair))) == 1]

    assert alike(*skus).keys() == {sku for pair in pairs for sku in pair}
