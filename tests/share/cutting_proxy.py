"""A TCP proxy that cuts connections: after some bytes, or when a test says so."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_PIECE: Final = 64 * 1024  # bytes passed on at a time
_LINGER_0: Final = b"\x01\x00\x00\x00\x00\x00\x00\x00"  # closing sends a reset, not an end


class CuttingProxy:
    """Passes connections on to a port of this machine, until they are cut.

    Args:
        port: Where they are passed on to; it can be changed, for a server that starts anew.
        bytes_until_cut: Returns for each new connection after how many bytes that the server
            sends it is cut; None: never.
        is_reset: Whether a cut is a reset, as of a process that was killed, or a proper end.
    """

    def __init__(
        self,
        port: int,
        *,
        bytes_until_cut: Callable[[], int | None] = lambda: None,
        is_reset: bool = True,
    ) -> None:
        self.target = port
        self.connections = 0
        """How many there were."""
        self.bytes_down = 0
        """How many bytes the server sent, in all."""
        self.bytes_up = 0
        """How many bytes it was sent."""
        self._bytes_until_cut = bytes_until_cut
        self._is_reset = is_reset
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_down = False
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Cut all connections that there are now."""
        with self._lock:
            for one in self._open:
                self._end(one)
            self._open.clear()

    def go_down(self) -> None:
        """Cut all connections, and every new one at once, until :meth:`come_up`."""
        self._is_down = True
        self.cut()

    def vanish(self) -> None:
        """Cut all connections; from now on nobody listens here."""
        self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not end a waiting accept
        self._listener.close()
        self.cut()

    def come_up(self) -> None:
        """Pass new connections on again."""
        self._is_down = False

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # the test is over
                return
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
                server.settimeout(None)
            except OSError:
                self._end(client)
                continue
            if self._is_down:
                self._end(client)
                self._end(server)
                continue
            with self._lock:
                self._open |= {client, server}
            left = self._bytes_until_cut()
            for work in ((client, server, None), (server, client, left)):
                threading.Thread(target=self._pass, args=work, daemon=True).start()

    def _pass(self, origin: socket.socket, target: socket.socket, left: int | None) -> None:
        """Pass bytes on in one direction, at most `left` of them where that is a number."""
        with suppress(OSError):  # it may be cut before this thread begins
            is_up = origin.getsockname()[1] == self.port
            while left is None or left > 0:
                data = origin.recv(_PIECE if left is None else min(_PIECE, left))
                if not data:
                    with self._lock:
                        if target in self._open:  # else it was cut, and must not end properly
                            target.shutdown(socket.SHUT_WR)
                    return
                target.sendall(data)
                with self._lock:
                    self.bytes_up += len(data) * is_up
                    self.bytes_down += len(data) * (not is_up)
                left = None if left is None else left - len(data)
        with self._lock:
            for one in (origin, target):
                if one in self._open:
                    self._open.remove(one)
                    self._end(one)

    def _end(self, one: socket.socket) -> None:
        if self._is_reset:
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        with suppress(OSError):
            # Wakes up whoever waits in recv; the other direction would send a proper end.
            one.shutdown(socket.SHUT_RD if self._is_reset else socket.SHUT_RDWR)
        one.close()
