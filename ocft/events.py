"""What happened, as facts: the arguments of listeners and the lines of `--json`.

An event's name is its class in kebab case (`OfferReceived` is "offer-received"), the same in
Python, in NDJSON and in logs. The first eleven are wire 1.0's; a test compares the list with the
documentation.
"""

import re
from dataclasses import dataclass, field

from ocft.ids import NodeId, TransferId


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact about one transfer, or about a text that was not taken."""

    transfer_id: TransferId
    """The transfer that it is about; empty when a text could not be read at all."""
    peer_id: NodeId
    """The node at the other end, or whoever sent the text."""
    at: float = 0.0
    """When it happened, in seconds since the epoch."""

    @property
    def name(self) -> str:
        """The event's name for `on()`, NDJSON and logs."""
        return event_name(type(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferSent(Event):
    """A file was offered to a peer."""

    filename: str
    """The name as offered."""
    size: int
    """Bytes of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferReceived(Event):
    """A peer offers a file; unless it is accepted automatically it waits for a decision."""

    filename: str
    """The name as offered: the peer's text, see `TransferInfo.filename`."""
    size: int
    """Bytes of the file, as offered."""
    mime_type: str
    """The type, as offered."""
    is_automatic: bool
    """Whether it is accepted without asking (secret or trust)."""
    files: tuple[str, ...] = ()
    """The names of the first hundred files; empty where there is one only, `filename`."""
    file_count: int = 1
    """Number of files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAccepted(Event):
    """We accepted a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferRejected(Event):
    """One side refused the file."""

    reason: str
    """Why, in the refusing side's words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferStarted(Event):
    """The peer accepted; the first chunk is on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferSlow(Event):
    """A transfer that begins will take long, because the platform counts texts."""

    seconds: float
    """How long at least, at the channel's pace."""
    texts: int
    """How many texts have to be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResumed(Event):
    """A transfer goes on after a restart, or because it was asked to."""

    bytes_done: int
    """Bytes that need not be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkSent(Event):
    """A chunk left."""

    index: int
    """Number of the chunk, from 0."""
    is_repeat: bool
    """Whether this chunk had been sent before in this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkReceived(Event):
    """A chunk was verified and stored."""

    index: int
    """Number of the chunk, from 0."""
    bytes_done: int
    """Bytes stored so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AckReceived(Event):
    """The receiver has a chunk on disk."""

    index: int
    """Number of the chunk, from 0."""
    bytes_done: int
    """Bytes acknowledged so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferCompleted(Event):
    """The file is whole and verified on the receiving side."""

    path: str
    """Where this node has the file."""
    size: int
    """Bytes of the file, or of the files that were taken."""
    digest: str
    """SHA-256 in lower-case hex."""
    files_taken: int | None = None
    """Of several files, how many were taken; None: all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFailed(Event):
    """A transfer ended without success."""

    code: str
    """The error's code, see `ocft.errors`."""
    reason: str
    """What went wrong, in words."""
    is_resumable: bool
    """Whether `resume_transfer` can go on from what is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferCancelled(Event):
    """One side stopped the transfer."""

    reason: str
    """Why, in the words of the side that stopped it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferProgress(Event):
    """How far a transfer is; at most a few a second, whatever the speed."""

    bytes_done: int
    """Bytes acknowledged (sending) or stored (receiving)."""
    size: int
    """Bytes of the files."""
    bytes_sent: int = 0
    """Sending in wire 2: bytes that have left, of which some may be on their way; acks come late
    where texts are scarce. Otherwise 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageIgnored(Event):
    """A text with our marker was not acted upon; nothing changed."""

    reason: str
    """Why, as one word: malformed, not-for-us, echo, wrong-author, unknown-transfer, unexpected,
    busy, replay, not-proved, fingerprint-changed, not-allowed, unknown-handshake."""
    detail: str = field(default="", repr=False)
    """More words for a log; may quote the peer, never a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRefused(Event):
    """What a peer offered was refused without asking; no transfer came of it, or none goes on."""

    size: int
    """Bytes of the files, as offered."""
    code: str
    """Why: an error's code, or another word such as NOT_ALLOWED, DAILY_LIMIT or BUSY."""
    reason: str
    """Why, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRequested(Event):
    """A stranger asks to be trusted and waits for the owner; `transfer_id` is empty."""

    author: str
    """The account that it writes from, by the platform's word."""
    fingerprint: str
    """The identity that it proved, as people compare it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalAwaited(Event):
    """A peer's owner has not approved this node yet; `transfer_id` is empty."""

    fingerprint: str
    """Our own identity, as that person compares it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPaired(Event):
    """A pairing code did its work: both sides know each other now; `transfer_id` is empty."""

    peer_name: str
    """What the peer is called here."""
    fingerprint: str
    """Its identity, as people compare it."""


def event_name(event_type: type[Event]) -> str:
    """Return the name of an event class: `OfferReceived` is "offer-received"."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", event_type.__name__).lower()


EVENTS: dict[str, type[Event]] = {
    event_name(event_type): event_type
    for event_type in (
        OfferSent,
        OfferReceived,
        TransferAccepted,
        TransferRejected,
        TransferStarted,
        TransferResumed,
        ChunkSent,
        ChunkReceived,
        AckReceived,
        TransferCompleted,
        TransferFailed,
        TransferCancelled,
        TransferProgress,
        TransferSlow,
        MessageIgnored,
        OfferRefused,
        TrustRequested,
        ApprovalAwaited,
        PeerPaired,
    )
}
"""Every event by its name."""
