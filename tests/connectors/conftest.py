"""Lets pytest explain the suite's failed asserts; it rewrites only test modules by itself.

Reading a large source is slow under a memory tracer: every connector does it in `make test`, its
variants do in `make test-all`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.register_assert_rewrite("tests.connectors.conformance")

LARGE = "test_a_large_source_is_read_in_small_chunks_and_flat_memory"
ALWAYS = {"TestCsvDeltas", "TestSqlite", "TestPostgres", "TestSftpDeltas"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the variants of a connector to the long run."""
    for item in items:
        cls = item.getparent(pytest.Class)
        if (
            getattr(item, "originalname", "") == LARGE
            and cls is not None
            and cls.name not in ALWAYS
        ):
            item.add_marker(pytest.mark.thorough)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every user can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
