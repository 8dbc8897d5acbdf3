"""A channel that mistreats what is sent through it, as chats do, and always in the same way.

It draws its faults from a seed and lets time pass on the running event loop, so that a test in
virtual time (`ocft.testing.run`) takes the same course each time.
"""

import asyncio
import contextlib
import heapq
import itertools
import random
import string
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

from ocft.channels import Channel, IncomingText
from ocft.errors import ChannelClosedError, ChannelError

MAX_DELAYED: Final = 1000
"""Texts under way at once; then `send` waits."""

_REPLACEMENTS = string.ascii_letters + string.digits
# Seconds; how long a reordered text is held back at least, so that others can overtake it.
_LEAST_HOLD = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What happens to texts.

    Args:
        loss: Probability, 0 to 1, that a text never arrives.
        duplication: Probability that it arrives twice.
        reordering: Probability that it is held back so that later ones overtake it.
        damage: Probability that one of its characters is another one.
        truncation: Probability that its end is missing.
        delay: Least and most seconds that it is under way; this alone keeps the order.

    Raises:
        ValueError: A probability is not between 0 and 1, or the delay is no range.
    """

    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    damage: float = 0.0
    truncation: float = 0.0
    delay: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        for name in ("loss", "duplication", "reordering", "damage", "truncation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {getattr(self, name)}")
        if not 0 <= self.delay[0] <= self.delay[1]:
            raise ValueError(f"delay must be (least, most) in seconds, not {self.delay}")


class FaultyChannel(Channel):
    """Another channel, with faults on the way out; what comes in is left as it is.

    Args:
        inner: The channel that carries what is left; closed together with this one.
        seed: Decides which texts suffer; a generator may be shared by several channels.
        faults: How often they do.
    """

    def __init__(self, inner: Channel, *, seed: int | random.Random, faults: Faults) -> None:
        self.name = inner.name
        self.limits = inner.limits
        self._inner = inner
        self._faults = faults
        if not isinstance(seed, random.Random):
            seed = random.Random(seed)  # noqa: S311 - draws faults, not secrets
        self._random = seed
        # Due time, a number that keeps equal times in order, address, text.
        self._delayed: list[tuple[float, int, str, str]] = []
        self._numbers = itertools.count()
        self._last_due = 0.0
        # Set when the list changed; who waits clears it and looks again.
        self._added = asyncio.Event()
        self._removed = asyncio.Event()
        self._closed = asyncio.Event()
        self._delivery: asyncio.Task[None] | None = None

    async def send(self, to: str, text: str) -> None:
        """Send the text, or what the faults leave of it."""
        if self._closed.is_set():
            raise ChannelClosedError("this channel was closed")
        self.limits.require_fit(text)
        if self._happens(self._faults.loss):
            return
        for _ in range(2 if self._happens(self._faults.duplication) else 1):
            await self._send_one(to, self._mistreat(text))

    async def texts(self) -> AsyncGenerator[IncomingText, None]:
        """Yield what the inner channel yields."""
        async with contextlib.aclosing(self._inner.texts()) as texts:
            async for text in texts:
                yield text

    async def close(self) -> None:
        """Drop what is under way and close the inner channel."""
        self._closed.set()
        self._removed.set()
        if self._delivery is not None:
            self._delivery.cancel()
            await asyncio.wait({self._delivery})
        self._delayed.clear()
        await self._inner.close()
        if self._delivery is not None and not self._delivery.cancelled():
            self._delivery.result()

    def _happens(self, probability: float) -> bool:
        # One draw whatever the probability: a changed rate leaves the other faults where they are.
        return self._random.random() < probability

    def _mistreat(self, text: str) -> str:
        place = self._random.randrange(len(text)) if text else 0
        character = self._random.choice(_REPLACEMENTS)
        if self._happens(self._faults.damage) and text:
            if character == text[place]:
                character = "-"
            text = text[:place] + character + text[place + 1 :]
        if self._happens(self._faults.truncation):
            text = text[:place]
        return text

    async def _send_one(self, to: str, text: str) -> None:
        least, most = self._faults.delay
        delay = self._random.uniform(least, most)
        hold = self._random.uniform(1, 3) * max(most, _LEAST_HOLD)
        is_held = self._happens(self._faults.reordering)
        if not is_held and not most:
            await self._inner.send(to, text)
            return
        while len(self._delayed) >= MAX_DELAYED:
            self._removed.clear()
            await self._removed.wait()
            if self._closed.is_set():
                raise ChannelClosedError("this channel was closed")
        due = asyncio.get_running_loop().time() + delay
        if is_held:
            due += hold
        else:
            self._last_due = due = max(due, self._last_due)
        heapq.heappush(self._delayed, (due, next(self._numbers), to, text))
        self._added.set()
        if self._delivery is None:
            self._delivery = asyncio.create_task(self._deliver(), name="ocft faulty channel")

    async def _deliver(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._added.clear()
            wait = self._delayed[0][0] - loop.time() if self._delayed else None
            if wait is None or wait > 0:
                # Until the next one is due, or an earlier one is added.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._added.wait()
                continue
            _, _, to, text = heapq.heappop(self._delayed)
            self._removed.set()
            # Its sender was told that it is under way; what fails now is one more lost text.
            with contextlib.suppress(ChannelError):
                await self._inner.send(to, text)
