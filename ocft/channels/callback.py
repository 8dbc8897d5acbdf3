"""The channel of a bot that already runs: texts go out through the bot's own function.

They come in through `TransferManager.handle_message`, so nothing is read here.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from ocft.channels.base import Channel, ChannelLimits, IncomingText
from ocft.errors import ChannelClosedError

SendText = Callable[[str, str], Awaitable[None]]
"""`await send(to, text)`: give one text to the platform, for the peer with that address."""


class CallbackChannel(Channel):
    """Sends through a function; yields nothing, since its owner hands texts over himself.

    Args:
        send: Called with the peer's address and the text.
        limits: What the platform carries.
    """

    def __init__(self, send: SendText, limits: ChannelLimits) -> None:
        self.name = "callback"
        self.limits = limits
        self._send = send
        self._closed = asyncio.Event()

    async def send(self, to: str, text: str) -> None:
        """Give a text to the owner's function."""
        if self._closed.is_set():
            raise ChannelClosedError("The channel is closed.")
        self.limits.require_fit(text)
        await self._send(to, text)

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        """Yield nothing, until the channel is closed."""
        await self._closed.wait()
        nothing: tuple[IncomingText, ...] = ()
        for text in nothing:
            yield text

    async def close(self) -> None:
        """Refuse further texts; the owner's connection is the owner's."""
        self._closed.set()
