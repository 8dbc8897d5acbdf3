"""The receiver's end of the direct route of one epoch: asks, opens and writes what is missing.

Either we connect to the sender, or it connects to us; whichever connection is there first is used.

Three threads share the work: one reads and opens, one writes, and the pump's own one syncs and
hashes. What was only read or written when the connection breaks, or the process is killed, comes
again: at most `MOST_UNSYNCED` and the buffers between.
"""

import asyncio
import logging
import queue
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from ocft.errors import (
    ChannelClosedError,
    ChannelError,
    MalformedMessageError,
    StorageError,
    UnsealError,
)
from ocft.ranges import Range
from ocft.routes import (
    DirectConnection,
    FetchConnection,
    Opened,
    Place,
    PushedConnection,
    connect,
)
from ocft.runtime.wire2.apart import work_apart
from ocft.runtime.wire2.direct import PAUSES, Direct, places_of, text_of
from ocft.runtime.wire2.direct_records import RecordReader
from ocft.storage import ArrivingSet
from ocft.wire import DirectTicket

MOST_UNSYNCED: Final = 32 * 1024 * 1024
"""Bytes that may be written and not synced: what a cut costs at most (R-DIR-5)."""
_MOST_RANGES: Final = 200  # of one request
_PEER_SECONDS: Final = 15.0  # in which the sender comes that was told where
_HEAD_START: Final = 1.0  # seconds in which our own connection may make an invitation needless
_INVITE_EVERY: Final = 5.0  # seconds, if nobody comes
_MOST_INVITATIONS: Final = 3
_SYNC_EVERY: Final = 8 * 1024 * 1024  # bytes

_log = logging.getLogger(__name__)


class Fetching:
    """Fetches one transfer, or lets it be brought.

    Args:
        direct: The node's direct route.
        ticket: The peer's; None: it cannot be connected to.
        invite: Tells the peer where it can bring the bytes; None: it would not come.
        data_key: The epoch's.
        tag: The epoch's data tag.
        arriving: Where it is written.
        missing: Gives what is to be fetched now; nothing: ask again when something happened;
            None: no more.
        written: Called on the event loop when something is there to be synced.
    """

    def __init__(
        self,
        direct: Direct,
        ticket: DirectTicket | None,
        invite: Callable[[DirectTicket], Awaitable[None]] | None,
        *,
        data_key: bytes,
        tag: bytes,
        arriving: ArrivingSet,
        missing: Callable[[], list[Range] | None],
        written: Callable[[], None],
    ) -> None:
        self._direct = direct
        self._ticket = ticket
        self._invite = invite
        self._data_key = data_key
        self._tag = tag
        self._arriving = arriving
        self._missing = missing
        self._written = written
        self._loop = asyncio.get_running_loop()
        self._connection: DirectConnection | None = None
        self._brought: PushedConnection | None = None  # by the peer, and not used yet
        self._invitation: DirectTicket | None = None
        self._invitations = 0
        self._invited_at = -_INVITE_EVERY
        self._has_news = asyncio.Event()  # of that, or of the end
        self._is_stopped = False
        self.look_again = asyncio.Event()
        """Set when what is missing may have changed."""
        self.has_synced = threading.Event()
        """Set when there may be room again for bytes that are not synced."""

    def stop(self) -> None:
        """End it, from the event loop; `run` returns soon."""
        self._is_stopped = True
        self._has_news.set()
        self.look_again.set()
        self.has_synced.set()
        if self._connection is not None:
            self._connection.cut()

    async def run(self) -> None:
        """Fetch until nothing is missing, or it cannot be done; then the channel carries the rest.

        Raises:
            StorageError: The disk refused.
        """
        async with self._direct.turns:
            if self._is_stopped:
                return
            opened = await self._open()
            try:
                await self._run()
            finally:
                self._is_stopped = True
                if self._brought is not None:
                    self._brought.close()
                if opened is not None:
                    self._direct.end(opened)

    async def _open(self) -> Opened | None:
        if self._invite is None:
            return None
        try:
            self._invitation, opened = await asyncio.to_thread(
                self._direct.open_to_bring, self._peer_came
            )
        except OSError as error:
            _log.warning("nothing can be brought to this machine: %s", error)
            return None
        return opened

    async def _run(self) -> None:
        failures = 0
        places = await asyncio.to_thread(places_of, self._ticket) if self._ticket else []
        pauses = PAUSES if self._invitation is None else (*PAUSES, _PEER_SECONDS)
        while (places or self._invitation) and failures < len(pauses) and not self._is_stopped:
            before = self._arriving.written.total()
            try:
                await self._fetch_over(await self._next_connection(places))
            except (ChannelError, MalformedMessageError, UnsealError) as error:
                _log.info("fetching directly: %s", error)
            else:
                return
            failures = 0 if self._arriving.written.total() > before else failures + 1
            if failures and places:  # else there was a pause already
                await self._news_within(pauses[failures - 1])

    async def _next_connection(self, places: list[Place]) -> DirectConnection:
        """Return the first connection that there is, ours or the peer's.

        Raises:
            ChannelError: There is none.
        """
        connecting = asyncio.create_task(connect(places)) if places else None
        waiting = asyncio.create_task(self._news_within(_PEER_SECONDS))
        tries = {waiting} if connecting is None else {waiting, connecting}
        try:
            if places or self._invitations:
                await asyncio.wait(tries, timeout=_HEAD_START, return_when=asyncio.FIRST_COMPLETED)
            if self._brought is None and not _is_made(connecting):
                await self._invite_if_due()
            if connecting is None or not connecting.done():
                await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
            brought, self._brought = self._brought, None
            if brought is not None:
                return brought
            if connecting is None or not connecting.done() or self._ticket is None:
                raise ChannelClosedError("The peer did not come.")
            made, connecting = connecting.result(), None
            return self._made(made, self._ticket)
        finally:
            waiting.cancel()
            if connecting is not None:
                _abandon(connecting)

    async def _invite_if_due(self) -> None:
        """Tell the peer where it can bring the bytes; also again, as texts may be lost."""
        now = self._loop.time()
        is_due = now >= self._invited_at + _INVITE_EVERY and self._invitations < _MOST_INVITATIONS
        if self._invite is not None and self._invitation is not None and is_due:
            self._invitations += 1
            self._invited_at = now
            await self._invite(self._invitation)

    def _made(self, made: socket.socket, ticket: DirectTicket) -> FetchConnection:
        address, port = made.getpeername()[:2]
        return FetchConnection(
            made,
            place=(address, port),
            ticket_id=ticket.id.hex(),
            token=text_of(ticket.token),
        )

    async def _news_within(self, seconds: float) -> None:
        """Wait until the peer has come, or it was stopped."""
        try:
            async with asyncio.timeout(seconds):
                await self._has_news.wait()
        except TimeoutError:
            return

    async def _fetch_over(self, connection: DirectConnection) -> None:
        self._connection = connection
        if not self._is_stopped:
            self._has_news.clear()
        try:
            reader = RecordReader(connection, data_key=self._data_key, tag=self._tag)
            while not self._is_stopped and (missing := self._missing()) is not None:
                if missing:
                    read = partial(self._read, reader, missing[:_MOST_RANGES])
                    await work_apart(read, "ocft-direct-fetch")
                    self._written()
                else:
                    self.look_again.clear()
                    await self.look_again.wait()
        finally:
            self._connection = None
            connection.close()

    def _take(self, brought: PushedConnection) -> None:
        if self._is_stopped or self._brought is not None:
            brought.close()
            return
        self._brought = brought
        self._has_news.set()

    # In worker threads:

    def _peer_came(self, brought: PushedConnection) -> None:
        try:
            self._loop.call_soon_threadsafe(self._take, brought)
        except RuntimeError:  # the event loop is closed
            brought.close()

    def _read(self, reader: RecordReader, ranges: list[Range]) -> None:
        waiting: queue.SimpleQueue[tuple[int, memoryview, memoryview] | None] = queue.SimpleQueue()
        problems: list[BaseException] = []
        writer = threading.Thread(
            target=self._write, args=(reader, waiting, problems), name="ocft-direct-disk"
        )
        writer.start()

        def take(offset: int, data: memoryview, buffer: memoryview) -> None:
            waiting.put((offset, data, buffer))
            if problems:
                raise problems[0]

        try:
            reader.read(ranges, take)
        finally:
            waiting.put(None)
            writer.join()
        if problems:
            raise problems[0]

    def _write(
        self,
        reader: RecordReader,
        waiting: "queue.SimpleQueue[tuple[int, memoryview, memoryview] | None]",
        problems: list[BaseException],
    ) -> None:
        unsynced = 0
        while (one := waiting.get()) is not None:
            offset, data, buffer = one
            try:
                if not problems and not self._is_stopped:
                    self._arriving.write(offset, data)
                    unsynced += len(data)
                    if unsynced >= _SYNC_EVERY:
                        unsynced = 0
                        self._sync()
            except StorageError as error:
                problems.append(error)
            finally:
                reader.give_back(buffer)

    def _sync(self) -> None:
        self._loop.call_soon_threadsafe(self._written)
        while (
            self._arriving.written.total() - self._arriving.stored.total() >= MOST_UNSYNCED
            and not self._is_stopped
        ):
            self.has_synced.wait(1.0)
            self.has_synced.clear()


def _is_made(connecting: "asyncio.Task[socket.socket] | None") -> bool:
    is_done = connecting is not None and connecting.done() and not connecting.cancelled()
    return is_done and connecting is not None and connecting.exception() is None


def _abandon(connecting: "asyncio.Task[socket.socket]") -> None:
    """Let nothing remain of a try to connect that is not needed any more."""

    def close(task: "asyncio.Task[socket.socket]") -> None:
        if not task.cancelled() and task.exception() is None:
            task.result().close()

    connecting.add_done_callback(close)
    connecting.cancel()
