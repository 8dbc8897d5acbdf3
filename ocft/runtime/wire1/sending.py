"""The pump of a transfer that goes out: it reads the source."""

import asyncio
from dataclasses import replace
from typing import Final

from ocft.errors import OcftError, SourceChangedError
from ocft.events import Event, OfferSent, TransferSlow
from ocft.protocol import Output, ReadChunk, Sender
from ocft.runtime.estimate import WORTH_SAYING, seconds_by_text
from ocft.runtime.pump import Surroundings
from ocft.runtime.wire1.pump import ChunkPump
from ocft.storage import Source, TransferRecord

_ANSWER_SECONDS: Final = 1.0  # that a chat platform takes for a chunk and its ack


class SendPump(ChunkPump[Sender]):
    """One outgoing transfer.

    Args:
        machine: Its protocol side.
        record: Its row in the journal.
        source: The file, open; None when the transfer has ended and only late messages come.
        address: The peer's address on the channel.
        around: What all transfers share.
    """

    def __init__(
        self,
        machine: Sender,
        record: TransferRecord,
        source: Source | None,
        *,
        address: str,
        around: Surroundings,
    ) -> None:
        super().__init__(machine, record, address=address, around=around)
        self._source = source

    def start(self, *, is_resumed: bool, is_accepted: bool = False) -> None:
        """Begin or go on; see `Sender.start`."""
        info = self.record.info
        limits = self._around.outbox.limits
        seconds = seconds_by_text(info.total_chunks, limits, answer=_ANSWER_SECONDS)
        if limits.texts_per_second is not None and seconds >= WORTH_SAYING:
            self._tell(
                TransferSlow(
                    transfer_id=self.id,
                    peer_id=info.peer_id,
                    seconds=seconds,
                    texts=info.total_chunks,
                )
            )
        self.machine.start(self._around.clock(), is_resumed=is_resumed, is_accepted=is_accepted)
        self.settle()

    async def close(self) -> None:
        """Close the source."""
        if self._source is not None:
            self._source.close()

    def _tell(self, event: Event) -> None:
        # R-WIR-1: what is offered in 1.0 in the end was told when wire 2 was tried.
        if self.record.epoch == 0 or not isinstance(event, OfferSent):
            super()._tell(event)

    def _has_news(self) -> bool:
        machine, record = self.machine, self.record
        return (
            super()._has_news()
            or machine.keeps_chunks is not record.keeps_chunks
            or machine.accepted_at != record.accepted_at
        )

    def _with_machine_facts(self, record: TransferRecord) -> TransferRecord:
        machine = self.machine
        return replace(record, keeps_chunks=machine.keeps_chunks, accepted_at=machine.accepted_at)

    def _save_progress(self, now: float) -> None:
        self._around.journal.save_progress(self.id, self.machine.bytes_done, now)

    async def _carry_out(self, output: Output) -> None:
        if not isinstance(output, ReadChunk):
            await super()._carry_out(output)
        elif self._source is not None:
            try:
                data = await self._read(self._source, output)
            except OcftError as error:
                self.fail(error)
            else:
                self.machine.provide(output.index, data, self._around.clock())
                self.settle()
                database = self._around.journal.database
                if database.is_checkpoint_due:  # each ack is a commit, and the log grows by it
                    await asyncio.to_thread(database.checkpoint)

    async def _read(self, source: Source, output: ReadChunk) -> bytes:
        try:
            # On the event loop: a chunk is small and comes from the page cache or read-ahead.
            return source.read(output.offset, output.length)
        except SourceChangedError:
            # Perhaps it was only touched: the digest tells.
            await asyncio.to_thread(source.confirm, self.record.info.digest)
        self.record = replace(self.record, source=source.snapshot)
        self._around.journal.save(self.record)
        return source.read(output.offset, output.length)
