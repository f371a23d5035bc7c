"""The drop folder behind a real SFTP server, held to the contract of every connector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connectors.contract import Kind
from tests.connectors.conformance import ConnectorConformance
from tests.connectors.sftp_server import RemoteDrop, sftp_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.connectors.sftp_server import Server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with sftp_server(tmp_path, tmp_path / "known_hosts") as running:
        yield running


class TestSftpSnapshots(ConnectorConformance):
    @pytest.fixture
    def source(self, tmp_path: Path, server: Server) -> RemoteDrop:
        return RemoteDrop(tmp_path / "drop", Kind.SNAPSHOT, server)


class TestSftpDeltas(ConnectorConformance):
    test_a_large_source_is_read_in_small_chunks_and_flat_memory = None  # the same reading

    @pytest.fixture
    def source(self, tmp_path: Path, server: Server) -> RemoteDrop:
        return RemoteDrop(tmp_path / "drop", Kind.DELTA, server)
