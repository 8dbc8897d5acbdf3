"""The pump of a transfer that comes in: it writes pieces, syncs them in groups, names the file."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from ocft.errors import OcftError, StorageError
from ocft.protocol import Notify, Output, PublishFile, Receiver, Send, WriteChunk
from ocft.ranges import RangeSet
from ocft.runtime.pump import Surroundings
from ocft.runtime.wire1.pump import ChunkPump
from ocft.storage import IncomingFile, TransferRecord
from ocft.transfers import TransferState
from ocft.wire import FINAL_ACK, Ack

_T = TypeVar("_T")

_log = logging.getLogger(__name__)
_GROUP_BYTES = 8 * 1024 * 1024  # data is synced when so much waits for it
_GROUP_SECONDS = 2.0  # or when some has waited for so long


class ReceivePump(ChunkPump[Receiver]):
    """One incoming transfer.

    Args:
        machine: Its protocol side.
        record: Its row in the journal.
        incoming: The file being received; None before it is accepted and after its end.
        open_file: Opens it, when the offer is accepted.
        address: The peer's address on the channel.
        around: What all transfers share.
    """

    def __init__(
        self,
        machine: Receiver,
        record: TransferRecord,
        incoming: IncomingFile | None,
        *,
        open_file: Callable[[], IncomingFile],
        address: str,
        around: Surroundings,
    ) -> None:
        super().__init__(machine, record, address=address, around=around)
        self._incoming = incoming
        self._open_file = open_file
        self._sync: asyncio.Task[None] | None = None
        self._working: set[asyncio.Task[Any]] = set()  # threads that use the file
        self._has_stored = record.info.bytes_done > 0

    @property
    def is_undecided(self) -> bool:
        """Whether it waits for a decision."""
        return self.machine.state is TransferState.PENDING

    @property
    def expected_bytes(self) -> int:
        """Bytes that are still to come."""
        return self.record.info.size - self.machine.bytes_done if self._incoming else 0

    def offered(self, timestamp: int, *, is_automatic: bool) -> None:
        """Take in the offer that began the transfer.

        Args:
            timestamp: The offer's, in ms on the sender's clock.
            is_automatic: Whether to accept it at once.

        Raises:
            StorageError: The part file cannot be used.
        """
        if is_automatic:
            self._open()
        now = self._around.clock()
        self.machine.offered(now, timestamp=timestamp, is_automatic=is_automatic)
        self.settle()

    def accept(self) -> None:
        """Decide to take the file.

        Raises:
            UnexpectedMessageError: It was decided before.
            StorageError: The part file cannot be used.
        """
        if self._incoming is None and self.is_undecided:
            self._open()
        self.machine.accept(self._around.clock())
        self.settle()

    def reject(self, reason: str) -> None:
        """Decide not to take the file.

        Raises:
            UnexpectedMessageError: It was decided before.
        """
        self.machine.reject(reason, self._around.clock())
        self.settle()

    def resume(self) -> None:
        """Go on after a restart."""
        self.machine.resume(self._around.clock())
        self.settle()

    async def close(self) -> None:
        """Close the file: what is stored is made durable, or forgotten if it has no future."""
        if self._working:
            await asyncio.wait(self._working)
        has_no_future = self.machine.state.is_final and not self.machine.is_resumable
        if self._incoming is None and has_no_future and self._is_unwanted():
            self._open()  # an interrupted transfer that was given up
        incoming = self._incoming
        if incoming is None:
            return
        try:
            await self._finish_sync()
            if has_no_future:
                incoming.discard()
            elif incoming.unsynced_bytes:
                await asyncio.to_thread(incoming.sync, incoming.begin_sync())
        except StorageError as error:
            _log.warning("%s: not synced: %s", self.id, error)
        finally:
            incoming.close()

    def _is_unwanted(self) -> bool:
        return self._has_stored and self.machine.state is not TransferState.COMPLETED

    def _open(self) -> None:
        self._incoming = self._open_file()
        self.machine.restore(stored_chunks(self._incoming, self.record))

    def _with_machine_facts(self, record: TransferRecord) -> TransferRecord:
        # Rows are written when the state changes, so a file that was just saved owes its ack.
        return replace(record, owes_final_ack=self.machine.state is TransferState.COMPLETED)

    def _make_durable(self, output: Output | Notify) -> bool:
        if not isinstance(output, WriteChunk) or self._incoming is None:
            return False
        now = self._around.clock()
        try:
            self._incoming.store(
                output.offset, output.data, output.digest, self._around.wall_clock()
            )
        except StorageError as error:
            if not self.machine.state.is_final:
                self.machine.fail(error, now, is_resumable=True)
        else:
            self.machine.written(output.index, now)
        return True

    async def _carry_out(self, output: Output) -> None:
        match output:
            case PublishFile():
                await self._publish()
            case Send(payload):
                await self._keep_up()
                has_left = await self._send(payload)
                is_final = isinstance(payload, Ack) and payload.index == FINAL_ACK
                if has_left and is_final and self.record.owes_final_ack:
                    self.record = replace(self.record, owes_final_ack=False)
                    self._around.journal.save(self.record)
            case _:
                await super()._carry_out(output)

    async def _publish(self) -> None:
        incoming, info = self._incoming, self.record.info
        if incoming is None:
            return
        try:
            await self._finish_sync()
            path = await self._in_thread(
                incoming.finish, info.digest, self._around.download_dir, info.filename
            )
        except OcftError as error:
            self.fail(error, is_resumable=isinstance(error, StorageError))
            return
        self._incoming = None  # it closed itself
        self._around.journal.forget_pieces(self.id)
        self.record = replace(self.record, info=replace(info, local_path=str(path)))
        self.machine.published(str(path), self._around.clock())
        self.settle()

    # Syncing in groups: a power cut costs at most what was not synced.

    def _wake_up_at(self) -> float | None:
        moments = (super()._wake_up_at(), self._sync_due_at())
        return min((moment for moment in moments if moment is not None), default=None)

    def _on_time(self) -> None:
        due_at = self._sync_due_at()
        if due_at is not None and due_at <= self._around.clock():
            self._start_sync()
        super()._on_time()

    def _sync_due_at(self) -> float | None:
        """Return when data that waits is to be synced, on the event loop's clock."""
        if self._incoming is None or (self._sync is not None and not self._sync.done()):
            return None
        oldest = self._incoming.oldest_unsynced_at
        if oldest is None:
            return None
        age = self._around.wall_clock() - oldest  # below 0 when the wall clock went back
        return self._around.clock() + max(0.0, _GROUP_SECONDS - max(age, 0.0))

    async def _keep_up(self) -> None:
        """Before an answer leaves, start a sync that is due, and wait for a disk that is slow."""
        if self._incoming is None or self._incoming.unsynced_bytes < _GROUP_BYTES:
            return
        if self._sync is None:
            self._start_sync()
        elif self._sync.done() or self._incoming.unsynced_bytes >= 2 * _GROUP_BYTES:
            await self._finish_sync()

    def _start_sync(self) -> None:
        if self._incoming is not None:
            pieces = self._incoming.begin_sync()
            self._sync = asyncio.create_task(asyncio.to_thread(self._incoming.sync, pieces))
            self._working.add(self._sync)
            self._sync.add_done_callback(self._working.discard)

    async def _finish_sync(self) -> None:
        if self._sync is not None:
            running, self._sync = self._sync, None
            await asyncio.shield(running)

    async def _in_thread(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Do something in a thread; `close` waits for it even if nobody else does any more."""
        task = asyncio.create_task(asyncio.to_thread(work, *arguments))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await asyncio.shield(task)


def stored_chunks(incoming: IncomingFile, record: TransferRecord) -> RangeSet:
    """Return the chunks that are stored whole; the file knows byte ranges."""
    size, chunk_size = record.info.size, record.info.chunk_size
    chunks = RangeSet()
    for first, end in incoming.ranges:
        last = record.info.total_chunks if end >= size else end // chunk_size
        chunks.add(-(-first // chunk_size), last)
    return chunks
