"""Makes the pump of a wire 1.0 transfer from its row in the journal."""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from ocft.channels import ChannelLimits
from ocft.errors import MessageTooLongError, error_for
from ocft.ids import TransferId
from ocft.protocol import ChunkPlan, Patience, Receiver, Sender, chunk_size_for
from ocft.ranges import RangeSet
from ocft.runtime.pump import Surroundings
from ocft.runtime.wire1.receiving import ReceivePump, stored_chunks
from ocft.runtime.wire1.sending import SendPump
from ocft.runtime.wire2.trust import Trust
from ocft.storage import IncomingFile, Source, TransferRecord
from ocft.transfers import Direction, TransferInfo, TransferState
from ocft.wire import Message, Offer

_EXTENSION = "ocft"  # our key in an offer's metadata, the one place for extensions of wire 1.0
_REPEATS = "repeats"  # true: the sender repeats what gets no answer, so it need not be prodded


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLauncher:
    """Makes pumps of wire 1.0.

    Args:
        around: What all transfers share.
        trust: Whom we trust, for their secrets and addresses.
        limits: What the channel carries.
        chunk_size: Bytes of a chunk where the channel carries it.
        secret_ttl: How long an offer's secret counts; None for ever.
        patience: How long to wait for what.
        partial_dir: Where part files are, on the file system of the download folder.
    """

    around: Surroundings
    trust: Trust
    limits: ChannelLimits
    chunk_size: int
    secret_ttl: timedelta | None
    patience: Patience
    partial_dir: Path

    async def sending(self, record: TransferRecord) -> SendPump:
        """Make the pump of an outgoing transfer that is to begin or to go on.

        Raises:
            SourceNotFoundError: The file is gone.
            SourceChangedError: It is another file now.
            MessageTooLongError: The channel cannot carry even the smallest chunk.
        """
        source = Source.open(Path(record.info.local_path or ""))
        try:
            if source.snapshot != record.source:
                await asyncio.to_thread(source.confirm, record.info.digest)
                record = replace(record, source=source.snapshot)
            record = self._planned(record)
            self.around.journal.save(record)
        except BaseException:
            source.close()
            raise
        return self._send_pump(record, source, TransferState.PENDING)

    def receiving(self, record: TransferRecord) -> ReceivePump:
        """Make the pump of an incoming transfer that is to begin or to go on.

        Raises:
            StorageError: The part file cannot be used.
        """
        incoming = None
        if record.info.state is not TransferState.PENDING:
            incoming = self._open_file(record)
            record = self._recovered(record, incoming)
        if record.info.state is TransferState.COMPLETED:
            stored = _everything(record)
        elif incoming is not None:
            stored = stored_chunks(incoming, record)
        else:
            stored = RangeSet()
        return self._receive_pump(record, incoming, stored)

    def ended(self, record: TransferRecord) -> SendPump | ReceivePump:
        """Make the pump that answers late messages of a transfer that has ended."""
        info = record.info
        pump: SendPump | ReceivePump
        if info.direction is Direction.SEND:
            pump = self._send_pump(record, None, info.state)
        else:
            pump = self._receive_pump(record, None, _everything(record))
        if info.error is not None:
            pump.machine.error = error_for(info.error_code, info.error)
        pump.machine.is_resumable = info.is_resumable
        return pump

    def stopping(self, record: TransferRecord) -> SendPump | ReceivePump:
        """Make the pump of a transfer that is only to be told to stop; it opens no source."""
        if record.info.direction is Direction.SEND:
            return self._send_pump(record, None, TransferState.PENDING)
        info = replace(record.info, state=TransferState.TRANSFERRING)
        return self._receive_pump(replace(record, info=info), None, RangeSet())

    def _open_file(self, record: TransferRecord) -> IncomingFile:
        return IncomingFile.open(
            self.around.journal, record.info.id, self.partial_dir, record.info.size
        )

    def _planned(self, record: TransferRecord) -> TransferRecord:
        """Fill in the chunk size: only who drives the channel knows its limits."""
        info = replace(record.info, wire="1.0")
        if info.chunk_size:
            return replace(record, info=info)
        chunk_size = chunk_size_for(
            info.size,
            preferred=self.chunk_size,
            max_text=self.limits.max_text,
            measure=self.limits.unit.measure,
            sender=self.around.node_id,
            recipient=info.peer_id,
            transfer_id=info.id,
        )
        if chunk_size <= 0:
            raise MessageTooLongError(
                f"The channel carries texts of {self.limits.max_text} "
                f"{self.limits.unit.value}; that is too little for a single byte."
            )
        total = ChunkPlan(info.size, chunk_size).total
        return replace(record, info=replace(info, chunk_size=chunk_size, total_chunks=total))

    def _send_pump(
        self, record: TransferRecord, source: Source | None, state: TransferState
    ) -> SendPump:
        info = record.info
        machine = Sender(
            transfer_id=info.id,
            peer_id=info.peer_id,
            offer=self._our_offer(record),
            path=info.local_path or "",
            patience=self.patience,
            acknowledged=-(-info.bytes_done // info.chunk_size) if info.chunk_size else 0,
            keeps_chunks=record.keeps_chunks,
            accepted_at=record.accepted_at,
            state=state,
        )
        address = self.trust.address_of(info.peer_id)
        return SendPump(machine, record, source, address=address, around=self.around)

    def _receive_pump(
        self, record: TransferRecord, incoming: IncomingFile | None, stored: RangeSet
    ) -> ReceivePump:
        machine = Receiver(
            transfer_id=record.info.id,
            peer_id=record.info.peer_id,
            offer=_offer(record.info),
            sender_repeats=record.sender_repeats,
            patience=self.patience,
            state=record.info.state,
            stored=stored,
        )
        return ReceivePump(
            machine,
            record,
            incoming,
            open_file=lambda: self._open_file(record),
            address=self.trust.address_of(record.info.peer_id),
            around=self.around,
        )

    def _our_offer(self, record: TransferRecord) -> Offer:
        peer = self.trust.peers.find(record.info.peer_id)
        secret = peer.secret if peer is not None else ""
        expires_ms = None
        if self.secret_ttl is not None:
            expires = self.around.wall_clock() + self.secret_ttl.total_seconds()
            expires_ms = int(expires * 1000)
        return _offer(record.info).model_copy(
            update={
                "secret": secret or None,
                "secret_ttl": expires_ms,
                "metadata": {_EXTENSION: {_REPEATS: True}},
            }
        )

    def _recovered(self, record: TransferRecord, incoming: IncomingFile) -> TransferRecord:
        """Return the row as it is after all if a crash came between the file's name and us."""
        path = incoming.recover(record)
        if path is None:
            return record
        now = self.around.wall_clock()
        info = replace(
            record.info,
            state=TransferState.COMPLETED,
            bytes_done=record.info.size,
            local_path=str(path),
            completed_at=now,
            updated_at=now,
        )
        record = replace(record, info=info, owes_final_ack=True)
        self.around.journal.save(record)
        return record


def incoming_record(message: Message, offer: Offer, *, channel: str, now: float) -> TransferRecord:
    """Describe an offer as a row for the journal."""
    info = TransferInfo(
        id=TransferId(message.transfer_id),
        direction=Direction.RECEIVE,
        state=TransferState.PENDING,
        peer_id=message.sender,
        filename=offer.filename,
        size=offer.size,
        mime_type=offer.mime_type,
        digest=offer.hash,
        chunk_size=offer.chunk_size,
        total_chunks=offer.total_chunks,
        started_at=now,
        updated_at=now,
        wire="1.0",
    )
    extension = (offer.metadata or {}).get(_EXTENSION)
    repeats = isinstance(extension, dict) and extension.get(_REPEATS) is True
    return TransferRecord(info=info, channel=channel, sender_repeats=repeats)


def _offer(info: TransferInfo) -> Offer:
    return Offer(
        filename=info.filename,
        size=info.size,
        mime_type=info.mime_type,
        hash=info.digest,
        chunk_size=max(info.chunk_size, 1),
        total_chunks=info.total_chunks,
    )


def _everything(record: TransferRecord) -> RangeSet:
    return RangeSet([(0, record.info.total_chunks)])
