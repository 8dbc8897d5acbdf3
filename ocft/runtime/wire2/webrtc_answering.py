"""The sender's end of the WebRTC route of one epoch: answers calls, and serves the lines."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

from ocft.errors import OcftError
from ocft.ids import TransferId
from ocft.routes import Lines, LineServer, OpenToFetch
from ocft.runtime.wire2.own_thread import in_own_thread
from ocft.runtime.wire2.webrtc_signals import end_of, signal_of
from ocft.wire import Signal

_CONNECT_SECONDS: Final = 25.0  # in which the channel waits
_REPEAT_PAUSE: Final = 1.0  # seconds between two answers to the same call

_log = logging.getLogger(__name__)


class Answering:
    """Answers calls, one line at a time: a new one ends the one before.

    Args:
        lines: Where they are at work.
        opened: What may be fetched.
        transfer_id: The transfer.
        epoch: Its epoch.
        say: Sends a signal to the peer.
        hope: Lets the channel wait for so many seconds.
    """

    def __init__(
        self,
        lines: Lines,
        opened: OpenToFetch,
        *,
        transfer_id: TransferId,
        epoch: int,
        say: Callable[[Signal], Awaitable[None]],
        hope: Callable[[float], None],
    ) -> None:
        self._lines = lines
        self._opened = opened
        self._transfer_id = transfer_id
        self._epoch = epoch
        self._say = say
        self._hope = hope
        self._call = 0
        self._answer: Signal | None = None
        self._answered_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: asyncio.Task[None] | None = None

    def take(self, signal: Signal) -> None:
        """Take in a call; one before the newest is nothing."""
        if signal.epoch != self._epoch:
            return
        if signal.call > self._call:
            self._call, self._answer = signal.call, None
            if self._serving is not None:
                self._serving.cancel()
            self._serving = self._start(self._serve(signal))
        elif signal.call == self._call and self._answer is not None:
            now = asyncio.get_running_loop().time()
            if now - self._answered_at >= _REPEAT_PAUSE:
                self._answered_at = now
                self._start(self._repeat(self._answer))

    def stop(self) -> None:
        """End the line; `close` waits until it has."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        """End the line, and wait until it has ended."""
        self.stop()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, signal: Signal) -> None:
        server = LineServer(self._lines, self._opened)
        try:
            line = await self._lines.open(calls=False, heard=server.heard, ended=server.ended)
        except OcftError as error:
            _log.info("a call for a WebRTC connection is not answered: %s", error)
            return
        try:
            own = await asyncio.to_thread(self._lines.addresses)
            peer = end_of(signal, own)
            mine = await self._lines.run(line.gather())
            answer = signal_of(
                mine, transfer_id=self._transfer_id, epoch=self._epoch, call=signal.call
            )
            self._hope(_CONNECT_SECONDS)
            self._answer, self._answered_at = answer, asyncio.get_running_loop().time()
            await self._say(answer)
            await self._lines.run(line.connect(peer))
            await in_own_thread(partial(server.run, line), "ocft-webrtc-peer")
        except OcftError as error:
            _log.info("no WebRTC connection: %s", error)
            self._hope(0.0)
        finally:
            server.ended()
            self._lines.close(line)

    async def _repeat(self, answer: Signal) -> None:
        try:
            await self._say(answer)
        except OcftError as error:
            _log.info("an answer to a call did not leave: %s", error)

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
