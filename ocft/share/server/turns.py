"""Keeps the event loop's turns short while many transfers move at once."""

import asyncio
from typing import Final

_AT_ONCE: Final = 4


class Turns:
    """Lets a few pieces move in each turn of the event loop, in the order in which they are ready.

    Else a hundred transfers whose connections are ready in the same turn are all served in it, and
    somebody who only wants a page waits for a hundred megabytes.
    """

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def wait(self) -> None:
        """Return when it is this caller's turn to move a piece of up to 1 MiB, or to do as much."""
        await self._free.acquire()
        asyncio.get_running_loop().call_soon(self._free.release)
