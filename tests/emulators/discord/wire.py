"""How an HTTP connection ends badly."""

import asyncio
import contextlib
import socket
import struct

from aiohttp import web


async def drain(request: web.Request) -> None:
    """Read what the client still sends, so that it hears the answer and not a broken pipe."""
    async for _ in request.content.iter_chunked(64 * 1024):
        pass


def break_off(request: web.Request) -> web.Response:
    """Reset the connection; the answer goes nowhere."""
    if request.transport is not None:
        reset(request.transport)
    return web.Response()


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection with a TCP reset."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        # Lingering for zero seconds is what turns the end into a reset.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


async def stay_silent(request: web.Request, ending: asyncio.Event) -> web.Response:
    """Answer nothing until the client or the server goes away."""
    while request.transport is not None and not ending.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ending.wait(), 0.05)
    return break_off(request)
