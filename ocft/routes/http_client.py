"""The receiver's end of the direct route: asks for ranges, and reads the answer into buffers."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

import h11

from ocft.errors import ChannelClosedError
from ocft.ranges import Range
from ocft.routes.addresses import Place
from ocft.routes.http_words import SALT_HEADER, range_header

_STAGGER: Final = 0.25  # seconds between two tries, RFC 8305 section 8
_CONNECT_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 75.0  # the sender may wait for the answer that comes through the chat
_IDLE_SECONDS: Final = 30.0
_RECEIVE_BUFFER: Final = 4 << 20  # bytes that the kernel keeps for us


async def connect(places: Sequence[Place]) -> socket.socket:
    """Connect to the first place that answers, as Happy Eyeballs does (RFC 8305).

    Raises:
        ChannelClosedError: None of them can be reached.
    """
    from aiohappyeyeballs import start_connection

    infos = [
        (
            socket.AF_INET6 if ":" in address else socket.AF_INET,
            socket.SOCK_STREAM,
            socket.IPPROTO_TCP,
            "",
            (address, port, 0, 0) if ":" in address else (address, port),
        )
        for address, port in places
    ]
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            return await start_connection(infos, happy_eyeballs_delay=_STAGGER, interleave=1)
    except (OSError, TimeoutError) as error:
        raise ChannelClosedError(f"The peer cannot be reached directly: {error}") from error


class DirectClient:
    """One connection to a sender. All but `cut` is called in a worker thread.

    Args:
        connection: From `connect`.
        place: Where it leads to, for the `Host`.
        ticket_id: What is fetched.
        token: Who has it may.
    """

    def __init__(
        self, connection: socket.socket, *, place: Place, ticket_id: str, token: str
    ) -> None:
        connection.setblocking(True)
        self._socket = connection
        host = f"[{place[0]}]" if ":" in place[0] else place[0]
        self._host = f"{host}:{place[1]}"
        self._target = f"/ocft/2/{ticket_id}"
        self._token = token
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=16 * 1024)
        self._rest = memoryview(b"")
        self._left = 0

    def ask(self, ranges: Sequence[Range]) -> tuple[str, int]:
        """Ask for some bytes; return the salt and the size of the answer.

        Raises:
            ChannelClosedError: The connection broke, or what answers is not what was meant.
        """
        if self._http.our_state is not h11.IDLE:
            self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=16 * 1024)
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
            self._socket.sendall((self._http.send(request) or b"") + (self._end() or b""))
            response = self._response()
            self._socket.settimeout(_IDLE_SECONDS)
        except (OSError, h11.ProtocolError) as error:
            raise ChannelClosedError(f"The direct connection broke: {error}") from error
        headers = {name.decode("ascii"): value for name, value in response.headers}
        size = headers.get("content-length", b"")
        if response.status_code != 206 or not size.isdigit():  # noqa: PLR2004 - partial content
            raise ChannelClosedError(f"The peer answered with status {response.status_code}.")
        trailing, _ = self._http.trailing_data
        self._rest = memoryview(trailing)
        self._left = int(size)
        return headers.get(SALT_HEADER.lower(), b"").decode("ascii", "replace"), self._left

    def read_into(self, buffer: memoryview) -> None:
        """Fill a buffer with what comes next.

        Raises:
            ChannelClosedError: The answer ends before, or the connection broke.
        """
        if len(buffer) > self._left:
            raise ChannelClosedError("The peer's answer is cut off.")
        self._left -= len(buffer)
        taken = min(len(self._rest), len(buffer))
        if taken:
            buffer[:taken] = self._rest[:taken]
            self._rest = self._rest[taken:]
            buffer = buffer[taken:]
        try:
            while buffer:
                count = self._socket.recv_into(buffer)
                if not count:
                    raise ChannelClosedError("The direct connection was cut.")
                buffer = buffer[count:]
        except OSError as error:
            raise ChannelClosedError(f"The direct connection broke: {error}") from error

    def cut(self) -> None:
        """End it, whoever reads; calling it twice is fine."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _end(self) -> bytes | None:
        return self._http.send(h11.EndOfMessage())

    def _response(self) -> h11.Response:
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Response):
                return event
            if event is h11.NEED_DATA:
                self._http.receive_data(self._socket.recv(64 * 1024))
            elif isinstance(event, h11.ConnectionClosed):
                raise ChannelClosedError("The peer closed the direct connection.")
