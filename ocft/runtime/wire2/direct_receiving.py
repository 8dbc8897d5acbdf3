"""The receiver's end of the direct route of one epoch: asks, opens and writes what is missing.

Three threads share the work: one reads and opens, one writes, and the pump's own one syncs and
hashes. What was only read or written when the connection breaks, or the process is killed, comes
again: at most `MOST_UNSYNCED` and the buffers between.
"""

import asyncio
import logging
import queue
import threading
import time
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
from ocft.routes import Client, DirectClient, Place, connect
from ocft.runtime.wire2.direct import places_of, text_of
from ocft.runtime.wire2.direct_records import RecordReader
from ocft.runtime.wire2.own_thread import in_own_thread
from ocft.storage import ArrivingSet
from ocft.wire import DirectTicket

MOST_UNSYNCED: Final = 32 * 1024 * 1024
"""Bytes that may be written and not synced: what a cut costs at most (R-DIR-5)."""
_MOST_RANGES: Final = 200  # of one request
_PAUSES: Final = (0.1, 0.3, 1.0, 2.0, 4.0)  # seconds after failures that followed one another
_TRIES_BEFORE_DIALLING: Final = 2  # where there is another way
_VAIN_CALLS: Final = 2  # each is up to three texts
_SYNC_EVERY: Final = 8 * 1024 * 1024  # bytes, or
_SYNC_SECONDS: Final = 1.0  # where the line is slow

_log = logging.getLogger(__name__)


class Fetching:
    """Fetches one transfer.

    Args:
        ticket: The peer's; None: it can be reached by `dial` only.
        data_key: The epoch's.
        tag: The epoch's data tag.
        arriving: Where it is written.
        turns: Held while something is fetched: buffers and threads are not without limit.
        missing: Gives what is to be fetched now; nothing: ask again when something happened;
            None: no more.
        written: Called on the event loop when something is there to be synced.
        dial: Connects another way, once the ticket has led nowhere; None: there is none.
    """

    def __init__(
        self,
        ticket: DirectTicket | None,
        *,
        data_key: bytes,
        tag: bytes,
        arriving: ArrivingSet,
        turns: asyncio.Semaphore,
        missing: Callable[[], list[Range] | None],
        written: Callable[[], None],
        dial: Callable[[], Awaitable[Client]] | None = None,
    ) -> None:
        self._ticket = ticket
        self._data_key = data_key
        self._tag = tag
        self._arriving = arriving
        self._turns = turns
        self._missing = missing
        self._written = written
        self._dial = dial
        self._loop = asyncio.get_running_loop()
        self._client: Client | None = None
        self._connecting: asyncio.Future[Client] | None = None
        self._is_stopped = False
        self.look_again = asyncio.Event()
        """Set when what is missing may have changed."""
        self.has_synced = threading.Event()
        """Set when there may be room again for bytes that are not synced."""

    def stop(self) -> None:
        """End it, from the event loop; `run` returns soon."""
        self._is_stopped = True
        self.look_again.set()
        self.has_synced.set()
        if self._client is not None:
            self._client.cut()
        if self._connecting is not None:
            self._connecting.cancel()

    async def run(self) -> None:
        """Fetch until nothing is missing, or it cannot be done; then the channel carries the rest.

        Raises:
            StorageError: The disk refused.
        """
        async with self._turns:
            await self._run()

    async def _run(self) -> None:
        ticket, dial = self._ticket, self._dial
        places = await asyncio.to_thread(places_of, ticket) if ticket is not None else []
        if ticket is not None and places:
            tries = len(_PAUSES) if dial is None else _TRIES_BEFORE_DIALLING
            if await self._fetch_by(partial(_connect, ticket, places), tries):
                return
        if dial is not None:
            await self._fetch_by(dial, _VAIN_CALLS)

    async def _fetch_by(self, connect: Callable[[], Awaitable[Client]], tries: int) -> bool:
        """Fetch one way; return whether nothing is left to be done, after so many vain tries."""
        failures = 0
        while not self._is_stopped and failures < tries:
            before = self._arriving.written.total()
            try:
                await self._fetch_over(connect)
            except (ChannelError, MalformedMessageError, UnsealError) as error:
                _log.info("fetching directly: %s", error)
            else:
                return True
            failures = 0 if self._arriving.written.total() > before else failures + 1
            if not self._is_stopped and failures:
                await asyncio.sleep(_PAUSES[failures - 1])
        return self._is_stopped

    async def _fetch_over(self, connect: Callable[[], Awaitable[Client]]) -> None:
        client = await self._connected(connect)
        self._client = client
        try:
            reader = RecordReader(client, data_key=self._data_key, tag=self._tag)
            while not self._is_stopped and (missing := self._missing()) is not None:
                if missing:
                    read = partial(self._read, reader, missing[:_MOST_RANGES])
                    await in_own_thread(read, "ocft-direct-fetch")
                    self._written()
                else:
                    self.look_again.clear()
                    await self.look_again.wait()
        finally:
            self._client = None
            client.close()

    async def _connected(self, connect: Callable[[], Awaitable[Client]]) -> Client:
        self._connecting = asyncio.ensure_future(connect())
        try:
            return await self._connecting
        except asyncio.CancelledError:
            if not self._is_stopped:
                raise
            raise ChannelClosedError("It was stopped.") from None
        finally:
            self._connecting = None

    # In worker threads:

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
        unsynced, synced_at = 0, time.monotonic()
        while (one := waiting.get()) is not None:
            offset, data, buffer = one
            try:
                if not problems and not self._is_stopped:
                    self._arriving.write(offset, data)
                    unsynced += len(data)
                    now = time.monotonic()
                    if unsynced >= _SYNC_EVERY or now >= synced_at + _SYNC_SECONDS:
                        unsynced, synced_at = 0, now
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


async def _connect(ticket: DirectTicket, places: list[Place]) -> DirectClient:
    connection = await connect(places)
    address, port = connection.getpeername()[:2]
    return DirectClient(
        connection,
        place=(address, port),
        ticket_id=ticket.id.hex(),
        token=text_of(ticket.token),
    )
