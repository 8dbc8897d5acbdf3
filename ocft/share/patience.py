"""How long clients put up with broken connections, and with servers that ask for a pause."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from ocft.errors import OcftError, RateLimitedError, ServerUnreachableError

T = TypeVar("T")

_PATIENCE: Final = 30.0  # seconds for a connection to come back
_FIRST_PAUSE: Final = 0.1  # seconds between two tries
_LONGEST_PAUSE: Final = 3.0
_LEAST_WANTED: Final = 0.5  # seconds, of a pause that the server asks for
_MOST_WANTED: Final = 30


class Patience:
    """Waits for a connection to come back, each time a little longer, and then no more."""

    def __init__(self) -> None:
        self._until = time.monotonic() + _PATIENCE
        self._pause = _FIRST_PAUSE
        self._wanted = 0  # pauses that the server asked for

    async def pause(self, error: OcftError) -> None:
        """Wait before the next try.

        Args:
            error: Why there has to be one; raised when it is enough.
        """
        if isinstance(error, RateLimitedError):
            self._wanted += 1
            if self._wanted > _MOST_WANTED:
                raise error
            # At least ours: a server that says 0 would keep us asking without end.
            pause = max(error.retry_after, _LEAST_WANTED)
            self._until += pause
            await asyncio.sleep(pause)
            return
        if time.monotonic() >= self._until:
            raise error
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)


async def patiently(ask: Callable[[], Awaitable[T]], deadline: float | None) -> T:
    """Ask again after the pause that the server wants, or after the connection broke.

    Args:
        ask: Sends the request.
        deadline: When a pause is too long, on the monotonic clock; None: never.

    Raises:
        OcftError: What the server or the network says at last.
    """
    patience = Patience()
    while True:
        try:
            return await ask()
        except RateLimitedError as error:
            if deadline is not None and time.monotonic() + error.retry_after > deadline:
                raise
            await patience.pause(error)
        except ServerUnreachableError as error:
            await patience.pause(error)
