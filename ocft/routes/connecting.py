"""How the first place that answers is found."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from ocft.errors import ChannelClosedError
from ocft.routes.addresses import Place

_STAGGER: Final = 0.25  # seconds between two tries, RFC 8305 section 8
_CONNECT_SECONDS: Final = 5.0


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
