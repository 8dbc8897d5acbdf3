"""Wire 1.0: the envelope and its seven payloads, strict about types and bounds.

Field names on the wire are camelCase (docs/protocol.md section 1); in Python they are snake_case.
Fields that wire 1.0 does not know are ignored, so that a later version can add some; everything
else that is not exactly right is a :exc:`~ocft.errors.MalformedMessageError` in `codec`. Bounds
here keep numbers and names representable; what a node is willing to accept is decided elsewhere.
"""

import binascii
from enum import Enum
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializeAsAny,
    Strict,
    ValidationInfo,
    field_validator,
)
from pydantic.alias_generators import to_camel

from ocft.ids import NodeId, TransferId

WIRE_1_VERSION = "1.0"
FINAL_ACK = -1
"""The `index` of the ack that answers `complete`."""

MAX_SAFE_INTEGER = 2**53 - 1  # what JSON numbers carry exactly in JavaScript nodes
MAX_CHUNKS = 2**31 - 1


def _decode_base64(value: object) -> bytes:
    if isinstance(value, bytes):  # made by us, not parsed
        return value
    if not isinstance(value, str):
        raise ValueError("data must be a base64 string")  # noqa: TRY004 - pydantic wants ValueError
    try:
        data = binascii.a2b_base64(value, strict_mode=True)
    except ValueError as error:
        raise ValueError("data is not canonical base64") from error
    # strict_mode lets non-zero spare bits pass (`QR==` for `QQ==`); only the last group has them.
    if (spare := len(data) % 3) and _encode_base64(data[-spare:]) != value[-4:]:
        raise ValueError("data is not canonical base64")
    return data


def _encode_base64(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


Base64Bytes = Annotated[
    bytes, PlainValidator(_decode_base64), PlainSerializer(_encode_base64, return_type=str)
]
Digest = Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]
"""SHA-256 in lower-case hex, as every 1.0 node writes and compares it."""

_Count = Annotated[int, Field(ge=0, le=MAX_CHUNKS)]
_Text = Annotated[str, Field(max_length=1 << 20)]


class MessageType(Enum):
    """The `type` of an envelope."""

    OFFER = "offer"
    ACCEPT = "accept"
    REJECT = "reject"
    CHUNK = "chunk"
    ACK = "ack"
    COMPLETE = "complete"
    ERROR = "error"


class _WireModel(BaseModel):
    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class Payload(_WireModel):
    """What one type of message carries."""

    type: ClassVar[MessageType]


class Offer(Payload):
    """A file is offered. Contradictions between the fields are the receiver's to refuse."""

    type: ClassVar[MessageType] = MessageType.OFFER

    filename: Annotated[str, Field(min_length=1, max_length=4096)]
    size: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
    mime_type: Annotated[str, Field(max_length=255)]
    hash: Digest
    chunk_size: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
    total_chunks: _Count
    secret: Annotated[str | None, Field(max_length=1024, repr=False)] = None
    """The receiver's secret, readable by all in the chat; wire 2 never sends one."""
    secret_ttl: Annotated[int | None, Field(alias="secretTTL")] = None
    """When the offer's secret stops counting, in milliseconds since the epoch."""
    resume_from: _Count | None = None
    metadata: dict[str, Any] | None = None
    """A free object: the one place for extensions of wire 1.0."""


class Accept(Payload):
    """The receiver wants the file, from chunk `resume_from` on."""

    type: ClassVar[MessageType] = MessageType.ACCEPT

    ready: bool
    resume_from: _Count | None = None


class Reject(Payload):
    """The receiver does not want the file."""

    type: ClassVar[MessageType] = MessageType.REJECT

    reason: _Text


class Chunk(Payload):
    """One piece of the file with its own digest."""

    type: ClassVar[MessageType] = MessageType.CHUNK

    index: _Count
    data: Annotated[Base64Bytes, Field(repr=False)]
    hash: Digest


class Ack(Payload):
    """The receiver has chunk `index` on disk, or (`received` false) wants it again.

    `index` -1 is the final ack: whether the whole file was saved.
    """

    type: ClassVar[MessageType] = MessageType.ACK

    index: Annotated[int, Field(ge=FINAL_ACK, le=MAX_CHUNKS)]
    received: bool
    error: _Text | None = None


class Complete(Payload):
    """All chunks were sent; the receiver answers with the final ack."""

    type: ClassVar[MessageType] = MessageType.COMPLETE

    total_chunks: _Count
    hash: Digest


class Error(Payload):
    """The transfer ends without success."""

    type: ClassVar[MessageType] = MessageType.ERROR

    code: Annotated[str, Field(max_length=255)]
    message: _Text
    recoverable: bool


PAYLOADS: dict[MessageType, type[Payload]] = {
    payload.type: payload for payload in (Offer, Accept, Reject, Chunk, Ack, Complete, Error)
}


class Message(_WireModel):
    """One wire 1.0 message: the envelope with a payload of its type."""

    version: Annotated[str, Field(pattern=r"\A1\.0\z")]
    type: Annotated[MessageType, Strict(strict=False)]
    transfer_id: Annotated[TransferId, Field(pattern=r"\A[A-Za-z0-9_-]{1,64}\z")]
    sender: Annotated[NodeId, Field(alias="from", min_length=1, max_length=256)]
    recipient: Annotated[NodeId, Field(alias="to", min_length=1, max_length=256)]
    timestamp: Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
    """Milliseconds since the epoch, on the sender's clock."""
    payload: SerializeAsAny[Payload]

    @field_validator("payload", mode="plain")
    @classmethod
    def _payload_of_the_type(cls, value: object, info: ValidationInfo) -> Payload:
        """Validate the payload as the model that `type` names, not as whatever fits."""
        message_type = info.data.get("type")
        if message_type is None:  # the type is already reported as wrong
            raise ValueError("payload of an unknown type")
        model = PAYLOADS[message_type]
        if isinstance(value, model):
            return value
        return model.model_validate(value, by_alias=True, by_name=False)


def make_message(
    payload: Payload,
    *,
    transfer_id: TransferId,
    sender: NodeId,
    recipient: NodeId,
    timestamp: int,
) -> Message:
    """Put a payload into its envelope.

    Args:
        payload: One of the seven.
        transfer_id: The transfer that it belongs to.
        sender: This node.
        recipient: The node that it is for.
        timestamp: Milliseconds since the epoch.
    """
    return Message(
        version=WIRE_1_VERSION,
        type=payload.type,
        transfer_id=transfer_id,
        sender=sender,
        recipient=recipient,
        timestamp=timestamp,
        payload=payload,
    )
