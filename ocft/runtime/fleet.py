"""The live transfers: their pumps, the tasks that run them, and who waits for their end."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

from ocft.errors import ChannelClosedError, OcftError
from ocft.ids import TransferId
from ocft.runtime.pump import Pump

AnyPump = Pump[Any, Any]

_log = logging.getLogger(__name__)


class Fleet:
    """All pumps of a manager.

    Args:
        on_end: Called after a pump's task has ended.
    """

    def __init__(self, on_end: Callable[[AnyPump], None]) -> None:
        self._pumps: dict[TransferId, AnyPump] = {}
        self._tasks: dict[TransferId, asyncio.Task[None]] = {}
        self._waiting: dict[TransferId, set[asyncio.Future[None]]] = {}
        self._on_end = on_end
        self._is_closing = False

    def __len__(self) -> int:
        return len(self._pumps)

    def __iter__(self) -> Iterator[AnyPump]:
        return iter(list(self._pumps.values()))

    def get(self, transfer_id: TransferId) -> AnyPump | None:
        """Return the pump of a transfer that is live."""
        return self._pumps.get(transfer_id)

    def launch(self, pump: AnyPump) -> None:
        """Run a pump until its transfer has ended."""
        self._pumps[pump.id] = pump
        task = asyncio.get_running_loop().create_task(pump.run(), name=f"ocft {pump.id}")
        self._tasks[pump.id] = task
        task.add_done_callback(lambda task: self._ended(pump, task))

    async def end_of(self, transfer_id: TransferId) -> None:
        """Wait until a transfer's pump has ended, also one that is still to be launched.

        Raises:
            ChannelClosedError: The manager was closed before.
        """
        end = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(transfer_id, set()).add(end)
        try:
            await end
        finally:
            self.wake(transfer_id, only=end)

    def wake(self, transfer_id: TransferId, *, only: asyncio.Future[None] | None = None) -> None:
        """Let those go who wait for a transfer's end."""
        waiting = self._waiting.get(transfer_id, set())
        for end in [only] if only is not None else list(waiting):
            waiting.discard(end)
            if not end.done():
                end.set_result(None)
        if not waiting:
            self._waiting.pop(transfer_id, None)

    async def close(self) -> None:
        """Stop all pumps; what is stored stays, and transfers go on after the next start."""
        self._is_closing = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for waiting in self._waiting.values():
            for end in waiting:
                if not end.done():
                    end.set_exception(
                        ChannelClosedError(
                            "The transfer was interrupted; it goes on after the next start."
                        )
                    )

    def _ended(self, pump: AnyPump, task: asyncio.Task[None]) -> None:
        if self._pumps.get(pump.id) is pump:
            del self._pumps[pump.id], self._tasks[pump.id]
        if not task.cancelled() and (error := task.exception()) is not None:
            expected = isinstance(error, OcftError)
            _log.error("%s ended: %s", pump.id, error, exc_info=None if expected else error)
        if not self._is_closing:
            self._on_end(pump)
            self.wake(pump.id)
