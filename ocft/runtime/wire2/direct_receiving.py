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
from collections.abc import Callable
from functools import partial
from typing import Final

from ocft.errors import ChannelError, MalformedMessageError, StorageError, UnsealError
from ocft.ranges import Range
from ocft.routes import Client
from ocft.runtime.wire2.direct import PAUSES
from ocft.runtime.wire2.direct_records import RecordReader
from ocft.runtime.wire2.direct_ways import Ways
from ocft.runtime.wire2.own_thread import in_own_thread, start_thread
from ocft.storage import ArrivingSet

MOST_UNSYNCED: Final = 32 * 1024 * 1024
"""Bytes that may be written and not synced: what a cut costs at most (R-DIR-5)."""
_MOST_RANGES: Final = 200  # of one request
_SYNC_EVERY: Final = 8 * 1024 * 1024  # bytes, or
_SYNC_SECONDS: Final = 1.0  # where the line is slow
_AGAIN: Final = (30.0, 60.0, 120.0, 300.0)  # seconds after rounds of tries that were all in vain

_log = logging.getLogger(__name__)


class Fetching:
    """Fetches one transfer, or takes what is brought.

    Args:
        ways: Where connections come from.
        data_key: The epoch's.
        tag: The epoch's data tag.
        arriving: Where it is written.
        missing: Gives what is to be fetched now; nothing: ask again when something happened;
            None: no more.
        written: Called on the event loop when something is there to be synced.
    """

    def __init__(
        self,
        ways: Ways,
        *,
        data_key: bytes,
        tag: bytes,
        arriving: ArrivingSet,
        missing: Callable[[], list[Range] | None],
        written: Callable[[], None],
    ) -> None:
        self._ways = ways
        self._data_key = data_key
        self._tag = tag
        self._arriving = arriving
        self._missing = missing
        self._written = written
        self._loop = asyncio.get_running_loop()
        self._client: Client | None = None
        self._is_stopped = False
        self._came = 0  # bytes that were written; others come over the channel meanwhile
        self._unsynced = 0
        self._synced_at = time.monotonic()
        self.look_again = asyncio.Event()
        """Set when what is missing may have changed."""
        self.has_synced = threading.Event()
        """Set when there may be room again for bytes that are not synced."""

    def stop(self) -> None:
        """End it, from the event loop; `run` returns soon."""
        self._is_stopped = True
        self._ways.stop()
        self.look_again.set()
        self.has_synced.set()
        if self._client is not None:
            self._client.cut()

    async def run(self) -> None:
        """Fetch until nothing is missing; while it cannot be done the channel carries the rest.

        Raises:
            StorageError: The disk refused.
        """
        rounds = 0
        try:
            while not self._is_stopped:
                before = self._came
                async with self._ways.turn() as has_turn:
                    if not has_turn or await self._fetch_in_a_round():
                        return
                rounds = 1 if self._came > before else rounds + 1
                await self._ways.news_within(_AGAIN[min(rounds, len(_AGAIN)) - 1])
        finally:
            self.stop()  # also where this was cancelled: the threads are to end
            self._ways.close()

    async def _fetch_in_a_round(self) -> bool:
        """Return whether nothing is left to be done, after so many tries in vain."""
        await self._ways.begin_round()
        failures = 0
        while not self._is_stopped and failures < self._ways.most_failures:
            before = self._came
            try:
                await self._fetch_over(await self._ways.next(failures))
            except (ChannelError, MalformedMessageError, UnsealError) as error:
                _log.info("fetching directly: %s", error)
            else:
                return True
            failures = 0 if self._came > before else failures + 1
            if failures:
                await self._ways.news_within(PAUSES[failures - 1])
        return self._is_stopped

    async def _fetch_over(self, client: Client) -> None:
        self._client = client
        try:
            reader = RecordReader(client, data_key=self._data_key, tag=self._tag)
            while not self._is_stopped and (missing := self._missing()) is not None:
                if missing:
                    read = partial(self._read, reader, missing[:_MOST_RANGES])
                    try:
                        await in_own_thread(read, "ocft-direct-fetch")
                    finally:
                        self._written()
                else:
                    self.look_again.clear()
                    await self.look_again.wait()
        finally:
            self._client = None
            client.cut()
            client.close()

    # In worker threads:

    def _read(self, reader: RecordReader, ranges: list[Range]) -> None:
        waiting: queue.SimpleQueue[tuple[int, memoryview, memoryview] | None] = queue.SimpleQueue()
        problems: list[BaseException] = []
        writer = threading.Thread(
            target=self._write, args=(reader, waiting, problems), name="ocft-direct-disk"
        )
        start_thread(writer)

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
        while (one := waiting.get()) is not None:
            offset, data, buffer = one
            try:
                if not problems and not self._is_stopped:
                    self._arriving.write(offset, data)
                    self._came += len(data)
                    self._unsynced += len(data)
                    self._sync_if_due()
            except BaseException as error:  # noqa: BLE001 - the reader raises it
                problems.append(error)
            finally:
                reader.give_back(buffer)

    def _sync_if_due(self) -> None:
        now = time.monotonic()
        if self._unsynced < _SYNC_EVERY and now < self._synced_at + _SYNC_SECONDS:
            return
        self._unsynced, self._synced_at = 0, now
        try:
            self._loop.call_soon_threadsafe(self._written)
        except RuntimeError as error:  # the event loop is closed
            raise StorageError("The node was closed.") from error
        while (
            self._arriving.written.total() - self._arriving.stored.total() >= MOST_UNSYNCED
            and not self._is_stopped
        ):
            self.has_synced.wait(1.0)
            self.has_synced.clear()
