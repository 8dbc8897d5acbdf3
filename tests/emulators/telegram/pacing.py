"""How fast a bot may write, and what happens to one that is faster (behaviour 6)."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from tests.emulators.telegram.answers import too_many_requests
from tests.emulators.telegram.counters import Counters
from tests.emulators.telegram.limits import Clock, Limits
from tests.emulators.windows import Window

_SECONDS_PER_BYTE = 1e-7


class Pacing:
    """The limits on messages of one bot.

    Args:
        limits: The platform's numbers.
        clock: Time.
        counters: Where held and early requests are counted.
    """

    def __init__(self, limits: Limits, clock: Clock, counters: Counters) -> None:
        self._limits = limits
        self._clock = clock
        self._counters = counters
        self._everywhere = self._window(limits.bot_messages, limits.bot_seconds)
        self._chats: dict[int, list[Window]] = {}
        self._lines: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._queued: Counter[int] = Counter()
        self._refused_until: dict[int, float] = {}
        self._uploads = 0
        self._free_for_size: dict[int, float] = {}

    async def message(self, chat_id: int) -> None:
        """Wait until a message to this chat may pass; one after the other.

        Raises:
            ApiError: 429; the wait would be longer than the platform absorbs.
        """
        limits, clock = self._limits, self._clock
        arrived = clock()
        if arrived < self._refused_until.get(chat_id, 0.0):
            self._counters.early += 1
            raise too_many_requests(self._refused_until[chat_id] - arrived)
        if self._queued[chat_id] >= limits.queued_messages:
            raise too_many_requests(clock.real(limits.overload_seconds))
        windows = [*self._chat(chat_id), self._everywhere]
        self._queued[chat_id] += 1
        held = False
        try:
            async with self._lines[chat_id]:
                while wait := max(window.wait() for window in windows):
                    waited = clock() - arrived
                    if waited + wait > clock.real(limits.hold_seconds):
                        refusal = too_many_requests(wait)
                        told: int = refusal.parameters["retry_after"]
                        self._refused_until[chat_id] = clock() + told
                        raise refusal
                    held = True
                    await asyncio.sleep(wait)
                for window in windows:
                    window.take()
        finally:
            self._queued[chat_id] -= 1
            self._counters.held += held

    @contextmanager
    def upload(self) -> Iterator[None]:
        """One upload in progress.

        Raises:
            ApiError: 429; there are too many.
        """
        if self._uploads >= self._limits.active_uploads:
            raise too_many_requests(self._clock.real(self._limits.overload_seconds))
        self._uploads += 1
        try:
            yield
        finally:
            self._uploads -= 1

    async def space(self, size: int) -> None:
        """Wait for the turn of an upload among those of the same size.

        Args:
            size: Bytes.

        Raises:
            ApiError: 429; the line is too long.
        """
        limits, clock = self._limits, self._clock
        if size <= limits.same_size_bytes:
            return
        start = max(clock(), self._free_for_size.get(size, 0.0))
        wait = start - clock()
        if wait > clock.real(limits.same_size_backlog):
            raise too_many_requests(clock.real(limits.overload_seconds))
        least, most = limits.same_size_seconds
        spacing = min(max(size * _SECONDS_PER_BYTE, least), most)
        self._free_for_size[size] = start + clock.real(spacing)
        await asyncio.sleep(wait)

    def _chat(self, chat_id: int) -> list[Window]:
        limits = self._limits
        if chat_id not in self._chats:
            self._chats[chat_id] = [self._window(limits.chat_messages, limits.chat_seconds)]
            if chat_id < 0:
                group = self._window(limits.group_messages, limits.group_seconds)
                self._chats[chat_id].append(group)
        return self._chats[chat_id]

    def _window(self, limit: int, seconds: float) -> Window:
        return Window(limit, self._clock.real(seconds), now=self._clock)
