"""The receiver's end of the WebRTC route of one epoch: calls, and waits for an answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from ocft.errors import ChannelClosedError
from ocft.ids import TransferId
from ocft.routes import LineClient, LineEnd, Lines
from ocft.runtime.wire2.webrtc_signals import end_of, signal_of
from ocft.wire import MAX_CALLS, Signal

_WAITS: Final = (5.0, 10.0, 15.0)  # seconds for an answer; after each the call is repeated


class Calling:
    """Calls for lines.

    Args:
        lines: Where they are at work.
        transfer_id: The transfer.
        epoch: Its epoch.
        say: Sends a signal to the peer.
    """

    def __init__(
        self,
        lines: Lines,
        *,
        transfer_id: TransferId,
        epoch: int,
        say: Callable[[Signal], Awaitable[None]],
    ) -> None:
        self._lines = lines
        self._transfer_id = transfer_id
        self._epoch = epoch
        self._say = say
        self._call = 0
        self._answer: asyncio.Future[Signal] | None = None

    def take(self, signal: Signal) -> None:
        """Take in what the peer answers; to an earlier call, or a second time, it is nothing."""
        is_of_this = signal.epoch == self._epoch and signal.call == self._call
        if is_of_this and self._answer is not None and not self._answer.done():
            self._answer.set_result(signal)

    async def dial(self) -> LineClient:
        """Call the sender; return the line to it.

        Raises:
            ChannelError: It does not answer, or cannot be reached.
        """
        if self._call == MAX_CALLS:
            raise ChannelClosedError("The peer was called too often.")
        self._call += 1
        client = LineClient(self._lines)
        line = await self._lines.open(calls=True, heard=client.heard, ended=client.ended)
        client.use(line)
        try:
            answer = await self._ask(await self._lines.run(line.gather()))
            own = await asyncio.to_thread(self._lines.addresses)
            await self._lines.run(line.connect(end_of(answer, own)))
        except BaseException:
            client.close()
            raise
        return client

    async def _ask(self, end: LineEnd) -> Signal:
        signal = signal_of(end, transfer_id=self._transfer_id, epoch=self._epoch, call=self._call)
        self._answer = asyncio.get_running_loop().create_future()
        for wait in _WAITS:
            await self._say(signal)
            await asyncio.wait((self._answer,), timeout=wait)
            if self._answer.done():
                return self._answer.result()
        raise ChannelClosedError("The peer does not answer the call for a WebRTC connection.")
