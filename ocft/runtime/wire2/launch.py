"""Makes the pump of a wire 2 transfer from its rows in the journal."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ocft.errors import SourceNotFoundError, StorageError, error_for
from ocft.ids import NodeId
from ocft.protocol import FrameReceiver, FrameSender, Patience
from ocft.ranges import RangeSet
from ocft.runtime.pump import Surroundings
from ocft.runtime.wire2.pump import Wire2
from ocft.runtime.wire2.receiving import FrameReceivePump
from ocft.runtime.wire2.sending import FrameSendPump
from ocft.storage import ArrivingSet, SourceSet, TransferRecord
from ocft.transfers import Direction, TransferInfo, TransferState
from ocft.wire import TransferOffer, digest_of

UNKNOWN_NAME: Final = ""
"""What files are called whose manifest has not come yet."""

AnyPump = FrameSendPump | FrameReceivePump


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLauncher:
    """Makes pumps of wire 2.

    Args:
        around: What all transfers share.
        wire: What all wire 2 transfers share.
        patience: How long to wait for what.
        partial_dir: Where part files are, on the file system of the download folder.
    """

    around: Surroundings
    wire: Wire2
    patience: Patience
    partial_dir: Path

    async def sending(self, record: TransferRecord) -> FrameSendPump:
        """Make the pump of an outgoing transfer that is to begin or to go on.

        Raises:
            SourceNotFoundError: A file is gone.
            SourceChangedError: A file is another one now.
        """
        manifest = self.around.journal.manifest(record.info.id)
        if manifest is None:
            raise SourceNotFoundError("What was to be sent is not recorded. Send it again.")
        files = SourceSet.open(manifest, self.around.journal.sources(record.info.id))
        try:
            # Each file is compared again when it is read; that of the first run was read just now.
            touched = await asyncio.to_thread(files.touched) if record.epoch else []
            for number in touched:
                await asyncio.to_thread(files.confirm, number)
            if touched:
                self.around.journal.save_sources(record.info.id, files.sources)
            record = replace(
                record,
                info=replace(record.info, wire="2"),
                manifest_size=len(manifest),
                manifest_digest=digest_of(manifest),
                offered_at=record.offered_at or self._next_offered_at(record.info.peer_id),
            )
            self.around.journal.save(record)
        except BaseException:
            files.close()
            raise
        return self._send_pump(record, files, TransferState.PENDING)

    def receiving(self, record: TransferRecord) -> FrameReceivePump:
        """Make the pump of an incoming transfer that is to begin or to go on.

        Raises:
            StorageError: The part file cannot be used.
        """
        arriving = None
        stored = RangeSet([(0, record.info.size + record.manifest_size)])
        if record.info.state is not TransferState.COMPLETED:
            arriving = self._open(record)
            stored = arriving.stored
        return self._receive_pump(record, arriving, stored)

    def ended(self, record: TransferRecord) -> AnyPump:
        """Make the pump that answers late messages of a transfer that has ended.

        Anybody in the room can make us do it again and again, so it reads no manifest.
        """
        info = record.info
        pump: AnyPump
        if info.direction is Direction.SEND:
            pump = self._send_pump(record, None, info.state)
        else:
            everything = RangeSet([(0, info.size + record.manifest_size)])
            pump = self._receive_pump(record, None, everything)
        if info.error is not None:
            pump.machine.error = error_for(info.error_code, info.error)
        pump.machine.is_resumable = info.is_resumable
        return pump

    def stopping(self, record: TransferRecord) -> AnyPump:
        """Make the pump of a transfer that is only to be told to stop."""
        if record.info.direction is Direction.SEND:
            return self._send_pump(record, None, TransferState.PENDING)
        info = replace(record.info, state=TransferState.TRANSFERRING)
        record = replace(record, info=info)
        try:
            arriving = self._open(record)
        except StorageError:  # to stop it takes no part file
            return self._receive_pump(record, None, RangeSet())
        return self._receive_pump(record, arriving, arriving.stored)

    def _send_pump(
        self,
        record: TransferRecord,
        files: SourceSet | None,
        state: TransferState,
    ) -> FrameSendPump:
        info = record.info
        digest = _manifest_digest(record)
        machine = FrameSender(
            transfer_id=info.id,
            peer_id=info.peer_id,
            size=info.size + record.manifest_size,
            manifest_size=record.manifest_size,
            manifest_digest=digest,
            path=info.local_path or "",
            name=info.filename,
            digest=info.digest,
            file_count=info.file_count,
            patience=self.patience,
            epoch=record.epoch,
            is_decided=record.is_decided,
            bytes_done=info.bytes_done,
            state=state,
        )
        return FrameSendPump(
            machine,
            record,
            files,
            manifest_digest=digest,
            around=self.around,
            wire=self.wire,
        )

    def _receive_pump(
        self, record: TransferRecord, arriving: ArrivingSet | None, stored: RangeSet
    ) -> FrameReceivePump:
        info = record.info
        state = info.state
        if state is TransferState.COMPLETING:  # what was to be done then is done again
            state = TransferState.TRANSFERRING
        machine = FrameReceiver(
            transfer_id=info.id,
            peer_id=info.peer_id,
            size=info.size + record.manifest_size,
            manifest_size=record.manifest_size,
            patience=self.patience,
            epoch=record.epoch,
            is_manifest_known=self.around.journal.has_manifest(info.id),
            stored=stored.copy(),
            state=state,
            largest_file=self.wire.files.ceiling if self.wire.files is not None else 0,
        )
        return FrameReceivePump(
            machine,
            record,
            arriving,
            manifest_digest=_manifest_digest(record),
            around=self.around,
            wire=self.wire,
        )

    def _open(self, record: TransferRecord) -> ArrivingSet:
        return ArrivingSet.open(self.around.journal, record, self.partial_dir)

    def _next_offered_at(self, peer_id: NodeId) -> int:
        """Return the time of an offer: now, but above all earlier ones to this peer (R-CTL-4)."""
        now_ms = int(self.around.wall_clock() * 1000)
        return max(now_ms, self.around.journal.latest_offer_to(peer_id) + 1)


def incoming_record(
    peer_id: NodeId, offer: TransferOffer, *, channel: str, now: float, state: TransferState
) -> TransferRecord:
    """Describe a wire 2 offer as a row for the journal; its name comes with the manifest."""
    info = TransferInfo(
        id=offer.transfer_id,
        direction=Direction.RECEIVE,
        state=state,
        peer_id=peer_id,
        filename=UNKNOWN_NAME,
        size=offer.size - offer.manifest_size,
        mime_type="application/octet-stream",
        digest=offer.manifest_digest.hex(),
        chunk_size=0,
        total_chunks=0,
        started_at=now,
        updated_at=now,
        wire="2",
        file_count=offer.file_count,
    )
    return TransferRecord(
        info=info,
        channel=channel,
        sender_repeats=True,
        offered_at=offer.offered_at,
        manifest_size=offer.manifest_size,
        manifest_digest=offer.manifest_digest.hex(),
    )


def _manifest_digest(record: TransferRecord) -> bytes:
    return bytes.fromhex(record.manifest_digest or record.info.digest)
