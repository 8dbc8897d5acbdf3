"""What a wire 2 machine asks to be done, and what it has to say.

Outputs are carried out in the order of their list. What leaves is asked for when there is room for
it (`next_to_send`), so that it is always the newest truth and nothing ever queues up.
"""

from dataclasses import dataclass, field

from ocft.wire import RangeAck


@dataclass(frozen=True, slots=True)
class WriteBytes:
    """Write bytes into the byte space; when they are synced and recorded, tell `stored`."""

    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReadManifest:
    """Read, check and record the manifest, which is stored now; answer with `manifest_known`."""


@dataclass(frozen=True, slots=True)
class PublishFiles:
    """Verify all files and give them their names; answer with `published`."""


ReceiverOutput = WriteBytes | ReadManifest | PublishFiles


@dataclass(frozen=True, slots=True)
class SayOffer:
    """Offer the files, in an epoch that is recorded first; every time with the same bytes."""

    epoch: int


@dataclass(frozen=True, slots=True)
class SayAccept:
    """Answer the offer of an epoch; the same answer every time."""

    epoch: int
    is_decided: bool
    limit: int


@dataclass(frozen=True, slots=True)
class SayAgain:
    """Ask for an offer in a new epoch: this one's keys are gone."""

    epoch: int


@dataclass(frozen=True, slots=True)
class SayReject:
    """Refuse the files."""

    epoch: int
    code: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class SayDone:
    """Confirm that all files are verified and have their names."""

    epoch: int


@dataclass(frozen=True, slots=True)
class SayStop:
    """Tell the peer that the transfer has ended without success."""

    epoch: int
    code: str
    is_recoverable: bool


@dataclass(frozen=True, slots=True)
class SayData:
    """Send bytes `[first, end)` of the byte space in the frame of this number."""

    number: int
    first: int
    end: int
    wants_ack: bool
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class SayBundle:
    """Send frames of data together, in one native file of the platform."""

    frames: tuple[SayData, ...]


@dataclass(frozen=True, slots=True)
class SayAck:
    """Send an ack in the frame of this number."""

    number: int
    ack: RangeAck


Say = SayOffer | SayAccept | SayAgain | SayReject | SayDone | SayStop | SayData | SayBundle | SayAck
