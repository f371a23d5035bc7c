"""What a change of rules needs to take effect."""

import pytest

from worker.model import Fingerprint
from worker.planning.fingerprints import (
    OF_LEVELS,
    OF_READING,
    OF_SKUS,
    Consequence,
    consequences,
    parse,
    recomputed,
    recomputes,
)

BEFORE = "a/b/c"


def test_a_fingerprint_is_read_as_it_was_written() -> None:
    assert parse(str(Fingerprint("a", "b", "c"))) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("today", "told"),
    [
        ("a/b/c", []),
        ("x/b/c", [OF_READING]),
        ("a/x/c", [OF_SKUS]),
        ("a/b/x", [OF_LEVELS]),
        ("x/x/x", [OF_READING, OF_SKUS, OF_LEVELS]),
    ],
)
def test_each_part_of_the_rules_has_a_consequence(today: str, told: list[Consequence]) -> None:
    assert consequences(BEFORE, today) == told
    assert recomputes(BEFORE, today) == (OF_LEVELS in told)


def test_a_source_without_a_pull_has_no_rules_that_could_have_changed() -> None:
    assert consequences(None, BEFORE) == []
    assert not recomputes(None, BEFORE)


def test_levels_made_anew_do_not_hide_that_rows_must_be_read_anew() -> None:
    assert recomputed(BEFORE, "x/y/z") == "a/b/z"
    assert recomputed(None, "x/y/z") == "x/y/z"
