"""Unsigned numbers as LEB128 in the shortest form, below 2^63 (protocol 2)."""

from typing import Final

from ocft.errors import MalformedMessageError

MAX_NUMBER: Final = (1 << 63) - 1
_MAX_BYTES = 9
_MORE = 0x80  # the bit of a byte that another one follows


def pack_varint(number: int) -> bytes:
    """Return a number as bytes, its lowest seven bits first.

    Raises:
        ValueError: The number is below 0 or above `MAX_NUMBER`.
    """
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"{number} is no number of the wire")
    if number < _MORE:
        return bytes((number,))
    packed = bytearray()
    while number >= _MORE:
        packed.append(number & 0x7F | _MORE)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def unpack_varint(data: bytes, place: int) -> tuple[int, int]:
    """Return the number at a place, and the place after it.

    Raises:
        MalformedMessageError: It is cut off, too long, or not in its shortest form (R-FRM-2).
    """
    number = 0
    for count, byte in enumerate(data[place : place + _MAX_BYTES]):
        number |= (byte & 0x7F) << 7 * count
        if byte < _MORE:
            if count and not byte:
                raise MalformedMessageError("a number is longer than it has to be")
            return number, place + count + 1
    raise MalformedMessageError("a number is cut off or too large")
