"""What every connector must hold, whatever it reads: `connectors/contract.py` as tests.

A connector's test module makes a `SourceUnderTest` that knows how to play the ERP, and subclasses
`ConnectorConformance` with a fixture named ``source`` that returns it:

    class TestCsvSnapshot(ConnectorConformance):
        @pytest.fixture
        def source(self, tmp_path: Path) -> SourceUnderTest:
            return DropFolder(tmp_path, mode="snapshot")

Every connector instance is used for one step only and every checkpoint and position goes through
JSON, so each test also holds the connector to surviving a restart.
"""

from __future__ import annotations

import abc
import json
import tracemalloc
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from connectors.contract import Kind, Settlement, Verdict
from connectors.errors import SourceUnreachable
from connectors.numbers import canonical_decimal

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from connectors.contract import Chunk, Connector, Listing, Offer, Reject, Row

MANY_ROWS = 60_000
PEAK_BYTES = 16 * 1024 * 1024
LARGEST_CHUNK = 5_000


class Item(NamedTuple):
    """One row as the ERP knows it."""

    sku: str
    quantity: Decimal
    warehouse: str = "WH-MAIN"
    unit: str = "AD"

    @classmethod
    def of(cls, sku: str, quantity: str | int, **rest: str) -> Item:
        return cls(sku, Decimal(quantity), **rest)


class SourceUnderTest(abc.ABC):
    """The ERP's side of one configured source, with warehouse and unit columns.

    kind: what an offer of `Connector.look(full=False)` on a source never read before must be.
    """

    kind: Kind

    @abc.abstractmethod
    def connector(self) -> Connector:
        """Build a new connector on this source, as after a restart."""

    @abc.abstractmethod
    def state(self, *items: Item) -> None:
        """Let the ERP state these items, later than everything stated before."""

    @abc.abstractmethod
    def state_broken(self, good: Item, broken_sku: str) -> None:
        """Let the ERP state a good item and one whose quantity is the text ``12x``."""

    @abc.abstractmethod
    def state_many(self, count: int) -> None:
        """Let the ERP state ``count`` items with SKUs of their own at once, cheaply."""

    @abc.abstractmethod
    def unreachable(self) -> AbstractContextManager[None]:
        """Take the source away while the context is open, then give it back as it was."""

    @abc.abstractmethod
    def contents(self) -> object:
        """Everything that reading must not change, as something comparable."""


@dataclass
class Reading:
    """What one offer said, and what identifies it."""

    label: str
    kind: Kind
    position: Any
    checkpoint: Any
    rows: list[Row] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    def stated(self) -> dict[tuple[str, str], tuple[str, str]]:
        return {(row.sku, row.warehouse): (row.quantity, row.unit) for row in self.rows}


def expected(*items: Item) -> dict[tuple[str, str], tuple[str, str]]:
    return {
        (item.sku, item.warehouse): (canonical_decimal(item.quantity), item.unit) for item in items
    }


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def read(offer: Offer) -> Reading:
    """Read one offer to its end, then take its checkpoint."""
    chunks: list[Chunk] = list(offer.chunks())
    return Reading(
        label=offer.label,
        kind=offer.kind,
        position=through_json(offer.position),
        checkpoint=through_json(offer.checkpoint()),
        rows=[row for chunk in chunks for row in chunk.rows],
        rejects=[reject for chunk in chunks for reject in chunk.rejects],
    )


def look(
    source: SourceUnderTest, checkpoint: Any = None, *, full: bool = False, held: Any = None
) -> Listing:
    return source.connector().look(checkpoint, full=full, held=held)


def read_all(
    source: SourceUnderTest, checkpoint: Any = None, *, full: bool = False, held: Any = None
) -> list[Reading]:
    """Read every offer that says READ, in order."""
    listing = look(source, checkpoint, full=full, held=held)
    return [read(offer) for offer in listing.offers if offer.verdict is Verdict.READ]


def apply_all(source: SourceUnderTest, checkpoint: Any = None, *, full: bool = False) -> Any:
    """Do what the pull step does with every offer; return the last checkpoint."""
    for reading in read_all(source, checkpoint, full=full):
        source.connector().settle(reading.position, Settlement.APPLIED)
        checkpoint = reading.checkpoint
    return checkpoint


class ConnectorConformance:
    """The suite. Subclasses are named ``Test…`` and bring the ``source`` fixture."""

    def test_a_source_that_states_nothing_raises_nothing(self, source: SourceUnderTest) -> None:
        assert [row for reading in read_all(source) for row in reading.rows] == []

    def test_everything_stated_comes_out_once(self, source: SourceUnderTest) -> None:
        items = [Item.of(f"SKU-{n}", n) for n in range(20)]
        source.state(*items)
        [reading] = read_all(source)
        assert reading.stated() == expected(*items)
        assert len(reading.rows) == len(items)
        assert reading.rejects == []

    def test_the_first_offer_is_of_the_configured_kind(self, source: SourceUnderTest) -> None:
        source.state(Item.of("A", 1))
        [reading] = read_all(source)
        assert reading.kind is source.kind
        assert reading.label

    def test_every_row_has_a_place_of_its_own_in_order(self, source: SourceUnderTest) -> None:
        source.state(*(Item.of(f"SKU-{n}", n) for n in range(20)))
        [reading] = read_all(source)
        places = [row.place for row in reading.rows]
        assert places[0] >= 1
        assert all(before < after for before, after in pairwise(places))

    def test_quantities_are_canonical(self, source: SourceUnderTest) -> None:
        items = [
            Item.of("PADDED", "7.50"),
            Item.of("WHOLE", "105.00"),
            Item.of("NEGATIVE", "-3"),
            Item.of("ZERO", "0.00"),
            Item.of("LARGE", "3000000000"),
        ]
        source.state(*items)
        [reading] = read_all(source)
        assert {row.sku: row.quantity for row in reading.rows} == {
            "PADDED": "7.5",
            "WHOLE": "105",
            "NEGATIVE": "-3",
            "ZERO": "0",
            "LARGE": "3000000000",
        }

    def test_a_sku_is_never_changed_but_for_outer_blanks(self, source: SourceUnderTest) -> None:
        skus = ["0001234", "1234", "ÇĞIİÖŞÜ-\u0131i", "inner  blank", 'a;b,"c"', "1E5", "straße"]
        source.state(*(Item.of(sku, 1) for sku in skus), Item.of("  outer ", 1))
        [reading] = read_all(source)
        assert {row.sku for row in reading.rows} == {*skus, "outer"}

    def test_one_sku_in_two_warehouses_is_two_rows(self, source: SourceUnderTest) -> None:
        items = [Item.of("A", 1), Item.of("A", 2, warehouse="WH-OUTLET", unit="KG")]
        source.state(*items)
        [reading] = read_all(source)
        assert reading.stated() == expected(*items)

    def test_a_rejected_row_does_not_hide_the_good_ones(self, source: SourceUnderTest) -> None:
        good = Item.of("GOOD", 5)
        source.state_broken(good, "BROKEN")
        [reading] = read_all(source)
        assert reading.stated() == expected(good)
        [reject] = reading.rejects
        assert (reject.sku, reject.reason, reject.value) == ("BROKEN", "not_a_number", "12x")
        assert reject.place >= 1
        assert all([reject.column, reject.message, reject.remedy, reject.raw])
        assert len(reject.raw.encode()) <= 2048

    def test_reading_changes_nothing(self, source: SourceUnderTest) -> None:
        source.state(Item.of("A", 1), Item.of("B", 2))
        before = source.contents()
        read_all(source)
        assert source.contents() == before

    def test_reading_twice_before_the_decision_gives_the_same(
        self, source: SourceUnderTest
    ) -> None:
        source.state(Item.of("A", 1), Item.of("B", 2))
        [first], [second] = read_all(source), read_all(source)
        assert first.stated() == second.stated()

    def test_what_was_applied_comes_again_at_most_as_it_was(self, source: SourceUnderTest) -> None:
        items = [Item.of("A", 1), Item.of("B", 2)]
        source.state(*items)
        checkpoint = apply_all(source)
        again = read_all(source, checkpoint)
        assert all(reading.stated().items() <= expected(*items).items() for reading in again)
        assert not any(reading.rejects for reading in again)

    def test_a_later_statement_is_offered(self, source: SourceUnderTest) -> None:
        source.state(Item.of("A", 1), Item.of("B", 2))
        checkpoint = apply_all(source)
        source.state(Item.of("A", 7), Item.of("B", 2))
        [reading] = read_all(source, checkpoint)
        assert reading.stated()["A", "WH-MAIN"] == ("7", "AD")

    def test_an_older_checkpoint_brings_back_what_deltas_said_since(
        self, source: SourceUnderTest
    ) -> None:
        source.state(Item.of("A", 1), Item.of("B", 1))
        older = checkpoint = apply_all(source)
        for quantity in (2, 3):
            source.state(Item.of("A", quantity))
            checkpoint = apply_all(source, checkpoint)
        again: dict[tuple[str, str], tuple[str, str]] = {}
        for reading in read_all(source, older):
            again |= reading.stated()
        if source.kind is Kind.DELTA:
            assert again["A", "WH-MAIN"] == ("3", "AD")

    def test_many_statements_one_after_another_are_all_found(self, source: SourceUnderTest) -> None:
        checkpoint = None
        for quantity in range(1, 6):
            source.state(Item.of("A", quantity))
            *_, last = read_all(source, checkpoint)
            source.connector().settle(last.position, Settlement.APPLIED)
            checkpoint = last.checkpoint
            assert last.stated() == expected(Item.of("A", quantity))

    def test_settling_twice_is_as_settling_once(self, source: SourceUnderTest) -> None:
        for number, settlement in enumerate(Settlement):
            source.state(Item.of("A", number))
            *_, last = read_all(source)
            source.connector().settle(last.position, settlement, "because")
            once = source.contents()
            source.connector().settle(last.position, settlement, "because")
            assert source.contents() == once

    def test_an_unreachable_source_says_so_and_works_again_later(
        self, source: SourceUnderTest
    ) -> None:
        source.state(Item.of("A", 1))
        with source.unreachable():
            with pytest.raises(SourceUnreachable) as caught:
                read_all(source)
            assert caught.value.message
            assert caught.value.remedy
        [reading] = read_all(source)
        assert reading.stated() == expected(Item.of("A", 1))

    def test_check_finds_a_good_source_good(self, source: SourceUnderTest) -> None:
        source.state(Item.of("A", 1))
        before = source.contents()
        findings = source.connector().check()
        assert findings
        assert {finding.level for finding in findings} <= {"ok", "warning"}
        assert source.contents() == before

    def test_check_names_what_is_in_the_way_and_raises_nothing(
        self, source: SourceUnderTest
    ) -> None:
        source.state(Item.of("A", 1))
        with source.unreachable():
            errors = [line for line in source.connector().check() if line.level == "error"]
        assert errors
        assert all(error.message and error.remedy for error in errors)

    def test_a_held_offer_is_not_offered_again(self, source: SourceUnderTest) -> None:
        source.state(Item.of("A", 1))
        [reading] = read_all(source)
        listing = look(source, held=reading.position)
        assert reading.position not in [through_json(offer.position) for offer in listing.offers]

    def test_while_a_pull_is_held_deltas_rest_and_are_listed(self, source: SourceUnderTest) -> None:
        source.state(Item.of("A", 1))
        [reading] = read_all(source)
        source.state(Item.of("A", 2))
        listing = look(source, held=reading.position)
        assert all(offer.kind is Kind.SNAPSHOT for offer in listing.offers)
        if source.kind is Kind.DELTA:
            assert listing.waiting
            assert all(rest.label and rest.reason for rest in listing.waiting)

    def test_while_a_pull_is_held_a_newer_snapshot_is_offered(
        self, source: SourceUnderTest
    ) -> None:
        if source.kind is not Kind.SNAPSHOT:
            return
        source.state(Item.of("A", 1))
        [reading] = read_all(source)
        source.state(Item.of("A", 2))
        *_, newer = read_all(source, full=True, held=reading.position)
        assert newer.kind is Kind.SNAPSHOT
        assert newer.stated() == expected(Item.of("A", 2))

    def test_a_large_source_is_read_in_small_chunks_and_flat_memory(
        self, source: SourceUnderTest
    ) -> None:
        source.state_many(MANY_ROWS)
        [offer] = look(source).offers
        count = largest = 0
        tracemalloc.start()
        try:
            for rows, rejects, _ in offer.chunks():
                count += len(rows)
                largest = max(largest, len(rows) + len(rejects))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert count == MANY_ROWS
        assert largest <= LARGEST_CHUNK
        assert peak < PEAK_BYTES
