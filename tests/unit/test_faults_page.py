"""`docs/faults.md` has every fault, and the tests that it names are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "faults.md"
FAMILIES = {"P": 17, "R": 9, "D": 9, "E": 7, "F": 8, "A": 20, "O": 8}
IDS = [f"{letter}{number}" for letter, last in FAMILIES.items() for number in range(1, last + 1)]
WITHOUT_TEST = ("not yet", "not on one machine: ", "no page is built yet")


def rows() -> dict[str, str]:
    """Id -> the cell of its tests."""
    found = re.findall(r"^\| ([A-Z]\d+) \| [^|]+ \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE)
    assert len(dict(found)) == len(found), "an id is there twice"
    return {name: cell.strip() for name, cell in found}


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse((TESTS / file).read_text())
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def test_every_fault_has_its_row_in_order() -> None:
    assert list(rows()) == IDS


@pytest.mark.parametrize("name", IDS)
def test_a_row_names_tests_that_are_there_or_says_why_not(name: str) -> None:
    cell = rows()[name]
    named = re.findall(r"`([a-z0-9_/]+\.py)::(\w+)`", cell)
    assert named or cell.startswith(WITHOUT_TEST), cell
    assert [each for each in named if each[1] not in names_in(each[0])] == []
