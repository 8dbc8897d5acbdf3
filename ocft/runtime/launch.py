"""Makes the pump of a transfer, of the wire that it travels on.

The same way for a new transfer, after a restart, and for one that has ended and whose peer has not
heard of it yet.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ocft.channels import ChannelLimits
from ocft.errors import PeerTooOldError, TrustExpiredError
from ocft.protocol import Patience
from ocft.runtime.fleet import AnyPump
from ocft.runtime.pump import Surroundings
from ocft.runtime.wire1 import ChunkLauncher, ReceivePump, SendPump
from ocft.runtime.wire2 import FrameLauncher, FrameReceivePump, FrameSendPump, Sealing, Trust
from ocft.storage import TransferRecord
from ocft.transfers import TransferState


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """Makes pumps.

    Args:
        chunks: Makes those of wire 1.0.
        frames: Makes those of wire 2; None where only 1.0 is spoken.
        trust: Says which wire a peer speaks.
    """

    chunks: ChunkLauncher
    frames: FrameLauncher | None
    trust: Trust

    @property
    def around(self) -> Surroundings:
        """What all transfers share."""
        return self.chunks.around

    async def sending(self, record: TransferRecord) -> SendPump | FrameSendPump:
        """Make the pump of an outgoing transfer that is to begin or to go on.

        Raises:
            SourceNotFoundError: A file is gone.
            SourceChangedError: A file is another one now.
            MessageTooLongError: The channel cannot carry even the smallest chunk.
            PeerTooOldError: The peer takes single files only, or nothing that may be said to it.
            TrustExpiredError: The trust in the peer has ended.
        """
        info = record.info
        peer = self.trust.peers.find(info.peer_id)
        if peer is not None and self.trust.peer(info.peer_id) is None:
            raise TrustExpiredError(f"The trust in {info.peer_id} has ended; extend it.")
        if self.trust.is_too_old(info.peer_id):
            raise PeerTooOldError(
                f"{info.peer_id} speaks only wire 1.0, which is not allowed: the files would "
                f"travel readable. Its software has to be updated; or allow it: "
                f"`ocft peers limit {info.peer_id} --wire-1`, and allow_wire_1 in the settings."
            )
        if self.frames is not None and not self._is_for_wire_1(record):
            return await self.frames.sending(record)
        if info.file_count != 1:
            raise PeerTooOldError(
                f"{info.peer_id} speaks wire 1.0 only, which carries one file at a time. "
                "Send the files one by one."
            )
        return await self.chunks.sending(record)

    def receiving(self, record: TransferRecord) -> ReceivePump | FrameReceivePump:
        """Make the pump of an incoming transfer that is to begin or to go on.

        Raises:
            StorageError: The part file cannot be used.
        """
        if self.frames is not None and record.info.wire == "2":
            return self.frames.receiving(record)
        return self.chunks.receiving(record)

    def stopping(self, record: TransferRecord) -> AnyPump:
        """Make the pump of a transfer that is only to be told to stop; it opens no source."""
        # A transfer that never began belongs to no wire: without an offer nobody needs to be told.
        if self.frames is not None and record.info.wire != "1.0":
            return self.frames.stopping(record)
        return self.chunks.stopping(record)

    def _is_for_wire_1(self, record: TransferRecord) -> bool:
        info = record.info
        if info.state is TransferState.PENDING and info.wire != "1.0":
            return self.trust.is_known_as_wire_1(info.peer_id)
        return info.wire == "1.0" and self.trust.may_use_wire_1(info.peer_id)


def make_launcher(
    around: Surroundings,
    *,
    trust: Trust,
    sealing: Sealing | None,
    limits: ChannelLimits,
    chunk_size: int,
    secret_ttl: timedelta | None,
    patience: Patience,
    partial_dir: Path,
) -> Launcher:
    """Return what makes the pumps of both wires.

    Args:
        around: What all transfers share.
        trust: Whom this node trusts.
        sealing: What wire 2 needs; None where only 1.0 is spoken.
        limits: What the channel carries.
        chunk_size: Bytes of a wire 1.0 chunk where the channel carries it.
        secret_ttl: How long a wire 1.0 offer's secret counts; None for ever.
        patience: How long to wait for what.
        partial_dir: Where part files are, on the file system of the download folder.
    """
    chunks = ChunkLauncher(
        around=around,
        trust=trust,
        limits=limits,
        chunk_size=chunk_size,
        secret_ttl=secret_ttl,
        patience=patience,
        partial_dir=partial_dir,
    )
    frames = None
    if sealing is not None:
        frames = FrameLauncher(
            around=around, wire=sealing.wire, patience=patience, partial_dir=partial_dir
        )
    return Launcher(chunks=chunks, frames=frames, trust=trust)
