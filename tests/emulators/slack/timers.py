"""Calls in the future that end with the server."""

import asyncio
from collections.abc import Callable


class Timers:
    """`call_later` that can be ended as a whole."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.TimerHandle] = set()
        self._closed = False

    def after(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        """Call later, unless the handle is cancelled or the server closes before."""

        def run() -> None:
            self._waiting.discard(handle)
            call()

        handle = asyncio.get_running_loop().call_later(seconds, run)
        if self._closed:
            handle.cancel()
        else:
            self._waiting.add(handle)
        return handle

    def cancel(self, handle: asyncio.TimerHandle) -> None:
        """Forget one."""
        handle.cancel()
        self._waiting.discard(handle)

    def close(self) -> None:
        """Cancel all; later ones never run."""
        self._closed = True
        for handle in self._waiting:
            handle.cancel()
        self._waiting.clear()
