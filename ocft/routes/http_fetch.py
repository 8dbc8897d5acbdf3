"""The receiver's end of the direct route where it connects: it fetches ranges."""

import socket
from collections.abc import Sequence
from typing import Final

import h11

from ocft.errors import ChannelClosedError
from ocft.ranges import Range
from ocft.routes.addresses import Place
from ocft.routes.connection import LONGEST_HEAD, DirectConnection
from ocft.routes.http_words import (
    PATH,
    SALT_HEADER,
    head_from,
    headers_of,
    host_of,
    range_header,
    size_of,
)

_ANSWER_SECONDS: Final = 75.0  # the sender may wait for the answer that comes through the chat


class FetchConnection(DirectConnection):
    """A connection to a sender that we made.

    Args:
        connection: From `connect`.
        place: Where it leads to.
        ticket_id: What is fetched.
        token: Who has it may.
    """

    def __init__(
        self, connection: socket.socket, *, place: Place, ticket_id: str, token: str
    ) -> None:
        super().__init__(connection)
        self._host = host_of(place)
        self._target = f"{PATH}{ticket_id}"
        self._token = token

    def ask(self, ranges: Sequence[Range]) -> tuple[str, int]:
        """Ask for some bytes; return the salt and the size of the answer.

        Raises:
            ChannelClosedError: The connection broke, or what answers is not what was meant.
        """
        # Bodies go around it, so each request has one of its own.
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
        request = h11.Request(
            method="GET",
            target=self._target,
            headers=[
                ("Host", self._host),
                ("Authorization", f"Bearer {self._token}"),
                ("Range", range_header(ranges)),
            ],
        )
        try:
            self._socket.settimeout(_ANSWER_SECONDS)
            self._socket.sendall(
                (http.send(request) or b"") + (http.send(h11.EndOfMessage()) or b"")
            )
            response = head_from(self._socket, http, _ANSWER_SECONDS)
        except (OSError, h11.ProtocolError) as error:
            raise ChannelClosedError(f"The direct connection broke: {error}") from error
        headers = headers_of(response)
        size = size_of(headers)
        status = response.status_code if isinstance(response, h11.Response) else 0
        if status != 206 or size is None:  # noqa: PLR2004 - partial content
            raise ChannelClosedError(f"The peer answered with status {status}.")
        self._begin(http.trailing_data[0], size)
        return headers.get(SALT_HEADER.lower(), b"").decode("ascii", "replace"), size
