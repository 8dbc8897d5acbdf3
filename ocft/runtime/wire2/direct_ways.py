"""How a connection to a sender comes about: we make it, the sender does, or both (R-DIR-2, 7)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from ocft.errors import ChannelClosedError, ChannelError
from ocft.routes import Client, FetchConnection, Opened, Place, PushedConnection, connect
from ocft.runtime.wire2.direct import PAUSES, Direct, text_of
from ocft.wire import DirectTicket

_TRIES_BEFORE_DIALLING: Final = 2  # of plain connections
_VAIN_CALLS: Final = 2  # each is up to three texts
_HEAD_START: Final = 1.0  # seconds in which our own connection may make an invitation needless
_PEER_SECONDS: Final = 5.0  # in which the sender comes that was told where
_MOST_INVITATIONS: Final = 3  # of one round: they may be lost

_log = logging.getLogger(__name__)


class Ways:
    """The ways to the sender of one transfer, in one epoch.

    Args:
        direct: The node's direct route.
        ticket: The sender's; None: it cannot be connected to.
        invite: Tells the sender where it can bring the bytes; None: it would not come.
        dial: Calls the sender for a WebRTC line; None: there is none.
    """

    def __init__(
        self,
        direct: Direct,
        ticket: DirectTicket | None,
        *,
        invite: Callable[[DirectTicket], Awaitable[None]] | None,
        dial: Callable[[], Awaitable[Client]] | None,
    ) -> None:
        self._direct = direct
        self._ticket = ticket
        self._invite = invite
        self._dial = dial
        self._loop = asyncio.get_running_loop()
        self._places: list[Place] = []
        self._brought: PushedConnection | None = None  # by the peer, and not used yet
        self._opened: Opened | None = None  # where it can bring something
        self._invitation: DirectTicket | None = None
        self._invitations = 0  # of this round
        self._invited_at = 0.0
        self._has_news = asyncio.Event()  # of that, or of the end
        self._has_stopped = asyncio.Event()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """Wait for a turn, and hold it while connections are tried and used.

        Returns:
            Whether there is one: none if this was stopped, as others may keep theirs for hours.
        """
        taking = asyncio.ensure_future(self._direct.turns.acquire())
        stopping = asyncio.ensure_future(self._has_stopped.wait())
        try:
            await asyncio.wait((taking, stopping), return_when=asyncio.FIRST_COMPLETED)
            yield taking.done() and not self.is_stopped
        finally:
            stopping.cancel()
            if taking.done():
                self._direct.turns.release()
            else:
                taking.cancel()

    @property
    def is_stopped(self) -> bool:
        """Whether nothing more is tried."""
        return self._has_stopped.is_set()

    @property
    def most_failures(self) -> int:
        """How many vain tries there are in a round."""
        if self._dial is None:
            return len(PAUSES)
        return _VAIN_CALLS + (_TRIES_BEFORE_DIALLING if self._places or self._invite else 0)

    def stop(self) -> None:
        """Let nothing more be tried."""
        self._has_stopped.set()
        self._has_news.set()

    def close(self) -> None:
        """Let the sender come no more."""
        self.stop()
        if self._brought is not None:
            self._brought.close()
        if self._opened is not None:
            self._direct.end(self._opened)

    async def begin_round(self) -> None:
        """Look where the ticket leads: this machine's addresses may have changed."""
        self._invitations = 0
        if self._ticket is not None:
            self._places = await asyncio.to_thread(self._direct.places_of, self._ticket)

    async def next(self, failures: int) -> Client:
        """Return the first connection that comes about, ours or the sender's.

        Args:
            failures: How many tries have been in vain.

        Raises:
            ChannelError: There is none.
        """
        making = self._make(failures)
        waiting = asyncio.create_task(self.news_within(None))
        try:
            if making is not None:
                await _first((waiting, making), _HEAD_START)
            if not self._has_news.is_set() and not _is_made(making):
                await self._invite_meanwhile(waiting, making)
            if making is None:
                await _first((waiting,), _PEER_SECONDS)
            elif not making.done():
                await _first((waiting, making), None)
            brought, self._brought = self._brought, None
            if not self.is_stopped:
                self._has_news.clear()
            if brought is not None:
                return brought
            if making is None or not making.done():
                raise ChannelClosedError("The peer did not come.")
            made, making = making.result(), None
            return made
        finally:
            waiting.cancel()
            if making is not None:
                _abandon(making)

    async def news_within(self, seconds: float | None) -> None:
        """Wait until the sender has come, or it was stopped."""
        try:
            async with asyncio.timeout(seconds):
                await self._has_news.wait()
        except TimeoutError:
            return

    def _make(self, failures: int) -> "asyncio.Task[Client] | None":
        has_plain_way = bool(self._places) or self._invite is not None
        is_called = self._dial is not None and (
            not has_plain_way or failures >= _TRIES_BEFORE_DIALLING
        )
        if is_called and self._dial is not None:
            return asyncio.ensure_future(_awaited(self._dial()))
        if self._places and self._ticket is not None:
            return asyncio.create_task(_connected(self._places, self._ticket))
        return None

    async def _invite_meanwhile(
        self, waiting: "asyncio.Task[None]", making: "asyncio.Task[Client] | None"
    ) -> None:
        """Tell the sender; that takes as long as the channel likes, and may get needless."""
        inviting = asyncio.create_task(self._invite_again())
        try:
            while not (inviting.done() or waiting.done() or _is_made(making)):
                is_left = making is not None and not making.done()
                await _first((waiting, inviting, making if is_left else None), None)
            if inviting.done():
                inviting.result()
        finally:
            inviting.cancel()

    async def _invite_again(self) -> None:
        """Tell the sender where it can bring the bytes; again, as texts may be lost."""
        is_enough = self._invitations >= _MOST_INVITATIONS
        is_soon = self._invitations > 0 and self._loop.time() < self._invited_at + _PEER_SECONDS
        if self._invite is None or is_enough or is_soon:
            return
        if self._invitation is None:
            try:
                self._invitation, self._opened = await self._open()
            except OSError as error:
                _log.warning("nothing can be brought to this machine: %s", error)
                self._invite = None
                return
        self._invitations += 1
        try:
            await self._invite(self._invitation)
        except ChannelError as error:
            _log.info("the sender cannot be told where to bring the bytes: %s", error)
        self._invited_at = self._loop.time()

    async def _open(self) -> tuple[DirectTicket, Opened]:
        opening = asyncio.ensure_future(
            asyncio.to_thread(self._direct.open_to_bring, self._peer_came)
        )
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:  # the thread goes on, and the port would stay open
            opening.add_done_callback(self._close_again)
            raise

    def _close_again(self, opening: "asyncio.Future[tuple[DirectTicket, Opened]]") -> None:
        if not opening.cancelled() and opening.exception() is None:
            self._direct.end(opening.result()[1])

    def _take(self, brought: PushedConnection) -> None:
        former, self._brought = self._brought, None
        if former is not None:
            former.close()  # a sender that comes again has lost that one
        if self.is_stopped:
            brought.close()
            return
        self._brought = brought
        self._has_news.set()

    def _peer_came(self, brought: PushedConnection) -> None:
        """Take in, in another thread, that the sender has come."""
        try:
            self._loop.call_soon_threadsafe(self._take, brought)
        except RuntimeError:  # the event loop is closed
            brought.close()


async def _connected(places: list[Place], ticket: DirectTicket) -> Client:
    made, place = await connect(places)
    return FetchConnection(
        made, place=place, ticket_id=ticket.id.hex(), token=text_of(ticket.token)
    )


async def _awaited(work: Awaitable[Client]) -> Client:
    return await work


async def _first(
    tries: "tuple[asyncio.Task[None] | asyncio.Task[Client] | None, ...]", seconds: float | None
) -> None:
    there = [one for one in tries if one is not None]
    await asyncio.wait(there, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


def _is_made(making: "asyncio.Task[Client] | None") -> bool:
    if making is None or not making.done() or making.cancelled():
        return False
    return making.exception() is None


def _abandon(making: "asyncio.Task[Client]") -> None:
    """Let nothing remain of a try that is not needed any more."""

    def close(task: "asyncio.Task[Client]") -> None:
        if not task.cancelled() and task.exception() is None:
            task.result().close()

    making.add_done_callback(close)
    making.cancel()
