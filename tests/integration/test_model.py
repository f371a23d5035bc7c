"""Pull, deliver, confirm and replay in any order, with two workers, against a simple model.

Real are the ledger and the four steps; Omnitron is played, and tells at random what becomes of a
request. After every step the ledger keeps its promises, and in the end Omnitron has what the ERP
said, or a person can see why not.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, run_state_machine_as_test

from tests.fuzzing import THOROUGH, fuzz
from tests.integration import ending, promises
from tests.integration.happenings import ROWS, Delivering, Governing, Speaking
from tests.integration.ledgers import copied_sqlite, emptied_postgres
from tests.integration.stage import Stage
from worker.model import Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.databases import Server
    from tests.integration.erp import Part


class Service(Speaking, Delivering, Governing):
    """The happenings are what may come in any order, the invariants what must hold whenever."""

    def __init__(self, new_ledger: Callable[[Path], str]) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="model-"))
        self.url = new_ledger(self.folder)

    @initialize(missing=st.sampled_from(Missing), rows=ROWS)
    def a_first_day(self, missing: Missing, rows: Mapping[Part, str]) -> None:
        drop = self.folder / "drop"
        drop.mkdir()
        self.stage = Stage(self.url, drop, missing)
        self.the_erp_says(rows, is_heard=True)

    @invariant()
    def every_promise_is_kept(self) -> None:
        seen = self.stage.look()
        promises.every_level_is_in_exactly_one_state(seen)
        promises.levels_are(self.stage.truth, seen)
        promises.a_revision_has_one_value(self.stage.crew.values, seen)
        promises.the_checkpoint_is_not_ahead(seen)
        assert set(self.stage.truth.kept) <= self.stage.told_rows()

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                ending.close(self.stage, dismissed=self.dismissed)
        finally:
            if hasattr(self, "stage"):
                self.stage.close()
            shutil.rmtree(self.folder)


def run(new_ledger: Callable[[Path], str], *, number: int) -> None:
    """Let it happen; in its short form always the same, but not the same on both databases."""

    def service() -> Service:
        return Service(new_ledger)

    chosen = settings(fuzz(4), stateful_step_count=30)
    is_short = settings.get_current_profile_name() != THOROUGH
    run_state_machine_as_test(seed(number)(service) if is_short else service, settings=chosen)


def test_the_service_keeps_its_promises_on_sqlite(sqlite_template: Path) -> None:
    run(lambda folder: copied_sqlite(sqlite_template, folder), number=1)


def test_the_service_keeps_its_promises_on_postgresql(
    postgres: Server, postgres_ledger: str
) -> None:
    run(lambda _folder: emptied_postgres(postgres, postgres_ledger), number=2)
