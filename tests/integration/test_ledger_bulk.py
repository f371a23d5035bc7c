"""Many rows at once, whatever their texts hold, alike on both databases."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from tests.integration.scenes import say, stocks_of
from worker.ledger import bulk, failures, levels, parts, schema
from worker.ledger.lines import key_of, line_of, stated
from worker.ledger.parts import Part
from worker.ledger.scratch import Scratch
from worker.model import PAGE_ROWS, FailureKind, Key

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from worker.ledger import Ledger

ODD = [
    "O'Brien",
    'say "x"',
    "50%",
    "%s",
    "%(a)s",
    "?",
    "a?b?",
    "{keys}",
    "{0}",
    "}{",
    ":sku",
    "a::text",
    "back\\slash",
    "\\'",
    "--",
    "/*",
    "$1",
    "\u0130I\u0131i",
    "ŞÇĞÜÖ",
    "ß",
    "🧦",
    "e\u0301",
    "\u00e9",
    "00012",
    "12",
    "1e3",
    "null",
    "[1]",
    '{"a": 1}',
    "tab\tinside",
    "x" * 3_000,
]


def test_any_text_may_be_a_sku(ledger: Ledger) -> None:
    say(ledger, dict.fromkeys(ODD, 7))
    for number, sku in enumerate(ODD):
        say(ledger, {sku: number})
        assert stocks_of(ledger, sku, "absent") == {sku: number}
    assert stocks_of(ledger, *ODD) == {sku: number for number, sku in enumerate(ODD)}


def test_spellings_that_look_alike_are_different_keys(ledger: Ledger) -> None:
    skus = {
        sku: number
        for number, sku in enumerate(["a", "A", "e\u0301", "\u00e9", "I", "\u0131", "\u0130"])
    }
    say(ledger, skus)
    assert stocks_of(ledger, *skus) == skus


def test_more_than_a_page_of_keys_is_found(ledger: Ledger) -> None:
    skus = {f"S{number:05}": number for number in range(PAGE_ROWS + 17)}
    say(ledger, skus)
    assert stocks_of(ledger, *skus) == skus


def test_no_rows_are_no_statement(ledger: Ledger) -> None:
    def work(connection: Connection) -> list[object]:
        bulk.upsert(connection, schema.level, ["stock_list", "sku"], [])
        return list(bulk.by_keys(connection, "no {keys} statement", []))

    assert ledger.write(work) == []


def part(sku: str, warehouse: str = "") -> Part:
    return Part(1, sku, warehouse, "1", "", None, None, 1, None, gone=False, absent_pull_id=None)


def test_keys_are_read_in_the_order_of_python_and_of_the_scratch_sorter(ledger: Ledger) -> None:
    skus = sorted([*ODD, "ä", "z", "Z", "a-b", "a b", "ab", "\uffee", "\U0001f9e6"])
    skus = sorted(set(skus))
    ledger.write(lambda tx: parts.save(tx, 1, [part(sku) for sku in reversed(skus)]))
    with ledger.read() as connection:
        found = parts.lines_between(connection, 1, after=None, upto=None, limit=1_000)
    assert [stated(line).sku for line in found] == skus
    with Scratch() as scratch:
        rows = ((1, sku, "", "1", "", None, None, n) for n, sku in enumerate(reversed(skus)))
        scratch.add(map(line_of, rows))
        assert [stated(line).sku for page in scratch.pages() for line in page] == skus


def test_a_range_of_keys_excludes_its_start_and_includes_its_end(ledger: Ledger) -> None:
    ledger.write(lambda tx: parts.save(tx, 1, [part(sku) for sku in "abcde"]))
    with ledger.read() as connection:
        found = parts.lines_between(connection, 1, after=(1, "b"), upto=(1, "d"), limit=10)
        first = parts.lines_between(connection, 1, after=(1, "b"), upto=None, limit=2)
    assert [stated(line).sku for line in found] == ["c", "d"]
    assert [stated(line).sku for line in first] == ["c", "d"]


def test_parts_of_another_source_are_not_ours(ledger: Ledger) -> None:
    ledger.write(lambda tx: parts.save(tx, 1, [part("a")]))
    ledger.write(lambda tx: parts.save(tx, 2, [part("a", "W")]))
    with ledger.read() as connection:
        (line,) = parts.lines_of(connection, 2, [(1, "a")])
        assert stated(line).warehouse == "W"
        assert list(parts.by_keys(connection, 2, [(1, "a")])) == [Key(1, "a")]


def test_scratch_never_cuts_a_key_in_two() -> None:
    with Scratch() as scratch:
        scratch.add(line_of((1, f"{n // 4}", "W", str(n), "", None, None, n)) for n in range(40))
        pages = list(scratch.pages(size=5, whole=key_of))
    assert sum(map(len, pages)) == 40
    ends = [(key_of(page[0]), key_of(page[-1])) for page in pages]
    assert all(before[1] != after[0] for before, after in itertools.pairwise(ends))


def new_failure(identity: str, reason: str = "odd") -> failures.NewFailure:
    return failures.NewFailure(
        kind=FailureKind.ROW, identity=identity, reason=reason, message="m", remedy="r", source="s"
    )


def test_a_failure_opens_once_and_repeats_count(ledger: Ledger) -> None:
    for sku in ("%s", "%s", "?"):
        ledger.write(lambda tx, sku=sku: failures.record(tx, [new_failure(sku)], now=5.0))
    with ledger.read() as connection:
        found = failures.open_ones(connection)
    assert sorted((failure.identity, failure.attempts) for failure in found) == [
        ("%s", 2),
        ("?", 1),
    ]


def test_a_closed_failure_opens_anew(ledger: Ledger) -> None:
    def close(connection: Connection) -> None:
        first = failures.open_ones(connection)[0]
        assert failures.close(connection, [first.id], why="gone", now=6.0) == 1
        assert failures.close(connection, [first.id], why="gone", now=6.0) == 0

    ledger.write(lambda tx: failures.record(tx, [new_failure("a")], now=5.0))
    ledger.write(close)
    ledger.write(lambda tx: failures.record(tx, [new_failure("a")], now=7.0))
    with ledger.read() as connection:
        found = failures.open_ones(connection)
    assert [(failure.attempts, failure.first_seen) for failure in found] == [(1, 7.0)]


def test_failures_are_grouped_with_counts_and_an_example(ledger: Ledger) -> None:
    new = [new_failure("a"), new_failure("b"), new_failure("c", "other")]
    ledger.write(lambda tx: failures.record(tx, new, now=5.0))
    with ledger.read() as connection:
        groups = failures.groups(connection)
    assert [(group["reason"], group["count"]) for group in groups] == [("odd", 2), ("other", 1)]


def test_levels_are_locked_and_found_by_their_claim(ledger: Ledger) -> None:
    say(ledger, {"a": 1, "b": 2})

    def work(connection: Connection) -> list[Key]:
        held = levels.by_keys(connection, [(1, "a")], lock=True)
        levels.save(connection, [level._replace(claim_token="t") for level in held.values()])
        return list(levels.by_token(connection, "t"))

    assert ledger.write(work) == [Key(1, "a")]
