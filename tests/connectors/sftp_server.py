"""A real SFTP server on 127.0.0.1 over a folder, for tests: one user, one password."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import paramiko

from connectors.csv_drop import CsvDrop, SftpPlace
from tests.connectors.drops import DropFolder, options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connectors.contract import Kind

USER = "erp"
PASSWORD = "not a secret"
USER_KEY = paramiko.ECDSAKey.generate()
_HOST_KEY = paramiko.ECDSAKey.generate()


class _Door(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        good = (username, password) == (USER, PASSWORD)
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        good = username == USER and key == USER_KEY
        return paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED

    def get_allowed_auths(self, _username: str) -> str:
        return "password,publickey"

    def check_channel_request(self, _kind: str, _channel: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Handle(paramiko.SFTPHandle):
    def stat(self) -> Any:
        return paramiko.SFTPAttributes.from_stat(os.fstat(self.readfile.fileno()))


class _Files(paramiko.SFTPServerInterface):
    root: Path

    def _path(self, path: str) -> Path:
        return self.root / self.canonicalize(path).lstrip("/")

    def list_folder(self, path: str) -> Any:
        try:
            return [
                paramiko.SFTPAttributes.from_stat(entry.lstat(), os.fsencode(entry.name))
                for entry in self._path(path).iterdir()
            ]
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def lstat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(self._path(path).lstat())
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    stat = lstat

    def open(self, path: str, flags: int, _attributes: Any) -> Any:
        try:
            descriptor = os.open(self._path(path), flags, 0o644)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        handle = _Handle(flags)
        stream = os.fdopen(descriptor, "wb" if flags & os.O_WRONLY else "rb")
        handle.readfile = handle.writefile = stream
        return handle

    def _do(self, call: Any, *arguments: Any) -> int:
        try:
            call(*arguments)
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)
        return paramiko.SFTP_OK

    def remove(self, path: str) -> int:
        return self._do(os.remove, self._path(path))

    def mkdir(self, path: str, _attributes: Any) -> int:
        return self._do(os.mkdir, self._path(path))

    def rename(self, oldpath: str, newpath: str) -> int:
        if self._path(newpath).exists():
            return paramiko.SFTP_FAILURE
        return self._do(os.rename, self._path(oldpath), self._path(newpath))


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server. known_hosts: a file with its key."""

    port: int
    known_hosts: Path
    sessions: list[paramiko.Transport]

    def hang_up(self) -> None:
        """End all connections, as a restart of the server does."""
        for session in self.sessions:
            session.close()


@contextmanager
def sftp_server(root: Path, known_hosts: Path) -> Iterator[Server]:
    """Serve a folder while the block lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    key = f"{_HOST_KEY.get_name()} {_HOST_KEY.get_base64()}"
    known_hosts.write_text(f"[127.0.0.1]:{port} {key}\n")
    files = type("Files", (_Files,), {"root": root})
    sessions: list[paramiko.Transport] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with suppress(paramiko.SSHException, EOFError, OSError):  # a client that went away
                transport = paramiko.Transport(connection)
                sessions.append(transport)
                transport.add_server_key(_HOST_KEY)
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, files)
                transport.start_server(server=_Door())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Server(port=port, known_hosts=known_hosts, sessions=sessions)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for session in sessions:
            session.close()
        thread.join(5)


def place_of(server: Server, path: str = "/drop", **changes: Any) -> SftpPlace:
    """Say where a folder of a running server is, and log in with the password."""
    usual = SftpPlace(
        host="127.0.0.1",
        port=server.port,
        path=path,
        username=USER,
        password=lambda: PASSWORD,
        known_hosts=server.known_hosts,
    )
    return replace(usual, **changes)


class RemoteDrop(DropFolder):
    """The ERP's side of a drop folder that is read over SFTP; path: on the server's disk."""

    def __init__(self, path: Path, kind: Kind, server: Server) -> None:
        super().__init__(path, kind)
        self.server = server

    def connector(self) -> CsvDrop:
        place = place_of(self.server, f"/{self.path.name}")
        return CsvDrop(replace(options(self.path, mode=self.kind), path=place))
