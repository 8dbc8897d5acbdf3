"""The messages of the handshake and of pairing: frames that nobody has a key for yet.

Maps of canonical CBOR (protocol 2.2 and 2.7). Their fields are called here as on the wire, except
that `from` is `sender` and `to` is `recipient`. Of keys, signatures and seals only the lengths are
checked.
"""

from typing import Annotated, Final, Self

from pydantic import Field, field_validator, model_validator

from ocft.wire.cbor import encode_cbor
from ocft.wire.frame_types import FrameType
from ocft.wire.models import (
    Key,
    ListAsTuple,
    NodeName,
    Wire2Model,
    decode_map,
    encode_model,
    parse_fields,
)

WIRE_2: Final = 2
"""What a HELLO's `v` names."""

_MAX_BYTES = 8 * 1024  # a REPLY between two ids of 256 emoji has 4,800
_MAX_ITEMS = 64
# Which optional fields each step of pairing has (protocol 2.7).
_STEPS = {
    1: {"spake"},
    2: {"recipient", "spake", "mac"},
    3: {"recipient", "sealed"},
    4: {"recipient", "sealed"},
}

# 32 bytes of Ed25519 and 1,216 of MLKEM768-X25519
_Identity = Annotated[bytes, Field(min_length=1248, max_length=1248)]
# the encapsulated key (1,120), 32 bytes, and AES-256-GCM's tag (16)
_SealedSecret = Annotated[bytes, Field(min_length=1168, max_length=1168)]
_Signature = Annotated[bytes, Field(min_length=64, max_length=64)]
_Sender = Annotated[NodeName, Field(alias="from")]
_Recipient = Annotated[NodeName, Field(alias="to")]
_PerhapsRecipient = Annotated[NodeName | None, Field(alias="to")]


class Hello(Wire2Model):
    """A node wants to talk wire 2 with another one."""

    v: Annotated[tuple[Annotated[int, Field(ge=WIRE_2, le=255)], ...], ListAsTuple] = Field(
        default=(WIRE_2,), max_length=8
    )
    """The wires that the sender speaks, ascending; ours is among them."""
    sender: _Sender
    recipient: _Recipient
    nonce: Key
    id: _Identity
    eph: Key

    @field_validator("v")
    @classmethod
    def _has_ours(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if WIRE_2 not in value or list(value) != sorted(set(value)):
            raise ValueError("the wires are not ascending, or wire 2 is not among them")
        return value


class Reply(Wire2Model):
    """The answer to a HELLO: identity, and proof that it is held."""

    sender: _Sender
    recipient: _Recipient
    hello: Key
    nonce: Key
    id: _Identity
    eph: Key
    ct: _SealedSecret
    sig: _Signature


class Finish(Wire2Model):
    """The initiator's proof that it holds its identity, and perhaps that it knows our secret."""

    sender: _Sender
    recipient: _Recipient
    reply: Key
    ct: _SealedSecret
    sig: _Signature
    mac: Key
    proof: Key | None = None


class Pair(Wire2Model):
    """One of the four steps of pairing with a code."""

    n: Annotated[int, Field(ge=1, le=999)]
    """The code's number, which is no secret."""
    sender: _Sender
    recipient: _PerhapsRecipient = None
    step: Annotated[int, Field(ge=1, le=4)]
    spake: Annotated[bytes | None, Field(min_length=32, max_length=64)] = None
    mac: Key | None = None
    sealed: Annotated[bytes | None, Field(min_length=17, max_length=4096)] = None

    @model_validator(mode="after")
    def _fields_of_the_step(self) -> Self:
        optional = ("recipient", "spake", "mac", "sealed")
        if {name for name in optional if getattr(self, name) is not None} != _STEPS[self.step]:
            raise ValueError("not the fields of this step of pairing")
        return self


Handshake = Hello | Reply | Finish | Pair

_MODELS: dict[int, type[Hello | Reply | Finish | Pair]] = {
    FrameType.HELLO: Hello,
    FrameType.REPLY: Reply,
    FrameType.FINISH: Finish,
    FrameType.PAIR: Pair,
}
_TYPES = {model: frame_type for frame_type, model in _MODELS.items()}


def pack_handshake(message: Handshake) -> bytes:
    """Return the frame of a message: its type and its map."""
    return bytes((_TYPES[type(message)],)) + encode_model(message)


def parse_handshake(frame: bytes) -> Handshake:
    """Return the message of a frame whose first byte is one of these types.

    Raises:
        MalformedMessageError: It is not what `pack_handshake` writes.
    """
    fields = decode_map(frame[1:], max_bytes=_MAX_BYTES, max_items=_MAX_ITEMS)
    return parse_fields(_MODELS[frame[0]], fields)


def unsigned_reply(reply: Reply) -> bytes:
    """Return what a REPLY's `sig` stands for: its map without that field."""
    return _without(reply, "sig")


def unsigned_finish(finish: Finish) -> bytes:
    """Return what a FINISH's `sig` stands for: its map without `sig`, `mac` and `proof`."""
    return _without(finish, "sig", "mac", "proof")


def _without(message: Wire2Model, *names: str) -> bytes:
    fields = message.fields_on_wire()
    return encode_cbor({name: value for name, value in fields.items() if name not in names})
