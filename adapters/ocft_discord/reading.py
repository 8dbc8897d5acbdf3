"""What was said in a channel: live, and from its history where something may have been missed.

Everything of the channel goes through here in its order, also what is not for us: only so is it
known that all up to some message was seen.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final

import discord

from ocft.channels import IncomingText, Marks
from ocft.errors import ChannelError
from ocft_discord.read_mark import ReadMark
from ocft_discord.refusals import explain_question, is_final, pause_of

_log = logging.getLogger(__name__)

MOST_WAITING: Final = 1000
"""Live messages that wait; more are left to the history."""
_PAGE: Final = 100
"""Messages of one answer about the history; Discord's most."""
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
_TOLD_FAILURES: Final = 3
"""Failures in a row after which people are told, once: a reconnect makes one."""
_UNMARKED: Final = 50
"""Messages that are not for us between two durable marks."""


class Reader:
    """Reads one channel.

    Args:
        room: The channel's id.
        client: Returns a client that is logged in; raises ChannelError if there is none.
        take: Makes a text of a message; None: it is none for us.
    """

    def __init__(
        self,
        room: int,
        client: Callable[[], Awaitable[discord.Client]],
        take: Callable[[discord.Message], IncomingText | None],
    ) -> None:
        self._room = room
        self._client = client
        self._take = take
        self._mark = ReadMark(room)
        self._marks: Marks | None = None
        self._unmarked = 0
        self._live: deque[discord.Message] = deque()
        self._live_ids: set[int] = set()
        self._missed: deque[discord.Message] = deque()
        self._gaps = 1
        """How often something may have been missed so far: at the start, too."""
        self._filled = 0
        """How many of those the history has filled."""
        self._filling = 0
        self._page_after: int | None = None
        self._failures, self._pause = 0, 0.0
        self._woken = asyncio.Event()
        self._closed = asyncio.Event()
        self.dropped = 0
        """Messages of the channel that were none for us."""

    async def begin(self) -> None:
        """Note what the channel's last message is: what a new node reads begins behind it.

        Raises:
            ChannelError: The channel cannot be read at all.
        """
        try:
            room = (await self._client()).get_partial_messageable(self._room)
            async for message in room.history(limit=1):
                self._mark = ReadMark(message.id)
        except Exception as error:  # noqa: BLE001 - discord.py lets through what aiohttp raises
            raise explain_question(error) from None

    def remember_in(self, marks: Marks) -> None:
        """Go on where an earlier reader was, and note how far this one is."""
        self._marks = marks
        earlier = ReadMark.parse(marks.get(self._key))
        if earlier is None:
            self._write_mark()
        else:
            self._mark = earlier
        self.gap()

    def hear(self, message: discord.Message) -> None:
        """Take a live message, of any channel; at once, in their order, and twice is fine."""
        if message.channel.id != self._room or message.id in self._live_ids:
            return
        if self._closed.is_set():
            return
        if len(self._live) >= MOST_WAITING:
            _log.debug("too many messages wait: the history will tell them again")
            self._live.clear()
            self._live_ids.clear()
            self.gap()
            return
        self._live.append(message)
        self._live_ids.add(message.id)
        self._woken.set()

    def gap(self) -> None:
        """Note that something may have been missed, or that there is other news."""
        self._gaps += 1
        self._woken.set()

    def close(self) -> None:
        """End `texts`."""
        self._closed.set()
        self._woken.set()

    async def texts(
        self, failure: Callable[[], ChannelError | None]
    ) -> AsyncGenerator[IncomingText, None]:
        """Yield what was said by others, in the channel's order, and mark it when it was handled.

        Args:
            failure: Tells why nothing will ever come again, if it is so.

        Raises:
            ChannelError: The channel cannot be read any more.
        """
        while not self._closed.is_set():
            if (error := failure()) is not None:
                raise ChannelError(str(error))
            message = await self._next()
            if message is None:
                continue
            text = None if message.id in self._mark else self._take_safely(message)
            if text is not None:
                yield text
            self._handled(message, is_text=text is not None)

    async def _next(self) -> discord.Message | None:
        """Return the first message that is not handled; None: look again."""
        if self._missed:
            return self._missed[0]
        if self._filled < self._gaps:
            await self._fill()
        elif self._live:
            return self._live[0]
        else:
            self._woken.clear()
            await self._woken.wait()
        return None

    async def _fill(self) -> None:
        """Get the next page of the history; what fails is tried again later."""
        if self._page_after is None:
            self._filling = self._gaps
            self._page_after = self._mark.floor
        try:
            page = await self._or_closed(self._page(self._page_after))
        except Exception as error:  # noqa: BLE001 - as above
            if is_final(error):
                raise explain_question(error) from None
            if not isinstance(error, discord.Forbidden | discord.NotFound):
                await self._pause_after(error)
                return
            # Live texts may still come.
            _log.warning("the channel's history cannot be read: %s", explain_question(error))
            page = []
        self._failures, self._pause = 0, 0.0
        self._missed.extend(page)
        if len(page) < _PAGE:
            self._filled = self._filling
            self._page_after = None
        else:
            self._page_after = page[-1].id

    async def _page(self, after: int) -> list[discord.Message]:
        room = (await self._client()).get_partial_messageable(self._room)
        history = room.history(limit=_PAGE, after=discord.Object(after), oldest_first=True)
        return [message async for message in history]

    async def _pause_after(self, error: Exception) -> None:
        self._failures += 1
        explained = explain_question(error)
        level = logging.WARNING if self._failures == _TOLD_FAILURES else logging.DEBUG
        _log.log(level, "the channel's history cannot be read now: %s", explained)
        self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
        await self._or_closed(asyncio.sleep(max(self._pause, pause_of(explained)), []))

    async def _or_closed(self, work: "Awaitable[list[discord.Message]]") -> "list[discord.Message]":
        """Do something unless the channel is closed meanwhile; then there is nothing."""
        task = asyncio.ensure_future(work)
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait({task, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (task, closing):
                one.cancel()
            await asyncio.gather(task, closing, return_exceptions=True)
        return [] if task.cancelled() else task.result()

    def _take_safely(self, message: discord.Message) -> IncomingText | None:
        try:
            return self._take(message)
        except Exception:  # noqa: BLE001
            # What another one wrote must not end the reading.
            _log.debug("a message was not understood", exc_info=True)
            return None

    def _handled(self, message: discord.Message, *, is_text: bool) -> None:
        is_new = message.id not in self._mark
        self._mark.add(message.id)
        # Compared, because another reader may have come and gone, or all were dropped.
        for waiting in (self._missed, self._live):
            if waiting and waiting[0] is message:
                waiting.popleft()
                if waiting is self._live:
                    self._live_ids.discard(message.id)
                break
        if not is_new:
            return
        self.dropped += not is_text
        self._unmarked += 1
        if is_text or self._unmarked >= _UNMARKED:
            self._write_mark()

    def _write_mark(self) -> None:
        self._unmarked = 0
        if self._marks is not None:
            self._marks.set(self._key, str(self._mark))

    @property
    def _key(self) -> str:
        return f"read {self._room}"
