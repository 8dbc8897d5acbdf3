"""The sender's end of the direct route where it connects: it brings what the receiver wants."""

import socket
from collections.abc import Callable
from typing import Final

import h11

from ocft.errors import ChannelClosedError
from ocft.ranges import Range
from ocft.routes.addresses import Place
from ocft.routes.connection import LONGEST_HEAD, send_whole, shut_down
from ocft.routes.http_words import (
    PATH,
    SALT_HEADER,
    WANTED_HEADER,
    body_has_left,
    head_from,
    headers_of,
    host_of,
    parse_ranges,
)
from ocft.routes.tickets import Body

_ANSWER_SECONDS: Final = 120.0  # the receiver may have to read whole files before it answers
_ALIVE_AFTER: Final = 10  # seconds of silence before the kernel asks whether somebody is there
_ALIVE_EVERY: Final = 5  # seconds
_ALIVE_TRIES: Final = 4


class PushConnection:
    """A connection to a receiver. All but `cut` is called in a worker thread.

    Args:
        connection: From `connect`.
        place: Where it leads to.
        ticket_id: What is brought.
        token: Who has it may.
    """

    def __init__(
        self, connection: socket.socket, *, place: Place, ticket_id: str, token: str
    ) -> None:
        self._socket = connection
        self._host = host_of(place)
        self._target = f"{PATH}{ticket_id}"
        self._token = token

    def bring(self, body: Body | None, progress: Callable[[int], None]) -> list[Range]:
        """Bring what was wanted, or nothing at first; return what is wanted next.

        Args:
            body: What was wanted.
            progress: Called with the bytes that left since the last time, and with 0 at the end.

        Raises:
            ChannelClosedError: The connection broke, or what answers is not what was meant.
        """
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
        headers = [
            ("Host", self._host),
            ("Authorization", f"Bearer {self._token}"),
            ("Content-Length", str(body.size if body is not None else 0)),
        ]
        if body is not None:
            headers += [("Content-Type", "application/octet-stream"), (SALT_HEADER, body.salt)]
        request = h11.Request(method="POST", target=self._target, headers=headers)
        try:
            _watch(self._socket)
            send_whole(self._socket, http.send(request) or b"")
            if body is not None:
                self._send(body, progress)
            body_has_left(http, body.size if body is not None else 0)
            response = head_from(self._socket, http, _ANSWER_SECONDS)
        except (OSError, h11.ProtocolError) as error:
            raise ChannelClosedError(f"The direct connection broke: {error}") from error
        wanted = parse_ranges(headers_of(response).get(WANTED_HEADER.lower(), b""))
        status = response.status_code if isinstance(response, h11.Response) else 0
        if status != 200 or wanted is None:  # noqa: PLR2004 - OK
            raise ChannelClosedError(f"The peer answered with status {status}.")
        return wanted

    def cut(self) -> None:
        """End it, whoever writes; calling it twice is fine."""
        shut_down(self._socket)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _send(self, body: Body, progress: Callable[[int], None]) -> None:
        try:
            for piece in body.pieces:
                send_whole(self._socket, piece)
                progress(len(piece))
        finally:
            progress(0)


def _watch(connection: socket.socket) -> None:
    """Let the kernel notice that the other machine is gone, while its answer is waited for."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", _ALIVE_AFTER),
        ("TCP_KEEPINTVL", _ALIVE_EVERY),
        ("TCP_KEEPCNT", _ALIVE_TRIES),
    ):
        if (option := getattr(socket, name, None)) is not None:  # not on every system
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
