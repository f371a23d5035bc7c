"""A real FTP server on 127.0.0.1 over a folder, for tests: one user, one password."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aioftp

from connectors.csv_drop import CsvDrop, FsspecPlace
from tests.connectors.drops import DropFolder, options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connectors.contract import Kind

USER = "erp"
PASSWORD = "not a secret"


@contextmanager
def ftp_server(root: Path) -> Iterator[int]:
    """Serve a folder while the block lasts; yields the port."""
    user = aioftp.User(USER, PASSWORD, base_path=root)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def wait_for(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result(30)

    server = aioftp.Server([user])
    wait_for(server.start("127.0.0.1", 0))
    try:
        yield server.server_port
    finally:
        wait_for(server.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def place_of(port: int, path: str = "/drop", **changes: Any) -> FsspecPlace:
    """Say where a folder of a running server is, and log in with the password."""
    url = f"ftp://127.0.0.1:{port}{path}"
    return replace(FsspecPlace(url=url, username=USER, password=lambda: PASSWORD), **changes)


class FtpDrop(DropFolder):
    """The ERP's side of a drop folder that is read over FTP; path: on the server's disk."""

    def __init__(self, path: Path, kind: Kind, port: int) -> None:
        super().__init__(path, kind)
        self.port = port

    def connector(self) -> CsvDrop:
        place = place_of(self.port, f"/{self.path.name}")
        return CsvDrop(replace(options(self.path, mode=self.kind), path=place))
