"""Control messages: what two nodes that share a root key say about transfers (protocol 2.4).

They are sealed, so they come from the peer or not at all; they are checked as strictly as
everything else, because the peer may be hostile too. None carries a name, content or a reason in
words (R-CTL-1).
"""

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from ocft.errors import MalformedMessageError
from ocft.ids import TransferId
from ocft.ranges import Range
from ocft.wire.bundles import MAX_BUNDLE
from ocft.wire.cbor import encode_cbor
from ocft.wire.manifest import MAX_FILES, MAX_MANIFEST
from ocft.wire.models import Key, ListAsTuple, Wire2Model, decode_map, parse_fields
from ocft.wire.varints import MAX_NUMBER

MAX_ACCEPT_RANGES: Final = 128
MAX_PLACES: Final = 8
"""Of a ticket for the direct route."""
MAX_CALLS: Final = 32
"""For a WebRTC line, in one epoch."""
MAX_WORDS: Final = 300
"""Characters of what an owner says with a refusal."""

_MAX_BYTES = 16 * 1024  # 128 ranges of two 9-byte numbers have 2,500
_MAX_ITEMS = 32 + 3 * MAX_ACCEPT_RANGES
_MAX_TIME = (1 << 53) - 1  # as in wire 1.0

_Number = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
_Code = Annotated[str, Field(pattern=r"\A[A-Z][A-Z0-9_]{0,63}\z")]
_Range = Annotated[tuple[_Number, _Number], ListAsTuple]


def _true(value: bool) -> bool:  # noqa: FBT001 - a validator's only argument
    if not value:
        raise ValueError("what is not so is not said")
    return value


_Yes = Annotated[bool, AfterValidator(_true)]
"""There or not; a Literal would take 1 for it."""


class _ControlModel(Wire2Model):
    kind: ClassVar[str]


class Welcome(_ControlModel):
    """The responder's word on the handshake."""

    kind: ClassVar[str] = "welcome"

    status: Literal["ok", "pending"]
    proof: Key | None = None


class _AboutTransfer(_ControlModel):
    transfer_id: Annotated[TransferId, Field(alias="transfer", pattern=r"\A[A-Za-z0-9_-]{1,64}\z")]
    epoch: Annotated[int, Field(ge=1, le=MAX_NUMBER)]


_Address = Annotated[bytes, Field(min_length=4, max_length=16)]
_Place = Annotated[tuple[_Address, Annotated[int, Field(ge=1024, le=65535)]], ListAsTuple]


class DirectTicket(Wire2Model):
    """Where a node can be reached around the channel, and what shows that one may."""

    id: Annotated[bytes, Field(min_length=8, max_length=8)]
    token: Annotated[Key, Field(repr=False)]
    places: Annotated[tuple[_Place, ...], ListAsTuple, Field(min_length=1, max_length=MAX_PLACES)]
    """Addresses, IPv4 in 4 bytes or IPv6 in 16, and ports."""

    @field_validator("places")
    @classmethod
    def _are_addresses(cls, places: tuple[tuple[bytes, int], ...]) -> tuple[tuple[bytes, int], ...]:
        if any(len(address) not in (4, 16) for address, _ in places):
            raise ValueError("an address that is none")
        return places


class TransferOffer(_AboutTransfer):
    """Files are offered, or, in a later epoch, offered again to go on."""

    kind: ClassVar[str] = "offer"

    ephemeral: Annotated[Key, Field(alias="eph")]
    size: Annotated[int, Field(ge=1, le=MAX_NUMBER)]
    """Bytes of the byte space: the manifest and all files."""
    file_count: Annotated[int, Field(alias="files", ge=1, le=MAX_FILES)]
    manifest_size: Annotated[int, Field(alias="manifest", ge=1, le=MAX_MANIFEST)]
    manifest_digest: Annotated[Key, Field(alias="digest")]
    offered_at: Annotated[int, Field(alias="at", ge=0, le=_MAX_TIME)]
    """Milliseconds since the epoch, on the sender's clock."""
    direct: DirectTicket | None = None
    """How the bytes can be had without the channel (R-DIR-1)."""
    pushes: _Yes | None = None
    """Whether the sender would bring them to where the receiver says (R-DIR-7)."""
    webrtc: _Yes | None = None
    """Whether the receiver may call for a WebRTC line (R-RTC-1)."""

    @model_validator(mode="after")
    def _manifest_is_inside(self) -> Self:
        if self.manifest_size > self.size:
            raise ValueError("a manifest larger than all of the byte space")
        return self


class TransferAccept(_AboutTransfer):
    """The receiver takes part in this epoch; what it has already, and how far may be sent."""

    kind: ClassVar[str] = "accept"

    ephemeral: Annotated[Key, Field(alias="eph")]
    is_decided: Annotated[bool, Field(alias="decided")]
    limit: _Number
    ranges: Annotated[tuple[_Range, ...], ListAsTuple, Field(max_length=MAX_ACCEPT_RANGES)]
    largest_file: Annotated[int | None, Field(alias="file", ge=1, le=MAX_BUNDLE)] = None
    """Bytes of the largest bundle that it takes; None: frames come as texts."""
    fetches: Annotated[_Yes | None, Field(alias="direct")] = None
    """Whether it will try to fetch what the offer says can be fetched (R-DIR-2)."""
    listens: _Yes | None = None
    """Whether it will say where the bytes can be brought (R-DIR-7)."""
    calls: Annotated[_Yes | None, Field(alias="webrtc")] = None
    """Whether it may call for a WebRTC line (R-RTC-1)."""

    @field_validator("ranges")
    @classmethod
    def _sorted_and_apart(cls, ranges: tuple[Range, ...]) -> tuple[Range, ...]:
        before = -1
        for first, end in ranges:
            if not before < first < end:
                raise ValueError("ranges that are empty, touch, or are not sorted")
            before = end
        return ranges


_LinePlace = Annotated[
    tuple[
        _Address,
        Annotated[int, Field(ge=1024, le=65535)],
        Annotated[int, Field(ge=0, le=2)],
    ],
    ListAsTuple,
]


class Signal(_AboutTransfer):
    """The receiver calls for a WebRTC line, or the sender answers its call (R-RTC-2)."""

    kind: ClassVar[str] = "signal"

    call: Annotated[int, Field(ge=1, le=MAX_CALLS)]
    """Which call of the epoch this is, or answers."""
    user: Annotated[str, Field(pattern=r"\A[A-Za-z0-9+/]{4,32}\z")]
    password: Annotated[str, Field(alias="pass", pattern=r"\A[A-Za-z0-9+/]{22,64}\z", repr=False)]
    fingerprint: Annotated[Key, Field(alias="print")]
    """SHA-256 of the certificate that this end will show."""
    places: Annotated[
        tuple[_LinePlace, ...], ListAsTuple, Field(min_length=1, max_length=MAX_PLACES)
    ]
    """Addresses, ports, and where each comes from: 0 the machine, 1 STUN, 2 TURN."""

    @field_validator("places")
    @classmethod
    def _are_addresses(
        cls, places: tuple[tuple[bytes, int, int], ...]
    ) -> tuple[tuple[bytes, int, int], ...]:
        if any(len(address) not in (4, 16) for address, _, _ in places):
            raise ValueError("an address that is none")
        return places


class TransferReject(_AboutTransfer):
    """The receiver does not want the files."""

    kind: ClassVar[str] = "reject"

    code: _Code
    words: Annotated[str, Field(min_length=1, max_length=MAX_WORDS)] | None = None
    """What the receiver's owner says about it (R-CTL-1): their text, to be escaped and shown."""


class OfferAgain(_AboutTransfer):
    """The receiver lost the keys of this epoch."""

    kind: ClassVar[str] = "again"


class BringDirectly(_AboutTransfer):
    """The receiver has decided, and can be reached (R-DIR-7)."""

    kind: ClassVar[str] = "bring"

    direct: DirectTicket


class TransferDone(_AboutTransfer):
    """All files are verified and have their names."""

    kind: ClassVar[str] = "done"

    manifest_digest: Annotated[Key, Field(alias="digest")]
    taken: Annotated[tuple[_Number, _Number], ListAsTuple] | None = None
    """How many files, and bytes of them, the receiver took; None: all (R-MAN-3)."""


class TransferStop(_AboutTransfer):
    """The transfer ends without success."""

    kind: ClassVar[str] = "stop"

    code: _Code
    is_recoverable: Annotated[bool, Field(alias="recoverable")]


Control = (
    Welcome
    | TransferOffer
    | TransferAccept
    | Signal
    | TransferReject
    | OfferAgain
    | BringDirectly
    | TransferDone
    | TransferStop
)

_MODELS: dict[object, type[Control]] = {
    model.kind: model
    for model in (
        Welcome,
        TransferOffer,
        TransferAccept,
        Signal,
        TransferReject,
        OfferAgain,
        BringDirectly,
        TransferDone,
        TransferStop,
    )
}


def pack_control(message: Control) -> bytes:
    """Return the map of a control message, to be sealed."""
    return encode_cbor({"t": message.kind} | message.fields_on_wire())


def unpack_control(data: bytes) -> Control:
    """Return what an opened CONTROL frame says.

    Raises:
        MalformedMessageError: It is not what `pack_control` writes.
    """
    fields = decode_map(data, max_bytes=_MAX_BYTES, max_items=_MAX_ITEMS)
    kind = fields.pop("t", None)
    model = _MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        raise MalformedMessageError("a control message of no known kind")
    return parse_fields(model, fields)
