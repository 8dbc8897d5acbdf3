"""Who wants to know what happens: functions by event name, and streams of everything.

A slow listener stalls nothing: coroutine functions run as tasks of their own, and a stream keeps
what its reader has not taken yet. Events that only tell progress are the first to be left out.
"""

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any

from ocft.errors import ConfigError
from ocft.events import (
    EVENTS,
    AckReceived,
    ChunkReceived,
    ChunkSent,
    Event,
    MessageIgnored,
    TransferProgress,
)

Listener = Callable[[Any], Any]
"""A function, plain or `async`, that takes one event."""

_log = logging.getLogger(__name__)
_MOST_WAITING = 1000  # events of a stream whose reader does not keep up
_MOST_TASKS = 1000  # coroutine listeners that run at once; passing events are left out above it
_CLOSING_PATIENCE = 5.0  # seconds
_PASSING = (AckReceived, ChunkReceived, ChunkSent, MessageIgnored, TransferProgress)


class Listeners:
    """The listeners of one manager."""

    def __init__(self) -> None:
        self._functions: dict[str, list[Listener]] = {}
        self._streams: set[_Stream] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closed = False

    def add(self, name: str, listener: Listener) -> None:
        """Call a function for every event of a name.

        Raises:
            ConfigError: There is no such event.
        """
        if name not in EVENTS:
            raise ConfigError(f"There is no event {name!r}. There are: {', '.join(EVENTS)}.")
        self._functions.setdefault(name, []).append(listener)

    def tell(self, event: Event) -> None:
        """Hand an event to everybody who wants it; what a listener raises is logged."""
        for stream in self._streams:
            stream.put(event)
        for listener in self._functions.get(event.name, ()):
            if len(self._tasks) >= _MOST_TASKS and isinstance(event, _PASSING):
                return
            try:
                result = listener(event)
            except Exception:  # noqa: BLE001 - a listener is the owner's code
                _log.exception("a listener for %s failed", event.name)
            else:
                if inspect.iscoroutine(result):
                    task = asyncio.get_running_loop().create_task(result)
                    self._tasks.add(task)
                    task.add_done_callback(self._finished)

    def stream(self) -> AsyncGenerator[Event, None]:
        """Return a generator of every event from now on, until `close`."""
        stream = _Stream()
        if self._is_closed:
            stream.end()
        else:
            self._streams.add(stream)
        return self._read(stream)

    async def _read(self, stream: "_Stream") -> AsyncGenerator[Event, None]:
        try:
            while (event := await stream.get()) is not None:
                yield event
        finally:
            self._streams.discard(stream)

    async def close(self) -> None:
        """End the streams, and give listeners that still run a moment to end."""
        self._is_closed = True
        for stream in self._streams:
            stream.end()
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_CLOSING_PATIENCE)
            for task in late:
                task.cancel()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a listener failed", exc_info=error)


class _Stream:
    """The events that one reader has not taken yet."""

    def __init__(self) -> None:
        self._waiting: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._has_ended = False

    def put(self, event: Event) -> None:
        if isinstance(event, _PASSING) and len(self._waiting) >= _MOST_WAITING:
            return
        # What is not passing is about a transfer's beginning or end, and is never left out.
        self._waiting.append(event)
        self._changed.set()

    def end(self) -> None:
        self._has_ended = True
        self._changed.set()

    async def get(self) -> Event | None:
        while not self._waiting:
            if self._has_ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.popleft()
