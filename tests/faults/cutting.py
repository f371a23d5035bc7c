"""A TCP relay that breaks connections on order: between a client and Omnitron, or its broker."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_RESET = struct.pack("ii", 1, 0)
_BLOCK = 65_536


@dataclass
class Relay:
    """Listens on 127.0.0.1 and passes bytes on until it is told otherwise.

    cut: of a stretch of one connection, given its direction (``"up"``: from the client) and how
    many bytes went that way before, how many may still pass; None: all. Then both sides are reset.
    deaf: connections stay open, and nothing passes any more.
    """

    upstream: Callable[[], socket.socket]
    cut: Callable[[str, int, bytes], int | None] = lambda _way, _before, _block: None
    port: int = 0
    cuts: int = 0
    _hearing: threading.Event = field(default_factory=threading.Event)
    _sockets: list[socket.socket] = field(default_factory=list)
    _over: bool = False

    def __post_init__(self) -> None:
        self._hearing.set()

    def fall_silent(self) -> None:
        """Pass nothing on, and close nothing: half-open connections on both sides."""
        self._hearing.clear()

    def hear_again(self) -> None:
        """Break what was half open, and let new connections through."""
        self._hearing.set()
        self.drop()

    def drop(self) -> None:
        """Reset every connection that is open."""
        sockets, self._sockets[:] = list(self._sockets), []
        for each in sockets:
            _reset(each)

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._sockets.append(client)
                threading.Thread(target=self._take, args=(client,), daemon=True).start()

    def _take(self, client: socket.socket) -> None:
        self._hearing.wait()
        if self._over:
            _reset(client)
            return
        try:
            server = self.upstream()
        except OSError:
            _reset(client)
            return
        self._sockets.append(server)
        pair = (client, server)
        for way, source, sink in (("up", client, server), ("down", server, client)):
            threading.Thread(
                target=self._pass_on, args=(way, source, sink, pair), daemon=True
            ).start()

    def _pass_on(
        self,
        way: str,
        source: socket.socket,
        sink: socket.socket,
        pair: tuple[socket.socket, socket.socket],
    ) -> None:
        before = 0
        with contextlib.suppress(OSError):
            while block := source.recv(_BLOCK):
                self._hearing.wait()
                if self._over:
                    return
                left = self.cut(way, before, block)
                sink.sendall(block if left is None else block[:left])
                before += len(block)
                if left is not None:
                    self.cuts += 1
                    break
        for each in pair:
            _reset(each)

    def end(self) -> None:
        """Let every thread go."""
        self._over = True
        self._hearing.set()
        self.drop()


@contextmanager
def relaying(upstream: Callable[[], socket.socket]) -> Iterator[Relay]:
    """A relay at work."""
    relay = Relay(upstream)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        relay.port = listener.getsockname()[1]
        threading.Thread(target=relay.serve, args=(listener,), daemon=True).start()
        try:
            yield relay
        finally:
            relay.end()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _reset(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        each.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(OSError):
        each.close()
