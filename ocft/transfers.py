"""What is known about a transfer, as plain data: the same on both sides and in the journal."""

from dataclasses import dataclass
from enum import Enum

from ocft.ids import NodeId, TransferId


class TransferState(Enum):
    """Where a transfer stands; the values are wire 1.0's words."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    TRANSFERRING = "transferring"
    COMPLETING = "completing"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself; a failed transfer may still be resumed."""
        return self in _FINAL


_FINAL = frozenset(
    {
        TransferState.COMPLETED,
        TransferState.REJECTED,
        TransferState.FAILED,
        TransferState.CANCELLED,
    }
)


class Direction(Enum):
    """Which way the file moves, seen from this node; the values are wire 1.0's words."""

    SEND = "send"
    RECEIVE = "receive"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferInfo:
    """A snapshot of one transfer; it does not change when the transfer goes on."""

    id: TransferId
    """The id that both sides use."""
    direction: Direction
    """Whether this node sends or receives the file."""
    state: TransferState
    """Where the transfer stands."""
    peer_id: NodeId
    """The node at the other end."""
    filename: str
    """The name as offered; of several files, what they are called together. It is the peer's text:
    escape it before showing it, and never use it as a path (`local_path` is the safe one)."""
    size: int
    """Bytes of the whole file, or of all files together (wire 2: without the manifest), also of
    those that are not wanted."""
    mime_type: str
    """The type as offered; a hint, never verified."""
    digest: str
    """SHA-256 of the whole file, or of wire 2's manifest, in lower-case hex."""
    chunk_size: int
    """Wire 1.0: bytes of each chunk but the last."""
    total_chunks: int
    """Wire 1.0: number of chunks; 0 for an empty file."""
    bytes_done: int = 0
    """Bytes acknowledged by the receiver (sending) or stored (receiving). What need not be sent,
    because it is not wanted or is there already, counts as if it had come."""
    started_at: float = 0.0
    """When the offer was made or arrived, in seconds since the epoch."""
    updated_at: float = 0.0
    """When the state or the progress changed last, in seconds since the epoch."""
    completed_at: float | None = None
    """When the transfer was completed, in seconds since the epoch."""
    error_code: str | None = None
    """The `code` of the error that ended it, see `ocft.errors`."""
    error: str | None = None
    """What went wrong, in words."""
    local_path: str | None = None
    """Sending: the file that is sent. Receiving: where the file was saved, once it is complete."""
    is_resumable: bool = False
    """Whether `resume_transfer` can go on from what is stored."""
    wire: str | None = None
    """Which wire it travels on: "1.0" or "2"; None while that is not known."""
    file_count: int = 1
    """Number of files that are offered."""
    files_taken: int | None = None
    """How many of the files the receiver took, with those that it had already; None: all of them.
    A sender knows it when the transfer is completed."""
    bytes_taken: int | None = None
    """Bytes of the files that were taken; None: of all of them."""
