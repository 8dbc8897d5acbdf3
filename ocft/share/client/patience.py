"""How long clients put up with broken connections, and with servers that ask for a pause."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from ocft.errors import OcftError, RateLimitedError, ServerUnreachableError

T = TypeVar("T")

_PATIENCE: Final = 30.0  # seconds for a connection to come back
_REFUSED: Final = 1.5  # seconds, where nobody can come back
_FIRST_PAUSE: Final = 0.1  # seconds between two tries
_LONGEST_PAUSE: Final = 3.0
_LEAST_WANTED: Final = 0.5  # seconds, of a pause that the server asks for
_MOST_WANTED: Final = 30
_NOT_WORTH_TELLING: Final = 0.2  # seconds


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing moves: the connection broke, or the server asks for a pause."""

    reason: str
    """What happened, as a sentence."""
    seconds: float
    """How long it is waited for at most, from now."""


Listener = Callable[[Waiting], None]


def unheard(_: Waiting) -> None:
    """Take a wait that nobody wants to know of."""


class Patience:
    """Waits for a connection to come back, each time a little longer, and then no more.

    Args:
        tell: Told that there is a wait, before each try but the first.
        is_live: Whether a server that is gone cannot come back: its sessions end with it.
    """

    def __init__(self, tell: Listener = unheard, *, is_live: bool = False) -> None:
        self._tell = tell
        self._is_live = is_live
        self._began = time.monotonic()
        self._wanted_seconds = 0.0
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
            self._wanted_seconds += pause
            self._tell(Waiting(str(error), pause))
            await asyncio.sleep(pause)
            return
        left = self._left(error)
        if left <= 0:
            raise error
        pause = min(self._pause, left)
        if self._pause >= _NOT_WORTH_TELLING:
            self._tell(Waiting(str(error), left))
        await asyncio.sleep(pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _left(self, error: OcftError) -> float:
        is_refused = isinstance(error, ServerUnreachableError) and error.is_refused
        most = _REFUSED if is_refused and self._is_live else _PATIENCE
        return self._began + self._wanted_seconds + most - time.monotonic()


async def patiently(
    ask: Callable[[], Awaitable[T]], deadline: float | None, patience: Patience | None = None
) -> T:
    """Ask again after the pause that the server wants, or after the connection broke.

    Args:
        ask: Sends the request.
        deadline: When a pause is too long, on the monotonic clock; None: never.
        patience: How long it is tried; None: as long as usual, without a word.

    Raises:
        OcftError: What the server or the network says at last.
    """
    patience = patience or Patience()
    while True:
        try:
            return await ask()
        except RateLimitedError as error:
            if deadline is not None and time.monotonic() + error.retry_after > deadline:
                raise
            await patience.pause(error)
        except ServerUnreachableError as error:
            await patience.pause(error)
