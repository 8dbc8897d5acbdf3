"""What wire 2's models have in common: strict, frozen, and no field that they do not know."""

from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from ocft.errors import MalformedMessageError
from ocft.ids import NodeId
from ocft.wire.cbor import decode_cbor, encode_cbor

_Model = TypeVar("_Model", bound="Wire2Model")


class Wire2Model(BaseModel):
    """A CBOR map of wire 2 (R-FRM-2); aliases are the names on the wire."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    def fields_on_wire(self) -> dict[str, Any]:
        """Return the map; what is not there has no key."""
        return self.model_dump(exclude_none=True)


Key = Annotated[bytes, Field(min_length=32, max_length=32)]
"""32 bytes: a key, a nonce, a digest or a proof."""


def _printable(name: NodeId) -> NodeId:
    if not name.isprintable():
        raise ValueError("a character that cannot be printed")
    return name


NodeName = Annotated[NodeId, Field(min_length=1, max_length=256), AfterValidator(_printable)]
"""What a node calls itself: people see it, so it has no controls and nothing that turns text."""

ListAsTuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
"""Lets a tuple come as CBOR's list, also where types are strict."""


def parse_fields(model: type[_Model], fields: dict[str, object]) -> _Model:
    """Return the model of a map from the wire.

    Raises:
        MalformedMessageError: A field is missing, unknown, null or not right; its value is not
            quoted.
    """
    if None in fields.values():
        raise MalformedMessageError("a field is null")
    try:
        message = model.model_validate(fields, by_alias=True, by_name=False)
    except ValidationError as error:
        raise MalformedMessageError(summary(error)) from None
    # A default is for us who make messages; on the wire there is one way to say a thing.
    if message.fields_on_wire().keys() != fields.keys():
        raise MalformedMessageError("a field is missing")
    return message


def decode_map(data: bytes, *, max_bytes: int, max_items: int) -> dict[str, object]:
    """Return a map of canonical CBOR; its keys are texts.

    Raises:
        MalformedMessageError: It is something else.
    """
    fields = decode_cbor(data, max_bytes=max_bytes, max_items=max_items)
    if not isinstance(fields, dict):
        raise MalformedMessageError("CBOR that is no map")
    return fields


def encode_model(model: Wire2Model) -> bytes:
    """Return a model as canonical CBOR."""
    return encode_cbor(model.fields_on_wire())


def summary(error: ValidationError) -> str:
    """Say which field is wrong and why, without quoting the peer's names and values."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "extra_forbidden":
        return "an unknown field"
    place = ".".join(str(step) for step in first["loc"]) or "message"
    return f"{place}: {first['msg']}"
