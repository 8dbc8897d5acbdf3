"""Runs a command's asynchronous part, and ends it in good order when a signal says so."""

import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")

# SIGHUP: the terminal was closed. Windows does not know it.
_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Stopped(Exception):  # noqa: N818 - no error: somebody wanted it
    """A signal told the command to stop; everything was closed in good order.

    Args:
        number: The signal's.
        message: What to tell people.
    """

    def __init__(self, number: int, message: str = "Stopped.") -> None:
        super().__init__(message)
        self.number = number
        self.exit_status = 128 + number


def run(work: Coroutine[Any, Any, T], *, when_stopped: str = "Stopped.") -> T:
    """Run a coroutine to its end, or until SIGINT, SIGTERM or SIGHUP cancels it.

    A second signal ends the process at once.

    Args:
        work: The coroutine.
        when_stopped: What to tell people in that case.

    Raises:
        Stopped: A signal came.
    """
    import asyncio

    received: list[int] = []

    async def supervise() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()

        def stop(number: int) -> None:
            received.append(number)
            loop.remove_signal_handler(number)
            if task is not None:
                task.cancel()

        for number in _SIGNALS:
            # Windows, and threads other than the main one, know only Python's own handler.
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(supervise())
    except asyncio.CancelledError:
        if not received:
            raise
        raise Stopped(received[0], when_stopped) from None
    except KeyboardInterrupt:
        raise Stopped(signal.SIGINT, when_stopped) from None
