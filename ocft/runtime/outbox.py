"""Paced, fair queues of what leaves through a channel: every transfer of it sends through them.

Each transfer waits for its own text to leave before it has another, so first come, first served is
fair sharing. Control messages (offers, acks, ...) go before chunks, but do not starve them. A
platform that counts per chat has a lane for each of them, and a pace for all of them together.
"""

import asyncio
import logging
import math
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from typing import BinaryIO, Final, TypeVar

from ocft.channels import Channel, ChannelLimits, TokenBucket
from ocft.errors import ChannelError, DeliveryUnknownError, OcftError, RateLimitedError

T = TypeVar("T")

_log = logging.getLogger(__name__)
_MOST_CONTROL_IN_A_ROW: Final = 4
"""Then a chunk goes: acks of what comes in must not stop what goes out."""
_MOST_IDLE_LANES: Final = 256


class Outbox:
    """Sends texts and files at the pace that the channel allows.

    Args:
        channel: Where they go.
        clock: Seconds on a clock that does not go back.
    """

    def __init__(self, channel: Channel, clock: Callable[[], float]) -> None:
        self._channel = channel
        self._clock = clock
        self._total = TokenBucket(channel.limits.total_per_second or math.inf, 1)
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()

    @property
    def limits(self) -> ChannelLimits:
        """What the channel carries, and how often."""
        return self._channel.limits

    async def send(self, to: str, text: str, *, is_control: bool) -> None:
        """Send a text when its turn has come; return when it has left, or may have.

        Args:
            to: The peer's address on the channel.
            text: What to send.
            is_control: Whether it goes before the chunks that wait.

        Raises:
            MessageTooLongError: The channel cannot carry the text.
            ChannelError: The text did not leave. A rate limit is waited for, not raised.
        """
        lane = self._lane(to)
        await lane.take_turn(is_control=is_control)
        try:
            await self._paced(lane, lambda: self._channel.send(to, text))
        except DeliveryUnknownError as error:
            # Whoever repeats what gets no answer knows best what to do about it.
            _log.info("a text may have left, or not: %s", error)
        finally:
            lane.pass_turn()

    async def send_file(
        self, to: str, file: BinaryIO, *, name: str, text: str, patience: float | None = None
    ) -> str:
        """Send a native file when its turn has come; others may leave while it is on its way.

        Args:
            to: The peer's address on the channel.
            file: See `Channel.send_file`.
            name: What the platform should call it.
            text: What is said with it.
            patience: Seconds that the upload may take; None: as long as it does.

        Returns:
            What `delete` takes.

        Raises:
            FileRefusedError: The platform does not take it.
            DeliveryUnknownError: It may have left, or not.
            ChannelError: It did not leave. A rate limit is waited for, not raised.
        """
        lane = self._lane(to)
        await self._take_place(lane)

        async def upload() -> str:
            limit = asyncio.timeout(patience)
            try:
                async with limit:
                    return await self._channel.send_file(to, file, name=name, text=text)
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise DeliveryUnknownError(f"An upload took {patience} s.") from error

        return await self._paced(lane, upload, is_paced=True)

    async def delete(self, sent: str) -> None:
        """Remove a file that `send_file` sent, when its turn has come.

        Raises:
            ChannelError: It is still there. A rate limit is waited for, not raised.
        """
        lane = self._lane("")
        await self._take_place(lane)
        await self._paced(lane, lambda: self._channel.delete(sent), is_paced=True)

    async def _take_place(self, lane: "_Lane") -> None:
        """Wait for the turn and the pace; others may go on before what follows has ended."""
        await lane.take_turn(is_control=False)
        try:
            await self._pace(lane)
        finally:
            lane.pass_turn()

    async def _paced(
        self, lane: "_Lane", send: Callable[[], Awaitable[T]], *, is_paced: bool = False
    ) -> T:
        try:
            while True:
                if not is_paced:
                    await self._pace(lane)
                is_paced = False
                try:
                    return await send()
                except RateLimitedError as error:
                    lane.bucket.hold(self._clock(), error.retry_after)
                    if error.is_global:
                        self._total.hold(self._clock(), error.retry_after)
        except OcftError:
            raise
        except Exception as error:
            # The owner's send function may raise anything: to us it did not leave.
            raise ChannelError(f"It could not be sent: {error}") from error

    async def _pace(self, lane: "_Lane") -> None:
        buckets = (lane.bucket, self._total)
        while (wait := max(one.wait_before(self._clock()) for one in buckets)) > 0:  # noqa: ASYNC110 - time
            await asyncio.sleep(wait)
        for bucket in buckets:
            bucket.take(self._clock())

    def _lane(self, to: str) -> "_Lane":
        name = self._channel.lane(to)
        lane = self._lanes.get(name)
        if lane is None:
            self._drop_idle()
            limits = self._channel.limits
            bucket = TokenBucket(limits.texts_per_second or math.inf, limits.burst)
            lane = self._lanes[name] = _Lane(bucket)
        self._lanes.move_to_end(name)
        return lane

    def _drop_idle(self) -> None:
        """Forget lanes that nobody used for long: there is one for each chat that ever was."""
        for name, lane in list(self._lanes.items()):
            if len(self._lanes) < _MOST_IDLE_LANES:
                return
            if not lane.is_busy and lane.bucket.wait_before(self._clock()) == 0:
                del self._lanes[name]


class _Lane:
    """Who waits for a turn, and the pace; one text at a time."""

    def __init__(self, bucket: TokenBucket) -> None:
        self.bucket = bucket
        self.is_busy = False
        self._control: deque[asyncio.Future[None]] = deque()
        self._data: deque[asyncio.Future[None]] = deque()
        self._control_in_a_row = 0

    async def take_turn(self, *, is_control: bool) -> None:
        """Wait for the turn; whoever has it must pass it on."""
        if not self.is_busy:
            self.is_busy = True
            return
        queue = self._control if is_control else self._data
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.pass_turn()  # it was ours already
            elif turn in queue:
                queue.remove(turn)
            raise

    def pass_turn(self) -> None:
        """Let the next one have it."""
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
        self.is_busy = False
