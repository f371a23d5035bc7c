"""The oracle sees what it is there to see: each rule is broken once."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from connectors.fault import Order
from tests.faults.oracle import Scene, Truth, check
from worker.ledger import Ledger
from worker.sandbox.validation import Write

if TYPE_CHECKING:
    from pathlib import Path

    from worker.sandbox import RunningSandbox


@pytest.fixture
def scene(sqlite_url: str, sandbox: RunningSandbox, tmp_path: Path) -> Scene:
    return Scene(ledger=sqlite_url, sandbox=sandbox.url, folders=[tmp_path], canaries=["canary"])


@pytest.fixture
def truth() -> Truth:
    made = Truth()
    made.says({"A": 5}, cursor="1")
    made.says({"A": 3}, cursor="2")
    return made


def write(sandbox: RunningSandbox, *stocks: int) -> None:
    """Omnitron accepts these of A, one after the other."""
    for stock in stocks:
        what = Write("A", 1, stock, None, None, None)
        sandbox._ask(lambda what=what: sandbox._world.write(what))


def change(scene: Scene, *statements: str) -> None:
    with closing(Ledger(scene.ledger)) as ledger:
        for statement in statements:
            ledger.write(lambda tx, one=statement: tx.exec_driver_sql(one))


LEVEL = (
    "INSERT INTO level (stock_list, sku, source_id, stock, pull_id, changed_at, revision,"
    " sent_revision, rank) VALUES (1, 'A', 1, 3, 1, 1, 2, 2, 0)"
)
SOURCE = (
    "INSERT INTO source (id, name, configured, checkpoint, next_at, next_full_at)"
    """ VALUES (1, 'erp', 1, '{"cursor": "2"}', 0, 0)"""
)
PART = (
    "INSERT INTO part (source_id, stock_list, sku, warehouse, quantity, pull_id)"
    " VALUES (1, 1, 'A', '', '3', 1)"
)


def test_a_service_that_did_all_well_has_no_violation(
    scene: Scene, truth: Truth, sandbox: RunningSandbox
) -> None:
    change(scene, SOURCE, PART, LEVEL)
    write(sandbox, 5, 3)
    assert check(scene, truth) == []


@pytest.mark.parametrize(
    ("rule", "statements", "written"),
    [
        ("J1", [SOURCE, PART], [5, 3]),  # no level
        ("J1", [SOURCE, PART, LEVEL, "UPDATE level SET stock = 5"], [5, 3]),
        ("J2", [SOURCE, PART, LEVEL], [5]),  # never sent
        ("J2", [SOURCE, PART, LEVEL], [5, 3, 5, 3]),  # went back and was healed
        ("J2", [SOURCE, PART, LEVEL], [5, 4, 3]),  # a value that was never stated
        ("J3", [SOURCE, PART, LEVEL], [5, 3, 3]),
        ("J4", [SOURCE, LEVEL], [5, 3]),  # the checkpoint moved, the part is nowhere
        ("J5", [SOURCE, PART, LEVEL, "UPDATE level SET sent_revision = 1"], [5, 3]),
        ("J6", [SOURCE, PART, LEVEL, "UPDATE target SET reason = 'canary'"], [5, 3]),
        ("J7", [SOURCE, PART, LEVEL, "UPDATE level SET park_reason = 'x'"], [5, 3]),
        ("V", [SOURCE, PART, LEVEL], []),
    ],
)
def test_each_rule_that_is_broken_is_told(
    scene: Scene,
    truth: Truth,
    sandbox: RunningSandbox,
    *,
    rule: str,
    statements: list[str],
    written: list[int],
) -> None:
    change(scene, *statements)
    write(sandbox, *written)
    assert rule in {violation.split()[0] for violation in check(scene, truth)}


@pytest.mark.parametrize("text", ["", "deliver.sent:x", "nowhere:1", "any", "any:-1"])
def test_an_order_for_no_crash_point_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no crash point"):
        Order.from_text(text)
