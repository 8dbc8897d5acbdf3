"""Connections of strangers, and the limits that uvicorn does not have (R-SHR-9).

uvicorn waits for ever for a head that does not end, and for a receiver that does not read; it takes
a head of any length that comes in one piece, and closes a connection on which an upload is still
coming in such a way that the sender may never see the answer. All of that is mended here.
"""

import asyncio
import json
import logging
import re
import socket
from collections import Counter
from contextlib import suppress
from typing import Any, Final

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from ocft.share.server.limits import Limits, counted_as

_HEAD_END: Final = re.compile(rb"\n\r?\n")  # as h11 finds it
_LINGER: Final = 2.0  # seconds in which who still sends can read our answer
_MOST_DISCARDED: Final = 8 << 20  # bytes in that time
_RETRY_AFTER: Final = 5  # seconds
_UNSENT: Final = 128 * 1024  # bytes that the kernel takes before they can leave
_PHRASES: Final = {
    400: "Bad Request",
    408: "Request Timeout",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}
# uvicorn warns of each request that is none, and writes a traceback for each connection that was
# cut; they are counted, what fails inside is logged there, and strangers fill no log.
_log = logging.getLogger("ocft.share.http")
_log.setLevel(logging.CRITICAL)


class Connections:
    """All connections of a server; one task calls :meth:`watch` now and then.

    Args:
        limits: How many, how long, how large.
        trusted_proxies: Addresses of our own proxies, which may have many connections.
    """

    def __init__(self, limits: Limits, trusted_proxies: frozenset[str] = frozenset()) -> None:
        self.limits = limits
        self.refused: Counter[int] = Counter()
        """How often a connection was refused before it came to a request, by status."""
        self.stalled = 0
        """How many were cut since nothing left any more."""
        self.gone = asyncio.Event()
        """Set while there is none."""
        self.gone.set()
        self._trusted = trusted_proxies
        self._of_address: Counter[str] = Counter()
        self._all: set[Connection] = set()

    def __len__(self) -> int:
        return len(self._all)

    def protocol(self, config: Config, state: ServerState) -> "Connection":
        """Return what drives one new connection.

        Args:
            config: uvicorn's, loaded.
            state: uvicorn's.
        """
        return Connection(self, config, state)

    def admit(self, connection: "Connection", host: str) -> int:
        """Count a connection; return the status to refuse it with, or 0.

        Args:
            connection: The new one.
            host: Whose it is.
        """
        self._all.add(connection)
        self.gone.clear()
        address = counted_as(host)
        self._of_address[address] += 1
        if len(self._all) > self.limits.connections:
            return 503
        is_proxy = host in self._trusted
        if not is_proxy and self._of_address[address] > self.limits.connections_of_address:
            return 429
        return 0

    def forget(self, connection: "Connection", host: str) -> None:
        """Stop counting a connection that is gone."""
        self._all.discard(connection)
        if not self._all:
            self.gone.set()
        address = counted_as(host)
        self._of_address[address] -= 1
        if self._of_address[address] <= 0:
            del self._of_address[address]

    def is_flooded(self) -> bool:
        """Say whether there are so many that not even a refusal is written any more."""
        return len(self._all) > 2 * self.limits.connections

    def watch(self, now: float) -> None:
        """End the connections that have waited, or kept us waiting, for too long.

        Args:
            now: Seconds on the loop's clock.
        """
        for connection in list(self._all):
            connection.watch(now)

    def finish(self) -> None:
        """Let each connection end with the request that it is at."""
        for connection in list(self._all):
            connection.shutdown()

    def abort(self) -> None:
        """Cut all connections."""
        for connection in list(self._all):
            connection.abort()


class Connection(H11Protocol):
    """One connection of a stranger."""

    def __init__(self, connections: Connections, config: Config, state: ServerState) -> None:
        super().__init__(config, state, {})
        self.logger = _log
        self._connections = connections
        self._limits = connections.limits
        self._host = ""
        self._head_since: float | None = None
        self._unsent = 0
        self._unsent_since = 0.0
        self._leaving: _Leaving | None = None

    # asyncio calls these

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take up a connection, or refuse it."""
        self._unsent_since = self._head_since = self.loop.time()
        self._leaving = _Leaving(transport, self)
        _prepare(transport.get_extra_info("socket"))
        super().connection_made(self._leaving)  # type: ignore[arg-type]
        self._host = self.client[0] if self.client else ""
        status = self._connections.admit(self, self._host)
        if status and self._connections.is_flooded():
            transport.abort()
        elif status:
            words = "There are too many connections. Try again in a moment."
            self._refuse(status, "RATE_LIMITED" if status == 429 else "SHUTTING_DOWN", words)  # noqa: PLR2004

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._connections.forget(self, self._host)
        self._head_since = None
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Take in some bytes."""
        if self._leaving is not None and self._leaving.discards(data):
            return
        super().data_received(data)
        self._note_head()

    # uvicorn calls these

    def handle_events(self) -> None:
        """Go on with what came, if it is not a head that is too long."""
        # Looked at here, where also the second of two requests in one packet begins.
        if self.conn.their_state is h11.IDLE and self._is_head_too_long():
            self._refuse(431, "BAD_REQUEST", "The head of the request is too long.")
            return
        super().handle_events()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says it in JSON
        """Answer what is no request."""
        self._refuse(400, "BAD_REQUEST", "This is no HTTP request.")

    def on_response_complete(self) -> None:
        """Look at what else the connection brings."""
        super().on_response_complete()
        self._note_head()

    def shutdown(self) -> None:
        """End with the request that is under way, if there is one."""
        if self._leaving is None or not self._leaving.is_closing():
            super().shutdown()

    # the watch calls these

    def watch(self, now: float) -> None:
        """End the connection if it has waited, or kept us waiting, for too long."""
        if self._leaving is None:
            return
        if self._head_since is not None and now - self._head_since > self._limits.head_seconds:
            self._refuse(408, "BAD_REQUEST", "The request took too long.")
        unsent = self._leaving.get_write_buffer_size()
        if unsent != self._unsent or not unsent:
            self._unsent, self._unsent_since = unsent, now
        elif now - self._unsent_since > self._limits.idle_seconds:
            self._connections.stalled += 1
            self.abort()
        self._leaving.watch(now)

    def abort(self) -> None:
        """Cut the connection."""
        if self._leaving is not None:
            self._leaving.abort()

    def is_within_body(self) -> bool:
        """Say whether the other side may still be sending the body of a request."""
        return self.conn.their_state is h11.SEND_BODY

    def _note_head(self) -> None:
        """Remember since when a head is coming in."""
        if self.conn.their_state is not h11.IDLE:
            self._head_since = None
        elif self._head_since is None and self.conn.trailing_data[0]:
            self._head_since = self.loop.time()

    def _is_head_too_long(self) -> bool:
        most = self._limits.head_bytes
        data = self.conn.trailing_data[0]
        if len(data) <= most:
            return False
        end = _HEAD_END.search(data, 0, most + 2)
        return end is None or end.end() > most

    def _refuse(self, status: int, code: str, words: str) -> None:
        """Answer without a request, and end the connection."""
        self._head_since = None
        if self._leaving is None or self._leaving.is_closing():
            return
        self._connections.refused[status] += 1
        error: dict[str, Any] = {"error": {"code": code, "message": words}}
        wait = b""
        if status in {429, 503}:
            error["retry_after"] = _RETRY_AFTER
            wait = b"Retry-After: %d\r\n" % _RETRY_AFTER
        body = json.dumps(error).encode()
        head = (
            b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
            b"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
            b"%sConnection: close\r\n\r\n"
        )
        self._unset_keepalive_if_required()
        self._leaving.write(head % (status, _PHRASES[status].encode(), len(body), wait) + body)
        self._leaving.leave()


class _Leaving:
    """A transport that, when it is closed, lets who still sends read our answer first.

    Closing a socket with bytes in it that nobody read makes the system reset the connection, and
    the other side loses what it had not read yet.
    """

    def __init__(self, transport: asyncio.Transport, connection: Connection) -> None:
        self._transport = transport
        self._connection = connection
        self._since: float | None = None
        self._discarded = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._since is not None or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        if not self.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close at once, or as soon as an upload that nobody wants has been told about it."""
        if self._connection.is_within_body():
            self.leave()
        else:
            self._transport.close()

    def leave(self) -> None:
        """End our side, and read on for a moment."""
        if self.is_closing():
            return
        self._since = self._connection.loop.time()
        with suppress(OSError, RuntimeError, NotImplementedError):  # it is gone meanwhile
            self._transport.write_eof()
            self._transport.resume_reading()

    def discards(self, data: bytes) -> bool:
        """Take in what comes after our last word; say whether that was it."""
        if self._since is None:
            return self._transport.is_closing()
        self._discarded += len(data)
        if self._discarded > _MOST_DISCARDED:
            self._transport.abort()
        return True

    def watch(self, now: float) -> None:
        if self._since is not None and now - self._since > _LINGER:
            self._transport.close()


def _prepare(sock: socket.socket | None) -> None:
    # So that "nothing leaves" is seen: else megabytes wait where nobody can watch them.
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if sock is None or option is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, option, _UNSENT)
