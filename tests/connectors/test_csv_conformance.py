"""The drop folder holds what every connector must hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from connectors.csv_drop import CsvFormat
from tests.connectors.conformance import ConnectorConformance
from tests.connectors.drops import DropFolder

if TYPE_CHECKING:
    from pathlib import Path


class TestCsvSnapshots(ConnectorConformance):
    @pytest.fixture
    def source(self, tmp_path: Path) -> DropFolder:
        return DropFolder(tmp_path / "outbox", Kind.SNAPSHOT)


class TestCsvDeltas(ConnectorConformance):
    @pytest.fixture
    def source(self, tmp_path: Path) -> DropFolder:
        return DropFolder(tmp_path / "outbox", Kind.DELTA)


class TestCsvSnapshotsOfOneName(ConnectorConformance):
    @pytest.fixture
    def source(self, tmp_path: Path) -> DropFolder:
        return DropFolder(tmp_path / "outbox", Kind.SNAPSHOT, fixed_name=True)


DIALECTS = {
    "Turkish": CsvFormat(encoding="cp1254", delimiter=";", decimal=",", thousands="."),
    "UTF-16": CsvFormat(encoding="utf-16", delimiter="\t", decimal=","),
    "list": CsvFormat(delimiter="|", bordered=True, quoted=False, trailing_minus=True),
}


@pytest.mark.parametrize("dialect", DIALECTS)
class TestCsvDialects(ConnectorConformance):
    @pytest.fixture
    def source(self, tmp_path: Path, dialect: str) -> DropFolder:
        return DropFolder(tmp_path / "outbox", Kind.SNAPSHOT, form=DIALECTS[dialect])


class TestCsvCompressed(ConnectorConformance):
    @pytest.fixture
    def source(self, tmp_path: Path) -> DropFolder:
        return DropFolder(tmp_path / "outbox", Kind.DELTA, packed=True)
