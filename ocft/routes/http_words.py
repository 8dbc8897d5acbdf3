"""The few words of HTTP that both ends of the direct route need."""

import re
import socket
import time
from collections.abc import Sequence
from typing import Final

import h11

from ocft.errors import ChannelClosedError
from ocft.ranges import Range
from ocft.routes.addresses import Place

SALT_HEADER: Final = "OCFT-Salt"
WANTED_HEADER: Final = "OCFT-Wanted"
"""What a receiver wants to be brought, as in a `Range`."""
PATH: Final = "/ocft/2/"
"""Before the id of a ticket."""
MOST_RANGES: Final = 256
"""Ranges of one request; what more is missing is asked for afterwards."""

_MOST_DIGITS: Final = 19
_RANGE = re.compile(r"bytes=([0-9]{1,19}-[0-9]{1,19}(?:,[0-9]{1,19}-[0-9]{1,19})*)")


def range_header(ranges: Sequence[Range]) -> str:
    """Return the `Range` of some bytes (RFC 9110 section 14.2); its ends are inclusive."""
    return "bytes=" + ",".join(f"{first}-{end - 1}" for first, end in ranges)


def parse_ranges(header: bytes) -> list[Range] | None:
    """Return the ranges of a `Range`, sorted and apart; None where it is not like that."""
    found = _RANGE.fullmatch(header.decode("ascii", "replace"))
    if found is None:
        return None
    ranges: list[Range] = []
    for one in found[1].split(","):
        first, _, last = one.partition("-")
        ranges.append((int(first), int(last) + 1))
    before = -1
    for first, end in ranges:
        if not before < first < end:
            return None
        before = end
    return ranges if len(ranges) <= MOST_RANGES else None


def token_of(header: bytes) -> str:
    """Return the token of an `Authorization` header; empty where it has none."""
    kind, _, token = header.decode("ascii", "replace").partition(" ")
    return token if kind.lower() == "bearer" else ""


def headers_of(event: h11.Request | h11.Response) -> dict[str, bytes]:
    """Return headers by their names in lower case."""
    return {name.decode("ascii"): value for name, value in event.headers}


def host_of(place: Place) -> str:
    """Return the `Host` of a place."""
    host = f"[{place[0]}]" if ":" in place[0] else place[0]
    return f"{host}:{place[1]}"


def head_from(
    connection: socket.socket, http: h11.Connection, seconds: float
) -> h11.Request | h11.Response:
    """Return the head of the request, or of the answer, that comes.

    Args:
        connection: Where it comes.
        http: What reads it.
        seconds: For all of it, however slowly it comes.

    Raises:
        ChannelClosedError: None comes.
        OSError: The connection broke.
        h11.RemoteProtocolError: It is not HTTP.
    """
    until = time.monotonic() + seconds
    while True:
        event = http.next_event()
        if isinstance(event, h11.Request | h11.Response):
            return event
        if event is not h11.NEED_DATA and not isinstance(event, h11.InformationalResponse):
            raise ChannelClosedError("The peer closed the direct connection.")
        left = until - time.monotonic()
        if left <= 0:
            raise ChannelClosedError("The peer does not answer on the direct connection.")
        if event is h11.NEED_DATA:
            connection.settimeout(left)
            http.receive_data(connection.recv(64 * 1024))


def size_of(headers: dict[str, bytes]) -> int | None:
    """Return what `Content-Length` says; None if it says nothing that can be."""
    text = headers.get("content-length", b"")
    return int(text) if text.isdigit() and len(text) <= _MOST_DIGITS else None


def body_has_left(http: h11.Connection, size: int) -> None:
    """Tell h11 that the body of a message is complete; its pieces went around it."""
    http.send_with_data_passthrough(h11.Data(data=_Length(size)))  # type: ignore[arg-type]
    http.send(h11.EndOfMessage())


class _Length:
    """Stands for bytes that left already: h11 asks for their number only."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length
