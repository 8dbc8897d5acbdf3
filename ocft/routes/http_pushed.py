"""The receiver's end of the direct route where the sender connects: it says what it wants.

Each answer names the ranges that the next request has to bring.
"""

import socket
import threading
from collections.abc import Sequence

import h11

from ocft.crypto import secrets_match
from ocft.errors import ChannelClosedError
from ocft.ranges import Range
from ocft.routes.connection import IDLE_SECONDS, LONGEST_HEAD, DirectConnection
from ocft.routes.http_words import (
    SALT_HEADER,
    WANTED_HEADER,
    head_from,
    headers_of,
    range_header,
    size_of,
    token_of,
)


class PushedConnection(DirectConnection):
    """A connection that a sender made; its first request waits for an answer.

    Args:
        connection: Where it came.
        http: What read that request.
        target: Its path: the later ones have the same.
        token: What the later ones have to know, too.
    """

    def __init__(
        self, connection: socket.socket, http: h11.Connection, *, target: bytes, token: str
    ) -> None:
        super().__init__(connection)
        self._http = http
        self._target = target
        self._token = token
        self._is_closed = threading.Event()

    def ask(self, ranges: Sequence[Range]) -> tuple[str, int]:
        """Ask for some bytes; return the salt and the size of what is brought.

        Raises:
            ChannelClosedError: The connection broke, or what comes is not what was meant.
        """
        answer = h11.Response(
            status_code=200,
            headers=[
                ("Content-Length", "0"),
                ("Cache-Control", "no-store"),
                (WANTED_HEADER, range_header(ranges)),
            ],
        )
        try:
            self._socket.settimeout(IDLE_SECONDS)
            self._socket.sendall(
                (self._http.send(answer) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
            )
            # Bodies go around it, so each request has one of its own.
            self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
            request = head_from(self._socket, self._http, IDLE_SECONDS)
        except (OSError, h11.ProtocolError) as error:
            raise ChannelClosedError(f"The direct connection broke: {error}") from error
        headers = headers_of(request)
        size = size_of(headers)
        is_meant = (
            isinstance(request, h11.Request)
            and request.method == b"POST"
            and request.target == self._target
            and secrets_match(self._token, token_of(headers.get("authorization", b"")))
        )
        if not is_meant or size is None:
            raise ChannelClosedError("The peer brought something else than was wanted.")
        self._begin(self._http.trailing_data[0], size)
        return headers.get(SALT_HEADER.lower(), b"").decode("ascii", "replace"), size

    def close(self) -> None:
        """Let the thread that owns the socket close it."""
        self.cut()
        self._is_closed.set()

    def wait_closed(self) -> None:
        """Wait, in the thread that owns the socket, until nobody needs it."""
        self._is_closed.wait()
