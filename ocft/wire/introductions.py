"""What both sides of a pairing tell each other under seal: who they are (R-PAI-1)."""

from typing import Annotated

from pydantic import Field

from ocft.wire.models import Wire2Model, decode_map, encode_model, parse_fields

MAX_NAME = 64
"""Characters of a name that a node gives itself."""

_MAX_BYTES = 2048


class Introduction(Wire2Model):
    """A node's public identity and what it calls itself."""

    id: Annotated[bytes, Field(min_length=1248, max_length=1248)]
    name: Annotated[str, Field(max_length=MAX_NAME)]
    """May be empty. It is the peer's text: checked before it is used, escaped when it is shown."""


def pack_introduction(introduction: Introduction) -> bytes:
    """Return the bytes to seal."""
    return encode_model(introduction)


def unpack_introduction(data: bytes) -> Introduction:
    """Return what was sealed.

    Raises:
        MalformedMessageError: It is no introduction.
    """
    return parse_fields(Introduction, decode_map(data, max_bytes=_MAX_BYTES, max_items=8))
