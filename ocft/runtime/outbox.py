"""One paced, fair queue of texts for a channel: every transfer of the channel sends through it.

Each transfer waits for its own text to leave before it has another, so first come, first served is
fair sharing. Control messages (offers, acks, ...) go before chunks, but do not starve them.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable

from ocft.channels import Channel, TokenBucket
from ocft.errors import ChannelError, OcftError, RateLimitedError

_MOST_CONTROL_IN_A_ROW = 4  # then a chunk goes: acks of what comes in must not stop what goes out


class Outbox:
    """Sends texts one at a time, at the pace that the channel allows.

    Args:
        channel: Where the texts go.
        clock: Seconds on a clock that does not go back.
    """

    def __init__(self, channel: Channel, clock: Callable[[], float]) -> None:
        self._channel = channel
        self._clock = clock
        limits = channel.limits
        self._bucket = TokenBucket(limits.texts_per_second or math.inf, limits.burst)
        self._is_busy = False
        self._control: deque[asyncio.Future[None]] = deque()
        self._data: deque[asyncio.Future[None]] = deque()
        self._control_in_a_row = 0

    async def send(self, to: str, text: str, *, is_control: bool) -> None:
        """Send a text when its turn has come; return when it has left.

        Args:
            to: The peer's address on the channel.
            text: What to send.
            is_control: Whether it goes before the chunks that wait.

        Raises:
            MessageTooLongError: The channel cannot carry the text.
            ChannelError: The text did not leave. A rate limit is waited for, not raised.
        """
        await self._take_turn(self._control if is_control else self._data)
        try:
            while True:
                await self._pace()
                try:
                    await self._channel.send(to, text)
                except RateLimitedError as error:
                    self._bucket.hold(self._clock(), error.retry_after)
                else:
                    return
        except OcftError:
            raise
        except Exception as error:
            # The owner's send function may raise anything: to us the text did not leave.
            raise ChannelError(f"The text could not be sent: {error}") from error
        finally:
            self._pass_turn()

    async def _take_turn(self, queue: deque[asyncio.Future[None]]) -> None:
        if not self._is_busy:
            self._is_busy = True
            return
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_turn()  # it was ours already
            elif turn in queue:
                queue.remove(turn)
            raise

    def _pass_turn(self) -> None:
        queues = (self._control, self._data)
        if self._control_in_a_row >= _MOST_CONTROL_IN_A_ROW:
            queues = (self._data, self._control)
        for queue in queues:
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    is_control = queue is self._control
                    self._control_in_a_row = self._control_in_a_row + 1 if is_control else 0
                    turn.set_result(None)
                    return
        self._control_in_a_row = 0
        self._is_busy = False

    async def _pace(self) -> None:
        while (wait := self._bucket.wait_before(self._clock())) > 0:  # noqa: ASYNC110 - time
            await asyncio.sleep(wait)
        self._bucket.take(self._clock())
