"""Values <-> CBOR, in the one form that a canonical encoder writes (R-FRM-2).

Peers see bytes of the same map (they hash them), so there must be one way to write it. The decoder
first walks over the heads of all items, without making any value: sizes, kinds, depth and number of
items are known before the library decodes. Then it encodes what came out: if that is not what came
in, something was longer than it has to be, out of order, or there twice.
"""

from typing import Final

import cbor2

from ocft.errors import MalformedMessageError

MAX_DEPTH: Final = 8
"""Lists and maps inside each other."""

_BYTES, _TEXT, _LIST, _MAP, _TAG = 2, 3, 4, 5, 6  # below are numbers, above simple values
_SIMPLE_VALUES = (0xF4, 0xF5, 0xF6)  # false, true, null
_INLINE = 24  # smaller arguments are in the head itself
_LONGEST_ARGUMENT = 27  # 8 bytes; above are reserved and indefinite lengths


def encode_cbor(value: object) -> bytes:
    """Return the canonical CBOR of maps with text keys, lists, texts, bytes, integers, and so on.

    Args:
        value: Without floats; `decode_cbor` takes none.
    """
    return cbor2.dumps(value, canonical=True)


def decode_cbor(data: bytes, *, max_bytes: int, max_items: int) -> object:
    """Return what some CBOR says.

    Args:
        data: One item and nothing after it.
        max_bytes: The most that is looked at.
        max_items: How many values, keys and containers there can be.

    Raises:
        MalformedMessageError: It is too large, or not what `encode_cbor` writes.
    """
    if len(data) > max_bytes:
        raise MalformedMessageError(f"{len(data)} bytes of CBOR; {max_bytes} are the most")
    _check_heads(data, max_items)
    try:
        value: object = cbor2.loads(data)
        is_canonical = encode_cbor(value) == data
    # The library's errors are of three kinds, and of others where it has a fault.
    except (cbor2.CBORError, ValueError, TypeError, OverflowError) as error:
        raise MalformedMessageError(f"no CBOR ({type(error).__name__})") from None
    if not is_canonical:
        raise MalformedMessageError("CBOR in another form than the canonical one")
    return value


def _check_heads(data: bytes, max_items: int) -> None:
    """Refuse all that could cost much, or that the wire has no use for, in one linear walk."""
    place = 0
    items = 0
    missing, in_map = 1, False  # of the innermost container; a map misses its keys too
    outer: list[tuple[int, bool]] = []
    while missing or outer:
        if not missing:
            missing, in_map = outer.pop()
            continue
        items += 1
        if items > max_items:
            raise MalformedMessageError("CBOR has too many items")
        kind, length, place = _read_head(data, place)
        if in_map and not missing & 1 and kind != _TEXT:
            raise MalformedMessageError("a key in CBOR is no text")
        missing -= 1
        if kind in (_LIST, _MAP):
            outer.append((missing, in_map))
            if len(outer) > MAX_DEPTH:
                raise MalformedMessageError("CBOR is nested too deep")
            missing, in_map = (length, False) if kind == _LIST else (2 * length, True)
        else:
            place += length
    if place != len(data):
        raise MalformedMessageError("bytes are left over after CBOR")


def _read_head(data: bytes, place: int) -> tuple[int, int, int]:
    """Return the kind of the item at a place, its length, and the place after its head.

    The length of a text or byte string is in bytes, that of a container in items, or pairs of them;
    a number or a simple value has none.
    """
    if place >= len(data):
        raise MalformedMessageError("CBOR is cut off")
    head = data[place]
    place += 1
    kind, length = head >> 5, head & 31
    if kind >= _TAG:
        if head not in _SIMPLE_VALUES:
            raise MalformedMessageError("CBOR with a tag, a float or a strange value")
        return kind, 0, place
    if length >= _INLINE:
        if length > _LONGEST_ARGUMENT:
            raise MalformedMessageError("CBOR of indefinite length")
        end = place + (1 << length - _INLINE)
        length = int.from_bytes(data[place:end], "big")
        place = end
    if kind < _BYTES:
        return kind, 0, place
    # Each item has at least one byte, so no container has more items than bytes are left.
    if length > len(data) - place:
        raise MalformedMessageError("CBOR is cut off")
    return kind, length, place
