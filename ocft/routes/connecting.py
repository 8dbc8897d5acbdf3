"""How the first place that answers is found."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from ocft.errors import ChannelClosedError
from ocft.routes.addresses import Place

_STAGGER: Final = 0.25  # seconds between two tries, RFC 8305 section 8
_CONNECT_SECONDS: Final = 5.0


async def connect(places: Sequence[Place]) -> tuple[socket.socket, Place]:
    """Connect to the first place that answers, as Happy Eyeballs does (RFC 8305).

    Returns:
        The connection, and where it leads.

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
            made = await start_connection(infos, happy_eyeballs_delay=_STAGGER, interleave=1)
    except (OSError, TimeoutError) as error:
        raise ChannelClosedError(f"The peer cannot be reached directly: {error}") from error
    try:
        address, port = made.getpeername()[:2]
    except OSError as error:  # it is gone again
        made.close()
        raise ChannelClosedError(f"The direct connection broke: {error}") from error
    return made, (address, port)
