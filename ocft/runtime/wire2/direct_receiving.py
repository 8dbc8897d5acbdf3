"""The receiver's end of the direct route of one epoch: asks, opens and writes what is missing.

Three threads share the work: one reads and opens, one writes, and the pump's own one syncs and
hashes. What was only read or written when the connection breaks, or the process is killed, comes
again: at most `MOST_UNSYNCED` and the buffers between.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

from ocft.errors import ChannelError, MalformedMessageError, StorageError, UnsealError
from ocft.ranges import Range
from ocft.routes import DirectClient, Place, connect
from ocft.runtime.wire2.direct import places_of, text_of
from ocft.runtime.wire2.direct_records import RecordReader
from ocft.storage import ArrivingSet
from ocft.wire import DirectTicket

MOST_UNSYNCED: Final = 32 * 1024 * 1024
"""Bytes that may be written and not synced: what a cut costs at most (R-DIR-5)."""
_MOST_RANGES: Final = 200  # of one request
_PAUSES: Final = (0.1, 0.3, 1.0, 2.0, 4.0)  # seconds after failures that followed one another
_SYNC_EVERY: Final = 8 * 1024 * 1024  # bytes

_log = logging.getLogger(__name__)


class Fetching:
    """Fetches one transfer.

    Args:
        ticket: The peer's.
        data_key: The epoch's.
        tag: The epoch's data tag.
        arriving: Where it is written.
        turns: Held while something is fetched: buffers and threads are not without limit.
        missing: Gives what is to be fetched now; nothing: ask again when something happened;
            None: no more.
        written: Called on the event loop when something is there to be synced.
    """

    def __init__(
        self,
        ticket: DirectTicket,
        *,
        data_key: bytes,
        tag: bytes,
        arriving: ArrivingSet,
        turns: asyncio.Semaphore,
        missing: Callable[[], list[Range] | None],
        written: Callable[[], None],
    ) -> None:
        self._ticket = ticket
        self._data_key = data_key
        self._tag = tag
        self._arriving = arriving
        self._turns = turns
        self._missing = missing
        self._written = written
        self._loop = asyncio.get_running_loop()
        self._client: DirectClient | None = None
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

    async def run(self) -> None:
        """Fetch until nothing is missing, or it cannot be done; then the channel carries the rest.

        Raises:
            StorageError: The disk refused.
        """
        async with self._turns:
            await self._run()

    async def _run(self) -> None:
        failures = 0
        places = await asyncio.to_thread(places_of, self._ticket)
        while not self._is_stopped and places and failures < len(_PAUSES):
            before = self._arriving.written.total()
            try:
                await self._fetch_over(places)
            except (ChannelError, MalformedMessageError, UnsealError) as error:
                _log.info("fetching directly: %s", error)
            else:
                return
            failures = 0 if self._arriving.written.total() > before else failures + 1
            if not self._is_stopped and failures:
                await asyncio.sleep(_PAUSES[failures - 1])

    async def _fetch_over(self, places: list[Place]) -> None:
        connection = await connect(places)
        address, port = connection.getpeername()[:2]
        client = DirectClient(
            connection,
            place=(address, port),
            ticket_id=self._ticket.id.hex(),
            token=text_of(self._ticket.token),
        )
        self._client = client
        try:
            reader = RecordReader(client, data_key=self._data_key, tag=self._tag)
            while not self._is_stopped and (missing := self._missing()) is not None:
                if missing:
                    await self._in_thread(partial(self._read, reader, missing[:_MOST_RANGES]))
                    self._written()
                else:
                    self.look_again.clear()
                    await self.look_again.wait()
        finally:
            self._client = None
            client.close()

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """Work in a thread of its own: the shared ones are few, and syncing needs one of them."""
        done: asyncio.Future[None] = self._loop.create_future()

        def tell(error: BaseException | None) -> None:
            if not done.done():
                done.set_result(None) if error is None else done.set_exception(error)

        def run() -> None:
            error: BaseException | None = None
            try:
                work()
            except BaseException as problem:  # noqa: BLE001 - it is raised where it is awaited
                error = problem
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(tell, error)

        threading.Thread(target=run, name="ocft-direct-fetch", daemon=True).start()
        await done

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
